//! The remembered keys in somebody else's process: the machine's and those of the program's user.

mod ahead;
mod file;
mod gate;
mod shelf;
#[cfg(test)]
mod tests;
mod vfs;

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ffi::{CStr, CString, OsString};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use peerkey_core::keys::place::User;
use peerkey_core::keys::place::machine_file;
use peerkey_core::keys::{Book, Keys, KeysError, KnownKey, Lost, Sighting, Wanted};
use peerkey_core::peer::Name;

use crate::folder::{FileId, Folder};
use crate::fork::{PerProcess, process_id};
use crate::recent::soon;
use shelf::{Shelf, Shelves, UserKeys};
use vfs::FILE;

/// No lock of another process is waited for longer by a decision.
const PATIENCE: Duration = Duration::from_millis(250);
/// The handshake has finished by then, and what is not written is lost.
const PATIENCE_TO_WRITE: Duration = Duration::from_millis(1500);

/// What the environment of a process said about its user, when the process began.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    is_secure: bool,
    home: Option<OsString>,
    xdg_state_home: Option<OsString>,
}

impl Surroundings {
    /// Those of now.
    pub fn of_now() -> Self {
        // SAFETY: no memory is involved.
        let is_secure = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
        let variable = |name| if is_secure { None } else { std::env::var_os(name) };
        Self { is_secure, home: variable("HOME"), xdg_state_home: variable("XDG_STATE_HOME") }
    }

    fn user(&self, uid: u32) -> User<'_> {
        User {
            uid,
            is_secure: self.is_secure,
            home: self.home.as_deref(),
            xdg_state_home: self.xdg_state_home.as_deref(),
        }
    }
}

/// The remembered keys, for one host library in this process. Nothing is opened before it is needed.
pub struct Books {
    state: Arc<Folder>,
    /// The machine's file in it.
    machine: CString,
    surroundings: Surroundings,
    process: PerProcess<Shelves>,
}

impl Books {
    /// The machine's keys in the state folder, and those of whoever the process belongs to.
    pub fn new(state: &Arc<Folder>, surroundings: Surroundings) -> Self {
        // No name of ours has a null in it.
        let machine = CString::new(machine_file()).unwrap_or_default();
        Self { state: Arc::clone(state), machine, surroundings, process: PerProcess::new() }
    }

    /// A book for one decision.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            process: process_id(),
            shelves: self.process.get(Shelves::default),
            shelf: self.shelf(),
            state: &self.state,
            machine_file: &self.machine,
            machine: OnceCell::new(),
            user: OnceCell::new(),
        }
    }

    /// Writes down what an accepted connection, or a refused first use, saw.
    pub fn remember(&self, seen: &[Sighting], now: i64) -> Result<Option<Lost>, KeysError> {
        let shelves = self.process.get(Shelves::default);
        let shelf = self.shelf();
        let mut keys = match shelf.take(shelves)? {
            Some(keys) => keys,
            None => shelf.make()?,
        };
        let lost = keys.remember(seen, now)?;
        shelves.give_back(keys);
        Ok(lost)
    }

    /// Which files of keys there are, and with which content: it changes when keys do.
    pub fn standing(&self) -> Standing {
        Standing {
            machine: self.state.look(&self.machine).ok(),
            user: self.shelf().folder().ok().and_then(|folder| folder.look(FILE).ok()),
        }
    }

    /// The folder in which the keys of the user of this moment are, or would be.
    pub(crate) fn place(&self) -> Result<Arc<Folder>, KeysError> {
        self.shelf().folder().cloned()
    }

    /// Whether paths lead where they led at init.
    pub(crate) fn is_in_its_root(&self) -> bool {
        self.state.is_in_its_root()
    }

    /// The shelf of the user of this moment.
    fn shelf(&self) -> Arc<Shelf> {
        // SAFETY: no arguments, and it cannot fail.
        let uid = unsafe { libc::geteuid() };
        let shelves = self.process.get(Shelves::default);
        let known = soon(&shelves.shelf).and_then(|shelf| shelf.clone());
        if let Some(known) = known.filter(|known| known.uid == uid) {
            return known;
        }
        let new = Arc::new(Shelf::new(&self.state, &self.surroundings.user(uid)));
        if let Some(mut place) = soon(&shelves.shelf) {
            *place = Some(Arc::clone(&new));
        }
        new
    }
}

/// The files of keys of one moment; None where there is none, or none that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Standing {
    machine: Option<FileId>,
    user: Option<FileId>,
}

/// The book that one decision reads. Files are opened when it first asks.
pub struct Reader<'a> {
    process: u32,
    shelves: &'a Shelves,
    shelf: Arc<Shelf>,
    state: &'a Arc<Folder>,
    machine_file: &'a CStr,
    machine: OnceCell<Result<Option<(Keys, FileId)>, KeysError>>,
    user: OnceCell<Result<Option<UserKeys>, KeysError>>,
}

impl Reader<'_> {
    /// The certificates that are kept, of an issuer and serial number, or of a subject.
    pub fn certificates(&self, wanted: Wanted) -> Result<Vec<Vec<u8>>, KeysError> {
        let mut all = self.both(|keys| keys.certificates(wanted), |k| k.certificates(wanted))?;
        let mut seen = HashSet::new();
        all.retain(|der| seen.insert(der.clone()));
        Ok(all)
    }

    /// What both files answer.
    fn both<T>(
        &self,
        of_machine: impl FnOnce(&Keys) -> Result<Vec<T>, KeysError>,
        of_user: impl FnOnce(&UserKeys) -> Result<Vec<T>, KeysError>,
    ) -> Result<Vec<T>, KeysError> {
        let machine = || self.shelves.machine(self.state, self.machine_file);
        let machine = self.machine.get_or_init(machine);
        let mut known = match machine.as_ref().map_err(Clone::clone)? {
            Some((keys, _)) => of_machine(keys)?,
            None => Vec::new(),
        };
        let user = self.user.get_or_init(|| self.shelf.take(self.shelves));
        let users = match user {
            Ok(Some(keys)) => of_user(keys),
            Ok(None) => Ok(Vec::new()),
            Err(error) => Err(error.clone()),
        };
        match users {
            Ok(users) => known.extend(users),
            // What the machine's administrator decided goes on working.
            Err(_) if !known.is_empty() => {}
            Err(error) => return Err(error),
        }
        Ok(known)
    }
}

impl Book for Reader<'_> {
    fn keys_of(&self, peer: &Name) -> Result<Vec<KnownKey>, KeysError> {
        self.both(|keys| keys.keys_of(peer), |keys| keys.keys_of(peer))
    }

    fn may_remember(&self) -> Result<(), KeysError> {
        self.shelf.may_write()
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let (machine, user) = (self.machine.take(), self.user.take());
        if self.process != process_id() {
            // The program forked in its callback: these are the parent's.
            std::mem::forget((machine, user));
            return;
        }
        if let Some(Ok(Some(keys))) = user {
            self.shelves.give_back(keys);
        }
        if let Some(Ok(Some(keys))) = machine {
            self.shelves.give_machine_back(keys);
        }
    }
}

/// A path as texts show it.
fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
