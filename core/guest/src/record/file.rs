//! The file of the record: lines are put at its end by one write each, by many processes at once.
//!
//! Hosts close descriptors that they do not know, and use their numbers again: right before each write the
//! number is looked at. A file that has grown is renamed by whoever has its lock; the others see within
//! [`LOOKED_FOR`] that another stands under the name.

use std::ffi::CStr;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::folder::{Descriptor, Folder, region};

/// The names of the file, and of those that were renamed: the last one goes.
const NAMES: [&CStr; 5] =
    [c"record.jsonl", c"record.jsonl.1", c"record.jsonl.2", c"record.jsonl.3", c"record.jsonl.4"];
/// After this time it is looked whether the file still stands under its name.
pub(super) const LOOKED_FOR: Duration = Duration::from_millis(50);
/// A file is renamed before it is larger, but for a line of each process that looks at the same moment.
const MOST: i64 = 4 << 20;
/// Nothing is written into one that is larger, if it cannot be renamed, or whoever renames it takes long.
const BEYOND: i64 = MOST + (1 << 20);

/// What became of a line.
pub(super) enum Written {
    /// It stands in the file.
    Whole,
    /// The file has grown too large.
    Full,
    /// The descriptor is not that of the file any more, or the disk takes no more.
    Not,
}

/// The open file.
pub(super) struct File {
    descriptor: Descriptor,
    folder: Arc<Folder>,
    opened: Instant,
    /// When its name was looked for last, in nanoseconds since it was opened.
    seen: AtomicU64,
    /// Whether the last line came to no end.
    is_torn: AtomicBool,
}

impl File {
    /// Opens it, and makes it and its folder if they are not there.
    pub(super) fn open(folder: Arc<Folder>) -> Option<Self> {
        if !folder.is_there().ok()? {
            folder.make().ok()?;
        }
        let [name, ..] = NAMES;
        let descriptor = folder.open_to_append(name).ok()?;
        Some(Self {
            descriptor,
            folder,
            opened: Instant::now(),
            seen: AtomicU64::new(0),
            is_torn: AtomicBool::new(false),
        })
    }

    pub(super) fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// Whether it is the file in this folder.
    pub(super) fn is_in(&self, folder: &Arc<Folder>) -> bool {
        Arc::ptr_eq(folder, &self.folder)
            && self.descriptor.checked().is_some()
            && self.has_its_name()
    }

    /// Whether it still stands under its name, as far as is known.
    pub(super) fn is_in_place(&self) -> bool {
        let now = u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let before = self.seen.load(Ordering::Relaxed);
        if u128::from(now.saturating_sub(before)) < LOOKED_FOR.as_nanos() {
            return true;
        }
        self.seen.store(now, Ordering::Relaxed);
        self.has_its_name()
    }

    fn has_its_name(&self) -> bool {
        let [name, ..] = NAMES;
        self.folder.look(name).is_ok_and(|there| there.is_same_file(&self.descriptor.id()))
    }

    /// Puts a line at the end, if the file has room for it.
    pub(super) fn append(&self, line: &[u8]) -> Written {
        self.append_within(line, MOST)
    }

    /// The same where the file could not be renamed.
    pub(super) fn append_beyond(&self, line: &[u8]) -> bool {
        matches!(self.append_within(line, BEYOND), Written::Whole)
    }

    fn append_within(&self, line: &[u8], most: i64) -> Written {
        let Some(size) = self.descriptor.size() else { return Written::Not };
        if size + line.len() as i64 > most {
            return Written::Full;
        }
        let torn = self.is_torn.load(Ordering::Relaxed);
        let with_end = if torn { [b"\n", line].concat() } else { Vec::new() };
        let line = if torn { &with_end } else { line };
        match write(self.descriptor.number(), line) {
            Ok(written) if written == line.len() => {
                self.is_torn.store(false, Ordering::Relaxed);
                Written::Whole
            }
            Ok(written) => {
                self.take_back(written);
                Written::Not
            }
            Err(_) => Written::Not,
        }
    }

    /// Takes the beginning of a line away again, if it still is at the end; else the next line begins
    /// with an end.
    fn take_back(&self, written: usize) {
        let number = self.descriptor.number();
        // SAFETY: no memory is involved; the number was the file's just now.
        let taken = unsafe {
            let end = libc::lseek(number, 0, libc::SEEK_CUR);
            let is_last = self.descriptor.size() == Some(end);
            is_last && libc::ftruncate(number, end - written as i64) == 0
        };
        self.is_torn.store(!taken, Ordering::Relaxed);
    }

    /// Renames the file, if no other process or thread does. False if this file is to be written on.
    pub(super) fn rotate(&self, rotating: &AtomicBool) -> bool {
        struct Reset<'a>(&'a AtomicBool);
        impl Drop for Reset<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        if rotating.swap(true, Ordering::Acquire) {
            return false;
        }
        let _reset = Reset(rotating);
        if !self.descriptor.checked().is_some_and(|number| lock(number, libc::F_WRLCK)) {
            return false;
        }
        // Who had the lock before may have renamed it.
        let renamed = !self.has_its_name() || self.rename();
        if let Some(number) = self.descriptor.checked() {
            lock(number, libc::F_UNLCK);
        }
        renamed
    }

    fn rename(&self) -> bool {
        let pairs = NAMES.iter().zip(NAMES.iter().skip(1)).rev();
        let mut renamed = false;
        for (from, to) in pairs {
            // The file itself comes last: until then nobody else begins.
            renamed = self.folder.rename(from, to).is_ok();
        }
        renamed
    }
}

#[cfg(test)]
impl File {
    pub(super) fn number(&self) -> RawFd {
        self.descriptor.number()
    }
}

/// A lock of the open file (F_OFD_SETLK, fcntl(2)), without waiting.
fn lock(number: RawFd, kind: i32) -> bool {
    let lock = region(kind, 0, 0);
    // SAFETY: a lock to take, which is read.
    unsafe { libc::fcntl(number, libc::F_OFD_SETLK, &raw const lock) == 0 }
}

/// One write(2). Where the host limits how large a file may be (RLIMIT_FSIZE), the kernel would end it
/// with SIGXFSZ: that is kept from it.
pub(super) fn write(number: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: sets of signals of our own; the mask is this thread's, and is put back; bytes of this length.
    unsafe {
        let mut blocked: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut blocked);
        libc::sigaddset(&raw mut blocked, libc::SIGXFSZ);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, &raw mut before);
        let written = libc::write(number, bytes.as_ptr().cast(), bytes.len());
        let result = usize::try_from(written).map_err(|_| io::Error::last_os_error());
        if result.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EFBIG)) {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::sigtimedwait(&raw const blocked, std::ptr::null_mut(), &raw const now);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        result
    }
}
