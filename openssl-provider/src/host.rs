//! The system's OpenSSL, loaded into the test process as a host would have it.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use libloading::os::unix::{Library, Symbol};
use peerkey_core::query::Fact;
use peerkey_guest::record::Sockets;

use crate::bindings::{EVP_MD_CTX, EVP_PKEY};
use crate::objects::address;
use crate::openssl::{OpenSsl, copy_with};
use crate::params::{OnError, Settings};

fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    // SAFETY: the system's libssl, whose initialisers are meant to run; it brings libcrypto.
    LIBRARY.get_or_init(|| unsafe { Library::open(Some("libssl.so.3"), libc::RTLD_NOW) }.unwrap())
}

fn symbol<T>(name: &str) -> Symbol<T> {
    // SAFETY: each use below gives the type that OpenSSL's headers give.
    unsafe { library().get(name.as_bytes()) }.unwrap()
}

/// The copy, as it is taken in at init.
pub(crate) fn openssl() -> &'static OpenSsl {
    let function = address(library(), c"EVP_DigestSign").unwrap();
    let settings = || Settings {
        state_dir: "/nowhere".into(),
        on_error: OnError::Reject,
        sockets: Sockets { journal: "/nowhere".into(), syslog: "/nowhere".into() },
        executable: Fact::Unknown,
        unread: false,
    };
    copy_with(function, settings).unwrap()
}

/// A key pair of the host's.
pub(crate) struct KeyPair(*mut EVP_PKEY);

impl KeyPair {
    /// `kind` with its parameter: "EC" and a curve, "RSA" and a number of bits, or "ED25519".
    pub(crate) fn new(kind: &std::ffi::CStr, curve: &std::ffi::CStr, bits: usize) -> Self {
        type Generate =
            unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, ...) -> *mut EVP_PKEY;
        let generate = symbol::<Generate>("EVP_PKEY_Q_keygen");
        // SAFETY: EVP_PKEY_Q_keygen(3): the last argument is a curve for EC, a size_t for RSA.
        let raw = unsafe {
            match bits {
                0 => generate(null_mut(), null(), kind.as_ptr(), curve.as_ptr()),
                bits => generate(null_mut(), null(), kind.as_ptr(), bits),
            }
        };
        assert!(!raw.is_null());
        Self(raw)
    }

    /// The DER of its SubjectPublicKeyInfo, with the EC point compressed or not.
    pub(crate) fn spki(&self, compressed: bool) -> Vec<u8> {
        type SetText = unsafe extern "C" fn(*mut EVP_PKEY, *const c_char, *const c_char) -> c_int;
        if compressed {
            let (name, value) = (c"point-format".as_ptr(), c"compressed".as_ptr());
            // SAFETY: EVP_PKEY_set_utf8_string_param(3).
            let done =
                unsafe { symbol::<SetText>("EVP_PKEY_set_utf8_string_param")(self.0, name, value) };
            assert_eq!(done, 1);
        }
        let crypto = &openssl().crypto;
        // SAFETY: i2d functions measure first.
        unsafe {
            let mut der = vec![0; crypto.i2d_PUBKEY(self.0, null_mut()) as usize];
            crypto.i2d_PUBKEY(self.0, &mut der.as_mut_ptr());
            der
        }
    }

    /// Its signature by a digest, with RSASSA-PSS or as usual.
    pub(crate) fn sign(&self, digest: Option<&std::ffi::CStr>, pss: bool, text: &[u8]) -> Vec<u8> {
        type Begin = unsafe extern "C" fn(
            *mut EVP_MD_CTX,
            *mut *mut c_void,
            *const c_char,
            *mut c_void,
            *const c_char,
            *mut EVP_PKEY,
            *const c_void,
        ) -> c_int;
        type Sign =
            unsafe extern "C" fn(*mut EVP_MD_CTX, *mut u8, *mut usize, *const u8, usize) -> c_int;
        let crypto = &openssl().crypto;
        let digest = digest.map_or(null(), std::ffi::CStr::as_ptr);
        let (mut padding, mut signature, mut length) = (null_mut(), vec![0; 1024], 1024);
        // SAFETY: EVP_DigestSignInit_ex(3) and EVP_DigestSign(3), with room for what is signed.
        unsafe {
            let context = crypto.EVP_MD_CTX_new();
            let begin = symbol::<Begin>("EVP_DigestSignInit_ex");
            let place = &raw mut padding;
            assert_eq!(begin(context, place, digest, null_mut(), null(), self.0, null()), 1);
            if pss {
                assert!(crypto.EVP_PKEY_CTX_set_rsa_padding(padding.cast(), 6) > 0);
                assert!(crypto.EVP_PKEY_CTX_set_rsa_pss_saltlen(padding.cast(), -1) > 0);
            }
            let sign = symbol::<Sign>("EVP_DigestSign");
            let (out, text_at) = (signature.as_mut_ptr(), text.as_ptr());
            assert_eq!(sign(context, out, &raw mut length, text_at, text.len()), 1);
            crypto.EVP_MD_CTX_free(context);
        }
        signature.truncate(length);
        signature
    }
}

impl Drop for KeyPair {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { openssl().crypto.EVP_PKEY_free(self.0) }
    }
}
