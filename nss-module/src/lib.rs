//! The PKCS#11 module through which Firefox and NSS programs follow peerkey's policy.
//!
//! It is a token that holds certificates and says how far NSS is to trust them. NSS decides by itself,
//! from what it finds here: `peerkey apply` has made that from the policy, and this library only looks
//! it up. docs/nss.md says what of NSS it relies on.

mod entries;
mod failure;
mod find;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod list;
mod module;
mod object;
mod objects;
mod remembered;
mod sessions;
mod settings;
mod slot;
mod template;
mod vendor;

use pkcs11_sys::{CK_FUNCTION_LIST_PTR_PTR, CK_RV, CKR_ARGUMENTS_BAD, CKR_OK};

/// PKCS#11 2.40 section 5.4: what a program calls first, and the only symbol that it sees.
///
/// # Safety
///
/// `list` is null, or a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    // SAFETY: as promised.
    match unsafe { list.as_mut() } {
        Some(list) => {
            // Nobody may write it, and it is never freed.
            *list = (&raw const list::FUNCTIONS).cast_mut();
            CKR_OK
        }
        None => CKR_ARGUMENTS_BAD,
    }
}

/// Panics in the entry that the environment names: in the library of that name that tests build, and
/// nowhere else.
#[cfg(planted_panic)]
fn planted(entry: &str) {
    assert!(std::env::var("PEERKEY_PLANTED_PANIC").as_deref() != Ok(entry), "planted");
}
