//! Reading files that a policy names, without ever waiting for one or drowning in it.

use std::collections::HashMap;
use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use crate::certificate::printable;
use crate::policy::Source;

/// The most that a policy file may have.
pub(super) const POLICY_LIMIT: u64 = 16 << 20;
/// The most that a file of certificates, CRLs or keys may have.
pub(super) const EVIDENCE_LIMIT: u64 = 64 << 20;

/// Reads files, and remembers each with the hash of its content.
#[derive(Debug, Default)]
pub(super) struct Files {
    hashes: HashMap<PathBuf, [u8; 32]>,
    order: Vec<PathBuf>,
}

/// Why a file was not read, and what to do.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Files {
    /// The content of a regular file of at most `limit` bytes.
    pub(super) fn read(&mut self, path: &Path, limit: u64) -> Result<Vec<u8>, Unreadable> {
        let content = read(path, limit)?;
        self.remember(path, Sha256::digest(&content).into());
        Ok(content)
    }

    /// The names in a folder, sorted. One that is not there is remembered, and has none.
    pub(super) fn list(&mut self, path: &Path) -> Result<Vec<PathBuf>, Unreadable> {
        let names = names(path).map_err(|error| explain(path, &error))?;
        self.remember(path, hash_names(&names));
        Ok(names.iter().map(|name| path.join(name)).collect())
    }

    pub(super) fn remember(&mut self, path: &Path, sha256: [u8; 32]) {
        if self.hashes.insert(path.to_owned(), sha256).is_none() {
            self.order.push(path.to_owned());
        }
    }

    pub(super) fn hash(&self, path: &Path) -> Option<[u8; 32]> {
        self.hashes.get(path).copied()
    }

    pub(super) fn into_sources(mut self) -> Vec<Source> {
        let hash = |path: PathBuf| {
            let sha256 = self.hashes.remove(&path).unwrap_or_default();
            Source { path, sha256 }
        };
        self.order.into_iter().map(hash).collect()
    }
}

/// The hash by which a policy remembers a source: of a file its content, of a folder its sorted
/// names. A folder that is not there counts as empty.
pub fn digest(path: &Path) -> io::Result<[u8; 32]> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(hash_names(&names(path)?)),
        Ok(_) => {
            let content = read(path, EVIDENCE_LIMIT).map_err(|u| io::Error::other(u.message))?;
            Ok(Sha256::digest(content).into())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(hash_names(&[])),
        Err(error) => Err(error),
    }
}

fn names(path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = entries.map(|e| e.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn hash_names(names: &[std::ffi::OsString]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Unreadable> {
    // Looked at before it is opened: opening a device can have effects, opening a FIFO can block.
    let meta = fs::metadata(path).map_err(|error| explain(path, &error))?;
    check(path, &meta, limit)?;
    let file = open(path).map_err(|error| explain(path, &error))?;
    let meta = file.metadata().map_err(|error| explain(path, &error))?;
    check(path, &meta, limit)?;
    let mut content = Vec::with_capacity(meta.size() as usize);
    file.take(limit + 1).read_to_end(&mut content).map_err(|error| explain(path, &error))?;
    if content.len() as u64 > limit {
        return Err(too_big(path, content.len() as u64, limit));
    }
    Ok(content)
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)
}

fn check(path: &Path, meta: &Metadata, limit: u64) -> Result<(), Unreadable> {
    if !meta.is_file() {
        let message = format!("{} is {}, not a file", show(path), kind(meta.file_type()));
        return Err(Unreadable { message, hint: None });
    }
    if meta.size() > limit {
        return Err(too_big(path, meta.size(), limit));
    }
    Ok(())
}

fn too_big(path: &Path, size: u64, limit: u64) -> Unreadable {
    let message = format!("{} is too big: {size} bytes or more, of at most {limit}", show(path));
    Unreadable { message, hint: Some("is it the right file?".into()) }
}

fn kind(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn explain(path: &Path, error: &io::Error) -> Unreadable {
    let shown = show(path);
    let link = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    let (message, hint) = match error.kind() {
        ErrorKind::NotFound if link => {
            (format!("{shown} is a link to a file that is not there"), None)
        }
        ErrorKind::NotFound => (format!("there is no file {shown}"), None),
        ErrorKind::PermissionDenied => (
            format!("no permission to read {shown}"),
            Some("run the command as root, or give read permission".to_owned()),
        ),
        _ => (format!("{shown} cannot be read: {error}"), None),
    };
    Unreadable { message, hint }
}

/// A path for a sentence.
pub(super) fn show(path: &Path) -> String {
    printable(&path.to_string_lossy())
}
