//! Descriptors in a process that is somebody else's.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use super::{FileId, moved_up, status};

/// An open file or socket, under a number that is out of the way of hosts which count on low ones.
///
/// Hosts close descriptors that they do not know, and use their numbers again: so it is closed only if it
/// is ours still. (No system call does both at once: what a thread of the host's does between the two is
/// beyond us.)
pub(crate) struct Descriptor {
    number: RawFd,
    id: FileId,
}

impl Descriptor {
    /// Takes over what was opened just now, and is this. Asked afterwards, the number might tell of a file
    /// of the host's, which then would be taken for ours.
    pub(super) fn new(opened: OwnedFd, id: FileId) -> io::Result<Self> {
        Ok(Self { number: moved_up(opened)?.into_raw_fd(), id })
    }

    /// The same for a socket.
    pub(crate) fn of_socket(socket: OwnedFd) -> io::Result<Self> {
        let id = FileId::of(&status(socket.as_raw_fd())?);
        Self::new(socket, id)
    }

    /// Its number, which may be another's by now.
    pub(crate) fn number(&self) -> RawFd {
        self.number
    }

    /// Its number, if it is ours still.
    pub(crate) fn checked(&self) -> Option<RawFd> {
        self.id.is_of(self.number).then_some(self.number)
    }

    /// How large the file is now; None if the number is another's.
    pub(crate) fn size(&self) -> Option<i64> {
        self.now().map(|now| now.size)
    }

    /// The file with its content of now; None if the number is another's.
    pub(crate) fn now(&self) -> Option<FileId> {
        let now = FileId::of(&status(self.number).ok()?);
        now.is_same_file(&self.id).then_some(now)
    }

    /// Whether the number is ours still, and the file's content is as it was. (A file that is renamed, or
    /// loses its name, changes in no other way.)
    pub(crate) fn is_unchanged(&self) -> bool {
        self.now().is_some_and(|now| FileId { changed: self.id.changed, ..now } == self.id)
    }

    /// Reads from a place in the file until the buffer is full or the file ends; how much that was. It
    /// counts only if the number is ours afterwards.
    pub(crate) fn read(&self, buffer: &mut [u8], offset: i64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset + done as i64;
            // SAFETY: a buffer of this length; a number that is not open gives EBADF.
            let read = again(|| unsafe {
                libc::pread(self.number, rest.as_mut_ptr().cast(), rest.len(), at)
            })?;
            if read == 0 {
                break;
            }
            done += read;
        }
        Ok(done)
    }

    /// Which file it is, with its content as it was when it was opened.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if let Some(number) = self.checked() {
            // SAFETY: it is ours: nobody else knows it.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
    }
}

/// A lock on octets of a file, as fcntl(2) takes it; a length of 0 is all that follow.
pub(crate) fn region(kind: c_int, start: i64, length: i64) -> libc::flock {
    // SAFETY: a plain structure, for which zeros are a value; `l_pid` has to be 0.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = start;
    lock.l_len = length;
    lock
}

/// A system call, again as long as signals interrupt it.
pub(crate) fn again(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(done) => return Ok(done),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::folder::Folder;
    use crate::folder::tests::temporary;

    #[test]
    fn what_is_the_hosts_by_now_stays_open() {
        let dir = temporary("descriptor");
        for name in ["ours", "theirs"] {
            fs::write(dir.join(name), name).unwrap();
        }
        let folder = Folder::own(&dir);
        let ours = folder.open(c"ours").unwrap();
        let number = ours.number();
        assert_eq!(ours.checked(), Some(number));
        assert!(number >= super::super::FROM);
        let theirs = File::open(dir.join("theirs")).unwrap();
        // SAFETY: what a host does that closes and reuses a descriptor it does not know.
        assert_eq!(unsafe { libc::dup2(theirs.as_raw_fd(), number) }, number);
        assert_eq!(ours.checked(), None);
        drop(ours);
        assert!(status(number).is_ok());
        // SAFETY: a number that is the test's own by now.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }
}
