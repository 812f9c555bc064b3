//! What OpenSSL calls: each new SSL_CTX gets our verify callback, each ClientHello shows its offer.

use std::ffi::{c_int, c_long, c_void};
use std::ptr::null_mut;

use crate::bindings::{
    CRYPTO_EX_DATA, CRYPTO_EX_INDEX_SSL_CTX, SSL, SSL_CTX, SSL3_MT_CLIENT_HELLO, SSL3_RT_HANDSHAKE,
    X509_STORE_CTX, X509_V_ERR_APPLICATION_VERIFICATION,
};
use crate::context::Context;
use crate::hello::offered_alpn;
use crate::openssl::{OpenSsl, SLOTS, copy, per_slot};
use crate::registries::{self, Index};
use crate::ssl::Ssl;
use crate::{session, store, tickets, verify};
use peerkey_guest::entry::guarded;
use peerkey_guest::recent::soon;

/// From now on every new SSL_CTX of this copy is ours to judge for, where this thread registers.
pub(crate) fn register(openssl: &'static OpenSsl) -> bool {
    let _turn = soon(&openssl.registries.registering);
    if registries::is_ours(openssl) {
        return true;
    }
    // What the host keeps under our numbers would be taken for ours.
    let refuses = !registries::takes_indices(openssl);
    let new = if refuses { new_ssl_ctx_to_refuse } else { new_ssl_ctx };
    let state = std::ptr::from_ref(openssl).cast_mut().cast();
    // SAFETY: the callback fits the class, and the state lives as long as the process.
    let index = unsafe {
        openssl.crypto.CRYPTO_get_ex_new_index(
            CRYPTO_EX_INDEX_SSL_CTX,
            0,
            state,
            Some(new),
            None,
            None,
        )
    };
    index >= 0 && (refuses || store::register(openssl))
}

unsafe extern "C" fn new_ssl_ctx(
    ssl_ctx: *mut c_void,
    _: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    state: *mut c_void,
) {
    let hook = || {
        // SAFETY: `register` gave this state.
        let openssl: &'static OpenSsl = unsafe { &*state.cast() };
        let Some(ssl) = openssl.ssl() else { return };
        let ssl_ctx: *mut SSL_CTX = ssl_ctx.cast();
        // SAFETY: the object of this class that is being made; all callbacks live for ever.
        unsafe {
            ssl.SSL_CTX_set_cert_verify_callback(ssl_ctx, Some(verify_peer), state);
            ssl.SSL_CTX_set_msg_callback(ssl_ctx, MESSAGE_CALLBACKS.get(openssl.slot()).copied());
            session::watch(openssl, ssl, ssl_ctx);
            tickets::watch(openssl, ssl, ssl_ctx);
        }
    };
    let hooked = guarded("new_ssl_ctx", false, || {
        hook();
        true
    });
    if !hooked {
        // SAFETY: as we were called.
        unsafe { refuse_all(ssl_ctx.cast(), state) };
    }
}

/// In the place of `new_ssl_ctx` where that cannot do its work.
unsafe extern "C" fn new_ssl_ctx_to_refuse(
    ssl_ctx: *mut c_void,
    _: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    state: *mut c_void,
) {
    // SAFETY: as OpenSSL calls us.
    unsafe { refuse_all(ssl_ctx.cast(), state) };
}

/// An SSL_CTX that cannot be hooked as it should be takes nobody's word.
///
/// # Safety
///
/// The SSL_CTX is being made, and the state is that of `register`.
unsafe fn refuse_all(ssl_ctx: *mut SSL_CTX, state: *mut c_void) {
    guarded("refuse_all", (), || {
        // SAFETY: as promised.
        let openssl = unsafe { &*state.cast::<OpenSsl>() };
        let Some(ssl) = openssl.ssl() else { return };
        // SAFETY: as promised; the callback lives for ever.
        unsafe { ssl.SSL_CTX_set_cert_verify_callback(ssl_ctx, Some(refuse_peer), state) }
    });
}

/// SSL_CTX_set_cert_verify_callback(3), for what `refuse_all` has to do with.
unsafe extern "C" fn refuse_peer(context: *mut X509_STORE_CTX, state: *mut c_void) -> c_int {
    // SAFETY: as for `verify_peer`.
    unsafe { answer(context, state, verify::cannot_verify) }
}

/// SSL_CTX_set_cert_verify_callback(3).
unsafe extern "C" fn verify_peer(context: *mut X509_STORE_CTX, state: *mut c_void) -> c_int {
    // SAFETY: as libssl calls us, with the state of `new_ssl_ctx`.
    unsafe {
        answer(context, state, |context| {
            store::leave(context);
            verify::verify_peer(context)
        })
    }
}

/// # Safety
///
/// As libssl calls its verify callback, with a state of `register`.
unsafe fn answer(
    context: *mut X509_STORE_CTX,
    state: *mut c_void,
    verify: fn(Context<'_>) -> c_int,
) -> c_int {
    // SAFETY: `register` gave this state.
    let openssl = unsafe { &*state.cast::<OpenSsl>() };
    // SAFETY: libssl's context, for as long as this call lasts.
    let context = unsafe { Context::new(openssl, context) };
    guarded("verify", None, || Some(verify(context))).unwrap_or_else(|| {
        // A program that only looks at the recorded result must see one.
        context.set_error(X509_V_ERR_APPLICATION_VERIFICATION);
        0
    })
}

type MessageCallback =
    unsafe extern "C" fn(c_int, c_int, c_int, *const c_void, usize, *mut SSL, *mut c_void);

/// One a slot: the callback's own argument stays null, as a program that sets a callback of its own
/// without an argument expects.
const MESSAGE_CALLBACKS: [MessageCallback; SLOTS] = per_slot!(on_message);

/// SSL_CTX_set_msg_callback(3).
unsafe extern "C" fn on_message<const SLOT: usize>(
    written: c_int,
    version: c_int,
    content_type: c_int,
    message: *const c_void,
    length: usize,
    ssl: *mut SSL,
    _: *mut c_void,
) {
    if content_type != SSL3_RT_HANDSHAKE || message.is_null() || ssl.is_null() {
        return;
    }
    let Some(openssl) = copy(SLOT) else { return };
    // SAFETY: libssl passes a message of this length, and the SSL that it belongs to.
    let (message, ssl) = unsafe {
        (std::slice::from_raw_parts(message.cast::<u8>(), length), Ssl::new(openssl, ssl))
    };
    let is_hello = written == 1 && message.first() == Some(&(SSL3_MT_CLIENT_HELLO as u8));
    let seen = guarded("on_message", false, || {
        if ssl.is_server() {
            stop_listening(openssl, ssl);
        } else if is_hello {
            let datagram = version >> 8 == 0xfe;
            remember_offer(openssl, ssl, offered_alpn(message, datagram).unwrap_or(&[]).to_vec());
            session::offered(openssl, ssl);
        }
        true
    });
    if !seen && is_hello {
        guarded("on_message again", (), || session::offered_unseen(openssl, ssl));
    }
}

/// In the server role the offer is the client's choice, and says nothing.
fn stop_listening(openssl: &OpenSsl, ssl: Ssl<'_>) {
    if let Some(libssl) = openssl.ssl() {
        // SAFETY: the SSL is valid. Its callback is ours, or it would not have been called.
        unsafe { libssl.SSL_set_msg_callback(ssl.raw(), None) }
    }
}

/// Keeps the offer of the ClientHello that was sent last, also where that offered nothing.
fn remember_offer(openssl: &OpenSsl, ssl: Ssl<'_>, offer: Vec<u8>) {
    let Some(libssl) = openssl.ssl().filter(|_| ssl.is_ours()) else { return };
    let index = openssl.registries.number(Index::Offer);
    let fresh = (!offer.is_empty()).then(|| Box::into_raw(Box::new(offer)));
    // SAFETY: the SSL is valid. Under our index stands null or a box of ours, which is taken out
    // before it is freed.
    unsafe {
        let before = libssl.SSL_get_ex_data(ssl.raw(), index);
        let new = fresh.unwrap_or(null_mut());
        let kept = libssl.SSL_set_ex_data(ssl.raw(), index, new.cast()) == 1;
        for gone in
            [if kept { before } else { null_mut() }, if kept { null_mut() } else { new.cast() }]
        {
            drop_offer(gone);
        }
    }
}

/// # Safety
///
/// `offer` is null, or an offer that nothing points at any more.
unsafe fn drop_offer(offer: *mut c_void) {
    if !offer.is_null() {
        // SAFETY: as promised.
        drop(unsafe { Box::from_raw(offer.cast::<Vec<u8>>()) });
    }
}

/// Frees an offer with its SSL.
pub(crate) unsafe extern "C" fn free_offer(
    ssl: *mut c_void,
    offer: *mut c_void,
    data: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    state: *mut c_void,
) {
    // SAFETY: OpenSSL calls this once, for what stands under our index, with the state of that.
    guarded("free_offer", (), || unsafe {
        if registries::is_marked(&*state.cast(), data, Index::Listening, ssl) {
            drop_offer(offer);
        }
    });
}

/// A copy of an SSL has offered nothing yet (otherwise both would free one offer).
pub(crate) unsafe extern "C" fn forget_offer(
    _: *mut CRYPTO_EX_DATA,
    _: *const CRYPTO_EX_DATA,
    offer: *mut *mut c_void,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) -> c_int {
    if !offer.is_null() {
        // SAFETY: CRYPTO_get_ex_new_index(3): where the value for the copy stands.
        unsafe { *offer = null_mut() };
    }
    1
}
