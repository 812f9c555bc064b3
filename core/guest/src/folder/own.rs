//! Folders that belong to the program's own user, and are written to.

use std::ffi::{CStr, CString, OsStr, c_int};
use std::fs::DirBuilder;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use super::{Descriptor, Folder, FolderError, OPEN_FOLDER, Whose, owned, stat_with};

/// No less must be free for a first use, in bytes.
const ROOM: u64 = 64 * 1024;

/// A file of one's own.
pub(crate) struct OwnFile {
    pub(crate) descriptor: Descriptor,
    /// Why it can only be read, if so.
    pub(crate) read_only: Option<FolderError>,
}

impl Folder {
    /// A folder of the program's own user. Nothing is opened yet.
    pub(crate) fn own(path: &Path) -> Self {
        Self::at(path, Whose::Own)
    }

    /// The same, below a folder that is held; `below` has no symbolic link at its end.
    pub(crate) fn own_below(base: &Arc<Self>, below: &Path) -> Option<Self> {
        let path = base.path.join(below);
        let below = CString::new(below.as_os_str().as_bytes()).ok()?;
        Some(Self::at(&path, Whose::OwnBelow(Arc::clone(base), below)))
    }

    /// Whether it is there; an error if it is not as it should be.
    pub(crate) fn is_there(&self) -> Result<bool, FolderError> {
        match self.in_folder(c"", |_, _| Ok(())) {
            Ok(()) => Ok(true),
            Err(error) if error.is_missing => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn is_in(&self, base: &Self, below: &CStr) -> bool {
        let Some(held) = base.held() else { return true };
        let stat = stat_at(held, below);
        stat.map_or_else(|e| e.kind() != io::ErrorKind::NotFound, |stat| self.is_ours(&stat))
    }

    pub(super) fn open_below(&self, base: &Self, below: &CStr) -> Result<OwnedFd, FolderError> {
        let opened = base.in_folder(below, |held, below| {
            // SAFETY: a C string.
            owned(unsafe { libc::openat(held, below.as_ptr(), OPEN_FOLDER | libc::O_NOFOLLOW) })
        });
        opened.map_err(|error| FolderError { path: self.path.clone(), ..error })
    }

    /// Opens a file to read and to write it; where that cannot be, to read it.
    pub(crate) fn open_own(&self, name: &CStr, create: bool) -> Result<OwnFile, FolderError> {
        let made = if create { libc::O_CREAT } else { 0 };
        let (descriptor, error) = self.in_folder(name, |folder, name| {
            match stat_at(folder, name).map(|stat| self.trusted_file(name, &stat)) {
                // What is no file of one's own is not even opened.
                Ok(Err(error)) => return Ok(Err(error)),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            match open_at(folder, name, libc::O_RDWR | made) {
                Ok(descriptor) => Ok(Ok((descriptor, None))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
                Err(error) => match open_at(folder, name, libc::O_RDONLY) {
                    Ok(descriptor) => Ok(Ok((descriptor, Some(error)))),
                    Err(_) => Err(error),
                },
            }
        })??;
        let descriptor = self.held_open(name, descriptor)?;
        Ok(OwnFile { descriptor, read_only: error.map(|error| self.io_error(name, &error)) })
    }

    /// Takes a file away.
    pub(crate) fn remove(&self, name: &CStr) -> Result<(), FolderError> {
        self.in_folder(name, |folder, name| {
            // SAFETY: a C string.
            done(unsafe { libc::unlinkat(folder, name.as_ptr(), 0) })
        })
    }

    /// Brings its names to the disk.
    pub(crate) fn sync(&self) -> Result<(), FolderError> {
        self.in_folder(c".", |folder, name| {
            let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
            // SAFETY: a C string; the descriptor is open meanwhile.
            unsafe {
                let folder = owned(libc::openat(folder, name.as_ptr(), flags))?;
                done(libc::fsync(folder.as_raw_fd()))
            }
        })
    }

    /// Why nothing can be written in it, if that is known without trying.
    pub(crate) fn may_write(&self) -> Result<(), FolderError> {
        self.in_folder(c".", takes_more)
    }

    /// Why it cannot be made, if that is known without trying.
    pub(crate) fn may_be_made(&self) -> Result<(), FolderError> {
        if let Whose::OwnBelow(base, below) = &self.whose {
            let path = Path::new(OsStr::from_bytes(below.to_bytes()));
            for above in path.ancestors().skip(1).chain([Path::new(".")]) {
                let name = CString::new(above.as_os_str().as_bytes()).unwrap_or_default();
                match base.in_folder(&name, takes_more) {
                    Err(error) if error.is_missing => {}
                    found => return found,
                }
            }
            return Ok(());
        }
        let above = self.path.ancestors().skip(1).find(|path| path.exists());
        let above = above.and_then(|path| CString::new(path.as_os_str().as_bytes()).ok());
        let taken = takes_more(libc::AT_FDCWD, &above.unwrap_or_default());
        taken.map_err(|error| self.io_error(c"", &error))
    }

    /// Makes the folder, and those above it, for its user alone.
    pub(crate) fn make(&self) -> Result<(), FolderError> {
        let Whose::OwnBelow(base, below) = &self.whose else {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
            return made.map_err(|error| self.io_error(c"", &error));
        };
        let path = Path::new(OsStr::from_bytes(below.to_bytes()));
        let mut steps: Vec<_> = path.ancestors().filter(|p| !p.as_os_str().is_empty()).collect();
        steps.reverse();
        for step in steps {
            let mode = if step == path { 0o700 } else { 0o755 };
            let name = CString::new(step.as_os_str().as_bytes()).unwrap_or_default();
            base.in_folder(&name, |held, name| make_one(held, name, mode))?;
        }
        Ok(())
    }
}

pub(super) fn stat_at(folder: RawFd, name: &CStr) -> io::Result<libc::stat> {
    // SAFETY: a C string, and room for the result.
    stat_with(|stat| unsafe {
        libc::fstatat(folder, name.as_ptr(), stat, libc::AT_SYMLINK_NOFOLLOW)
    })
}

fn open_at(folder: RawFd, name: &CStr, flags: c_int) -> io::Result<OwnedFd> {
    const FLAGS: c_int = libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    // SAFETY: a C string.
    owned(unsafe { libc::openat(folder, name.as_ptr(), FLAGS | flags, 0o600) })
}

/// Whether it belongs to the program's own user, and no other may write it.
pub(super) fn trusted(stat: &libc::stat) -> Result<(), String> {
    // SAFETY: no arguments, and it cannot fail.
    if stat.st_uid != unsafe { libc::geteuid() } {
        return Err(format!("its owner is user {}, and not this program's", stat.st_uid));
    }
    if stat.st_mode & (libc::S_IWGRP | libc::S_IWOTH) != 0 {
        return Err(format!("others may write it (mode {:o})", stat.st_mode & 0o7777));
    }
    Ok(())
}

/// Whether something can be put into this folder.
fn takes_more(folder: RawFd, name: &CStr) -> io::Result<()> {
    const MODE: c_int = libc::W_OK | libc::X_OK;
    let mut disk = MaybeUninit::uninit();
    // SAFETY: C strings, and room for the result; the descriptor is open meanwhile.
    let disk: libc::statvfs = unsafe {
        done(libc::faccessat(folder, name.as_ptr(), MODE, libc::AT_EACCESS))?;
        let opened = owned(libc::openat(folder, name.as_ptr(), OPEN_FOLDER))?;
        done(libc::fstatvfs(opened.as_raw_fd(), disk.as_mut_ptr()))?;
        disk.assume_init()
    };
    // SAFETY: no arguments, and it cannot fail.
    let free = if unsafe { libc::geteuid() } == 0 { disk.f_bfree } else { disk.f_bavail };
    let full = || Err(io::Error::from_raw_os_error(libc::ENOSPC));
    if free.saturating_mul(disk.f_frsize) < ROOM { full() } else { Ok(()) }
}

/// Whatever the process takes away of the rights of new files (umask(2)).
fn make_one(folder: RawFd, name: &CStr, mode: libc::mode_t) -> io::Result<()> {
    // SAFETY: C strings.
    let made = done(unsafe { libc::mkdirat(folder, name.as_ptr(), mode) });
    match made {
        // SAFETY: as above.
        Ok(()) => done(unsafe { libc::fchmodat(folder, name.as_ptr(), mode, 0) }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

pub(super) fn done(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
