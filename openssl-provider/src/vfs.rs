//! How SQLite opens the compiled policy: from a descriptor that is open and checked already.
//!
//! SQLite is given a name of ours. Its system call "open" is replaced (in this library's own copy of
//! SQLite) by one that knows such names, so that no path is followed a second time.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};
use std::mem::transmute;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use libc::{ENOENT, F_DUPFD_CLOEXEC, O_CLOEXEC};
use rusqlite::ffi::{SQLITE_OK, sqlite3_syscall_ptr, sqlite3_vfs_find};

/// No such folder exists, and a path that begins so is never looked up.
const PREFIX: &str = "/\u{1}peerkey/";

/// SQLite's descriptors stay out of the way of hosts that count on low numbers, if there is room; below
/// 3 are the standard streams.
const FROM: [RawFd; 2] = [64, 3];

thread_local! {
    static LAST_OPENED: Cell<RawFd> = const { Cell::new(-1) };
}

/// The name under which SQLite opens this descriptor, while it stays open.
pub(crate) fn name_of(descriptor: BorrowedFd<'_>) -> String {
    format!("{PREFIX}{}", descriptor.as_raw_fd())
}

/// A text about such a name, with `path` in its place.
pub(crate) fn with_path(text: &str, path: &Path) -> String {
    let Some((before, after)) = text.split_once(PREFIX) else { return text.to_owned() };
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}{}{after}", path.display())
}

/// The descriptor that this thread's last open of such a name gave to SQLite.
pub(crate) fn last_opened() -> RawFd {
    LAST_OPENED.get()
}

/// Teaches SQLite these names. False if it cannot be taught.
pub(crate) fn install() -> bool {
    // Two threads may do it at once: both write the same.
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.load(Ordering::Acquire) {
        return true;
    }
    // SAFETY: finds the default VFS, and initialises SQLite before.
    let vfs = unsafe { sqlite3_vfs_find(std::ptr::null()) };
    // SAFETY: null, or a VFS that lives as long as the process.
    let Some(set) = unsafe { vfs.as_ref() }.and_then(|vfs| vfs.xSetSystemCall) else {
        return false;
    };
    // SAFETY: SQLite calls what stands under these names through these types (os_unix.c, osOpen and
    // osLstat).
    let done = unsafe {
        let open = transmute::<*const (), sqlite3_syscall_ptr>(open as *const ());
        let lstat = transmute::<*const (), sqlite3_syscall_ptr>(lstat as *const ());
        set(vfs, c"open".as_ptr(), open) == SQLITE_OK
            && set(vfs, c"lstat".as_ptr(), lstat) == SQLITE_OK
    };
    INSTALLED.store(done, Ordering::Release);
    done
}

fn named_descriptor(path: &CStr) -> Option<RawFd> {
    path.to_str().ok()?.strip_prefix(PREFIX)?.parse().ok()
}

unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: SQLite passes a C string.
    let descriptor = match named_descriptor(unsafe { CStr::from_ptr(path) }) {
        Some(named) => FROM
            .iter()
            // SAFETY: no memory is involved; a number that is not open gives EBADF.
            .map(|from| unsafe { libc::fcntl(named, F_DUPFD_CLOEXEC, *from) })
            .find(|descriptor| *descriptor >= 0)
            .unwrap_or(-1),
        // SAFETY: as open(2).
        None => unsafe { libc::open(path, flags | O_CLOEXEC, mode) },
    };
    LAST_OPENED.set(descriptor);
    descriptor
}

/// SQLite asks whether a part of a path is a symbolic link. Ours are no paths.
unsafe extern "C" fn lstat(path: *const c_char, stat: *mut libc::stat) -> c_int {
    // SAFETY: SQLite passes a C string.
    let ours = unsafe { CStr::from_ptr(path) }.to_bytes().starts_with(&PREFIX.as_bytes()[..2]);
    if ours {
        // SAFETY: errno of this thread.
        unsafe { *libc::__errno_location() = ENOENT };
        return -1;
    }
    // SAFETY: as lstat(2).
    unsafe { libc::lstat(path, stat) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rusqlite::{Connection, OpenFlags};

    use super::*;

    #[test]
    fn a_descriptor_is_opened_whatever_its_path_holds_now() {
        assert!(install());
        let path = std::env::temp_dir().join(format!("peerkey-vfs-{}.db", std::process::id()));
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("CREATE TABLE t AS SELECT 7 AS n").unwrap();
        drop(writer);
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();

        let uri = format!("file:{}?mode=ro&immutable=1", name_of(file.as_fd()));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let reader = Connection::open_with_flags(uri, flags).unwrap();
        assert!(last_opened() >= 64 && last_opened() != file.as_raw_fd());
        drop(file);
        let n: i64 = reader.query_row("SELECT n FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(n, 7);
    }
}
