//! GnuTLS's file of known keys (gnutls_verify_stored_pubkey(3)).

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::ptr::null_mut;
use std::time::Instant;

use data_encoding::BASE64;
use openssl::x509::X509;
use peerkey_tests::site::Site;

use super::{Measured, peer};

const LIBRARY: &CStr = c"libgnutls.so.30";
/// GNUTLS_CRT_X509.
const X509_CERTIFICATE: c_int = 1;
/// In a round.
const ASKED: usize = 5;

/// gnutls_datum_t.
#[repr(C)]
struct Datum {
    data: *const u8,
    size: c_uint,
}

type Verify = unsafe extern "C" fn(
    *const c_char,
    *mut c_void,
    *const c_char,
    *const c_char,
    c_int,
    *const Datum,
    c_uint,
) -> c_int;

/// The function, its file, and a certificate whose key every host in it has.
pub(super) struct Gnutls {
    verify: Verify,
    file: CString,
    certificate: Vec<u8>,
    hosts: usize,
    number: usize,
}

impl Gnutls {
    /// With so many hosts.
    pub(super) fn new(site: &Site, certificate: &X509, hosts: usize) -> Self {
        let spki = certificate.public_key().unwrap().public_key_to_der().unwrap();
        let mut text = String::new();
        for number in 0..hosts {
            let _ = writeln!(text, "|g0|{}|443|0|{}", peer(number), BASE64.encode(&spki));
        }
        let file = site.write("known_hosts2", text);
        // SAFETY: the library's initialisers are its own.
        let verify = unsafe {
            let library = libc::dlopen(LIBRARY.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            assert!(!library.is_null(), "the package libgnutls30");
            libc::dlsym(library, c"gnutls_verify_stored_pubkey".as_ptr())
        };
        assert!(!verify.is_null());
        Self {
            // SAFETY: gnutls.h gives it this type.
            verify: unsafe { std::mem::transmute::<*mut c_void, Verify>(verify) },
            file: CString::new(file.as_os_str().as_bytes()).unwrap(),
            certificate: certificate.to_der().unwrap(),
            hosts,
            number: 0,
        }
    }

    fn ask(&mut self) {
        self.number = (self.number + 7_919_753) % self.hosts;
        let host = CString::new(peer(self.number)).unwrap();
        let size = c_uint::try_from(self.certificate.len()).unwrap();
        let certificate = Datum { data: self.certificate.as_ptr(), size };
        // SAFETY: C strings, and a datum of this length; without a storage of one's own it takes its
        // default.
        let known = unsafe {
            (self.verify)(
                self.file.as_ptr(),
                null_mut(),
                host.as_ptr(),
                c"443".as_ptr(),
                X509_CERTIFICATE,
                &raw const certificate,
                0,
            )
        };
        assert_eq!(known, 0, "GnuTLS does not know {host:?}");
    }
}

impl Measured for Gnutls {
    fn microseconds(&mut self) -> f64 {
        let start = Instant::now();
        (0..ASKED).for_each(|_| self.ask());
        start.elapsed().as_secs_f64() * 1e6 / ASKED as f64
    }
}
