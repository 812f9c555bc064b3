//! A file of keys, or its journal, as SQLite reads and writes it.
//!
//! Hosts close descriptors that they do not know, and use their numbers again. So what was read counts
//! only if the number is that of the same file afterwards, and it is looked at again right before each
//! write. Locks are those of open files (F_OFD_SETLK, fcntl(2)), on the
//! bytes on which every SQLite locks: another copy of this library in the process, another process, and
//! the command, which locks by process, all keep one another out.

use std::ffi::c_int;
use std::io;
use std::os::fd::RawFd;

use rusqlite::ffi::{
    SQLITE_BUSY, SQLITE_FULL, SQLITE_IOERR_FSTAT, SQLITE_IOERR_FSYNC, SQLITE_IOERR_LOCK,
    SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_UNLOCK,
    SQLITE_IOERR_WRITE, SQLITE_LOCK_NONE, SQLITE_LOCK_PENDING, SQLITE_LOCK_RESERVED,
    SQLITE_LOCK_SHARED, SQLITE_OK,
};

use crate::folder::{Descriptor, FileId, again, region};

/// Where SQLite locks (os.h); no page is ever there.
const PENDING: i64 = 0x4000_0000;
const RESERVED: i64 = PENDING + 1;
const SHARED: i64 = PENDING + 2;
const SHARED_SIZE: i64 = 510;

/// What SQLite is told: nothing, or an error of its own.
pub(super) type Code = Result<(), c_int>;

/// An open file.
pub(super) struct File {
    descriptor: Descriptor,
    lock: c_int,
}

/// Where SQLite's counter of changes is in a database, and how much is read to see whether it moved.
const COUNTER: (i64, usize) = (24, 16);

impl File {
    /// Takes a descriptor of this file over.
    pub(super) fn new(descriptor: Descriptor) -> Self {
        Self { descriptor, lock: SQLITE_LOCK_NONE }
    }

    /// The number, if it still is that of this file.
    fn number(&self, otherwise: c_int) -> Result<RawFd, c_int> {
        self.descriptor.checked().ok_or(otherwise)
    }

    /// Which file it is.
    pub(super) fn id(&self) -> FileId {
        self.descriptor.id()
    }

    /// The same, with the content of now; None if the descriptor is of another.
    pub(super) fn now(&self) -> Option<FileId> {
        self.descriptor.now()
    }

    /// What is missing at the end reads as zeros, and SQLite is told.
    pub(super) fn read(&self, buffer: &mut [u8], offset: i64) -> Code {
        let done = self.descriptor.read(buffer, offset).map_err(|_| SQLITE_IOERR_READ)?;
        // The counter is followed by the question how large the file is, which looks at the number too.
        if (offset, buffer.len()) != COUNTER {
            self.number(SQLITE_IOERR_READ)?;
        }
        match buffer.get_mut(done..) {
            Some(missing) if !missing.is_empty() => {
                missing.fill(0);
                Err(SQLITE_IOERR_SHORT_READ)
            }
            _ => Ok(()),
        }
    }

    /// Writes all of it.
    pub(super) fn write(&self, mut bytes: &[u8], mut offset: i64) -> Code {
        while !bytes.is_empty() {
            let number = self.number(SQLITE_IOERR_WRITE)?;
            // SAFETY: bytes of this length.
            let written = again(|| unsafe {
                libc::pwrite(number, bytes.as_ptr().cast(), bytes.len(), offset)
            });
            let written = written.map_err(|error| code_of(&error, SQLITE_IOERR_WRITE))?;
            bytes = bytes.get(written..).unwrap_or_default();
            offset += written as i64;
        }
        Ok(())
    }

    /// Cuts it off.
    pub(super) fn truncate(&self, size: i64) -> Code {
        let number = self.number(SQLITE_IOERR_TRUNCATE)?;
        // SAFETY: no memory is involved.
        let cut = again(|| unsafe { libc::ftruncate(number, size) as isize });
        cut.map(drop).map_err(|error| code_of(&error, SQLITE_IOERR_TRUNCATE))
    }

    /// Brings it to the disk.
    pub(super) fn sync(&self) -> Code {
        let number = self.number(SQLITE_IOERR_FSYNC)?;
        // SAFETY: no memory is involved.
        let done = again(|| unsafe { libc::fdatasync(number) as isize });
        done.map(drop).map_err(|error| code_of(&error, SQLITE_IOERR_FSYNC))
    }

    /// How large it is now.
    pub(super) fn size(&self) -> Result<i64, c_int> {
        self.descriptor.size().ok_or(SQLITE_IOERR_FSTAT)
    }

    /// Takes a lock of this level, as SQLite's own file system does (os_unix.c, unixLock). Never waits.
    pub(super) fn lock(&mut self, level: c_int) -> Code {
        if self.lock >= level {
            return Ok(());
        }
        if level != SQLITE_LOCK_SHARED {
            self.number(SQLITE_IOERR_LOCK)?;
        }
        match level {
            // Before anything counts that is read under it, the number is looked at; in a file of the
            // host's nothing of ours is locked for longer, and nobody else locks there.
            SQLITE_LOCK_SHARED => {
                // A writer that waits for readers to go comes first. (SQLite's own file system takes that
                // lock for a moment, to the same end.)
                if self.is_locked(libc::F_RDLCK, PENDING)? {
                    return Err(SQLITE_BUSY);
                }
                self.set(libc::F_RDLCK, SHARED, SHARED_SIZE)?;
            }
            SQLITE_LOCK_RESERVED => self.set(libc::F_WRLCK, RESERVED, 1)?,
            _ => {
                // Readers that come now wait. (Who rolls a journal back comes from a shared lock.)
                if self.lock == SQLITE_LOCK_RESERVED {
                    self.set(libc::F_WRLCK, PENDING, 1)?;
                    self.lock = SQLITE_LOCK_PENDING;
                }
                self.set(libc::F_WRLCK, SHARED, SHARED_SIZE)?;
            }
        }
        self.lock = level;
        Ok(())
    }

    /// Goes down to a shared lock, or to none.
    pub(super) fn unlock(&mut self, level: c_int) -> Code {
        if self.lock <= level {
            return Ok(());
        }
        if level == SQLITE_LOCK_SHARED {
            self.number(SQLITE_IOERR_UNLOCK)?;
            self.set(libc::F_RDLCK, SHARED, SHARED_SIZE).map_err(|_| SQLITE_IOERR_UNLOCK)?;
            self.set(libc::F_UNLCK, PENDING, 2).map_err(|_| SQLITE_IOERR_UNLOCK)?;
        } else {
            // Not the whole file: by now it may be the host's, with locks of its own.
            let all = SHARED - PENDING + SHARED_SIZE;
            self.set(libc::F_UNLCK, PENDING, all).map_err(|_| SQLITE_IOERR_UNLOCK)?;
        }
        self.lock = level;
        Ok(())
    }

    /// Whether anybody is about to write.
    pub(super) fn is_reserved(&self) -> Result<bool, c_int> {
        if self.lock > SQLITE_LOCK_SHARED {
            return Ok(true);
        }
        self.number(SQLITE_IOERR_LOCK)?;
        self.is_locked(libc::F_WRLCK, RESERVED)
    }

    /// Whether somebody else has a lock that keeps one of this kind off.
    fn is_locked(&self, kind: c_int, start: i64) -> Result<bool, c_int> {
        let mut lock = region(kind, start, 1);
        // SAFETY: a lock to ask for, in which the answer is written.
        match unsafe { libc::fcntl(self.descriptor.number(), libc::F_OFD_GETLK, &raw mut lock) } {
            0 => Ok(c_int::from(lock.l_type) != libc::F_UNLCK),
            _ => Err(SQLITE_IOERR_LOCK),
        }
    }

    fn set(&self, kind: c_int, start: i64, length: i64) -> Code {
        let lock = region(kind, start, length);
        // SAFETY: a lock to take, which is read.
        let set = again(|| unsafe {
            libc::fcntl(self.descriptor.number(), libc::F_OFD_SETLK, &raw const lock) as isize
        });
        set.map(drop).map_err(|error| match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES | libc::ENOLCK) => SQLITE_BUSY,
            _ => SQLITE_IOERR_LOCK,
        })
    }
}

/// SQLite's code for what a result holds.
pub(super) fn code(result: Code) -> c_int {
    result.err().unwrap_or(SQLITE_OK)
}

fn code_of(error: &io::Error, otherwise: c_int) -> c_int {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => SQLITE_FULL,
        _ => otherwise,
    }
}
