//! The functions of OpenSSL that are called, as tables that are filled in from a copy in the process.

use std::ffi::c_int;

use libloading::os::unix::Library;

#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::use_self,
    reason = "made by bindgen"
)]
mod crypto {
    include!(concat!(env!("OUT_DIR"), "/libcrypto.rs"));
}

#[allow(
    missing_docs,
    non_snake_case,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::use_self,
    reason = "made by bindgen"
)]
mod ssl {
    use super::crypto::*;

    include!(concat!(env!("OUT_DIR"), "/libssl.rs"));
}

pub(crate) use crypto::*;
pub(crate) use ssl::Libssl;

/// Functions that OpenSSL 3.0 does not have.
pub(crate) struct Newer {
    /// The raw public key to verify (3.2).
    pub(crate) rpk: Option<unsafe extern "C" fn(*const X509_STORE_CTX) -> *mut EVP_PKEY>,
    /// The purpose that is wanted (3.5).
    pub(crate) purpose: Option<unsafe extern "C" fn(*const X509_VERIFY_PARAM) -> c_int>,
}

impl Newer {
    /// Looks them up where they are.
    pub(crate) fn of(library: &Library) -> Self {
        // SAFETY: OpenSSL declares `EVP_PKEY *X509_STORE_CTX_get0_rpk(const X509_STORE_CTX *)`.
        let rpk = unsafe { library.get(b"X509_STORE_CTX_get0_rpk\0") };
        let rpk = rpk.ok().map(|symbol| *symbol);
        // SAFETY: it declares `int X509_VERIFY_PARAM_get_purpose(const X509_VERIFY_PARAM *)`.
        let purpose = unsafe { library.get(b"X509_VERIFY_PARAM_get_purpose\0") };
        Self { rpk, purpose: purpose.ok().map(|symbol| *symbol) }
    }
}

/// X509_V_ERR_RPK_UNTRUSTED of OpenSSL 3.2.
pub(crate) const RPK_UNTRUSTED: i32 = 95;
