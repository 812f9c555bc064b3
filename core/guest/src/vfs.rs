//! How SQLite reads the compiled policy: from a descriptor that is open and checked already.
//!
//! This library's own copy of SQLite knows one kind of file only: a descriptor that was handed over
//! under a name of ours. What of it counts, `content` says.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::size_of;
use std::os::fd::RawFd;
use std::path::Path;
use std::ptr::{drop_in_place, null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::ffi::{
    SQLITE_CANTOPEN, SQLITE_IOCAP_IMMUTABLE, SQLITE_IOERR, SQLITE_IOERR_DATA, SQLITE_IOERR_READ,
    SQLITE_NOTADB, SQLITE_NOTFOUND, SQLITE_OK, SQLITE_READONLY, sqlite3_file, sqlite3_io_methods,
    sqlite3_vfs, sqlite3_vfs_find, sqlite3_vfs_register,
};

use peerkey_core::store::Header;

use crate::content::{Content, NotRead};
use crate::entry::guarded;
use crate::folder::Descriptor;

/// No such folder exists, and no path is ever followed here.
const PREFIX: &str = "/\u{1}peerkey/";
const NAME: &CStr = c"peerkey";

thread_local! {
    /// What `open_with` hands over, until SQLite takes it, and under which number.
    static OFFERED: Cell<Option<(RawFd, Result<Content, NotRead>)>> = const { Cell::new(None) };
}

/// Runs `open`, which gives SQLite the name that it is passed: under that name stands this descriptor. It
/// is passed the file's header, too, if that is one. SQLite closes the descriptor; where it does not take
/// it, it is closed here.
pub(crate) fn open_with<T>(
    descriptor: Descriptor,
    open: impl FnOnce(&str, Option<&Header>) -> T,
) -> T {
    let number = descriptor.number();
    let content = Content::open(descriptor);
    let header = content.as_ref().ok().map(|content| content.header().clone());
    let before = OFFERED.replace(Some((number, content)));
    let opened = open(&format!("{PREFIX}{number}"), header.as_ref());
    drop(OFFERED.replace(before));
    opened
}

/// A text about such a name, with `path` in its place.
pub(crate) fn with_path(text: &str, path: &Path) -> String {
    let Some((before, after)) = text.split_once(PREFIX) else { return text.to_owned() };
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}{}{after}", path.display())
}

/// Makes SQLite read files so, and no others. False if it cannot.
pub(crate) fn install() -> bool {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    let way = Way { name: NAME, file_size: size_of::<PolicyFile>(), open, delete, access };
    way.install(&INSTALLED, true)
}

/// A way of ours to files, as SQLite takes it (sqlite3_vfs).
pub(crate) struct Way {
    pub(crate) name: &'static CStr,
    /// How much room SQLite has to make for an open file.
    pub(crate) file_size: usize,
    pub(crate) open: Open,
    pub(crate) delete: Delete,
    pub(crate) access: Access,
}

type Open = unsafe extern "C" fn(
    *mut sqlite3_vfs,
    *const c_char,
    *mut sqlite3_file,
    c_int,
    *mut c_int,
) -> c_int;
type Delete = unsafe extern "C" fn(*mut sqlite3_vfs, *const c_char, c_int) -> c_int;
type Access = unsafe extern "C" fn(*mut sqlite3_vfs, *const c_char, c_int, *mut c_int) -> c_int;

impl Way {
    /// Makes SQLite know it, by its name or for whatever it opens. False if it cannot. Once it is
    /// `installed`, no lock of SQLite's is taken to see that.
    pub(crate) fn install(&self, installed: &AtomicBool, by_default: bool) -> bool {
        if installed.load(Ordering::Acquire) {
            return true;
        }
        // SAFETY: C strings; finds a VFS, and initialises SQLite before.
        let (ours, unix) =
            unsafe { (sqlite3_vfs_find(self.name.as_ptr()), sqlite3_vfs_find(null())) };
        // SAFETY: null, or a VFS that stays.
        let Some(unix) = (unsafe { unix.as_ref() }) else { return false };
        if ours.is_null() {
            let ours = Box::into_raw(Box::new(sqlite3_vfs {
                szOsFile: self.file_size as c_int,
                pNext: null_mut(),
                zName: self.name.as_ptr(),
                xOpen: Some(self.open),
                xDelete: Some(self.delete),
                xAccess: Some(self.access),
                xFullPathname: Some(full_pathname),
                // Time, sleep and randomness stay as they are.
                ..*unix
            }));
            // SAFETY: it is never freed. Two threads may both do this: the later one is found first.
            if unsafe { sqlite3_vfs_register(ours, by_default.into()) } != SQLITE_OK {
                return false;
            }
        }
        installed.store(true, Ordering::Release);
        true
    }
}

/// An open policy, in memory of SQLite's.
#[repr(C)]
struct PolicyFile {
    base: sqlite3_file,
    content: Content,
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(nothing),
    xFileSize: Some(file_size),
    xLock: Some(nothing),
    xUnlock: Some(nothing),
    xCheckReservedLock: Some(no_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    guarded("sqlite", SQLITE_CANTOPEN, || {
        // SAFETY: SQLite passes room for a file; without methods it does not close what failed.
        unsafe { (*file).pMethods = null() };
        // SAFETY: null for temporary files, or a C string.
        let number = if name.is_null() { None } else { named(unsafe { CStr::from_ptr(name) }) };
        let offered = OFFERED.take();
        let content = match offered.filter(|(offered, _)| Some(*offered) == number) {
            Some((_, Ok(content))) => content,
            Some((_, Err(why))) => return code_of(why),
            None => return SQLITE_CANTOPEN,
        };
        let base = sqlite3_file { pMethods: &raw const METHODS };
        // SAFETY: as above: `szOsFile` bytes; and null or a place for the flags.
        unsafe {
            file.cast::<PolicyFile>().write(PolicyFile { base, content });
            if !out_flags.is_null() {
                *out_flags = flags;
            }
        }
        SQLITE_OK
    })
}

fn code_of(why: NotRead) -> c_int {
    match why {
        NotRead::Other => SQLITE_NOTADB,
        NotRead::Damaged => SQLITE_IOERR_DATA,
        NotRead::Gone => SQLITE_IOERR_READ,
    }
}

fn named(name: &CStr) -> Option<RawFd> {
    name.to_str().ok()?.strip_prefix(PREFIX)?.parse().ok()
}

/// # Safety
///
/// `file` is one that `open` made.
unsafe fn policy_file<'a>(file: *mut sqlite3_file) -> &'a PolicyFile {
    // SAFETY: as promised.
    unsafe { &*file.cast::<PolicyFile>() }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    guarded("sqlite", SQLITE_OK, || {
        // SAFETY: SQLite closes what it opened, once, and takes the memory back as it is.
        unsafe { drop_in_place(file.cast::<PolicyFile>()) };
        SQLITE_OK
    })
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    buffer: *mut c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    guarded("sqlite", SQLITE_IOERR_READ, || {
        // SAFETY: SQLite reads from what it opened, into a buffer of this length.
        let (file, buffer) = unsafe {
            let length = usize::try_from(length).unwrap_or(0);
            (policy_file(file), std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length))
        };
        match file.content.read(buffer, offset) {
            Ok(()) => SQLITE_OK,
            Err(why) => {
                buffer.fill(0);
                code_of(why)
            }
        }
    })
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: what SQLite opened, and a place for the size.
    unsafe { *size = policy_file(file).content.size() };
    SQLITE_OK
}

unsafe extern "C" fn write(_: *mut sqlite3_file, _: *const c_void, _: c_int, _: i64) -> c_int {
    SQLITE_READONLY
}

unsafe extern "C" fn truncate(_: *mut sqlite3_file, _: i64) -> c_int {
    SQLITE_READONLY
}

/// The file never changes while it is open: no lock is needed, and nothing is brought to the disk.
unsafe extern "C" fn nothing(_: *mut sqlite3_file, _: c_int) -> c_int {
    SQLITE_OK
}

unsafe extern "C" fn no_lock(_: *mut sqlite3_file, held: *mut c_int) -> c_int {
    // SAFETY: a place for the answer.
    unsafe { *held = 0 };
    SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut sqlite3_file) -> c_int {
    0
}

unsafe extern "C" fn characteristics(_: *mut sqlite3_file) -> c_int {
    SQLITE_IOCAP_IMMUTABLE
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, _: *const c_char, _: c_int) -> c_int {
    SQLITE_IOERR
}

unsafe extern "C" fn access(
    _: *mut sqlite3_vfs,
    _: *const c_char,
    _: c_int,
    there: *mut c_int,
) -> c_int {
    // SAFETY: a place for the answer.
    unsafe { *there = 0 };
    SQLITE_OK
}

/// Names stay as they are: they are no paths.
unsafe extern "C" fn full_pathname(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: a C string.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if usize::try_from(room).is_ok_and(|room| name.len() <= room) {
        // SAFETY: there is room for it.
        unsafe { std::ptr::copy_nonoverlapping(name.as_ptr().cast(), out, name.len()) };
        return SQLITE_OK;
    }
    SQLITE_CANTOPEN
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{FileExt, PermissionsExt};

    use peerkey_core::store;
    use rusqlite::{Connection, OpenFlags};

    use super::*;
    use crate::folder::Folder;
    use crate::folder::tests::{Temporary, temporary};

    /// A database in a folder of its own.
    fn database(name: &str) -> (Temporary, Folder) {
        assert!(install());
        let dir = temporary(&format!("vfs-{name}"));
        write_database(&dir.join("db"), "CREATE TABLE t AS SELECT 7 AS n");
        let folder = Folder::new(&dir);
        (dir, folder)
    }

    /// A sealed database.
    pub(crate) fn write_database(path: &Path, sql: &str) {
        store::create(path).unwrap();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let writer = Connection::open_with_flags_and_vfs(path, flags, "unix").unwrap();
        writer.execute_batch(sql).unwrap();
        writer.close().unwrap();
        store::seal(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn open_reader(folder: &Folder) -> (Connection, RawFd) {
        let descriptor = folder.open(c"db").unwrap();
        let number = descriptor.number();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let open = |name: &str, _: Option<&Header>| {
            let uri = format!("file:{name}?mode=ro&immutable=1");
            Connection::open_with_flags(uri, flags).unwrap()
        };
        (open_with(descriptor, open), number)
    }

    fn sum(reader: &Connection) -> rusqlite::Result<i64> {
        reader.query_row("SELECT sum(n) FROM t", [], |row| row.get(0))
    }

    #[test]
    fn a_descriptor_is_read_whatever_its_path_holds_now() {
        let (dir, folder) = database("moved");
        let (reader, number) = open_reader(&folder);
        let file = folder.look(c"db").unwrap();
        fs::rename(dir.join("db"), dir.join("elsewhere")).unwrap();
        assert_eq!(sum(&reader), Ok(7));
        assert!(number >= 64 && file.is_of(number));
        drop(reader);
        // The number may be another test's by now.
        assert!(!file.is_of(number));
    }

    #[test]
    fn what_another_file_holds_is_never_read_nor_closed() {
        let (dir, folder) = database("reused");
        let (reader, number) = open_reader(&folder);
        // As like as can be: only the inode differs.
        fs::copy(dir.join("db"), dir.join("copy")).unwrap();
        let other = File::open(dir.join("copy")).unwrap();
        // SAFETY: what a host does that closes and reuses a descriptor it does not know.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
        sum(&reader).unwrap_err();
        drop(reader);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::fcntl(number, libc::F_GETFD) }, 0);
    }

    #[test]
    fn what_is_written_over_is_not_read_on() {
        let (dir, folder) = database("overwritten");
        let (reader, _) = open_reader(&folder);
        let before = fs::read(dir.join("db")).unwrap();
        fs::write(dir.join("db"), before).unwrap();
        sum(&reader).unwrap_err();
    }

    #[test]
    fn what_is_damaged_is_an_error_of_its_own() {
        let (dir, folder) = database("damaged");
        let file = File::options().write(true).open(dir.join("db")).unwrap();
        // On the second page, which is the table.
        file.write_all_at(&[1], 5000).unwrap();
        let (reader, _) = open_reader(&folder);
        let error = sum(&reader).unwrap_err();
        assert_eq!(error.sqlite_error().unwrap().extended_code, SQLITE_IOERR_DATA);
    }

    #[test]
    fn no_path_is_followed() {
        let (dir, _folder) = database("path");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        Connection::open_with_flags(dir.join("db"), flags).unwrap_err();
    }
}
