//! What a verification saw of a peer's key, until the handshake has finished: before that nobody has
//! proved the key, and nothing is written.
//!
//! libssl tells the info callback (SSL_CTX_set_info_callback(3)) when a handshake is done, before the
//! program can send or read anything. Ours is put before the program's for this one handshake.

use std::ffi::{c_int, c_long, c_void};
use std::ptr::{NonNull, fn_addr_eq, null_mut};

use peerkey_core::keys::{Seen, Sighting};
use peerkey_core::verdict::Reason;

use crate::bindings::{
    CRYPTO_EX_DATA, Libssl, SSL, SSL_CB_HANDSHAKE_DONE, SSL_RECEIVED_SHUTDOWN, SSL_SENT_SHUTDOWN,
    X509_V_ERR_APPLICATION_VERIFICATION,
};
use crate::context::Context;
use crate::facts::now;
use crate::openssl::{OpenSsl, SLOTS, copy, per_slot};
use crate::recorded::Noted;
use crate::registries::{self, Index};
use crate::sentence::Sentence;
use crate::session::Accepted;
use crate::ssl::Ssl;
use peerkey_guest::entry::guarded;

/// SSL_CTX_set_info_callback(3).
type InfoCallback = unsafe extern "C" fn(*const SSL, c_int, c_int);

/// What waits in an SSL.
struct Pending {
    /// The SSL's own info callback, in whose place ours stands.
    theirs: Option<InfoCallback>,
    seen: Vec<Sighting>,
    /// The decision, where it is to be recorded when it shows what became of it.
    noted: Option<Noted>,
    /// What the session is marked with once its first key is remembered.
    accepted: Option<Accepted>,
    /// Whether a first key that cannot be remembered ends the connection: not where the program switched
    /// verification off.
    insists: bool,
}

/// One a slot: the callback has no argument of ours.
const INFO_CALLBACKS: [InfoCallback; SLOTS] = per_slot!(on_info);

/// Keeps what was seen until the handshake has finished. False if it cannot be kept.
pub(crate) fn wait(
    openssl: &'static OpenSsl,
    ssl: Ssl<'_>,
    seen: Vec<Sighting>,
    noted: Option<Noted>,
    accepted: Option<Accepted>,
    insists: bool,
) -> bool {
    let (Some(libssl), Some(ours)) = (openssl.ssl(), INFO_CALLBACKS.get(openssl.slot())) else {
        return false;
    };
    if !ssl.is_ours() {
        return false;
    }
    // SAFETY: the SSL is valid; under our index stands null or a box of ours.
    unsafe {
        let theirs = libssl.SSL_get_info_callback(ssl.raw());
        let theirs = theirs.filter(|theirs| !fn_addr_eq(*theirs, *ours));
        let pending = Box::into_raw(Box::new(Pending { theirs, seen, noted, accepted, insists }));
        if libssl.SSL_set_ex_data(ssl.raw(), index(openssl), pending.cast()) != 1 {
            drop(Box::from_raw(pending));
            return false;
        }
        libssl.SSL_set_info_callback(ssl.raw(), Some(*ours));
    }
    true
}

/// Nothing is left of an earlier handshake of the same SSL.
pub(crate) fn forget(context: Context<'_>) {
    let (openssl, Some(ssl)) = (context.openssl(), context.ssl()) else { return };
    if let Some(libssl) = openssl.ssl() {
        // SAFETY: libssl's own SSL, which this thread uses.
        drop(unsafe { take(openssl, libssl, ssl) });
    }
}

fn index(openssl: &OpenSsl) -> c_int {
    openssl.registries.number(Index::Pending)
}

/// What waits in an SSL.
fn waiting(openssl: &OpenSsl, libssl: &Libssl, ssl: Ssl<'_>) -> Option<NonNull<Pending>> {
    if !ssl.is_ours() {
        return None;
    }
    // SAFETY: the SSL is valid; under our index stands null or a box of ours.
    NonNull::new(unsafe { libssl.SSL_get_ex_data(ssl.raw(), index(openssl)).cast() })
}

/// Takes out what waits in an SSL, and gives the program its callback back.
///
/// # Safety
///
/// `ssl` is valid, of this copy of OpenSSL, and used by this thread alone.
unsafe fn take(openssl: &OpenSsl, libssl: &Libssl, ssl: Ssl<'_>) -> Option<Box<Pending>> {
    let pending = waiting(openssl, libssl, ssl)?;
    let ssl = ssl.raw();
    // SAFETY: as promised; it is a box of ours, which is taken out.
    unsafe {
        if libssl.SSL_set_ex_data(ssl, index(openssl), null_mut()) != 1 {
            return None;
        }
        let pending = Box::from_raw(pending.as_ptr());
        let ours = INFO_CALLBACKS.get(openssl.slot());
        let current = libssl.SSL_get_info_callback(ssl);
        if current.zip(ours).is_some_and(|(current, ours)| fn_addr_eq(current, *ours)) {
            libssl.SSL_set_info_callback(ssl, pending.theirs);
        }
        Some(pending)
    }
}

/// SSL_CTX_set_info_callback(3), while something waits.
unsafe extern "C" fn on_info<const SLOT: usize>(ssl: *const SSL, what: c_int, value: c_int) {
    let next = guarded("on_info", None, || {
        let openssl = copy(SLOT)?;
        let libssl = openssl.ssl()?;
        // SAFETY: libssl passes a valid SSL, which this thread uses. It is const for the sake of
        // programs, and no constant.
        unsafe {
            let ssl = Ssl::new(openssl, ssl.cast_mut());
            let pending = waiting(openssl, libssl, ssl);
            let theirs = pending.and_then(|pending| pending.as_ref().theirs);
            let of_all = || libssl.SSL_CTX_get_info_callback(libssl.SSL_get_SSL_CTX(ssl.raw()));
            if what & SSL_CB_HANDSHAKE_DONE != 0
                && let Some(pending) = take(openssl, libssl, ssl)
            {
                finished(openssl, libssl, ssl, *pending);
            }
            theirs.or_else(of_all)
        }
    });
    if let Some(next) = next {
        // SAFETY: the program's own callback, with what was meant for it.
        unsafe { next(ssl, what, value) }
    }
}

/// The peer has proved its key.
fn finished(openssl: &'static OpenSsl, libssl: &Libssl, ssl: Ssl<'_>, pending: Pending) {
    let Pending { seen, noted, accepted, insists, .. } = pending;
    if seen.is_empty() {
        return;
    }
    let is_first = seen.iter().any(|sighting| sighting.seen == Seen::First);
    let why = match openssl.books.remember(&seen, now()) {
        Ok(None) => None,
        Ok(Some(lost)) => Some(lost.to_string()),
        Err(error) => Some(error.to_string()),
    };
    let lost = why.filter(|_| is_first).map(Reason::NotRemembered);
    if let Some(noted) = noted {
        noted.finished(openssl, lost.as_ref());
    }
    match lost {
        None => {
            if let Some(accepted) = accepted {
                accepted.note(openssl, ssl);
            }
        }
        Some(why) => end(openssl, libssl, ssl, why, insists),
    }
}

/// The connection carries no data: for libssl it is closed in both directions.
fn end(openssl: &OpenSsl, libssl: &Libssl, ssl: Ssl<'_>, why: Reason, insists: bool) {
    // SAFETY: the SSL is valid.
    unsafe {
        libssl.SSL_set_verify_result(ssl.raw(), X509_V_ERR_APPLICATION_VERIFICATION.into());
        if insists {
            let closed = SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN;
            libssl.SSL_set_shutdown(ssl.raw(), closed);
        }
    }
    openssl.refusals.raise(openssl, &Sentence::new("", &why), insists);
}

/// Frees what waits with its SSL.
pub(crate) unsafe extern "C" fn freed(
    ssl: *mut c_void,
    pending: *mut c_void,
    data: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    state: *mut c_void,
) {
    // SAFETY: OpenSSL calls this once, for what stands under our index, with the state of that.
    guarded("free_pending", (), || unsafe {
        let is_ours = registries::is_marked(&*state.cast(), data, Index::Listening, ssl);
        if is_ours && !pending.is_null() {
            drop(Box::from_raw(pending.cast::<Pending>()));
        }
    });
}
