//! libcrypto, started so that it reads no openssl.cnf, and two calls that the `openssl` crate lacks.
//! The only unsafe code of the command is here and in [`nconf`].
//!
//! peerkey's own provider is named in openssl.cnf. Loaded here, it would judge the connections that
//! `check --connect` makes to see what a server presents, whichever library context they are in: the
//! hook is the process's, not a context's.

pub mod nconf;

use std::cell::RefCell;
use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Once;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::x509::{X509StoreContextRef, X509VerifyResult};
use openssl_sys::X509_STORE_CTX;

/// `OPENSSL_INIT_NO_LOAD_CONFIG`, <openssl/crypto.h>.
const NO_LOAD_CONFIG: u64 = 0x80;
/// `OPENSSL_INIT_NO_ATEXIT`, <openssl/crypto.h>: as the `openssl` crate does it.
const NO_ATEXIT: u64 = 0x0008_0000;

type VerifyCallback = extern "C" fn(c_int, *mut X509_STORE_CTX) -> c_int;

unsafe extern "C" {
    fn OPENSSL_info(what: c_int) -> *const c_char;
    fn X509_STORE_CTX_set_default(context: *mut X509_STORE_CTX, name: *const c_char) -> c_int;
    fn X509_STORE_CTX_set_verify_cb(context: *mut X509_STORE_CTX, callback: Option<VerifyCallback>);
}

/// Starts libcrypto and libssl without a configuration. To be called before anything else uses them;
/// later calls do nothing.
pub fn start() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: documented to be callable at any time; without settings NULL is right. A failure
        // shows in the first use of the library, which returns an error.
        unsafe { openssl_sys::OPENSSL_init_ssl(NO_LOAD_CONFIG | NO_ATEXIT, std::ptr::null()) };
    });
}

/// One thing that X509_verify_cert does not like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// X509_V_ERR_….
    pub code: c_int,
    /// 0 is the peer's certificate.
    pub depth: u32,
}

thread_local! {
    static OBJECTIONS: RefCell<Vec<Objection>> = const { RefCell::new(Vec::new()) };
}

/// More are not kept: an odd chain must not fill the memory.
const MOST_OBJECTIONS: usize = 64;

/// Runs X509_verify_cert to its end, over every objection, and says what they were. `profile` is a
/// name such as `ssl_server` in X509_VERIFY_PARAM_lookup.
pub fn objections(
    context: &mut X509StoreContextRef,
    profile: &CStr,
) -> Result<Vec<Objection>, ErrorStack> {
    OBJECTIONS.with_borrow_mut(Vec::clear);
    let raw = context.as_ptr();
    // SAFETY: `raw` is a live, initialised context (the crate made it and lends it mutably), the name
    // ends with NUL, and the callback has the right type and lives for ever.
    let known = unsafe {
        X509_STORE_CTX_set_verify_cb(raw, Some(note));
        X509_STORE_CTX_set_default(raw, profile.as_ptr())
    };
    if known != 1 {
        return Err(ErrorStack::get());
    }
    let finished = context.verify_cert()?;
    let mut found = OBJECTIONS.with_borrow_mut(std::mem::take);
    if !finished && found.is_empty() {
        found.push(Objection { code: context.error().as_raw(), depth: context.error_depth() });
    }
    Ok(found)
}

/// Where the library looks for anchors that it trusts by default: a file, and folders of hashed names.
/// The environment can name others (SSL_CERT_FILE, SSL_CERT_DIR).
pub fn default_anchors() -> (PathBuf, Vec<PathBuf>) {
    // SAFETY: both return a static text that ends with NUL, or NULL, and have no other conditions.
    let (file, folder) = unsafe {
        (
            text_of(openssl_sys::X509_get_default_cert_file()),
            text_of(openssl_sys::X509_get_default_cert_dir()),
        )
    };
    let file = std::env::var_os("SSL_CERT_FILE").map_or(file, PathBuf::from);
    let folders = std::env::var_os("SSL_CERT_DIR").unwrap_or(folder.into());
    (file, std::env::split_paths(&folders).collect())
}

/// `OPENSSL_INFO_MODULES_DIR`, <openssl/crypto.h>.
const MODULES_FOLDER: c_int = 1003;

/// Where OpenSSL looks for providers, as `openssl version -m` shows it.
pub fn modules_folder() -> PathBuf {
    start();
    // SAFETY: returns a static text that ends with NUL, or NULL for what it does not know.
    unsafe { text_of(OPENSSL_info(MODULES_FOLDER)) }
}

/// # Safety
/// `text` is NULL, or a static text that ends with NUL.
unsafe fn text_of(text: *const c_char) -> PathBuf {
    if text.is_null() {
        return PathBuf::new();
    }
    // SAFETY: by contract.
    let text = unsafe { CStr::from_ptr(text) };
    PathBuf::from(OsStr::from_bytes(text.to_bytes()))
}

/// The library's text for a code.
pub fn text(code: c_int) -> &'static str {
    start();
    // SAFETY: any number is a code; unknown ones have a text of their own.
    unsafe { X509VerifyResult::from_raw(code) }.error_string()
}

extern "C" fn note(ok: c_int, context: *mut X509_STORE_CTX) -> c_int {
    if ok == 1 {
        return 1;
    }
    // SAFETY: libcrypto calls with its live context, and only while X509_verify_cert runs.
    let context = unsafe { X509StoreContextRef::from_ptr(context) };
    let objection = Objection { code: context.error().as_raw(), depth: context.error_depth() };
    OBJECTIONS.with_borrow_mut(|found| {
        if found.len() < MOST_OBJECTIONS && !found.contains(&objection) {
            found.push(objection);
        }
    });
    1
}
