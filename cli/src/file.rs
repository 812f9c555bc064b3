//! Files of other programs: read, and replaced whole or not at all.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use peerkey_core::certificate::printable;

use crate::trouble::Trouble;

/// The content of a file; None where there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Trouble> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Trouble::io("read", path, &error)),
    }
}

/// A path for people.
pub fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// Replaces a file, which keeps its owner and its mode; a new one is readable for `mode`.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), Trouble> {
    replaced(path, content, mode).map_err(|error| Trouble::io("write", path, &error))
}

fn replaced(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    // A link is followed: what it names is replaced, and the link stays.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut new = tempfile::Builder::new().prefix(".peerkey-").tempfile_in(folder)?;
    new.write_all(content)?;
    let old = fs::metadata(&path).ok();
    let mode = old.as_ref().map_or(mode, |old| old.mode() & 0o7777);
    fs::set_permissions(new.path(), fs::Permissions::from_mode(mode))?;
    if let Some(old) = old
        && rustix::process::geteuid().is_root()
    {
        std::os::unix::fs::chown(new.path(), Some(old.uid()), Some(old.gid()))?;
    }
    new.as_file().sync_all()?;
    new.persist(&path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

/// Removes a file that need not be there.
pub fn remove(path: &Path) -> Result<(), Trouble> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Trouble::io("remove", path, &error))
        }
        _ => Ok(()),
    }
}

/// Where what was there before is kept.
pub fn backup_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".before-peerkey");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("b"));
        replace(&path, b"one", 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
    }
}
