//! SQLite's way to a file of keys and to its journal: through the folder that is held.
//!
//! It knows the folder of the operation under way only, and in it two names.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::size_of;
use std::ptr::{drop_in_place, null};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use rusqlite::ffi::{
    SQLITE_CANTOPEN, SQLITE_FCNTL_HAS_MOVED, SQLITE_IOCAP_POWERSAFE_OVERWRITE, SQLITE_IOERR,
    SQLITE_IOERR_ACCESS, SQLITE_IOERR_CLOSE, SQLITE_IOERR_DELETE, SQLITE_IOERR_DELETE_NOENT,
    SQLITE_IOERR_FSYNC, SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_WRITE,
    SQLITE_NOTFOUND, SQLITE_OK, SQLITE_OPEN_MAIN_DB, SQLITE_OPEN_MAIN_JOURNAL,
    SQLITE_OPEN_READONLY, SQLITE_OPEN_READWRITE, sqlite3_file, sqlite3_io_methods, sqlite3_vfs,
};

use super::ahead::Ahead;
use super::file::{Code, File, code};
use crate::entry::guarded;
use crate::folder::{Descriptor, FileId, Folder};
use crate::recent::soon;
use crate::vfs::Way;

/// By which name SQLite knows it.
pub(super) const NAME: &str = "peerkey-keys";
const C_NAME: &CStr = c"peerkey-keys";

/// The file, and what SQLite keeps beside it to undo a write that came to no end.
pub(super) const FILE: &CStr = c"keys.db";
const JOURNAL: &CStr = c"keys.db-journal";

/// An opened file that SQLite is about to take.
pub(super) struct Offered {
    pub(super) descriptor: Descriptor,
    pub(super) writable: bool,
}

thread_local! {
    /// The folder of the operation under way.
    static FOLDER: RefCell<Option<Arc<Folder>>> = const { RefCell::new(None) };
    static OFFERED: Cell<Option<Offered>> = const { Cell::new(None) };
}

/// The journal as this process left it last: its name is on the disk.
static NAMED: Mutex<Option<FileId>> = Mutex::new(None);

/// Runs an operation on a file in this folder; nothing else opens, writes or closes one.
pub(super) fn within<T>(folder: &Arc<Folder>, body: impl FnOnce() -> T) -> T {
    struct Restore(Option<Arc<Folder>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FOLDER.set(self.0.take());
        }
    }
    let _restore = Restore(FOLDER.replace(Some(Arc::clone(folder))));
    body()
}

/// Runs `open`, in which SQLite opens the file that is offered.
pub(super) fn open_with<T>(offered: Offered, open: impl FnOnce() -> T) -> T {
    OFFERED.set(Some(offered));
    let opened = open();
    // What was not taken is closed.
    drop(OFFERED.take());
    opened
}

fn folder() -> Option<Arc<Folder>> {
    FOLDER.with_borrow(Clone::clone)
}

/// Makes SQLite know it by its name. False if it cannot.
pub(super) fn install() -> bool {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    let way = Way { name: C_NAME, file_size: size_of::<KeysFile>(), open, delete, access };
    way.install(&INSTALLED, false)
}

/// An open file, in memory of SQLite's.
#[repr(C)]
struct KeysFile {
    base: sqlite3_file,
    file: File,
    journal: Option<Journal>,
}

/// What else is known of a journal. It is not taken away when it is done with, but emptied: so it needs no
/// new name each time.
struct Journal {
    /// Whether its name is known to be on the disk.
    is_named: bool,
    /// What is to be written, while nothing is.
    ahead: Option<Ahead>,
}

impl KeysFile {
    fn read(&self, buffer: &mut [u8], offset: i64) -> Code {
        match self.journal.as_ref().and_then(|journal| journal.ahead.as_ref()) {
            Some(ahead) if ahead.read(buffer, offset) => Ok(()),
            Some(_) => Err(SQLITE_IOERR_SHORT_READ),
            None => self.file.read(buffer, offset),
        }
    }

    fn write(&mut self, bytes: &[u8], offset: i64) -> Code {
        let ahead = self.journal.as_mut().and_then(|journal| journal.ahead.as_mut());
        if ahead.is_some_and(|ahead| ahead.write(bytes, offset)) {
            return Ok(());
        }
        self.catch_up()?;
        self.file.write(bytes, offset)
    }

    /// Writes what was not written yet.
    fn catch_up(&mut self) -> Code {
        let ahead = self.journal.as_mut().and_then(|journal| journal.ahead.take());
        ahead.map_or(Ok(()), |ahead| self.file.write(ahead.content(), 0))
    }

    fn truncate(&mut self, size: i64) -> Code {
        match self.journal.as_mut().and_then(|journal| journal.ahead.as_mut()) {
            Some(ahead) => {
                ahead.truncate(size);
                Ok(())
            }
            None => self.file.truncate(size),
        }
    }

    fn sync(&mut self) -> Code {
        self.catch_up()?;
        self.file.sync()?;
        if let Some(journal) = self.journal.as_mut().filter(|journal| !journal.is_named) {
            let folder = folder().ok_or(SQLITE_IOERR_FSYNC)?;
            folder.sync().map_err(|_| SQLITE_IOERR_FSYNC)?;
            journal.is_named = true;
        }
        Ok(())
    }

    fn size(&self) -> Result<i64, c_int> {
        let ahead = self.journal.as_ref().and_then(|journal| journal.ahead.as_ref());
        ahead.map_or_else(|| self.file.size(), |ahead| Ok(ahead.content().len() as i64))
    }

    /// Notes what is known of a journal that is about to be closed.
    fn note(&self) {
        if self.journal.as_ref().is_some_and(|journal| journal.is_named)
            && let Some(mut named) = soon(&NAMED)
        {
            *named = self.file.now();
        }
    }
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
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
    _: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    guarded("sqlite", SQLITE_CANTOPEN, || {
        // SAFETY: SQLite passes room for a file; without methods it does not close what failed.
        unsafe { (*file).pMethods = null() };
        let is_journal = flags & SQLITE_OPEN_MAIN_JOURNAL != 0;
        let opened = match flags {
            _ if is_journal => open_journal(),
            flags if flags & SQLITE_OPEN_MAIN_DB != 0 => OFFERED.take(),
            _ => None,
        };
        let Some(Offered { descriptor, writable }) = opened else { return SQLITE_CANTOPEN };
        let base = sqlite3_file { pMethods: &raw const METHODS };
        let id = descriptor.id();
        let journal = is_journal.then(|| Journal {
            is_named: soon(&NAMED).is_some_and(|named| *named == Some(id)),
            ahead: (id.size == 0).then(Ahead::new),
        });
        let keys = KeysFile { base, file: File::new(descriptor), journal };
        let way = if writable { SQLITE_OPEN_READWRITE } else { SQLITE_OPEN_READONLY };
        // SAFETY: as above: `szOsFile` bytes; and null or a place for the flags.
        unsafe {
            file.cast::<KeysFile>().write(keys);
            if !out_flags.is_null() {
                *out_flags = flags & !(SQLITE_OPEN_READWRITE | SQLITE_OPEN_READONLY) | way;
            }
        }
        SQLITE_OK
    })
}

fn open_journal() -> Option<Offered> {
    let own = folder()?.open_own(JOURNAL, true).ok()?;
    Some(Offered { descriptor: own.descriptor, writable: own.read_only.is_none() })
}

/// Runs `body` with a file that `open` made.
fn with(
    file: *mut sqlite3_file,
    failed: c_int,
    body: impl FnOnce(&mut KeysFile) -> c_int,
) -> c_int {
    // SAFETY: SQLite passes what it opened, and uses it in one thread at a time.
    guarded("sqlite", failed, || body(unsafe { &mut *file.cast::<KeysFile>() }))
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    with(file, SQLITE_IOERR_CLOSE, |keys| {
        keys.note();
        // SAFETY: SQLite closes it once, and takes the memory back as it is.
        unsafe { drop_in_place(keys) };
        SQLITE_OK
    })
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    buffer: *mut c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    with(file, SQLITE_IOERR_READ, |keys| {
        let length = usize::try_from(length).unwrap_or(0);
        // SAFETY: SQLite passes a buffer of this length.
        let buffer = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
        code(keys.read(buffer, offset))
    })
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    with(file, SQLITE_IOERR_WRITE, |keys| {
        let length = usize::try_from(length).unwrap_or(0);
        // SAFETY: SQLite passes bytes of this length.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
        code(keys.write(bytes, offset))
    })
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    with(file, SQLITE_IOERR, |keys| code(keys.truncate(size)))
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    with(file, SQLITE_IOERR_FSYNC, |keys| code(keys.sync()))
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut i64) -> c_int {
    with(file, SQLITE_IOERR, |keys| {
        // SAFETY: a place for the size.
        code(keys.size().map(|now| unsafe { *size = now }))
    })
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    with(file, SQLITE_IOERR, |keys| code(keys.file.lock(level)))
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    with(file, SQLITE_IOERR, |keys| code(keys.file.unlock(level)))
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, held: *mut c_int) -> c_int {
    with(file, SQLITE_IOERR, |keys| {
        // SAFETY: a place for the answer.
        code(keys.file.is_reserved().map(|reserved| unsafe { *held = reserved.into() }))
    })
}

unsafe extern "C" fn file_control(
    file: *mut sqlite3_file,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    if operation != SQLITE_FCNTL_HAS_MOVED {
        return SQLITE_NOTFOUND;
    }
    with(file, SQLITE_IOERR, |keys| {
        let there = folder().and_then(|folder| folder.look(FILE).ok());
        let moved = there.is_none_or(|there| !there.is_same_file(&keys.file.id()));
        // SAFETY: for this operation, a place for an int.
        unsafe { *argument.cast::<c_int>() = moved.into() };
        SQLITE_OK
    })
}

unsafe extern "C" fn sector_size(_: *mut sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn characteristics(_: *mut sqlite3_file) -> c_int {
    SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

/// # Safety
///
/// `name` is null or a C string.
unsafe fn is_journal(name: *const c_char) -> bool {
    // SAFETY: as promised.
    !name.is_null() && unsafe { CStr::from_ptr(name) }.to_bytes().ends_with(JOURNAL.to_bytes())
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    guarded("sqlite", SQLITE_IOERR_DELETE, || {
        // SAFETY: as SQLite calls us.
        let Some(folder) = folder().filter(|_| unsafe { is_journal(name) }) else {
            return SQLITE_IOERR_DELETE;
        };
        match folder.remove(JOURNAL) {
            Err(error) if error.is_missing => SQLITE_IOERR_DELETE_NOENT,
            Err(_) => SQLITE_IOERR_DELETE,
            Ok(()) if sync != 0 && folder.sync().is_err() => SQLITE_IOERR_FSYNC,
            Ok(()) => SQLITE_OK,
        }
    })
}

unsafe extern "C" fn access(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    _: c_int,
    there: *mut c_int,
) -> c_int {
    guarded("sqlite", SQLITE_IOERR, || {
        // SAFETY: as SQLite calls us.
        let folder = folder().filter(|_| unsafe { is_journal(name) });
        // As for SQLite's own file system, an empty one is none.
        let has = match folder.map(|folder| folder.holds_beside(JOURNAL)) {
            Some(Ok(has)) => has,
            Some(Err(error)) if !error.is_missing => return SQLITE_IOERR_ACCESS,
            _ => false,
        };
        // SAFETY: a place for the answer.
        unsafe { *there = has.into() };
        SQLITE_OK
    })
}
