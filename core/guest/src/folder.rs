//! The folder of the compiled policy, held open from init on: after chroot(2), and with fewer rights,
//! its path may lead nowhere. Folders of users' keys are held in the same way.

mod descriptor;
mod own;
mod put;

use std::ffi::{CStr, CString, OsStr, c_int};
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

pub(crate) use descriptor::{Descriptor, again, region};
pub(crate) use own::OwnFile;

/// Out of the way of hosts that count on low numbers.
const FROM: RawFd = 64;
/// Where a limit does not leave room there.
const AT_LEAST: RawFd = 3;
const OPEN_FOLDER: c_int = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
/// What another user namespace's root shows as (user_namespaces(7)).
const OVERFLOW_UID: u32 = 65534;

/// A folder by its path, and by the descriptor that was opened for it at first.
pub struct Folder {
    path: PathBuf,
    descriptor: AtomicI32,
    device: AtomicU64,
    inode: AtomicU64,
    /// The root folder at init, by device and inode.
    root: Option<(u64, u64)>,
    whose: Whose,
}

/// Where a folder is, and who may have written what is in it.
enum Whose {
    /// At its path; root, or the program's own user.
    Trusted,
    /// At its path; the program's own user alone.
    Own,
    /// The same, below a folder that is held: its path is not needed.
    OwnBelow(Arc<Folder>, CString),
}

/// Which file it is, and which content of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
    pub(crate) size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileId {
    fn of(stat: &libc::stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// Whether the descriptor is of this file.
    pub fn is_of(&self, descriptor: RawFd) -> bool {
        status(descriptor).is_ok_and(|s| (s.st_dev, s.st_ino) == (self.device, self.inode))
    }

    /// Whether both are one file, whatever is in it.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// Why a file of the folder cannot be used.
#[derive(Debug)]
pub struct FolderError {
    path: PathBuf,
    why: String,
    /// Whether it is not there at all.
    pub(crate) is_missing: bool,
}

impl FolderError {
    /// The cause alone.
    pub(crate) fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

impl Folder {
    /// Opens the folder, if it is there; if not, it is looked for again when it is needed.
    pub fn new(path: &Path) -> Self {
        let folder = Self::at(path, Whose::Trusted);
        let _ = folder.reopen();
        folder
    }

    fn at(path: &Path, whose: Whose) -> Self {
        Self {
            path: path.to_owned(),
            descriptor: AtomicI32::new(-1),
            device: AtomicU64::new(0),
            inode: AtomicU64::new(0),
            root: root(),
            whose,
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was opened, and still is.
    pub(crate) fn is_held(&self) -> bool {
        self.held().is_some()
    }

    /// Whether the process has the same root folder as at init.
    pub(crate) fn is_in_its_root(&self) -> bool {
        root() == self.root
    }

    /// Which file stands under this name now. Refuses what others than its owner could have written.
    pub fn look(&self, name: &CStr) -> Result<FileId, FolderError> {
        let stat = self.in_folder(name, own::stat_at)?;
        self.trusted_file(name, &stat)
    }

    /// Whether a file of this name, in the folder that is held, holds anything, wherever its path leads to
    /// now: what belongs to a file that was opened in it.
    pub(crate) fn holds_beside(&self, name: &CStr) -> Result<bool, FolderError> {
        let Some(held) = self.held() else { return self.look(name).map(|file| file.size > 0) };
        match own::stat_at(held, name) {
            // By whomever it is, an empty one holds nothing.
            Ok(stat) if stat.st_mode & libc::S_IFMT == libc::S_IFREG && stat.st_size == 0 => {
                Ok(false)
            }
            Ok(stat) => self.trusted_file(name, &stat).map(|_| true),
            // By far the most often: nothing is made of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.io_error(name, &error)),
        }
    }

    /// Opens the file that stands under this name now.
    pub(crate) fn open(&self, name: &CStr) -> Result<Descriptor, FolderError> {
        const FLAGS: c_int =
            libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = self.in_folder(name, |folder, name| {
            // SAFETY: a C string.
            owned(unsafe { libc::openat(folder, name.as_ptr(), FLAGS) })
        });
        // What stands there says better why it cannot be opened.
        let file = file.map_err(|error| self.look(name).err().unwrap_or(error))?;
        self.held_open(name, file)
    }

    /// What was opened just now, if it is as it should be.
    fn held_open(&self, name: &CStr, opened: OwnedFd) -> Result<Descriptor, FolderError> {
        let stat = status(opened.as_raw_fd()).map_err(|error| self.io_error(name, &error))?;
        let id = self.trusted_file(name, &stat)?;
        Descriptor::new(opened, id).map_err(|error| self.io_error(name, &error))
    }

    /// Runs an operation in the folder, and again if the folder was replaced since it was opened.
    fn in_folder<T>(
        &self,
        name: &CStr,
        operation: impl Fn(RawFd, &CStr) -> io::Result<T>,
    ) -> Result<T, FolderError> {
        let held = match self.held() {
            Some(held) if self.is_in_place() => held,
            _ => self.reopen()?,
        };
        operation(held, name).map_err(|error| self.io_error(name, &error))
    }

    /// Whether the path still leads to the folder, or leads nowhere that we can see: after chroot(2)
    /// another folder there is somebody else's, and with fewer rights there is none.
    fn is_in_place(&self) -> bool {
        if let Whose::OwnBelow(base, below) = &self.whose {
            return self.is_in(base, below);
        }
        // First: in another root no path is looked up at all.
        if root() != self.root {
            return true;
        }
        let Ok(path) = CString::new(self.path.as_os_str().as_bytes()) else { return true };
        // SAFETY: a C string, and room for the result.
        match stat_with(|stat| unsafe { libc::stat(path.as_ptr(), stat) }) {
            Ok(stat) => self.is_ours(&stat),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    fn is_ours(&self, stat: &libc::stat) -> bool {
        stat.st_dev == self.device.load(Ordering::Acquire)
            && stat.st_ino == self.inode.load(Ordering::Acquire)
    }

    /// The descriptor, if it still is that of the folder: hosts close descriptors that they do not
    /// know, and get the same numbers again for files of theirs.
    fn held(&self) -> Option<RawFd> {
        let descriptor = self.descriptor.load(Ordering::Acquire);
        if descriptor < 0 {
            return None;
        }
        let stat = status(descriptor).ok()?;
        (self.is_ours(&stat) && self.trusted_folder(&stat).is_ok()).then_some(descriptor)
    }

    /// Opens the folder by its path. A descriptor from before is kept if it is of the same folder; if
    /// not, its number may be the host's now, and is left alone.
    fn reopen(&self) -> Result<RawFd, FolderError> {
        let fail = |error: io::Error| self.io_error(c"", &error);
        let opened = match &self.whose {
            Whose::OwnBelow(base, below) => self.open_below(base, below)?,
            Whose::Trusted | Whose::Own => self.open_path()?,
        };
        let stat = status(opened.as_raw_fd()).map_err(fail)?;
        self.trusted_folder(&stat)?;
        if let Some(held) = self.held().filter(|_| self.is_ours(&stat)) {
            return Ok(held);
        }
        let descriptor = moved_up(opened).map_err(fail)?.into_raw_fd();
        // Readers that see a mixture of old and new find that it does not fit, and come here.
        self.device.store(stat.st_dev, Ordering::Release);
        self.inode.store(stat.st_ino, Ordering::Release);
        self.descriptor.store(descriptor, Ordering::Release);
        Ok(descriptor)
    }

    fn open_path(&self) -> Result<OwnedFd, FolderError> {
        if !self.path.is_absolute() {
            return Err(self.error(c"", "state-dir is no absolute path"));
        }
        if root() != self.root {
            let why = "it is not open any more, and the process has another root folder now";
            return Err(self.error(c"", why));
        }
        let path = CString::new(self.path.as_os_str().as_bytes());
        let path = path.map_err(|error| self.error(c"", error))?;
        // SAFETY: a C string.
        let opened = owned(unsafe { libc::open(path.as_ptr(), OPEN_FOLDER) });
        opened.map_err(|error| self.io_error(c"", &error))
    }

    fn trusted_folder(&self, stat: &libc::stat) -> Result<(), FolderError> {
        // In a sticky folder only the owner of a file can replace it (unlink(2), EPERM).
        let sticky = stat.st_mode & libc::S_ISVTX != 0;
        self.trusted(stat, sticky).map_err(|why| self.error(c"", why))
    }

    fn trusted_file(&self, name: &CStr, stat: &libc::stat) -> Result<FileId, FolderError> {
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
            return Err(self.error(name, "it is no regular file"));
        }
        self.trusted(stat, false).map_err(|why| self.error(name, why))?;
        Ok(FileId::of(stat))
    }

    fn trusted(&self, stat: &libc::stat, sticky: bool) -> Result<(), String> {
        match self.whose {
            Whose::Trusted => trusted(stat, sticky),
            Whose::Own | Whose::OwnBelow(..) => own::trusted(stat),
        }
    }

    fn error(&self, name: &CStr, why: impl fmt::Display) -> FolderError {
        let name = OsStr::from_bytes(name.to_bytes());
        let path = if name.is_empty() { self.path.clone() } else { self.path.join(name) };
        FolderError { path, why: in_english(|| why.to_string()), is_missing: false }
    }

    fn io_error(&self, name: &CStr, error: &io::Error) -> FolderError {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        FolderError { is_missing, ..self.error(name, error) }
    }
}

/// The system's words for an error are in the host's language otherwise, and in its character set.
fn in_english<T>(body: impl FnOnce() -> T) -> T {
    // SAFETY: the locale "C" always exists, is never freed, and is this thread's for this call only.
    unsafe {
        let host = libc::uselocale(libc::newlocale(libc::LC_ALL_MASK, c"C".as_ptr(), null_mut()));
        let result = body();
        libc::uselocale(host);
        result
    }
}

/// Which folder is the root, by device and inode.
fn root() -> Option<(u64, u64)> {
    // SAFETY: a C string, and room for the result.
    let stat = stat_with(|stat| unsafe { libc::stat(c"/".as_ptr(), stat) });
    stat.ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// Whether nobody but root and the program's own user can have written it.
fn trusted(stat: &libc::stat, sticky: bool) -> Result<(), String> {
    let is_roots = stat.st_uid == 0 || (stat.st_uid == OVERFLOW_UID && in_user_namespace());
    // SAFETY: no arguments, and it cannot fail.
    if !is_roots && stat.st_uid != unsafe { libc::geteuid() } {
        return Err(format!("its owner is user {}, who is not trusted", stat.st_uid));
    }
    if stat.st_mode & (libc::S_IWGRP | libc::S_IWOTH) != 0 && !sticky {
        return Err(format!("others may write it (mode {:o})", stat.st_mode & 0o7777));
    }
    Ok(())
}

/// Whether this process sees mapped users: then root's files may show the overflow uid. Where all users
/// are mapped to themselves, that uid is just somebody's.
fn in_user_namespace() -> bool {
    const ALL: [&[u8]; 3] = [b"0", b"0", b"4294967295"];
    let map = start_of(c"/proc/self/uid_map").unwrap_or([0; 64]);
    !map.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).eq(ALL)
}

/// The first bytes of a file, with the system calls that are made here anyway: others may be forbidden.
fn start_of(path: &CStr) -> io::Result<[u8; 64]> {
    let mut start = [b' '; 64];
    // SAFETY: a C string.
    let file = owned(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) })?;
    // SAFETY: a buffer of this length.
    match unsafe { libc::read(file.as_raw_fd(), start.as_mut_ptr().cast(), start.len()) } {
        0.. => Ok(start),
        _ => Err(io::Error::last_os_error()),
    }
}

fn status(descriptor: RawFd) -> io::Result<libc::stat> {
    // SAFETY: room for the result; a number that is not open gives EBADF.
    stat_with(|stat| unsafe { libc::fstat(descriptor, stat) })
}

fn stat_with(call: impl FnOnce(*mut libc::stat) -> c_int) -> io::Result<libc::stat> {
    let mut stat = MaybeUninit::uninit();
    match call(stat.as_mut_ptr()) {
        // SAFETY: the call succeeded, and filled it in.
        0 => Ok(unsafe { stat.assume_init() }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn owned(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The same open file, under a number that is out of the way.
fn moved_up(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    let copy = |from: RawFd| {
        // SAFETY: no memory is involved.
        owned(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, from) })
    };
    copy(FROM).or_else(|_| copy(AT_LEAST))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder that goes with the test.
    pub(crate) struct Temporary(PathBuf);

    impl std::ops::Deref for Temporary {
        type Target = Path;

        fn deref(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    pub(crate) fn temporary(name: &str) -> Temporary {
        let path = std::env::temp_dir().join(format!("peerkey-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Temporary(path)
    }

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    }

    #[test]
    fn a_replaced_file_is_another_file() {
        let path = temporary("replaced");
        write(&path.join("a"), "1");
        let folder = Folder::new(&path);
        let first = folder.look(c"a").unwrap();
        assert_eq!(folder.look(c"a").unwrap(), first);
        assert_eq!(folder.open(c"a").unwrap().id(), first);
        write(&path.join("b"), "2");
        fs::rename(path.join("b"), path.join("a")).unwrap();
        assert_ne!(folder.look(c"a").unwrap(), first);
    }

    #[test]
    fn a_folder_that_comes_later_or_again_is_found() {
        let path = temporary("later");
        fs::remove_dir(&*path).unwrap();
        let folder = Folder::new(&path);
        assert!(folder.look(c"a").unwrap_err().to_string().contains("later"));
        for _ in 0..2 {
            fs::create_dir(&*path).unwrap();
            fs::set_permissions(&*path, Permissions::from_mode(0o755)).unwrap();
            write(&path.join("a"), "1");
            folder.look(c"a").unwrap();
            fs::remove_dir_all(&*path).unwrap();
        }
    }

    #[test]
    fn a_folder_that_is_replaced_is_left() {
        let (path, aside) = (temporary("swapped"), temporary("aside"));
        write(&path.join("a"), "1");
        let folder = Folder::new(&path);
        let first = folder.look(c"a").unwrap();
        fs::remove_dir(&*aside).unwrap();
        fs::rename(&*path, &*aside).unwrap();
        assert!(folder.look(c"a").unwrap_err().to_string().contains("swapped"));
        fs::create_dir(&*path).unwrap();
        fs::set_permissions(&*path, Permissions::from_mode(0o755)).unwrap();
        write(&path.join("a"), "1");
        assert_ne!(folder.look(c"a").unwrap(), first);
    }

    #[test]
    fn a_number_that_is_the_hosts_now_is_left_alone() {
        let path = temporary("reused");
        write(&path.join("a"), "1");
        let folder = Folder::new(&path);
        let number = folder.descriptor.load(Ordering::Relaxed);
        assert!(number >= FROM);
        let other = fs::File::open("/").unwrap();
        // SAFETY: what a host does that closes and reuses a descriptor it does not know.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
        folder.look(c"a").unwrap();
        assert_ne!(folder.descriptor.load(Ordering::Relaxed), number);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::fcntl(number, libc::F_GETFD) }, 0);
    }

    #[test]
    fn what_others_may_write_is_refused() {
        let path = temporary("writable");
        write(&path.join("a"), "1");
        let folder = Folder::new(&path);
        fs::set_permissions(path.join("a"), Permissions::from_mode(0o664)).unwrap();
        assert!(folder.look(c"a").unwrap_err().to_string().contains("mode 664"));
        assert!(folder.open(c"a").is_err());
        write(&path.join("a"), "1");
        folder.look(c"a").unwrap();
        std::os::unix::fs::symlink("a", path.join("link")).unwrap();
        assert!(folder.look(c"link").is_err());
        assert!(folder.open(c"link").is_err());
        fs::set_permissions(&*path, Permissions::from_mode(0o777)).unwrap();
        assert!(folder.look(c"a").is_err());
        fs::set_permissions(&*path, Permissions::from_mode(0o1777)).unwrap();
        folder.look(c"a").unwrap();
    }
}
