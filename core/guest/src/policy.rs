//! The policy in force: which file it is now, and connections to it that decisions borrow.

use std::ffi::{CString, OsStr};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Instant;

use peerkey_core::record::Log;
use peerkey_core::rule::{Enforce, Mode};
use peerkey_core::store::{Compiled, NOTICED_WITHIN, StoreError, file_name};

use crate::folder::{FileId, Folder};
use crate::fork::{PerProcess, process_id};
use crate::recent::soon;
use crate::vfs;

/// More connections than this are not kept for later.
const KEPT: usize = 16;

/// The policy in a folder, for one host library in this process, which remembers a `T` a process.
pub struct Policies<T> {
    folder: Arc<Folder>,
    file: CString,
    process: PerProcess<Process<T>>,
}

/// What belongs to one process.
struct Process<T> {
    seen: RwLock<Option<Seen>>,
    idle: Idle,
    remembered: T,
}

/// In boxes: a connection is large, and would be copied wherever it goes.
type Idle = Mutex<Vec<Box<Connection>>>;

/// What is known of the policy file without opening it again.
#[derive(Clone, Copy)]
struct Seen {
    file: FileId,
    /// When it was looked for last. It counts for [`NOTICED_WITHIN`]: who publishes a policy waits for
    /// as long, and so nobody can know of a policy that a decision misses.
    at: Instant,
    standing: Standing,
    at_stores: Option<AtStores>,
}

/// What a policy is to the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It decides.
    Decides,
    /// Every program does what it does without: it only monitors, or says what each program says. What
    /// of that is recorded:
    Watches(Watched),
}

/// Which verifications are recorded although no program sees anything of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// None.
    Nothing,
    /// What the programs themselves refuse.
    Refusals,
    /// All are looked at.
    Everything,
}

impl Standing {
    fn of(policy: &Compiled) -> Self {
        let meta = policy.meta();
        let monitors = meta.mode == Mode::Monitor;
        let is_transparent = policy.is_transparent() && meta.enforce == Enforce::Verified;
        if !(monitors || is_transparent) {
            return Self::Decides;
        }
        Self::Watches(match meta.log {
            Log::None => Watched::Nothing,
            Log::Refused if !monitors => Watched::Refusals,
            Log::Refused | Log::All => Watched::Everything,
        })
    }
}

impl Seen {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < NOTICED_WITHIN
    }
}

/// What a policy says where a program verifies with a certificate store of its own, outside of TLS.
#[derive(Clone, Copy)]
pub struct AtStores {
    /// Whether it may accept there what the program refuses.
    pub grants: bool,
}

impl AtStores {
    fn of(compiled: &Compiled) -> Option<Self> {
        compiled.reaches_stores().then(|| Self { grants: compiled.meta().smime_rules > 0 })
    }
}

/// Why there is no decision: the file and the cause, or what failed.
#[derive(Clone, Debug)]
pub struct CannotDecide(pub String);

impl CannotDecide {
    /// A panic of ours, which is told nowhere else.
    pub fn failed() -> Self {
        Self("something failed inside peerkey".into())
    }
}

impl<T: fmt::Display> From<T> for CannotDecide {
    fn from(why: T) -> Self {
        Self(why.to_string())
    }
}

impl<T: Default> Policies<T> {
    /// The policy in this folder. Only the folder is opened now.
    pub fn new(state_dir: &Path) -> Self {
        Self {
            folder: Arc::new(Folder::new(state_dir)),
            // No file name of ours has a null in it.
            file: CString::new(file_name()).unwrap_or_default(),
            process: PerProcess::new(),
        }
    }

    /// The folder that it is in, which is held open.
    pub fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// The policy in force at this moment; None if under it every program does what it does without.
    pub fn in_force(&self) -> Result<Option<Borrowed<'_>>, CannotDecide> {
        Ok(self.to_decide()?.ok())
    }

    /// The same; where it decides nothing, what of the programs' own verifications it wants recorded.
    pub fn to_decide(&self) -> Result<Result<Borrowed<'_>, Watched>, CannotDecide> {
        let process = self.process();
        let looked = self.look(process)?;
        if let Some((_, Some(Seen { standing: Standing::Watches(watched), .. }))) = looked {
            return Ok(Err(watched));
        }
        if let Some(connection) = looked.and_then(|(now, _)| process.take(now)) {
            return Ok(Ok(process.lend(connection)));
        }
        let (connection, standing) = self.take_new(process)?;
        Ok(match standing {
            Standing::Watches(watched) => Err(watched),
            Standing::Decides => Ok(process.lend(connection)),
        })
    }

    /// The policy in force, and what it is to the programs.
    pub fn to_watch(&self) -> Result<(Borrowed<'_>, Standing), CannotDecide> {
        let process = self.process();
        let looked = self.look(process)?;
        let (connection, standing) = match looked.and_then(|(now, _)| process.take(now)) {
            Some(connection) => {
                let standing = Standing::of(&connection.compiled);
                (connection, standing)
            }
            None => self.take_new(process)?,
        };
        Ok((process.lend(connection), standing))
    }

    /// Opens the policy, and notes what it is.
    fn take_new(&self, process: &Process<T>) -> Result<(Box<Connection>, Standing), CannotDecide> {
        let at = Instant::now();
        let connection = self.open()?;
        let standing = Standing::of(&connection.compiled);
        if let Ok(mut seen) = process.seen.try_write() {
            let at_stores = AtStores::of(&connection.compiled);
            let at_stores = at_stores.filter(|_| standing == Standing::Decides);
            *seen = Some(Seen { file: connection.file, at, standing, at_stores });
        }
        Ok((connection, standing))
    }

    /// What the policy in force says outside of TLS; None for nothing.
    pub fn at_stores(&self) -> Result<Option<AtStores>, CannotDecide> {
        if let Some((_, Some(seen))) = self.look(self.process())? {
            return Ok(seen.at_stores);
        }
        Ok(self.in_force()?.and_then(|policy| AtStores::of(&policy)))
    }

    /// Which file the policy is in now, and what is known of that one; None if none was opened yet.
    fn look(&self, process: &Process<T>) -> Result<Option<(FileId, Option<Seen>)>, CannotDecide> {
        let seen = match process.seen.try_read() {
            Ok(seen) if seen.is_none() => return Ok(None),
            Ok(seen) => *seen,
            // Another thread writes it down just now.
            Err(_) => None,
        };
        if let Some(seen) = seen.filter(Seen::is_fresh) {
            return Ok(Some((seen.file, Some(seen))));
        }
        let at = Instant::now();
        let now = self.folder.look(&self.file)?;
        let seen = seen.filter(|seen| seen.file == now).map(|seen| Seen { at, ..seen });
        if seen.is_some()
            && let Ok(mut known) = process.seen.try_write()
        {
            *known = seen;
        }
        Ok(Some((now, seen)))
    }

    /// What this process remembers.
    pub fn remembered(&self) -> &T {
        &self.process().remembered
    }

    fn process(&self) -> &Process<T> {
        self.process.get(|| Process {
            seen: RwLock::new(None),
            idle: Mutex::new(Vec::new()),
            remembered: T::default(),
        })
    }

    fn open(&self) -> Result<Box<Connection>, CannotDecide> {
        if !vfs::install() {
            return Err(CannotDecide("SQLite cannot be taught how to read the policy".into()));
        }
        let opened = self.folder.open(&self.file)?;
        let (file, descriptor) = (opened.id(), opened.number());
        let compiled = vfs::open_with(opened, Compiled::open_headed);
        let compiled = compiled.map_err(|error| self.explain(&error))?;
        Ok(Box::new(Connection { compiled, file, descriptor }))
    }

    /// An error of the compiled policy, with the path that people know in place of SQLite's name.
    pub fn explain(&self, error: &StoreError) -> CannotDecide {
        let path = self.folder.path().join(OsStr::from_bytes(self.file.to_bytes()));
        CannotDecide(vfs::with_path(&error.to_string(), &path))
    }
}

impl<T> Process<T> {
    /// A connection to this file that nobody uses.
    fn take(&self, file: FileId) -> Option<Box<Connection>> {
        loop {
            // The lock is given back before a connection is closed.
            let connection = soon(&self.idle)?.pop()?;
            if connection.file == file && connection.is_open() {
                return Some(connection);
            }
        }
    }

    fn lend(&self, connection: Box<Connection>) -> Borrowed<'_> {
        Borrowed {
            process: process_id(),
            idle: &self.idle,
            connection: ManuallyDrop::new(connection),
        }
    }
}

/// An open compiled policy.
struct Connection {
    compiled: Compiled,
    file: FileId,
    descriptor: RawFd,
}

impl Connection {
    /// Whether SQLite's descriptor still is that of the policy: hosts close what they do not know.
    fn is_open(&self) -> bool {
        self.file.is_of(self.descriptor)
    }
}

/// A connection for one decision. It goes back to where it came from.
pub struct Borrowed<'a> {
    process: u32,
    idle: &'a Idle,
    connection: ManuallyDrop<Box<Connection>>,
}

impl Borrowed<'_> {
    /// Which file the policy is in.
    pub fn file(&self) -> FileId {
        self.connection.file
    }
}

impl Deref for Borrowed<'_> {
    type Target = Compiled;

    fn deref(&self) -> &Compiled {
        &self.connection.compiled
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if self.process != process_id() {
            // The program forked in its callback: this is the parent's.
            return;
        }
        // SAFETY: it is dropped, and so never used again.
        let connection = unsafe { ManuallyDrop::take(&mut self.connection) };
        if let Some(mut idle) = soon(self.idle)
            && idle.len() < KEPT
        {
            idle.push(connection);
        }
    }
}
