//! Sessions: a number, the policy that its owner knows of, and a search.

use peerkey_core::map::Map;
use pkcs11_sys::CK_SESSION_HANDLE;

use crate::failure::Failure;
use crate::find::Search;
use crate::module::Standing;

/// More are not open at a time: who leaves so many behind has lost them.
const MOST: usize = 65_536;

/// The open sessions of a process.
#[derive(Default)]
pub(crate) struct Sessions {
    last: CK_SESSION_HANDLE,
    open: Map<CK_SESSION_HANDLE, Session>,
}

/// An open session.
pub(crate) struct Session {
    known: Standing,
    /// The search that was begun last. NSS leaves one behind where a call in its middle fails, and then
    /// has to be able to begin the next.
    pub(crate) search: Option<Search>,
}

impl Sessions {
    /// A new session, whose owner knows of this policy.
    pub(crate) fn open(&mut self, known: Standing) -> Result<CK_SESSION_HANDLE, Failure> {
        if self.open.len() >= MOST {
            return Err(Failure::TooManySessions);
        }
        // Numbers are never used again: what is left of an old session finds none.
        self.last += 1;
        self.open.insert(self.last, Session { known, search: None });
        Ok(self.last)
    }

    pub(crate) fn get(&mut self, handle: CK_SESSION_HANDLE) -> Result<&mut Session, Failure> {
        self.open.get_mut(&handle).ok_or(Failure::SessionHandleInvalid)
    }

    pub(crate) fn close(&mut self, handle: CK_SESSION_HANDLE) -> Result<(), Failure> {
        self.open.remove(&handle).map(|_| ()).ok_or(Failure::SessionHandleInvalid)
    }

    pub(crate) fn close_all(&mut self) {
        self.open.clear();
    }

    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }
}

impl Session {
    /// Whether its owner knows of this policy. For NSS a session that is lost means another token, of which
    /// it knows nothing yet; it closes the session then, and opens one that knows.
    pub(crate) fn knows(&self, now: Standing) -> bool {
        self.known == now
    }
}
