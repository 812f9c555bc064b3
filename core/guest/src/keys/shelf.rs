//! Which files they are, and connections to them that decisions borrow.

use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use peerkey_core::keys::place::{Condition, USER_FILE, User, machine_file, places};
use peerkey_core::keys::{Access, Book, Keys, KeysError, KnownKey, Lost, Sighting, Wanted};
use peerkey_core::peer::Name;
use peerkey_core::store::NOTICED_WITHIN;

use super::gate::{self, Inside};
use super::vfs::{self, FILE, Offered};
use super::{PATIENCE, PATIENCE_TO_WRITE, shown};
use crate::folder::{FileId, Folder, FolderError, OwnFile};
use crate::recent::soon;

const ENABLE: &str = "peerkey keys enable-user makes a folder";

/// More connections than this are not kept for later.
const KEPT: usize = 4;

/// What one process has open.
#[derive(Default)]
pub(super) struct Shelves {
    pub(super) shelf: Mutex<Option<Arc<Shelf>>>,
    users: Mutex<Vec<UserKeys>>,
    machine: Mutex<Vec<(Keys, FileId)>>,
    machine_seen: Mutex<Option<(Instant, Option<FileId>)>>,
}

impl Shelves {
    /// The machine's keys, if there are any.
    pub(super) fn machine(
        &self,
        state: &Folder,
        name: &CStr,
    ) -> Result<Option<(Keys, FileId)>, KeysError> {
        let path = || shown(&state.path().join(machine_file()));
        let fail = |why: &dyn std::fmt::Display| KeysError::new(&path(), why);
        let file = match self.machine_file(state, name) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            Err(error) => return Err(fail(&error.why())),
        };
        while let Some(known) = soon(&self.machine).and_then(|mut idle| idle.pop()) {
            if known.1 == file {
                return Ok(Some(known));
            }
        }
        if !crate::vfs::install() {
            return Err(fail(&"SQLite cannot be taught how to read them"));
        }
        let opened = state.open(name).map_err(|error| fail(&error.why()))?;
        let file = opened.id();
        let keys = crate::vfs::open_with(opened, |name, _| Keys::open_read_only(name));
        let keys = keys.map_err(|error| fail(&error.why()))?;
        Ok(Some((keys.of_machine().called(&path()), file)))
    }

    /// Which file has them; looked for no more often than a policy is: who publishes them waits for as
    /// long.
    fn machine_file(&self, state: &Folder, name: &CStr) -> Result<Option<FileId>, FolderError> {
        let seen = soon(&self.machine_seen).and_then(|seen| *seen);
        if let Some((_, file)) = seen.filter(|(at, _)| at.elapsed() < NOTICED_WITHIN) {
            return Ok(file);
        }
        let at = Instant::now();
        let file = match state.look(name) {
            Ok(file) => Some(file),
            Err(error) if error.is_missing => None,
            Err(error) => return Err(error),
        };
        if let Some(mut seen) = soon(&self.machine_seen) {
            *seen = Some((at, file));
        }
        Ok(file)
    }

    pub(super) fn give_machine_back(&self, keys: (Keys, FileId)) {
        if let Some(mut idle) = soon(&self.machine).filter(|idle| idle.len() < KEPT) {
            idle.push(keys);
        }
    }

    pub(super) fn give_back(&self, keys: UserKeys) {
        if let Some(mut idle) = soon(&self.users).filter(|idle| idle.len() < KEPT) {
            idle.push(keys);
        }
    }
}

/// Where the keys of a user are.
pub(super) struct Shelf {
    pub(super) uid: u32,
    /// The folder that root makes for a user; root's own is always there.
    system: Option<Arc<Folder>>,
    is_roots: bool,
    /// The user's own, and which folder says that it is the user's.
    home: Option<(Arc<Folder>, PathBuf)>,
}

impl Shelf {
    pub(super) fn new(state: &Arc<Folder>, user: &User<'_>) -> Self {
        let mut shelf = Self { uid: user.uid, system: None, is_roots: false, home: None };
        for place in places(state.path(), user) {
            match place.condition {
                // In another root its path is somebody else's.
                Condition::OwnedByUser(_) if !state.is_in_its_root() => {}
                Condition::OwnedByUser(owned) => {
                    shelf.home = Some((Arc::new(Folder::own(&place.folder)), owned));
                }
                condition => {
                    shelf.is_roots = condition == Condition::Always;
                    let below = place.folder.strip_prefix(state.path()).ok();
                    let folder = below.and_then(|below| Folder::own_below(state, below));
                    shelf.system = folder.map(Arc::new);
                }
            }
        }
        shelf
    }

    /// The folder of this moment.
    pub(super) fn folder(&self) -> Result<&Arc<Folder>, KeysError> {
        if let Some(system) = &self.system
            && (self.is_roots || system.is_there().map_err(|error| fail(system, error.why()))?)
        {
            return Ok(system);
        }
        match &self.home {
            Some((home, owned)) if home.is_held() || self.owns(owned) => Ok(home),
            Some((home, owned)) => {
                let why = format!("{} is another user's; {ENABLE}", owned.display());
                Err(KeysError::new(&shown(&home.path().join(USER_FILE)), why))
            }
            None => {
                let path = self.system.as_ref().map(|system| system.path().join(USER_FILE));
                Err(KeysError::new(&shown(&path.unwrap_or_default()), ENABLE))
            }
        }
    }

    /// Whether the nearest folder that is there belongs to the user.
    fn owns(&self, path: &Path) -> bool {
        let found = path.ancestors().find_map(|path| std::fs::metadata(path).ok());
        found.is_some_and(|found| found.uid() == self.uid)
    }

    /// The user's keys; None if there are none yet.
    pub(super) fn take(&self, shelves: &Shelves) -> Result<Option<UserKeys>, KeysError> {
        let folder = match self.folder() {
            Ok(folder) => folder,
            // A user who has no place has no keys; one whose place is spoilt may have some.
            Err(_) if self.has_no_place() => return Ok(None),
            Err(error) => return Err(error),
        };
        let file = match folder.look(FILE) {
            Ok(file) => file,
            Err(error) if error.is_missing => return Ok(None),
            Err(error) => return Err(fail(folder, error.why())),
        };
        while let Some(known) = soon(&shelves.users).and_then(|mut idle| idle.pop()) {
            if known.is_of(folder, &file) {
                return Ok(Some(known));
            }
        }
        let own = folder.open_own(FILE, false).map_err(|error| fail(folder, error.why()))?;
        let access = if own.read_only.is_some() { Access::Read } else { Access::Write };
        UserKeys::open(folder, own, access)
    }

    fn has_no_place(&self) -> bool {
        let there = self.system.as_ref().map(|system| system.is_there());
        matches!(there, None | Some(Ok(false)))
    }

    /// The user's keys, in a file that is made if it is not there.
    pub(super) fn make(&self) -> Result<UserKeys, KeysError> {
        let folder = self.folder()?;
        let ready = folder.is_there().and_then(|there| if there { Ok(()) } else { folder.make() });
        let own = ready.and_then(|()| folder.open_own(FILE, true));
        let own = own.map_err(|error| fail(folder, error.why()))?;
        if let Some(error) = &own.read_only {
            return Err(fail(folder, error.why()));
        }
        let keys = UserKeys::open(folder, own, Access::Make)?;
        keys.ok_or_else(|| fail(folder, "the file is empty"))
    }

    /// Why nothing can be written, if that is known without trying.
    pub(super) fn may_write(&self) -> Result<(), KeysError> {
        let folder = self.folder()?;
        let written = match folder.may_write() {
            Ok(()) => match folder.open_own(FILE, false) {
                Ok(OwnFile { read_only: Some(error), .. }) => Err(error),
                Err(error) if !error.is_missing => Err(error),
                _ => Ok(()),
            },
            Err(error) if error.is_missing => folder.may_be_made(),
            Err(error) => Err(error),
        };
        written.map_err(|error| fail(folder, error.why()))
    }
}

fn fail(folder: &Folder, why: impl std::fmt::Display) -> KeysError {
    KeysError::new(&shown(&folder.path().join(USER_FILE)), why)
}

fn inside(folder: &Folder) -> Result<Inside, KeysError> {
    let too_many = || fail(folder, "too many threads of this program want them at once");
    gate::enter(PATIENCE_TO_WRITE).ok_or_else(too_many)
}

/// An open file of a user's.
pub(super) struct UserKeys {
    keys: ManuallyDrop<Keys>,
    folder: Arc<Folder>,
    file: FileId,
    number: RawFd,
}

impl UserKeys {
    fn open(folder: &Arc<Folder>, own: OwnFile, access: Access) -> Result<Option<Self>, KeysError> {
        if !vfs::install() {
            return Err(fail(folder, "SQLite cannot be taught how to read them"));
        }
        let OwnFile { descriptor, read_only } = own;
        let (file, number) = (descriptor.id(), descriptor.number());
        let path = shown(&folder.path().join(USER_FILE));
        let open = || Keys::open_through(vfs::NAME, &path, access, PATIENCE);
        let offered = Offered { descriptor, writable: read_only.is_none() };
        let _inside = inside(folder)?;
        let keys = vfs::within(folder, || vfs::open_with(offered, open))?;
        let opened =
            |keys| Self { keys: ManuallyDrop::new(keys), folder: Arc::clone(folder), file, number };
        Ok(keys.map(opened))
    }

    /// Whether it is of this file still, and its descriptor too: hosts close what they do not know.
    fn is_of(&self, folder: &Arc<Folder>, file: &FileId) -> bool {
        Arc::ptr_eq(folder, &self.folder)
            && self.file.is_same_file(file)
            && self.file.is_of(self.number)
    }

    pub(super) fn keys_of(&self, peer: &Name) -> Result<Vec<KnownKey>, KeysError> {
        let _inside = inside(&self.folder)?;
        vfs::within(&self.folder, || self.keys.keys_of(peer))
    }

    pub(super) fn certificates(&self, wanted: Wanted) -> Result<Vec<Vec<u8>>, KeysError> {
        let _inside = inside(&self.folder)?;
        vfs::within(&self.folder, || self.keys.certificates(wanted))
    }

    pub(super) fn remember(
        &mut self,
        seen: &[Sighting],
        now: i64,
    ) -> Result<Option<Lost>, KeysError> {
        let _inside = inside(&self.folder)?;
        vfs::within(&self.folder, || {
            self.keys.wait_at_most(PATIENCE_TO_WRITE)?;
            let lost = self.keys.remember(seen, now)?;
            self.keys.wait_at_most(PATIENCE)?;
            Ok(lost)
        })
    }
}

#[cfg(test)]
impl UserKeys {
    pub(super) fn number(&self) -> RawFd {
        self.number
    }
}

impl Drop for UserKeys {
    fn drop(&mut self) {
        // SAFETY: it is never used again.
        let keys = unsafe { ManuallyDrop::take(&mut self.keys) };
        vfs::within(&self.folder, || drop(keys));
    }
}
