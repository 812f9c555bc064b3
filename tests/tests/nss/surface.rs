//! The module called by hand: as a program would, and as no program should.

mod calls;
mod exports;
mod life;
mod searches;

use std::path::Path;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

use peerkey_tests::pkcs11::Library;
use peerkey_tests::site::Site;
use peerkey_tests::{artifacts, call};
use pkcs11_sys::*;

/// The module is initialised once a process: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// The module, initialised; finalised when dropped.
struct Module {
    library: Library,
    _turn: MutexGuard<'static, ()>,
}

/// The module as a program finds it.
fn loaded() -> Module {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let library = Library::load(&artifacts::nss_module());
    // What a test before has left behind when it failed.
    call!(library, C_Finalize, null_mut());
    Module { library, _turn: turn }
}

/// Initialised for the policy of a site.
fn initialised(site: &Site, more: &str) -> Module {
    initialised_with(&site.path("state"), more)
}

fn initialised_with(state: &Path, more: &str) -> Module {
    let module = loaded();
    let parameters = format!("state-dir={} {more}", state.display());
    assert_eq!(module.library.initialise(&parameters), CKR_OK);
    module
}

impl Drop for Module {
    fn drop(&mut self) {
        call!(self.library, C_Finalize, null_mut());
    }
}
