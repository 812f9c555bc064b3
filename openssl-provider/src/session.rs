//! Sessions that were judged, and those that were not: a client does not resume these. (`tickets` is
//! about servers.)
//!
//! A resumed session brings no certificate, and so no verification. libssl asks the security callback
//! (SSL_CTX_set_security_callback(3)) about the version at the very beginning of a handshake, before it
//! looks at the session: there a session that was not accepted for this same question, under the policy
//! of now, is taken out of the connection, and a full handshake follows. The session itself is left as
//! it is: other threads may hold it, and other connections ask other questions.

use std::ffi::{c_int, c_void};
use std::hash::Hash;
use std::ptr::{NonNull, null_mut, without_provenance_mut};

use peerkey_core::protocol::Protocol;
use peerkey_core::verdict::Reason;

use crate::bindings::{
    Libssl, SSL, SSL_CTX, SSL_SECOP_VERSION, SSL_SESSION, SSL_VERIFY_PEER, TLS_ST_BEFORE,
    TLS1_3_VERSION, X509_V_OK,
};
use crate::context::Context;
use crate::facts::{Facts, local_address, now, protocol_by_alpn, remote_address};
use crate::openssl::{OpenSsl, SLOTS, copy, per_slot};
use crate::parameters::Parameters;
use crate::params::OnError;
use crate::sentence::Sentence;
use crate::ssl::Ssl;
use crate::tickets;
use peerkey_guest::entry::guarded;
use peerkey_guest::folder::FileId;
use peerkey_guest::policy::CannotDecide;

/// A verdict is not remembered past the end of the hour in which it was given: certificates expire, and
/// so does what a policy says `until` some day.
const PERIOD: i64 = 3600;

/// SSL_CTX_set_security_callback(3).
pub(crate) type SecurityCallback = unsafe extern "C" fn(
    *const SSL,
    *const SSL_CTX,
    c_int,
    c_int,
    c_int,
    *mut c_void,
    *mut c_void,
) -> c_int;

/// The beginning of a mark, then what was asked, then over what protocol.
type Mark = [u8; 40];
const LEAD: &[u8; 8] = b"peerkey1";

/// Makes the sessions of a new SSL_CTX ours to look at.
///
/// # Safety
///
/// `ssl_ctx` is valid, and of this copy of OpenSSL.
pub(crate) unsafe fn watch(openssl: &'static OpenSsl, libssl: &Libssl, ssl_ctx: *mut SSL_CTX) {
    // SAFETY: as promised.
    let theirs = unsafe { libssl.SSL_CTX_get_security_callback(ssl_ctx) };
    let ours = SECURITY_CALLBACKS.get(openssl.slot()).copied();
    let Some(theirs) = theirs else { return };
    // It is the same for every new SSL_CTX: libssl's own.
    if std::ptr::fn_addr_eq(*openssl.security.get_or_init(|| theirs), theirs) {
        // SAFETY: as promised; ours lives for ever.
        unsafe { libssl.SSL_CTX_set_security_callback(ssl_ctx, ours) }
    }
}

/// Whether an SSL_CTX is as `watch` left it.
///
/// # Safety
///
/// `ssl_ctx` is valid, and of this copy of OpenSSL.
pub(crate) unsafe fn is_watched(openssl: &OpenSsl, libssl: &Libssl, ssl_ctx: *mut SSL_CTX) -> bool {
    // SAFETY: as promised.
    let callback = unsafe { libssl.SSL_CTX_get_security_callback(ssl_ctx) };
    let ours = SECURITY_CALLBACKS.get(openssl.slot());
    callback.zip(ours).is_some_and(|(it, ours)| std::ptr::fn_addr_eq(it, *ours))
}

/// One a slot: the callback's argument belongs to the program.
const SECURITY_CALLBACKS: [SecurityCallback; SLOTS] = per_slot!(on_security);

/// libssl asks this a hundred times in a handshake: what is not ours goes straight to its own.
unsafe extern "C" fn on_security<const SLOT: usize>(
    ssl: *const SSL,
    ssl_ctx: *const SSL_CTX,
    operation: c_int,
    bits: c_int,
    number: c_int,
    other: *mut c_void,
    argument: *mut c_void,
) -> c_int {
    let Some(openssl) = copy(SLOT) else { return 0 };
    if operation == SSL_SECOP_VERSION
        && let Some(ssl) = NonNull::new(ssl.cast_mut())
        && let Some(libssl) = openssl.ssl()
        // SAFETY: libssl passes a valid SSL, which this thread uses.
        && unsafe { libssl.SSL_get_state(ssl.as_ptr()) } == TLS_ST_BEFORE
        // SAFETY: as above. It is const for the sake of other operations, and no constant.
        && !unsafe { before_handshake(openssl, libssl, ssl.as_ptr()) }
    {
        return 0;
    }
    let Some(theirs) = openssl.security.get() else { return 0 };
    // SAFETY: libssl's own callback, with what was meant for it.
    unsafe { theirs(ssl, ssl_ctx, operation, bits, number, other, argument) }
}

/// Takes the session out of a client that is to begin its handshake, unless it may be resumed. False if
/// it cannot be taken out.
///
/// # Safety
///
/// `raw` is valid, of this copy of OpenSSL, and used by this thread alone.
unsafe fn before_handshake(openssl: &'static OpenSsl, libssl: &Libssl, raw: *mut SSL) -> bool {
    // SAFETY: as promised. The session is held, and put back as it was set by the program.
    unsafe {
        if libssl.SSL_is_server(raw) == 1 {
            return libssl.SSL_get_verify_mode(raw) & SSL_VERIFY_PEER == 0
                || server_before_handshake(openssl, libssl, raw);
        }
        if libssl.SSL_get_session(raw).is_null() {
            return true;
        }
        let session = libssl.SSL_get1_session(raw);
        // Without it, an SSL shows the server name that it will send, not that of the session.
        libssl.SSL_set_session(raw, null_mut());
        let ssl = Ssl::new(openssl, raw);
        // If we fail, a full handshake is never wrong.
        let may = || openssl.quietly(|| may_resume(openssl, libssl, ssl, session));
        let may = guarded("may_resume", false, may);
        let taken_out = libssl.SSL_get_session(raw).is_null();
        if may {
            libssl.SSL_set_session(raw, session);
        } else {
            libssl.SSL_set_verify_result(raw, X509_V_OK.into());
        }
        libssl.SSL_SESSION_free(session);
        may || taken_out
    }
}

/// The same for a server that verifies its clients. If we fail, a session of another policy could be
/// resumed, and the handshake must fail.
///
/// # Safety
///
/// As for `before_handshake`.
unsafe fn server_before_handshake(
    openssl: &'static OpenSsl,
    libssl: &Libssl,
    raw: *mut SSL,
) -> bool {
    let body = || {
        // SAFETY: as promised.
        unsafe { tickets::before_handshake(openssl, libssl, raw) };
        true
    };
    let goes_on = guarded("before_handshake", false, body)
        || openssl.settings.on_error == OnError::Application;
    if !goes_on {
        guarded("before_handshake again", (), || raise(openssl, &CannotDecide::failed().0));
    }
    goes_on
}

fn raise(openssl: &OpenSsl, why: &str) {
    openssl.refusals.raise(openssl, &Sentence::new("", &Reason::CannotDecide(why.into())), false);
}

/// Whether a session may be resumed without a verification.
///
/// # Safety
///
/// The session is valid.
pub(crate) unsafe fn may_resume(
    openssl: &'static OpenSsl,
    libssl: &Libssl,
    ssl: Ssl<'_>,
    session: *mut SSL_SESSION,
) -> bool {
    match openssl.policies.in_force() {
        Ok(None) => true,
        Err(_) => openssl.settings.on_error == OnError::Application,
        Ok(Some(policy)) => {
            // SAFETY: both are valid, and the parameters stay with the SSL.
            let (mark, parameters) = unsafe {
                let parameters = Parameters::new(openssl, libssl.SSL_get0_param(ssl.raw()));
                (mark_of(libssl, session), parameters)
            };
            let asked = openssl.marks.code(&question(policy.file(), ssl, parameters));
            mark.is_some_and(|mark| asked.is_some_and(|asked| mark[8..24] == asked))
        }
    }
}

/// What says of a session that what it brought was accepted.
pub(crate) struct Accepted(Vec<u8>);

impl Accepted {
    /// What says so of this verification's; None if no session is to be resumed after it.
    pub(crate) fn of(context: Context<'_>, policy: FileId, facts: &Facts<'_>) -> Option<Self> {
        let openssl = context.openssl();
        let ssl = facts.ssl?;
        // A protocol that the server chose among several can be another one the next time.
        if !ssl.is_server() && protocol(ssl).as_ref() != facts.protocol().known() {
            return None;
        }
        let asked = openssl.quietly(|| question(policy, ssl, context.parameters()));
        let asked = openssl.marks.code(&asked)?;
        let protocol = openssl.marks.code(&facts.protocol().known())?;
        Some(Self([&LEAD[..], &asked, &protocol].concat()))
    }

    /// Notes it on the session.
    pub(crate) fn note(&self, openssl: &OpenSsl, ssl: Ssl<'_>) {
        mark(openssl, ssl, &self.0);
    }
}

/// Notes that nothing is known about this session yet.
pub(crate) fn unknown(context: Context<'_>) {
    if let Some(ssl) = context.ssl() {
        mark(context.openssl(), ssl, &[]);
    }
}

/// Puts a mark on the session of a handshake, which no other connection has yet, or takes it away. Data
/// of the program's own stays.
fn mark(openssl: &OpenSsl, ssl: Ssl<'_>, mark: &[u8]) {
    let Some(libssl) = openssl.ssl() else { return };
    // SAFETY: the SSL is valid, and so is its session meanwhile. The bytes are copied.
    unsafe {
        let session = libssl.SSL_get_session(ssl.raw());
        if session.is_null() || is_shared(libssl, ssl, session) {
            return;
        }
        let data = data_of(libssl, session);
        let (is_free, is_ours) = (data.is_empty(), data.starts_with(LEAD));
        if is_ours || (is_free && !mark.is_empty()) {
            libssl.SSL_SESSION_set1_ticket_appdata(session, mark.as_ptr().cast(), mark.len());
        }
    }
}

/// Whether other connections may have the session already: a server can ask for a certificate later
/// (RFC 8446 section 4.6.2). In TLS 1.3 a session has no identifier until its first ticket.
///
/// # Safety
///
/// SSL and session are valid.
unsafe fn is_shared(libssl: &Libssl, ssl: Ssl<'_>, session: *mut SSL_SESSION) -> bool {
    let mut length = 0;
    // SAFETY: as promised; the place is ours.
    unsafe {
        libssl.SSL_SESSION_get_id(session, &raw mut length);
        libssl.SSL_version(ssl.raw()) == TLS1_3_VERSION && length != 0
    }
}

/// The mark of a session.
///
/// # Safety
///
/// The session is valid.
unsafe fn mark_of(libssl: &Libssl, session: *mut SSL_SESSION) -> Option<Mark> {
    // SAFETY: as promised; the bytes are copied.
    let mark = Mark::try_from(unsafe { data_of(libssl, session) }).ok()?;
    mark.starts_with(LEAD).then_some(mark)
}

/// What stands where marks stand.
///
/// # Safety
///
/// The session is valid, and its data stays as it is while the result lives.
unsafe fn data_of<'a>(libssl: &Libssl, session: *mut SSL_SESSION) -> &'a [u8] {
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: as promised; both places are ours, and OpenSSL points at `length` bytes.
    unsafe {
        libssl.SSL_SESSION_get0_ticket_appdata(session, &raw mut data, &raw mut length);
        if data.is_null() { &[] } else { std::slice::from_raw_parts(data.cast(), length) }
    }
}

/// A ClientHello went out. If it resumes a session that was accepted over another protocol, the
/// handshake must fail: only now does the offer show.
pub(crate) fn offered(openssl: &'static OpenSsl, ssl: Ssl<'_>) {
    let Some(mark) = offered_mark(openssl, ssl) else { return };
    let same = openssl.marks.code(&protocol(ssl).as_ref());
    if same.is_some_and(|same| mark[24..] == same)
        || matches!(openssl.quietly(|| openssl.policies.in_force()), Ok(None))
    {
        return;
    }
    refuse_session(openssl, ssl, "the session to resume was accepted over another protocol");
}

/// A message could not be looked at. If it offered a session that was accepted, nobody knows over what.
pub(crate) fn offered_unseen(openssl: &'static OpenSsl, ssl: Ssl<'_>) {
    if !ssl.is_server() && offered_mark(openssl, ssl).is_some() {
        refuse_session(openssl, ssl, &CannotDecide::failed().0);
    }
}

/// The mark of the session that a client offers, if it was accepted.
fn offered_mark(openssl: &OpenSsl, ssl: Ssl<'_>) -> Option<Mark> {
    let libssl = openssl.ssl()?;
    // SAFETY: the SSL is valid, and so is its session meanwhile.
    unsafe {
        let session = libssl.SSL_get_session(ssl.raw());
        (!session.is_null()).then(|| mark_of(libssl, session)).flatten()
    }
}

fn refuse_session(openssl: &'static OpenSsl, ssl: Ssl<'_>, why: &str) {
    let Some(libssl) = openssl.ssl() else { return };
    raise(openssl, why);
    // SAFETY: the SSL is valid, and the callback lives for ever.
    unsafe { libssl.SSL_set_security_callback(ssl.raw(), Some(nothing_is_secure)) }
}

/// Ends a handshake at the next message.
unsafe extern "C" fn nothing_is_secure(
    _: *const SSL,
    _: *const SSL_CTX,
    _: c_int,
    _: c_int,
    _: c_int,
    _: *mut c_void,
    _: *mut c_void,
) -> c_int {
    0
}

/// Over what protocol, as far as it does not hang on the server's answer.
fn protocol(ssl: Ssl<'_>) -> Option<Protocol> {
    let port = || Protocol::from_port(remote_address(ssl.socket()?)?.port());
    protocol_by_alpn(ssl.offered_alpn().as_deref(), None, false).or_else(port)
}

/// The question that a connection asks before any certificate is seen. A server's is the same for all
/// its clients, but for the port.
fn question(policy: FileId, ssl: Ssl<'_>, parameters: Parameters<'_>) -> impl Hash + use<> {
    let (socket, is_server) = (ssl.socket(), ssl.is_server());
    (
        (policy, is_server),
        parameters.check_time().ok_or_else(|| now() / PERIOD),
        (parameters.hosts(), parameters.address(), parameters.email()),
        if is_server { None } else { ssl.server_name() },
        socket.and_then(if is_server { local_address } else { remote_address }),
    )
}

/// What the sessions that a server keeps are held to.
pub(crate) enum Era {
    /// Nothing.
    Any,
    /// The policy in force and the hour, as a number that is not 0.
    Of(*mut c_void),
    /// No decision is possible: none may be resumed.
    None,
}

/// The era of now.
pub(crate) fn era(openssl: &OpenSsl) -> Era {
    let policy = match openssl.policies.in_force() {
        Ok(Some(policy)) => policy,
        Err(_) if openssl.settings.on_error == OnError::Reject => return Era::None,
        Ok(None) | Err(_) => return Era::Any,
    };
    let code = openssl.marks.code(&(policy.file(), now() / PERIOD));
    match code.as_ref().and_then(|code| code.first_chunk()) {
        Some(first) => Era::Of(without_provenance_mut(usize::from_ne_bytes(*first) | 1)),
        None => Era::None,
    }
}
