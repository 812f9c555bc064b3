//! What a policy was made of that nobody confirmed. Its sources are as they were written, and a unit that looks at them
//! would bring it again.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use super::{NEW, PublishError, State, open, rename};
use crate::policy::Policy;
use crate::source::system_bundles;
use crate::store::{self, SourceRow, StoreError};

/// The end of the record's name.
const UNCONFIRMED: &str = ".unconfirmed";

/// The sources that made the difference between a policy that nobody confirmed and the one that came back; none if
/// somebody published by hand since.
pub fn unconfirmed(state_dir: &Path) -> Vec<SourceRow> {
    let path = state_dir.join(format!("{}{UNCONFIRMED}", store::file_name()));
    let text = fs::read_to_string(path).unwrap_or_default();
    let row = |line: &str| {
        let (sha256, path) = line.split_once(' ')?;
        let sha256 = HEXLOWER.decode(sha256.as_bytes()).ok()?.try_into().ok()?;
        Some(SourceRow { path: path.to_owned(), sha256 })
    };
    text.lines().filter_map(row).collect()
}

impl State {
    /// Fails where the sources of a policy are still those that nobody confirmed.
    pub(super) fn refuse_unconfirmed(&self, policy: &Policy) -> Result<(), PublishError> {
        let unconfirmed = unconfirmed(&self.dir);
        let stands = |row: &SourceRow| {
            let mut sources = policy.sources.iter();
            sources.any(|s| s.path == Path::new(&row.path) && s.sha256 == row.sha256)
        };
        if unconfirmed.is_empty() || !unconfirmed.iter().all(stands) {
            return Ok(());
        }
        let paths: Vec<_> = unconfirmed.into_iter().map(|row| row.path).collect();
        let message =
            format!("nobody confirmed this policy in time, and it went back: {}", paths.join(", "));
        Err(PublishError::new(message)
            .hinted("write it otherwise, or put it in force by hand with peerkey apply"))
    }

    /// Records in what the current policy differs from the one that comes back.
    pub(super) fn note_unconfirmed(&self, aside: &Path) -> Result<(), PublishError> {
        let sources = |path: &Path| -> Result<Vec<SourceRow>, StoreError> {
            open(path).map_or(Ok(Vec::new()), |policy| policy.sources())
        };
        // A policy that cannot be read is no reason to keep it in force.
        let (Ok(went), Ok(back)) = (sources(&self.current()), sources(aside)) else {
            return Ok(());
        };
        let mut changed: Vec<_> = went
            .into_iter()
            .filter(|row| !back.contains(row) && !row.path.contains('\n'))
            .collect();
        // What the distribution changes by itself later is nobody's word on the rest.
        let is_own = |row: &SourceRow| !system_bundles().any(|path| path == Path::new(&row.path));
        if changed.iter().any(is_own) {
            changed.retain(is_own);
        }
        let line = |row: &SourceRow| format!("{} {}\n", HEXLOWER.encode(&row.sha256), row.path);
        let text: String = changed.iter().map(line).collect();
        let written = self.fresh(NEW);
        fs::write(&written, text).map_err(|error| PublishError::io("write", &written, &error))?;
        self.seal(&written)?;
        rename(&written, &self.unconfirmed())?;
        self.sync()
    }

    /// Somebody has published by hand, or other sources.
    pub(super) fn forget_unconfirmed(&self) -> Result<(), PublishError> {
        let path = self.unconfirmed();
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(PublishError::io("remove", &path, &error)),
            Ok(()) => self.sync(),
        }
    }

    fn unconfirmed(&self) -> PathBuf {
        self.fresh_name(UNCONFIRMED)
    }
}
