//! Publishing a compiled policy: whole or not at all, whenever it is killed, and with a way back.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::file::show;
use super::whole::{record_of, record_with};
use crate::policy::Policy;
use crate::store::{self, Compiled, StoreError, check_pages};

mod interim;
#[cfg(test)]
mod tests;
mod unconfirmed;

pub use interim::{Interim, Kind, begin, confirm, end, interim, settle};
pub use unconfirmed::unconfirmed;

/// How long to wait for another `apply`.
const PATIENCE: Duration = Duration::from_secs(10);

const DISK_FULL: &str = "make room on that disk, and run the command again";

/// What was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The policy that is in force now.
    pub path: PathBuf,
    /// The one before, which a rollback brings back; None if there was none.
    pub previous: Option<PathBuf>,
    /// Whether the same sources were in force already: then the one before stays the one before.
    pub unchanged: bool,
    /// The interim, where the policy is in force only after it: peerkey is off.
    pub after: Option<Interim>,
}

/// Why nothing was published. The policy in force stays as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishError {
    message: String,
    hint: Option<String>,
}

impl PublishError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Some("run the command as root, or name another folder with --state-dir".into())
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(DISK_FULL.into()),
            _ => None,
        };
        Self { message: format!("cannot {doing} {}: {error}", show(path)), hint }
    }

    fn store(error: &StoreError) -> Self {
        let message = error.to_string();
        // SQLite's own words are all that it leaves of the cause.
        let hint = message.contains("disk is full").then(|| DISK_FULL.to_owned());
        Self { message, hint }
    }

    fn hinted(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\n  help: {hint}"))
    }
}

impl std::error::Error for PublishError {}

/// Compiles the policy into the state folder, and puts it in force. The folder is made if only it
/// is missing.
pub fn publish(policy: &Policy, state_dir: &Path, now: i64) -> Result<Published, PublishError> {
    State::lock(state_dir, PATIENCE)?.publish(policy, now)
}

/// The same for units and hooks, which nobody watches: what nobody confirmed they do not bring again, until somebody
/// publishes by hand or changes the sources.
pub fn publish_unattended(
    policy: &Policy,
    state_dir: &Path,
    now: i64,
) -> Result<Published, PublishError> {
    let state = State::lock(state_dir, PATIENCE)?;
    state.refuse_unconfirmed(policy)?;
    state.publish(policy, now)
}

/// Puts the policy before this one in force again, and keeps this one: a second time undoes it. A policy
/// that waits to be confirmed waits no longer.
pub fn rollback(state_dir: &Path) -> Result<Published, PublishError> {
    let state = State::lock(state_dir, PATIENCE)?;
    if let Some(waiting) = state.under_way().filter(|interim| interim.kind == Kind::Confirm) {
        state.go_back(&waiting)?;
        return Ok(state.published(false));
    }
    state.refuse_second()?;
    if !exists(&state.previous()) {
        let message = format!("there is no earlier policy in {}", show(state_dir));
        return Err(PublishError::new(message));
    }
    open(&state.previous())?;
    check_pages(&state.previous()).map_err(|error| PublishError::store(&error))?;
    state.exchange()?;
    state.forget_unconfirmed()?;
    Ok(state.published(false))
}

/// A state folder in which this process alone publishes.
struct State {
    dir: PathBuf,
    /// Holds the lock for as long as it is open.
    _lock: File,
}

impl State {
    fn lock(dir: &Path, patience: Duration) -> Result<Self, PublishError> {
        let state = Self::lock_only(dir, patience)?;
        state.recover()?;
        state.settle()?;
        Ok(state)
    }

    fn lock_only(dir: &Path, patience: Duration) -> Result<Self, PublishError> {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        prepare(&dir)?;
        Ok(Self { _lock: lock(&dir.join("policy.lock"), patience)?, dir })
    }

    fn publish(&self, policy: &Policy, now: i64) -> Result<Published, PublishError> {
        let off = self.under_way().filter(|interim| interim.kind == Kind::Off);
        if off.is_none() {
            self.refuse_second()?;
        }
        let fresh = self.fresh(NEW);
        let published = store::write(policy, &fresh, now)
            .map_err(|error| PublishError::store(&error))
            .and_then(|()| self.seal(&fresh))
            .and_then(|()| self.record(&fresh))
            .and_then(|()| match off {
                Some(off) => Ok(Published { after: Some(off), ..self.put_aside(&fresh)? }),
                None => self.put_in_force(&fresh),
            })
            .and_then(|published| self.forget_unconfirmed().map(|()| published));
        if published.is_err() {
            self.sweep();
        }
        published
    }

    fn current(&self) -> PathBuf {
        self.dir.join(store::file_name())
    }

    fn previous(&self) -> PathBuf {
        self.fresh_name(".previous")
    }

    fn fresh_name(&self, suffix: &str) -> PathBuf {
        self.dir.join(format!("{}{suffix}", store::file_name()))
    }

    /// A name that no other process uses, now or later: the lock is held, and the old are swept.
    fn fresh(&self, suffix: &str) -> PathBuf {
        self.fresh_name(&format!("{suffix}{}", std::process::id()))
    }

    /// Makes a written file readable for everybody, and brings it to the disk.
    fn seal(&self, path: &Path) -> Result<(), PublishError> {
        let seal = || {
            let file = File::open(path)?;
            file.set_permissions(Permissions::from_mode(0o644))?;
            file.sync_all()
        };
        seal().map_err(|error| PublishError::io("finish", path, &error))
    }

    /// Records the digest of a written file beside those of the current and the previous one.
    fn record(&self, fresh: &Path) -> Result<(), PublishError> {
        let kept = [self.current(), self.previous(), self.aside()];
        let record = record_of(&self.dir);
        let written = self.fresh_name(&format!("{NEW}{}.sha256", std::process::id()));
        record_with(&self.dir, fresh, &kept)
            .and_then(|text| fs::write(&written, text))
            .map_err(|error| PublishError::io("write", &written, &error))?;
        self.seal(&written)?;
        rename(&written, &record)?;
        self.sync()
    }

    /// Puts a written file in the current one's place.
    fn put_in_force(&self, fresh: &Path) -> Result<Published, PublishError> {
        let (new, old) = (open(fresh)?, open(&self.current()));
        let same = |old: &Compiled| {
            (&old.meta().digest, &old.meta().version) == (&new.meta().digest, &new.meta().version)
        };
        let unchanged = old.is_ok_and(|old| same(&old));
        if unchanged {
            rename(fresh, &self.current())?;
            self.sync()?;
        } else {
            self.replace(fresh)?;
        }
        Ok(self.published(unchanged))
    }

    /// Puts `fresh` in the current one's place, and the current one in the previous one's. Killed
    /// between any two steps, the rest is done by `recover`.
    fn replace(&self, fresh: &Path) -> Result<(), PublishError> {
        let (current, kept) = (self.current(), self.fresh(KEPT));
        let had_one = exists(&current);
        if had_one {
            link(&current, &kept)?;
            self.sync()?;
        }
        rename(fresh, &current)?;
        self.sync()?;
        if had_one {
            rename(&kept, &self.previous())?;
            self.sync()?;
        }
        Ok(())
    }

    /// Swaps the current and the previous one, in one step where the file system can.
    fn exchange(&self) -> Result<(), PublishError> {
        let (current, previous) = (self.current(), self.previous());
        if !exists(&current) {
            rename(&previous, &current)?;
            return self.sync();
        }
        match renameat_with(CWD, &previous, CWD, &current, RenameFlags::EXCHANGE) {
            Ok(()) => self.sync(),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.exchange_by_links(),
            Err(error) => Err(PublishError::io("put in force", &previous, &error.into())),
        }
    }

    /// The same in steps: the previous one takes the current one's place as a fresh one would.
    fn exchange_by_links(&self) -> Result<(), PublishError> {
        let fresh = self.fresh(NEW);
        link(&self.previous(), &fresh)?;
        self.replace(&fresh)
    }

    /// Says so once every process is bound to notice.
    fn published(&self, unchanged: bool) -> Published {
        sleep(store::NOTICED_WITHIN);
        let previous = Some(self.previous()).filter(|path| exists(path));
        Published { path: self.current(), previous, unchanged, after: None }
    }

    /// Ends what a killed process began.
    fn recover(&self) -> Result<(), PublishError> {
        for path in self.leftovers(KEPT) {
            // Linked, and then replaced: it is the one before. Else it still is the current one.
            if !same_file(&path, &self.current()) {
                rename(&path, &self.previous())?;
            }
        }
        self.sweep();
        Ok(())
    }

    /// Takes away files that nobody uses; what cannot go now goes another time.
    fn sweep(&self) {
        for suffix in [KEPT, NEW] {
            for path in self.leftovers(suffix) {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn leftovers(&self, suffix: &str) -> Vec<PathBuf> {
        let start = format!("{}{suffix}", store::file_name());
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let names = entries.filter(|e| e.file_name().to_string_lossy().starts_with(&start));
        names.map(|entry| entry.path()).collect()
    }

    /// Brings the folder's names to the disk.
    fn sync(&self) -> Result<(), PublishError> {
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(|error| PublishError::io("bring to the disk", &self.dir, &error))
    }
}

/// Ends of names, before the number of the process: a policy that is being written.
const NEW: &str = ".new-";
/// What the current policy is linked to while it is replaced.
const KEPT: &str = ".kept-";

/// Opens a policy: what is put in force must be one.
fn open(path: &Path) -> Result<Compiled, PublishError> {
    let Some(text) = path.to_str() else {
        let message = format!("the folder's name is not UTF-8: {}", show(path));
        return Err(PublishError::new(message));
    };
    Compiled::open(text).map_err(|error| PublishError::store(&error))
}

fn rename(from: &Path, to: &Path) -> Result<(), PublishError> {
    fs::rename(from, to).map_err(|error| PublishError::io("put in its place", from, &error))
}

fn link(from: &Path, to: &Path) -> Result<(), PublishError> {
    fs::hard_link(from, to).map_err(|error| PublishError::io("keep a link to", from, &error))
}

fn same_file(a: &Path, b: &Path) -> bool {
    let inode = |path: &Path| fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino()));
    inode(a) == inode(b)
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Makes the folder if only it is missing, and refuses one that others may write: a policy there
/// would be theirs, and no program would take it.
fn prepare(dir: &Path) -> Result<(), PublishError> {
    match fs::DirBuilder::new().mode(0o755).create(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let message = format!("there is no folder {}", show(dir));
            let hint = Some(format!("run: install -d -m 755 {}", show(dir)));
            return Err(PublishError { message, hint });
        }
        // Whatever the umask: every program reads policies there.
        made => made
            .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o755)))
            .map_err(|error| PublishError::io("make the folder", dir, &error))?,
    }
    let meta = fs::metadata(dir).map_err(|error| PublishError::io("look at", dir, &error))?;
    if !meta.is_dir() {
        return Err(PublishError::new(format!("{} is no folder", show(dir))));
    }
    let own = rustix::process::geteuid().as_raw();
    if meta.uid() != own && meta.uid() != 0 {
        let message = format!("{} belongs to another user (uid {})", show(dir), meta.uid());
        let hint = Some(format!("run: chown root: {}", show(dir)));
        return Err(PublishError { message, hint });
    }
    if meta.mode() & 0o022 != 0 {
        let message = format!("{} may be written by others", show(dir));
        let hint = Some(format!("run: chmod go-w {}", show(dir)));
        return Err(PublishError { message, hint });
    }
    Ok(())
}

/// Takes the lock. Only its owner can open the file: nobody else can hold a policy up.
fn lock(path: &Path, patience: Duration) -> Result<File, PublishError> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    let mut file = options.open(path).map_err(|e| PublishError::io("write", path, &e))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => {
                sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(held(&mut file, path)),
            Err(TryLockError::Error(error)) => {
                return Err(PublishError::io("lock", path, &error));
            }
        }
    }
    // Only for the message of somebody who waits: a full disk is noticed where it matters.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn held(file: &mut File, path: &Path) -> PublishError {
    let mut text = String::new();
    let _ = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
    let holder = match text.trim().parse::<u32>() {
        Ok(pid) => format!("process {pid}"),
        Err(_) => "another process".into(),
    };
    let message = format!("{holder} is publishing a policy already: it holds {}", show(path));
    PublishError { message, hint: Some("wait for it, or end it, and run the command again".into()) }
}
