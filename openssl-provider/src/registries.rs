//! The registries of ex_data indices in which a copy of OpenSSL has our hook.
//!
//! Each library context has one, and what a thread makes is registered with the context that is the
//! thread's default (OSSL_LIB_CTX_set0_default(3)), not with its own. A hook in one registry knows nothing
//! of what is made under another.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::bindings::{Libcrypto, OSSL_LIB_CTX};

/// More are registered again each time, which is only slower.
const REMEMBERED: usize = 16;

/// The registries of one copy of OpenSSL.
pub(crate) struct Registries {
    /// Where the indices were taken first.
    home: AtomicPtr<OSSL_LIB_CTX>,
    hooked: [AtomicPtr<OSSL_LIB_CTX>; REMEMBERED],
}

/// What is to do in the registry of this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registry {
    /// Nothing: the hook is there.
    Hooked,
    /// The indices are ours already.
    Ours,
    /// All may be there, or may have gone with an earlier context at the same address.
    Perhaps,
    /// Nothing of ours is there.
    Strange,
}

impl Registries {
    /// Before the first indices are taken.
    pub(crate) fn new(crypto: &Libcrypto) -> Self {
        let home = AtomicPtr::new(current(crypto));
        Self { home, hooked: [const { AtomicPtr::new(null_mut()) }; REMEMBERED] }
    }

    /// How the registry stands that this thread registers in.
    pub(crate) fn look(&self, crypto: &Libcrypto) -> Registry {
        let current = current(crypto);
        let hooked = self.hooked.iter().any(|known| known.load(Ordering::Acquire) == current);
        let home = self.home.load(Ordering::Acquire) == current;
        // SAFETY: no arguments. The one of all threads is never freed.
        let lasts = current == unsafe { crypto.OSSL_LIB_CTX_get0_global_default() };
        match (hooked, home) {
            (true, _) if lasts => Registry::Hooked,
            (false, true) if lasts => Registry::Ours,
            (false, false) => Registry::Strange,
            _ => Registry::Perhaps,
        }
    }

    /// Remembers that the hook is in the registry that this thread registers in.
    pub(crate) fn remember(&self, crypto: &Libcrypto) {
        let current = current(crypto);
        for place in &self.hooked {
            let taken =
                place.compare_exchange(null_mut(), current, Ordering::AcqRel, Ordering::Acquire);
            if taken.is_ok() || taken == Err(current) {
                return;
            }
        }
    }
}

/// The library context that is this thread's default.
fn current(crypto: &Libcrypto) -> *mut OSSL_LIB_CTX {
    // SAFETY: OSSL_LIB_CTX_set0_default(3): null changes nothing.
    unsafe { crypto.OSSL_LIB_CTX_set0_default(null_mut()) }
}
