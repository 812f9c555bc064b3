//! A verification as libssl hands it over: an X509_STORE_CTX, its certificates, and their SSL.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::null_mut;

use crate::bindings::{X509_NAME, X509_STORE_CTX, X509_STORE_CTX_verify_cb};
use crate::certified::{Certified, OwnedStack, Stack};
use crate::memory::encoded;
use crate::openssl::OpenSsl;
use crate::parameters::Parameters;
use crate::ssl::Ssl;
use crate::store;

/// A verification that libssl, or code of its kind, began.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    openssl: &'static OpenSsl,
    raw: *mut X509_STORE_CTX,
    life: PhantomData<&'a ()>,
}

impl<'a> Context<'a> {
    /// # Safety
    ///
    /// `raw` is a context of this copy of OpenSSL, valid for `'a`, and used by this thread alone.
    pub(crate) unsafe fn new(openssl: &'static OpenSsl, raw: *mut X509_STORE_CTX) -> Self {
        Self { openssl, raw, life: PhantomData }
    }

    /// The copy of OpenSSL that it belongs to.
    pub(crate) fn openssl(self) -> &'static OpenSsl {
        self.openssl
    }

    /// The context, for a callback of the program's.
    pub(crate) fn raw(self) -> *mut X509_STORE_CTX {
        self.raw
    }

    /// Verifies as if we were not there. At most once in the life of a context.
    pub(crate) fn verify_natively(self) -> c_int {
        // SAFETY: the context is valid. libssl takes a negative result as a failure, too, but only
        // where no callback stands between.
        unsafe { self.openssl.crypto.X509_verify_cert(self.raw) }.max(0)
    }

    /// The error that is recorded; X509_V_OK for none.
    pub(crate) fn error(self) -> c_int {
        // SAFETY: the context is valid.
        unsafe { self.openssl.crypto.X509_STORE_CTX_get_error(self.raw) }
    }

    /// Records an error, or that there is none.
    pub(crate) fn set_error(self, code: c_int) {
        // SAFETY: the context is valid.
        unsafe { self.openssl.crypto.X509_STORE_CTX_set_error(self.raw, code) }
    }

    /// Records where the error is.
    pub(crate) fn set_error_at(self, depth: c_int, certificate: Option<Certified<'_>>) {
        let certificate = certificate.map_or(null_mut(), Certified::raw);
        // SAFETY: the context is valid, and so is the certificate for as long as the context has it.
        unsafe {
            self.openssl.crypto.X509_STORE_CTX_set_error_depth(self.raw, depth);
            self.openssl.crypto.X509_STORE_CTX_set_current_cert(self.raw, certificate);
        }
    }

    /// The certificate of the peer; None for a raw public key.
    pub(crate) fn leaf(self) -> Option<Certified<'a>> {
        // SAFETY: the context is valid, and keeps the certificate.
        unsafe {
            let raw = self.openssl.crypto.X509_STORE_CTX_get0_cert(self.raw);
            Certified::new(self.openssl, raw)
        }
    }

    /// The raw public key of the peer (RFC 7250), as a DER SubjectPublicKeyInfo.
    pub(crate) fn raw_public_key(self) -> Option<Vec<u8>> {
        let get = self.openssl.newer.rpk?;
        // SAFETY: the context is valid.
        let key = unsafe { get(self.raw) };
        let crypto = &self.openssl.crypto;
        // SAFETY: `key` is not null; i2d functions measure first, and write what they measured.
        (!key.is_null()).then(|| unsafe { encoded(|out| crypto.i2d_PUBKEY(key, out)) })?
    }

    /// The certificates that came with it, the leaf among them.
    pub(crate) fn untrusted(self) -> Vec<Certified<'a>> {
        // SAFETY: the context is valid, and keeps the stack of X509.
        unsafe {
            let stack = self.openssl.crypto.X509_STORE_CTX_get0_untrusted(self.raw);
            Certified::all(self.openssl, stack.cast())
        }
    }

    /// Whether the program put a check of its own in the place of OpenSSL's check of signatures
    /// (X509_STORE_set_verify(3)).
    pub(crate) fn store_verifies(self) -> bool {
        let crypto = &self.openssl.crypto;
        // SAFETY: the context is valid, and keeps its store; null is asked nothing.
        unsafe {
            let store = crypto.X509_STORE_CTX_get0_store(self.raw);
            !store.is_null() && crypto.X509_STORE_get_verify(store).is_some()
        }
    }

    /// The chain that was found.
    pub(crate) fn chain(self) -> Vec<Certified<'a>> {
        // SAFETY: the context is valid, and keeps the stack of X509.
        unsafe {
            let stack = self.openssl.crypto.X509_STORE_CTX_get0_chain(self.raw);
            Certified::all(self.openssl, stack.cast())
        }
    }

    /// The verify callback of the program.
    pub(crate) fn verify_callback(self) -> X509_STORE_CTX_verify_cb {
        // SAFETY: the context is valid.
        unsafe { self.openssl.crypto.X509_STORE_CTX_get_verify_cb(self.raw) }
    }

    /// Sets the verify callback.
    pub(crate) fn set_verify_callback(self, callback: X509_STORE_CTX_verify_cb) {
        // SAFETY: the context is valid, and callbacks of this type take it.
        unsafe { self.openssl.crypto.X509_STORE_CTX_set_verify_cb(self.raw, callback) }
    }

    /// The verification for whose CRLs this one is made.
    pub(crate) fn parent(self) -> Option<Self> {
        // SAFETY: the context is valid, and so is a parent as long as it.
        let raw = unsafe { self.openssl.crypto.X509_STORE_CTX_get0_parent_ctx(self.raw) };
        (!raw.is_null()).then_some(Self { raw, ..self })
    }

    /// Whether two names are one (X509_NAME_cmp(3)).
    pub(crate) fn same_name(self, a: *mut X509_NAME, b: *mut X509_NAME) -> bool {
        // SAFETY: names of certificates.
        a == b || unsafe { self.openssl.crypto.X509_NAME_cmp(a, b) == 0 }
    }

    /// The certificates of the program's store, also of its folders, that have this subject; or of
    /// the stack that it trusts instead of a store.
    pub(crate) fn stored(self, subject: *mut X509_NAME) -> Option<OwnedStack> {
        // SAFETY: context and name are valid; what comes back is ours to free.
        let raw = unsafe {
            let look_up = self.openssl.crypto.X509_STORE_CTX_get_lookup_certs(self.raw)?;
            look_up(self.raw, subject)
        };
        // SAFETY: as above.
        unsafe { OwnedStack::new(self.openssl, raw.cast()) }
    }

    /// A second verification of the same peer, for the same connection if there is one: with the same parameters and
    /// store, of which only the certificates in `trusted` count.
    pub(crate) fn another(self, untrusted: &Stack, trusted: &Stack) -> Option<Another> {
        let crypto = &self.openssl.crypto;
        let ssl = self.known_ssl();
        // SAFETY: no arguments.
        let raw = unsafe { crypto.X509_STORE_CTX_new() };
        let another = (!raw.is_null()).then_some(Another { openssl: self.openssl, raw })?;
        // SAFETY: both contexts are valid. Stacks, leaf and store stay as long as the new one.
        let ready = unsafe {
            let store = crypto.X509_STORE_CTX_get0_store(self.raw);
            let leaf = crypto.X509_STORE_CTX_get0_cert(self.raw);
            let parameters = crypto.X509_STORE_CTX_get0_param(self.raw);
            crypto.X509_STORE_CTX_init(raw, store, leaf, untrusted.raw().cast()) == 1
                && crypto.X509_VERIFY_PARAM_set1(crypto.X509_STORE_CTX_get0_param(raw), parameters)
                    == 1
                && ssl.is_none_or(|(ssl, index)| {
                    crypto.X509_STORE_CTX_set_ex_data(raw, index, ssl.raw().cast()) == 1
                })
        };
        store::leave(another.context());
        // SAFETY: as above.
        unsafe { crypto.X509_STORE_CTX_set0_trusted_stack(raw, trusted.raw().cast()) };
        ready.then_some(another)
    }

    /// Takes over what another verification found: its chain, and the name that matched.
    pub(crate) fn take_over(self, other: Context<'_>) {
        let crypto = &self.openssl.crypto;
        // SAFETY: both contexts are valid; the chain is copied with its references.
        unsafe {
            let chain = crypto.X509_STORE_CTX_get1_chain(other.raw);
            crypto.X509_STORE_CTX_set0_verified_chain(self.raw, chain);
            let ours = crypto.X509_STORE_CTX_get0_param(self.raw);
            let theirs = crypto.X509_STORE_CTX_get0_param(other.raw);
            crypto.X509_VERIFY_PARAM_move_peername(ours, theirs);
        }
        // What it pointed at may be gone with the first chain.
        self.set_error_at(0, self.leaf());
    }

    /// The SSL that the verification is for.
    pub(crate) fn ssl(self) -> Option<Ssl<'a>> {
        let index = self.ssl_index()?;
        // SAFETY: the context is valid; libssl keeps the SSL under this index.
        let raw = unsafe { self.openssl.crypto.X509_STORE_CTX_get_ex_data(self.raw, index) };
        // SAFETY: it lives longer than the verification.
        (!raw.is_null()).then(|| unsafe { Ssl::new(self.openssl, raw.cast()) })
    }

    /// The same with its index, where libssl is in use at all: it is not looked for. Its index means
    /// nothing in other registries than its own.
    pub(crate) fn known_ssl(self) -> Option<(Ssl<'a>, c_int)> {
        self.openssl.known_ssl().filter(|_| store::may_show_ssl(self))?;
        Some((self.ssl()?, self.ssl_index()?))
    }

    /// The index under which libssl keeps the SSL.
    pub(crate) fn ssl_index(self) -> Option<c_int> {
        // SAFETY: no arguments.
        Some(unsafe { self.openssl.ssl()?.SSL_get_ex_data_X509_STORE_CTX_idx() })
    }

    /// What the program expects of the peer.
    pub(crate) fn parameters(self) -> Parameters<'a> {
        // SAFETY: the context is valid, and keeps its parameters.
        unsafe {
            let raw = self.openssl.crypto.X509_STORE_CTX_get0_param(self.raw);
            Parameters::new(self.openssl, raw)
        }
    }
}

/// A verification that we began ourselves.
pub(crate) struct Another {
    openssl: &'static OpenSsl,
    raw: *mut X509_STORE_CTX,
}

impl Another {
    /// It, as a context.
    pub(crate) fn context(&self) -> Context<'_> {
        Context { openssl: self.openssl, raw: self.raw, life: PhantomData }
    }
}

impl Drop for Another {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { self.openssl.crypto.X509_STORE_CTX_free(self.raw) }
    }
}
