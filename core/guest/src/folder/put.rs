//! What is put into folders of the program's own user beside the keys: the record, and chains.

use std::ffi::{CStr, CString, c_int};
use std::io;
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::own::done;
use super::{Descriptor, FileId, Folder, FolderError, owned};

const FLAGS: c_int =
    libc::O_WRONLY | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;

impl Folder {
    /// Opens a file to write at its end, and makes it if it is not there.
    pub(crate) fn open_to_append(&self, name: &CStr) -> Result<Descriptor, FolderError> {
        match self.look(name) {
            // What is no file of one's own is not even opened.
            Err(error) if !error.is_missing => return Err(error),
            _ => {}
        }
        self.open_to_write(name, libc::O_APPEND | libc::O_CREAT)
    }

    /// Makes a file that is not there yet.
    pub(crate) fn open_new(&self, name: &CStr) -> Result<Descriptor, FolderError> {
        self.open_to_write(name, libc::O_CREAT | libc::O_EXCL)
    }

    fn open_to_write(&self, name: &CStr, flags: c_int) -> Result<Descriptor, FolderError> {
        let opened = self.in_folder(name, |folder, name| {
            // SAFETY: a C string.
            owned(unsafe { libc::openat(folder, name.as_ptr(), FLAGS | flags, 0o600) })
        })?;
        self.held_open(name, opened)
    }

    /// Gives a file another name, in the place of whatever has it.
    pub(crate) fn rename(&self, from: &CStr, to: &CStr) -> Result<(), FolderError> {
        self.in_folder(from, |folder, from| {
            // SAFETY: C strings.
            done(unsafe { libc::renameat(folder, from.as_ptr(), folder, to.as_ptr()) })
        })
    }

    /// Notes that a file was of use now.
    pub(crate) fn touch(&self, name: &CStr) -> Result<(), FolderError> {
        self.in_folder(name, |folder, name| {
            // SAFETY: a C string; no times are this moment.
            done(unsafe {
                let now = std::ptr::null();
                libc::utimensat(folder, name.as_ptr(), now, libc::AT_SYMLINK_NOFOLLOW)
            })
        })
    }

    /// The names in it.
    pub(crate) fn names(&self) -> Result<Vec<CString>, FolderError> {
        self.in_folder(c".", |folder, name| {
            let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
            // SAFETY: a C string.
            read_names(owned(unsafe { libc::openat(folder, name.as_ptr(), flags) })?)
        })
    }
}

fn read_names(folder: OwnedFd) -> io::Result<Vec<CString>> {
    let number: RawFd = folder.into_raw_fd();
    // SAFETY: a descriptor that is given away; entries are valid until the next call, and names are C
    // strings.
    unsafe {
        let folder = libc::fdopendir(number);
        if folder.is_null() {
            let error = io::Error::last_os_error();
            libc::close(number);
            return Err(error);
        }
        let mut names = Vec::new();
        while let Some(entry) = libc::readdir(folder).as_ref() {
            let name = CStr::from_ptr(entry.d_name.as_ptr());
            if name != c"." && name != c".." {
                names.push(name.to_owned());
            }
        }
        libc::closedir(folder);
        Ok(names)
    }
}

impl FileId {
    /// When its content was changed last: seconds and nanoseconds since 1970.
    pub(crate) fn modified(&self) -> (i64, i64) {
        self.modified
    }

    /// How long ago that is; None for the future.
    pub(crate) fn age(&self) -> Option<Duration> {
        let since = Duration::from_secs(u64::try_from(self.modified.0).ok()?);
        SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(since)
    }
}
