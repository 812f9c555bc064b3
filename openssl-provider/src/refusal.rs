//! How a refusal reaches the user: by the error queue, with a sentence of its own.

use std::ffi::{CString, c_char, c_int, c_ulong};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};

use crate::bindings::{ERR_LIB_SSL, ERR_STRING_DATA, Libcrypto, SSL_R_CERTIFICATE_VERIFY_FAILED};
use crate::openssl::OpenSsl;
use crate::sentence::Sentence;

/// Different sentences that one process can say. OpenSSL keeps pointers to them, so none is freed.
const SENTENCES: usize = 64;
/// Reason codes up to 100 are those of every library (err.h, ERR_R_*).
const FIRST_REASON: c_int = 101;
/// libssl's error when a verification failed.
const VERIFY_FAILED: c_ulong = packed(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED);

/// The sentences of one copy of OpenSSL.
pub(crate) struct Refusals {
    library: c_int,
    /// Null from some place on. No lock: a refusal would have no words where the thread that holds it does
    /// not run, or is not in this process.
    known: [AtomicPtr<Known>; SENTENCES],
    /// For what finds no place there.
    any: AtomicPtr<Known>,
    /// The reason of the next one.
    next: AtomicI32,
    /// Whether a sentence of ours stands in the place of libssl's own words.
    replaced: AtomicBool,
    /// Those words, to put them back.
    original: AtomicPtr<ERR_STRING_DATA>,
}

/// A sentence as OpenSSL has it: as a reason of ours, and in the place of libssl's.
struct Known {
    whole: String,
    reason: c_int,
    ours: *mut ERR_STRING_DATA,
    for_libssl: *mut ERR_STRING_DATA,
    /// Whether OpenSSL has them already.
    is_loaded: AtomicBool,
}

impl Refusals {
    /// Takes a number for our errors.
    pub(crate) fn new(crypto: &Libcrypto) -> Self {
        Self {
            // SAFETY: no arguments.
            library: unsafe { crypto.ERR_get_next_error_library() },
            known: [const { AtomicPtr::new(null_mut()) }; SENTENCES],
            any: AtomicPtr::new(null_mut()),
            next: AtomicI32::new(FIRST_REASON),
            replaced: AtomicBool::new(false),
            original: AtomicPtr::new(null_mut()),
        }
    }

    /// Puts a sentence into this thread's error queue. If the handshake fails for it, libssl's error
    /// comes behind, and is to say it too: many programs show the last error only.
    pub(crate) fn raise(&self, openssl: &OpenSsl, sentence: &Sentence, fails: bool) {
        let own = self.known(sentence);
        let known = own.unwrap_or_else(|| self.at(&self.any, &Sentence::any()));
        // This goes into the host. Two threads may both do it.
        if !known.is_loaded.load(Ordering::Acquire) {
            load(openssl, self.library, known.ours);
            known.is_loaded.store(true, Ordering::Release);
        }
        let is_whole = own.is_some() && sentence.brief == sentence.whole;
        let data = CString::new(sentence.whole.as_str()).unwrap_or_default();
        let format = if is_whole { null() } else { c"%s".as_ptr() };
        // SAFETY: C strings, of which OpenSSL copies what it keeps; one argument for one %s.
        unsafe {
            openssl.crypto.ERR_new();
            openssl.crypto.ERR_set_debug(c"peerkey".as_ptr(), 0, c"".as_ptr());
            (openssl.crypto.ERR_set_error)(self.library, known.reason, format, data.as_ptr());
        }
        if fails {
            self.replace(openssl, known);
        }
    }

    /// Gives libssl its own words back, if ours stand there.
    pub(crate) fn put_back(&self, openssl: &OpenSsl) {
        if self.replaced.load(Ordering::Relaxed) && self.replaced.swap(false, Ordering::AcqRel) {
            load(openssl, ERR_LIB_SSL, self.original.load(Ordering::Acquire));
        }
    }

    fn replace(&self, openssl: &OpenSsl, known: &Known) {
        if self.original.load(Ordering::Acquire).is_null() {
            // SAFETY: every number is allowed; the words are constants of libssl's.
            let words = unsafe { openssl.crypto.ERR_reason_error_string(VERIFY_FAILED) };
            let original = entries([(VERIFY_FAILED, words)]);
            // Of two threads the first one stays: the second may have read what the first replaced.
            let _ = self.original.compare_exchange(
                null_mut(),
                original,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
        }
        self.replaced.store(true, Ordering::Release);
        load(openssl, ERR_LIB_SSL, known.for_libssl);
    }

    /// The sentence as OpenSSL has it, or will; None if all places have others.
    fn known(&self, sentence: &Sentence) -> Option<&'static Known> {
        let mut places = self.known.iter().map(|place| self.at(place, sentence));
        places.find(|known| known.whole == sentence.whole)
    }

    /// What stands in a place; if that is free, this sentence from now on. Of two threads the first one's
    /// stays.
    fn at(&self, place: &AtomicPtr<Known>, sentence: &Sentence) -> &'static Known {
        // SAFETY: null, or leaked below.
        if let Some(there) = unsafe { place.load(Ordering::Acquire).as_ref() } {
            return there;
        }
        let reason = self.next.fetch_add(1, Ordering::Relaxed);
        let ours = Box::into_raw(Box::new(self.entries_of(reason, sentence)));
        let put = place.compare_exchange(null_mut(), ours, Ordering::AcqRel, Ordering::Acquire);
        let there = put.map_or_else(|other| other, |_| ours);
        // SAFETY: leaked, here or by another thread. (What did not find a place is leaked, too: that
        // happens once a place and thread at most.)
        unsafe { &*there }
    }

    fn entries_of(&self, reason: c_int, sentence: &Sentence) -> Known {
        let in_libssl = format!("certificate verify failed: {}", sentence.whole);
        Known {
            whole: sentence.whole.clone(),
            reason,
            ours: entries([
                (packed(self.library, reason), leaked(&sentence.brief)),
                (packed(self.library, 0), c"peerkey".as_ptr()),
            ]),
            for_libssl: entries([(VERIFY_FAILED, leaked(&in_libssl))]),
            is_loaded: AtomicBool::new(false),
        }
    }
}

/// ERR_PACK (err.h).
const fn packed(library: c_int, reason: c_int) -> c_ulong {
    ((library as c_ulong & 0xff) << 23) | (reason as c_ulong & 0x7f_ffff)
}

/// Strings as ERR_load_strings(3) takes them; they are never freed.
fn entries<const N: usize>(strings: [(c_ulong, *const c_char); N]) -> *mut ERR_STRING_DATA {
    let strings = strings.into_iter().chain([(0, null())]);
    let entries: Box<[_]> =
        strings.map(|(error, string)| ERR_STRING_DATA { error, string }).collect();
    Box::into_raw(entries).cast()
}

fn leaked(text: &str) -> *const c_char {
    CString::new(text).unwrap_or_default().into_raw()
}

fn load(openssl: &OpenSsl, library: c_int, entries: *mut ERR_STRING_DATA) {
    if !entries.is_null() {
        // SAFETY: made by `entries`.
        unsafe { openssl.crypto.ERR_load_strings(library, entries) };
    }
}
