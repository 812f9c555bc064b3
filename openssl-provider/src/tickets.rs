//! Sessions at a server: a client that was accepted once is not for ever.
//!
//! A session that comes back in a ticket is shown to a callback, which can turn it down; a full handshake
//! follows. One that the server keeps itself is not: with a new policy, the cache of the SSL_CTX is
//! emptied. Sessions without a client's certificate claim nothing, and are left alone.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

use crate::bindings::{
    Libssl, SSL, SSL_CTX, SSL_SESSION, SSL_TICKET_RETURN_IGNORE_RENEW, SSL_TICKET_RETURN_USE,
    SSL_TICKET_RETURN_USE_RENEW, SSL_TICKET_SUCCESS, SSL_TICKET_SUCCESS_RENEW,
};
use crate::openssl::{OpenSsl, SLOTS, copy, per_slot};
use crate::registries::Index;
use crate::session::{self, Era};
use crate::ssl::Ssl;
use peerkey_guest::entry::guarded;

type TicketCallback =
    unsafe extern "C" fn(*mut SSL, *mut SSL_SESSION, *const u8, usize, c_int, *mut c_void) -> c_int;

/// Looks at the tickets of a new SSL_CTX. A program that sets a callback of its own replaces ours.
///
/// # Safety
///
/// `ssl_ctx` is valid, and of this copy of OpenSSL.
pub(crate) unsafe fn watch(openssl: &'static OpenSsl, libssl: &Libssl, ssl_ctx: *mut SSL_CTX) {
    let ours = TICKET_CALLBACKS.get(openssl.slot()).copied();
    // SAFETY: as promised; ours lives for ever.
    unsafe { libssl.SSL_CTX_set_session_ticket_cb(ssl_ctx, None, ours, null_mut()) };
}

/// One a slot: the argument stays null, as a program that sets callbacks without one expects.
const TICKET_CALLBACKS: [TicketCallback; SLOTS] = per_slot!(on_ticket);

/// SSL_CTX_set_session_ticket_cb(3). For each status it answers what holds without a callback, unless
/// the session may not be resumed.
unsafe extern "C" fn on_ticket<const SLOT: usize>(
    ssl: *mut SSL,
    session: *mut SSL_SESSION,
    _: *const u8,
    _: usize,
    status: c_int,
    _: *mut c_void,
) -> c_int {
    let usual = match status {
        SSL_TICKET_SUCCESS => SSL_TICKET_RETURN_USE,
        SSL_TICKET_SUCCESS_RENEW => SSL_TICKET_RETURN_USE_RENEW,
        _ => return SSL_TICKET_RETURN_IGNORE_RENEW,
    };
    let may = guarded("ticket", false, || {
        let Some((openssl, libssl)) = copy(SLOT).and_then(|o| Some((o, o.ssl()?))) else {
            return true;
        };
        // SAFETY: libssl passes a valid SSL, and with these two statuses a session.
        openssl.quietly(|| unsafe {
            has_no_peer(libssl, session)
                || session::may_resume(openssl, libssl, Ssl::new(openssl, ssl), session)
        })
    });
    if may { usual } else { SSL_TICKET_RETURN_IGNORE_RENEW }
}

/// Whether a session is of a client without a certificate.
unsafe fn has_no_peer(libssl: &Libssl, session: *mut SSL_SESSION) -> bool {
    // SAFETY: as promised by the caller.
    unsafe { libssl.SSL_SESSION_get0_peer(session) }.is_null()
}

/// A server that verifies its clients begins a handshake: empties the cache of its SSL_CTX once an era,
/// or each time where no session may be resumed.
///
/// # Safety
///
/// `ssl` is valid, of this copy of OpenSSL, and used by this thread alone.
pub(crate) unsafe fn before_handshake(openssl: &'static OpenSsl, libssl: &Libssl, ssl: *mut SSL) {
    let Some(flush) = openssl.flush_sessions() else { return };
    let now = match openssl.quietly(|| session::era(openssl)) {
        Era::Any => return,
        Era::Of(now) => Some(now),
        Era::None => None,
    };
    // SAFETY: as promised. With time 0 all sessions go.
    unsafe {
        let ssl_ctx = libssl.SSL_get_SSL_CTX(ssl);
        // The program can have given the SSL an SSL_CTX that was made out of our sight.
        if session::is_watched(openssl, libssl, ssl_ctx)
            && now.is_none_or(|now| is_new(openssl, libssl, ssl_ctx, now))
        {
            flush(ssl_ctx, 0);
        }
    }
}

/// Whether an SSL_CTX first hears of an era.
///
/// # Safety
///
/// It is valid, and made in our sight.
unsafe fn is_new(
    openssl: &OpenSsl,
    libssl: &Libssl,
    ssl_ctx: *mut SSL_CTX,
    era: *mut c_void,
) -> bool {
    let index = openssl.registries.number(Index::Era);
    // SAFETY: as promised; under our index stands a number.
    unsafe {
        libssl.SSL_CTX_get_ex_data(ssl_ctx, index) != era
            && libssl.SSL_CTX_set_ex_data(ssl_ctx, index, era) == 1
    }
}
