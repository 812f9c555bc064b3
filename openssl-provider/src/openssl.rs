//! The copies of OpenSSL in this process, each with its tables and what is kept for it.

use std::ffi::{c_int, c_long, c_void};
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::bindings::{Libcrypto, Libssl, Newer, OSSL_LIB_CTX, SSL_CTX, X509};
use crate::marks::Marks;
use crate::memory::text;
use crate::objects::{Object, address};
use crate::params::Settings;
use crate::refusal::Refusals;
use crate::registries::{Registries, current_registry};
use crate::remembered::Caches;
use crate::session::SecurityCallback;
use peerkey_guest::keys::{Books, Surroundings};
use peerkey_guest::policy::Policies;
use peerkey_guest::record::Record;

/// One copy of OpenSSL. It lives as long as the process: contexts of the host point at it.
pub(crate) struct OpenSsl {
    base: usize,
    slot: usize,
    /// The functions of its libcrypto.
    pub(crate) crypto: Libcrypto,
    /// Those that not every version has.
    pub(crate) newer: Newer,
    ssl: OnceLock<Libssl>,
    /// In whose registry libssl has its own indices.
    pub(crate) ssl_registry: AtomicPtr<OSSL_LIB_CTX>,
    /// The registries of indices in which we are.
    pub(crate) registries: Registries,
    /// Certificates that tell purposes apart, once they were needed.
    pub(crate) probes: [AtomicPtr<X509>; 2],
    flush: OnceLock<FlushSessions>,
    /// What sessions are marked with.
    pub(crate) marks: Marks,
    /// libssl's own security callback, once an SSL_CTX exists.
    pub(crate) security: OnceLock<SecurityCallback>,
    /// What openssl.cnf says.
    pub(crate) settings: Settings,
    /// The policy in force.
    pub(crate) policies: Policies<Caches>,
    /// The remembered keys.
    pub(crate) books: Books,
    /// The record of decisions.
    pub(crate) record: Record,
    /// The sentences that users see.
    pub(crate) refusals: Refusals,
}

type FlushSessions = unsafe extern "C" fn(*mut SSL_CTX, c_long);

/// More copies than this in one process are left alone.
pub(crate) const SLOTS: usize = 8;

/// A callback for each slot, for OpenSSL's callbacks that have no argument of ours: which of them is
/// called says which copy calls.
macro_rules! per_slot {
    ($callback:ident) => {
        [
            $callback::<0>,
            $callback::<1>,
            $callback::<2>,
            $callback::<3>,
            $callback::<4>,
            $callback::<5>,
            $callback::<6>,
            $callback::<7>,
        ]
    };
}
pub(crate) use per_slot;

static COPIES: [AtomicPtr<OpenSsl>; SLOTS] = [const { AtomicPtr::new(null_mut()) }; SLOTS];

/// The copy in a slot.
pub(crate) fn copy(slot: usize) -> Option<&'static OpenSsl> {
    // SAFETY: null, or leaked by `publish`.
    unsafe { COPIES.get(slot)?.load(Ordering::Acquire).as_ref() }
}

/// The copy that holds this function of libcrypto's. The first time it is taken in with these
/// settings. None if its functions cannot be told from another copy's.
pub(crate) fn copy_with(
    function: *const c_void,
    settings: impl FnOnce() -> Settings,
) -> Option<&'static OpenSsl> {
    let object = Object::of(function)?;
    let known = (0..SLOTS).map_while(copy).find(|copy| copy.base == object.base);
    match known {
        Some(known) => Some(known),
        None => publish(OpenSsl::new(&object, settings)?),
    }
}

/// Puts a copy into the first free slot, unless another thread did so with the same copy.
fn publish(mut openssl: OpenSsl) -> Option<&'static OpenSsl> {
    let base = openssl.base;
    for (slot, place) in COPIES.iter().enumerate() {
        openssl.slot = slot;
        let ours = Box::into_raw(Box::new(openssl));
        match place.compare_exchange(null_mut(), ours, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: leaked just now.
            Ok(_) => return Some(unsafe { &*ours }),
            Err(other) => {
                // SAFETY: nobody else has seen it; and what stands in a slot stays there.
                let (back, other) = unsafe { (Box::from_raw(ours), &*other) };
                if other.base == base {
                    return Some(other);
                }
                openssl = *back;
            }
        }
    }
    None
}

impl OpenSsl {
    fn new(object: &Object, settings: impl FnOnce() -> Settings) -> Option<Self> {
        let library = object.open()?;
        // A look-up can end in another copy, where this one hides its functions.
        let found = address(&library, c"CRYPTO_get_ex_new_index").and_then(Object::of)?;
        if found.base != object.base {
            return None;
        }
        let newer = Newer::of(&library);
        // SAFETY: the functions have the types that OpenSSL's headers give them, in every 3.x and 4.x.
        let crypto = unsafe { Libcrypto::from_library(library) }.ok()?;
        let settings = settings();
        let policies = Policies::new(&settings.state_dir);
        Some(Self {
            base: object.base,
            slot: 0,
            newer,
            ssl: OnceLock::new(),
            ssl_registry: AtomicPtr::new(null_mut()),
            probes: Default::default(),
            flush: OnceLock::new(),
            marks: Marks::new(),
            security: OnceLock::new(),
            registries: Registries::default(),
            books: Books::new(policies.folder(), Surroundings::of_now()),
            policies,
            record: Record::new(&settings.sockets),
            refusals: Refusals::new(&crypto),
            settings,
            crypto,
        })
    }

    /// Its place among the copies.
    pub(crate) fn slot(&self) -> usize {
        self.slot
    }

    /// Whether its client refuses an ALPN answer that it did not offer. (Since the releases that fixed
    /// CVE-2024-5535; before, it took any.)
    pub(crate) fn checks_alpn(&self) -> bool {
        // SAFETY: no arguments.
        let version = unsafe { self.crypto.OpenSSL_version_num() };
        let (major, minor, patch) = (version >> 28, version >> 20 & 0xff, version >> 4 & 0xff);
        let first = [15, 7, 3, 2];
        let fixed = |minor: u64| first.get(minor as usize).is_none_or(|first| patch >= *first);
        major > 3 || fixed(minor)
    }

    /// The functions of its libssl, once an SSL_CTX exists.
    pub(crate) fn ssl(&self) -> Option<&Libssl> {
        if self.ssl.get().is_none() {
            // No lock is held while the loader is asked: two threads may do so, and one table stays.
            let libssl = self.find_libssl()?;
            // The first SSL_CTX is being made, and for it libssl has just taken them.
            let current = current_registry(&self.crypto);
            let none = null_mut();
            let _ = self.ssl_registry.compare_exchange(
                none,
                current,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            let _ = self.ssl.set(libssl);
        }
        self.ssl.get()
    }

    /// SSL_CTX_flush_sessions(3), where there is one.
    pub(crate) fn flush_sessions(&self) -> Option<FlushSessions> {
        self.flush.get().copied()
    }

    /// The functions of its libssl, if an SSL_CTX was ever made.
    pub(crate) fn known_ssl(&self) -> Option<&Libssl> {
        self.ssl.get()
    }

    /// The object that has libssl's functions and sees this libcrypto.
    fn find_libssl(&self) -> Option<Libssl> {
        let ours = self.crypto.CRYPTO_get_ex_new_index as *const c_void;
        let library = Object::all().iter().filter_map(Object::open).find(|library| {
            address(library, c"SSL_CTX_set_cert_verify_callback").is_some()
                && address(library, c"CRYPTO_get_ex_new_index") == Some(ours)
        })?;
        // SAFETY: `void SSL_CTX_flush_sessions(SSL_CTX *, long)`; a copy may be built without it, as
        // it is deprecated since 3.4.
        if let Ok(flush) = unsafe { library.get::<FlushSessions>(b"SSL_CTX_flush_sessions\0") } {
            self.flush.get_or_init(|| *flush);
        }
        // SAFETY: the functions have the types that OpenSSL's headers give them, in every 3.x and 4.x.
        unsafe { Libssl::from_library(library) }.ok()
    }

    /// The words for an error code of verifications.
    pub(crate) fn error_text(&self, code: c_int) -> String {
        // SAFETY: any number is allowed, and a C string comes back.
        let words = unsafe { text(self.crypto.X509_verify_cert_error_string(code.into())) };
        String::from_utf8_lossy(&words.unwrap_or_default()).into_owned()
    }

    /// Runs `body`, and takes the errors that it leaves in OpenSSL's queue out again.
    pub(crate) fn quietly<T>(&self, body: impl FnOnce() -> T) -> T {
        self.with_errors(|| (body(), false))
    }

    /// Runs `body`, which also says whether the errors that it leaves in OpenSSL's queue stay there.
    pub(crate) fn with_errors<T>(&self, body: impl FnOnce() -> (T, bool)) -> T {
        // SAFETY: no arguments; these work on this thread's queue.
        unsafe { self.crypto.ERR_set_mark() };
        let (result, stay) = body();
        // SAFETY: as above.
        unsafe {
            if stay { self.crypto.ERR_clear_last_mark() } else { self.crypto.ERR_pop_to_mark() }
        };
        result
    }
}
