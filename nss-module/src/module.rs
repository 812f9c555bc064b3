//! The module in a process: initialised or not, with which settings, and with the policy in force.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use peerkey_guest::folder::FileId;
use peerkey_guest::fork::process_id;
use peerkey_guest::keys::{self, Books, Surroundings};
use peerkey_guest::policy::{Borrowed, Policies};
use peerkey_guest::recent::soon;

use crate::failure::Failure;
use crate::objects::Objects;
use crate::sessions::Sessions;
use crate::settings::Settings;

/// The module with the settings of the last initialisation. Never freed: another thread may be in it.
static MODULE: AtomicPtr<Module> = AtomicPtr::new(null_mut());

/// No process.
const NOBODY: u32 = 0;

pub(crate) struct Module {
    pub(crate) settings: Settings,
    pub(crate) policies: Policies<Process>,
    /// The remembered keys.
    pub(crate) books: Books,
    /// The process that has initialised it, until it finalises it. A child of that process has not
    /// (PKCS#11 2.40 section 5.4).
    initialised_by: AtomicU32,
}

/// What one process has open.
#[derive(Default)]
pub(crate) struct Process {
    sessions: Mutex<Sessions>,
    objects: Mutex<Objects>,
}

/// Which policy it is that answers, and with which remembered keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// One that leaves every program alone.
    Untouched,
    /// The one in this file.
    Policy(Origin),
    /// None can be used.
    Undecided,
}

/// The files that an answer comes from: another content is another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    policy: FileId,
    /// Where the policy remembers keys.
    keys: keys::Standing,
}

/// Initialises the module for this process.
pub(crate) fn initialise(parameters: &[u8]) -> Result<(), Failure> {
    let (settings, process) = (Settings::parse(parameters), process_id());
    let known = MODULE.load(Ordering::Acquire);
    // SAFETY: null, or leaked below.
    if let Some(known) = unsafe { known.as_ref() } {
        let before = known.initialised_by.load(Ordering::Acquire);
        if before == process {
            return Err(Failure::AlreadyInitialised);
        }
        if known.settings == settings {
            let taken = known.initialised_by.compare_exchange(
                before,
                process,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            return taken.map(|_| ()).map_err(|_| Failure::AlreadyInitialised);
        }
    }
    let policies = Policies::new(&settings.state_dir);
    let books = Books::new(policies.folder(), Surroundings::of_now());
    let initialised_by = AtomicU32::new(process);
    let ours = Box::into_raw(Box::new(Module { settings, policies, books, initialised_by }));
    match MODULE.compare_exchange(known, ours, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok(()),
        Err(_) => {
            // SAFETY: nobody else has seen it.
            drop(unsafe { Box::from_raw(ours) });
            Err(Failure::AlreadyInitialised)
        }
    }
}

/// The module, if this process has initialised it.
pub(crate) fn module() -> Result<&'static Module, Failure> {
    // SAFETY: null, or leaked above.
    let module = unsafe { MODULE.load(Ordering::Acquire).as_ref() };
    module
        .filter(|module| module.initialised_by.load(Ordering::Acquire) == process_id())
        .ok_or(Failure::NotInitialised)
}

impl Module {
    /// Ends what this process has begun.
    pub(crate) fn finalise(&self) -> Result<(), Failure> {
        let process = process_id();
        self.initialised_by
            .compare_exchange(process, NOBODY, Ordering::AcqRel, Ordering::Acquire)
            .map_err(|_| Failure::NotInitialised)?;
        self.sessions().close_all();
        self.objects().forget();
        Ok(())
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        hold(&self.policies.remembered().sessions)
    }

    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        hold(&self.policies.remembered().objects)
    }

    /// Which policy answers now.
    pub(crate) fn standing(&self) -> Standing {
        match self.policies.in_force() {
            Ok(Some(policy)) => Standing::Policy(self.origin(&policy)),
            Ok(None) => Standing::Untouched,
            Err(_) => Standing::Undecided,
        }
    }

    /// Where an answer of this policy comes from.
    pub(crate) fn origin(&self, policy: &Borrowed<'_>) -> Origin {
        let keys = match policy.meta().remembering {
            0 => keys::Standing::default(),
            _ => self.books.standing(),
        };
        Origin { policy: policy.file(), keys }
    }
}

/// The lock. It is waited for, because NSS takes what it cannot look up for not denied. That ends: a
/// child starts with locks of its own, and nobody holds one while anything slow is done.
fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    soon(lock).unwrap_or_else(|| lock.lock().unwrap_or_else(PoisonError::into_inner))
}
