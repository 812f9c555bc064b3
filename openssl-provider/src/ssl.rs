//! The connection for which libssl verifies.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::ptr::{null, null_mut};

use crate::bindings::{SSL, SSL_VERIFY_NONE, SSL_VERIFY_PEER, TLSEXT_NAMETYPE_host_name};
use crate::memory::text;
use crate::openssl::OpenSsl;
use crate::registries::{Index, mark};

/// The connection that is being made.
#[derive(Clone, Copy)]
pub(crate) struct Ssl<'a> {
    openssl: &'static OpenSsl,
    raw: *mut SSL,
    life: PhantomData<&'a ()>,
}

impl Ssl<'_> {
    /// # Safety
    ///
    /// `raw` is an SSL of this copy of OpenSSL, valid as long as this, and used by this thread alone.
    pub(crate) unsafe fn new(openssl: &'static OpenSsl, raw: *mut SSL) -> Self {
        Self { openssl, raw, life: PhantomData }
    }

    /// The connection, for calls that are made elsewhere.
    pub(crate) fn raw(self) -> *mut SSL {
        self.raw
    }

    /// Whether the program is the server.
    pub(crate) fn is_server(self) -> bool {
        let Some(ssl) = self.openssl.ssl() else { return false };
        // SAFETY: the SSL is valid.
        unsafe { ssl.SSL_is_server(self.raw) == 1 }
    }

    /// The server name that a client sends.
    pub(crate) fn server_name(self) -> Option<Vec<u8>> {
        let ssl = self.openssl.ssl()?;
        // SAFETY: the SSL is valid, and keeps the name.
        unsafe { text(ssl.SSL_get_servername(self.raw, TLSEXT_NAMETYPE_host_name)) }
    }

    /// The socket, where the program lets OpenSSL see it.
    pub(crate) fn socket(self) -> Option<RawFd> {
        // SAFETY: the SSL is valid.
        let fd = unsafe { self.openssl.ssl()?.SSL_get_fd(self.raw) };
        (fd >= 0).then_some(fd)
    }

    /// The protocol id that ALPN selected.
    pub(crate) fn selected_alpn(self) -> Option<Vec<u8>> {
        let (mut id, mut length) = (null(), 0);
        // SAFETY: the SSL is valid, and both places are ours.
        unsafe {
            self.openssl.ssl()?.SSL_get0_alpn_selected(self.raw, &raw mut id, &raw mut length)
        };
        // SAFETY: OpenSSL points at `length` bytes that the SSL keeps.
        (!id.is_null()).then(|| unsafe { std::slice::from_raw_parts(id, length as usize) }.to_vec())
    }

    /// What the ClientHello of this client offered by ALPN, if it was seen.
    pub(crate) fn offered_alpn(self) -> Option<Vec<u8>> {
        let offer = self.is_ours().then(|| self.kept(Index::Offer))?;
        // SAFETY: null, or the box that `hook` put there and frees with the SSL.
        unsafe { offer.cast::<Vec<u8>>().as_ref() }.cloned()
    }

    /// Whether it was made where our indices are its own.
    pub(crate) fn is_ours(self) -> bool {
        self.kept(Index::Listening) == mark(self.raw.cast())
    }

    fn kept(self, index: Index) -> *mut c_void {
        let Some(ssl) = self.openssl.ssl() else { return null_mut() };
        // SAFETY: the SSL is valid.
        unsafe { ssl.SSL_get_ex_data(self.raw, self.openssl.registries.number(index)) }
    }

    /// Whether the program switched verification off.
    pub(crate) fn verifies_nothing(self) -> bool {
        let Some(ssl) = self.openssl.ssl() else { return false };
        // SAFETY: the SSL is valid.
        unsafe { ssl.SSL_get_verify_mode(self.raw) == SSL_VERIFY_NONE }
    }

    /// Switches verification on.
    pub(crate) fn verify_peer(self) {
        if let Some(ssl) = self.openssl.ssl() {
            // SAFETY: the SSL is valid; without a callback it keeps the one that it has.
            unsafe { ssl.SSL_set_verify(self.raw, SSL_VERIFY_PEER, None) }
        }
    }

    /// Whether the program uses DANE for this connection. (A TLSA usage that does not exist is never
    /// added: -1 says that DANE is off, 0 that the usage is wrong.)
    pub(crate) fn uses_dane(self) -> bool {
        const NO_SUCH_USAGE: u8 = 255;
        let Some(ssl) = self.openssl.ssl() else { return false };
        self.openssl.quietly(|| {
            // SAFETY: the SSL is valid, and no data is read for a wrong usage.
            unsafe { ssl.SSL_dane_tlsa_add(self.raw, NO_SUCH_USAGE, 0, 0, null(), 0) >= 0 }
        })
    }
}
