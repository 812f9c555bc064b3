//! Whether a compiled policy is as it was published: what SQLite does not notice, a digest does.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::store;

/// What the digest of the policy in force says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// It is one that was published here, to the last byte.
    Yes,
    /// It is none that was published here.
    No,
    /// No digest was ever recorded here.
    Unknown,
}

/// Reads the whole policy in force, and compares its SHA-256 with what was recorded when it was
/// published.
pub fn whole(state_dir: &Path) -> io::Result<Whole> {
    let recorded = match fs::read_to_string(record_of(state_dir)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Whole::Unknown),
        recorded => recorded?,
    };
    let digest = sha256(&state_dir.join(store::file_name()))?;
    Ok(if recorded.lines().any(|line| line == digest) { Whole::Yes } else { Whole::No })
}

/// Where the digests of the policies that were published in a folder stand, one a line.
pub(super) fn record_of(state_dir: &Path) -> PathBuf {
    state_dir.join(format!("{}.sha256", store::file_name()))
}

/// The record with a fresh policy in it, and without those that are gone or damaged. It is written
/// before the fresh policy is put in force: killed in between, both the old and the new are known.
pub(super) fn record_with(state_dir: &Path, fresh: &Path, kept: &[PathBuf]) -> io::Result<String> {
    let recorded = fs::read_to_string(record_of(state_dir)).unwrap_or_default();
    let mut record = sha256(fresh)? + "\n";
    for digest in kept.iter().filter_map(|path| sha256(path).ok()) {
        if recorded.lines().any(|line| line == digest) && !record.contains(&digest) {
            record += &(digest + "\n");
        }
    }
    Ok(record)
}

fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(HEXLOWER.encode(&hash.finalize())),
            Ok(read) => hash.update(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
