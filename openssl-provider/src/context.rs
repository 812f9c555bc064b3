//! A verification as libssl hands it over: an X509_STORE_CTX, its certificates, and their SSL.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;

use peerkey_core::certificate::{Certificate, CertificateError};

use crate::bindings::{
    EVP_PKEY, OPENSSL_STACK, SSL, SSL_VERIFY_NONE, SSL_VERIFY_PEER, TLSEXT_NAMETYPE_host_name,
    X509, X509_NAME, X509_PUBKEY, X509_STORE_CTX, X509_STORE_CTX_verify_cb,
    X509_V_FLAG_USE_CHECK_TIME, X509_V_OK,
};
use crate::openssl::OpenSsl;

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
        let certificate = certificate.map_or(null_mut(), |certificate| certificate.raw);
        // SAFETY: the context is valid, and so is the certificate for as long as the context has it.
        unsafe {
            self.openssl.crypto.X509_STORE_CTX_set_error_depth(self.raw, depth);
            self.openssl.crypto.X509_STORE_CTX_set_current_cert(self.raw, certificate);
        }
    }

    /// The certificate of the peer; None for a raw public key.
    pub(crate) fn leaf(self) -> Option<Certified<'a>> {
        // SAFETY: the context is valid.
        let raw = unsafe { self.openssl.crypto.X509_STORE_CTX_get0_cert(self.raw) };
        Certified::new(self.openssl, raw)
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

    /// Lets callbacks of this verification find our state.
    pub(crate) fn set_run(self, run: *mut c_void) -> bool {
        let index = self.openssl.run_index;
        // SAFETY: the context is valid, and the index is ours.
        unsafe { self.openssl.crypto.X509_STORE_CTX_set_ex_data(self.raw, index, run) == 1 }
    }

    /// What `set_run` put there.
    pub(crate) fn run(self) -> Option<NonNull<c_void>> {
        let index = self.openssl.run_index;
        // SAFETY: the context is valid, and the index is ours.
        NonNull::new(unsafe { self.openssl.crypto.X509_STORE_CTX_get_ex_data(self.raw, index) })
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

    /// The certificates of the program's store, also of its folders, that have this subject.
    pub(crate) fn stored(self, subject: *mut X509_NAME) -> Option<OwnedStack> {
        // SAFETY: context and name are valid; what comes back is ours to free.
        let raw = unsafe { self.openssl.crypto.X509_STORE_CTX_get1_certs(self.raw, subject) };
        (!raw.is_null()).then(|| OwnedStack { openssl: self.openssl, raw: raw.cast() })
    }

    /// A second verification of the same peer for the same connection: with the same parameters and
    /// store, of which only the certificates in `trusted` count.
    pub(crate) fn another(self, untrusted: &Stack, trusted: &Stack) -> Option<Another> {
        let crypto = &self.openssl.crypto;
        let (ssl, index) = (self.ssl()?, self.ssl_index()?);
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
                && crypto.X509_STORE_CTX_set_ex_data(raw, index, ssl.raw().cast()) == 1
        };
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
        (!raw.is_null()).then(|| Ssl { openssl: self.openssl, raw: raw.cast(), life: PhantomData })
    }

    /// The index under which libssl keeps the SSL.
    pub(crate) fn ssl_index(self) -> Option<c_int> {
        // SAFETY: no arguments.
        Some(unsafe { self.openssl.ssl()?.SSL_get_ex_data_X509_STORE_CTX_idx() })
    }

    /// The host names that the program expects, as it wrote them.
    pub(crate) fn expected_hosts(self) -> Vec<Vec<u8>> {
        let crypto = &self.openssl.crypto;
        // SAFETY: the context is valid, and so are its parameters.
        let host = |i| unsafe {
            let param = crypto.X509_STORE_CTX_get0_param(self.raw);
            text(crypto.X509_VERIFY_PARAM_get0_host(param, i))
        };
        (0..).map_while(host).collect()
    }

    /// The mailbox that the program expects.
    pub(crate) fn expected_email(self) -> Option<Vec<u8>> {
        let crypto = &self.openssl.crypto;
        // SAFETY: the context is valid, and so are its parameters.
        unsafe {
            text(crypto.X509_VERIFY_PARAM_get0_email(crypto.X509_STORE_CTX_get0_param(self.raw)))
        }
    }

    /// The address that the program expects, as text.
    pub(crate) fn expected_address(self) -> Option<Vec<u8>> {
        let crypto = &self.openssl.crypto;
        // SAFETY: the context is valid, and so are its parameters; the text is ours to free.
        unsafe {
            let param = crypto.X509_STORE_CTX_get0_param(self.raw);
            let address = crypto.X509_VERIFY_PARAM_get1_ip_asc(param);
            let copied = text(address);
            crypto.CRYPTO_free(address.cast(), c"peerkey".as_ptr(), 0);
            copied
        }
    }

    /// The moment for which the program asked to verify, if it did.
    pub(crate) fn check_time(self) -> Option<i64> {
        let crypto = &self.openssl.crypto;
        // SAFETY: the context is valid, and so are its parameters.
        unsafe {
            let param = crypto.X509_STORE_CTX_get0_param(self.raw);
            let flags = crypto.X509_VERIFY_PARAM_get_flags(param);
            (flags & X509_V_FLAG_USE_CHECK_TIME as u64 != 0)
                .then(|| crypto.X509_VERIFY_PARAM_get_time(param))
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

/// A certificate of the host's. It lives as long as the context that it was found in.
#[derive(Clone, Copy)]
pub(crate) struct Certified<'a> {
    openssl: &'static OpenSsl,
    raw: *mut X509,
    life: PhantomData<&'a ()>,
}

impl<'a> Certified<'a> {
    fn new(openssl: &'static OpenSsl, raw: *mut X509) -> Option<Self> {
        (!raw.is_null()).then_some(Self { openssl, raw, life: PhantomData })
    }

    /// The certificates in a stack; none for null.
    ///
    /// # Safety
    ///
    /// It holds X509 that stay for `'a`.
    unsafe fn all(openssl: &'static OpenSsl, stack: *const OPENSSL_STACK) -> Vec<Self> {
        // SAFETY: null, which has no elements, or a stack.
        let count = unsafe { openssl.crypto.OPENSSL_sk_num(stack) };
        // SAFETY: as above, and `i` is below the count.
        let at = |i| unsafe { openssl.crypto.OPENSSL_sk_value(stack, i) };
        (0..count).filter_map(|i| Self::new(openssl, at(i).cast())).collect()
    }

    /// The DER.
    fn der(self) -> Vec<u8> {
        // SAFETY: i2d functions measure first, and write what they measured.
        unsafe { encoded(|out| self.openssl.crypto.i2d_X509(self.raw, out)) }.unwrap_or_default()
    }

    /// What peerkey reads in it.
    pub(crate) fn read(self) -> Result<Arc<Certificate>, CertificateError> {
        self.openssl.policies.process().certificate(self.der())
    }

    /// The DER of its SubjectPublicKeyInfo.
    pub(crate) fn spki(self) -> Vec<u8> {
        let crypto = &self.openssl.crypto;
        // SAFETY: the certificate is valid; i2d functions write what they measured.
        unsafe {
            let key: *const X509_PUBKEY = crypto.X509_get_X509_PUBKEY(self.raw);
            encoded(|out| crypto.i2d_X509_PUBKEY(key, out)).unwrap_or_default()
        }
    }

    /// Its key, decoded; None if OpenSSL cannot.
    pub(crate) fn key(self) -> Option<*mut EVP_PKEY> {
        // SAFETY: the certificate is valid, and keeps the key.
        let key = unsafe { self.openssl.crypto.X509_get0_pubkey(self.raw) };
        (!key.is_null()).then_some(key)
    }

    /// Whether it could have issued another, by names and extensions (X509_check_issued(3)).
    pub(crate) fn issued(self, other: Certified<'_>) -> bool {
        // SAFETY: both certificates are valid.
        unsafe { self.openssl.crypto.X509_check_issued(self.raw, other.raw) == X509_V_OK }
    }

    /// Its subject and its issuer.
    pub(crate) fn names(self) -> [*mut X509_NAME; 2] {
        // SAFETY: the certificate is valid, and keeps the names.
        unsafe {
            [
                self.openssl.crypto.X509_get_subject_name(self.raw),
                self.openssl.crypto.X509_get_issuer_name(self.raw),
            ]
        }
    }
}

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
        let ssl = self.openssl.ssl()?;
        // SAFETY: the SSL is valid; `hook` alone puts something under this index.
        let offer = unsafe { ssl.SSL_get_ex_data(self.raw, self.openssl.offer_index) };
        // SAFETY: null, or the box that `hook` put there and frees with the SSL.
        unsafe { offer.cast::<Vec<u8>>().as_ref() }.cloned()
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

/// A copy of a C string.
///
/// # Safety
///
/// `string` is null or a C string.
unsafe fn text(string: *const c_char) -> Option<Vec<u8>> {
    // SAFETY: as promised.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_bytes().to_vec())
}

/// What an i2d function writes.
///
/// # Safety
///
/// `encode` returns the length that it wrote, and writes the same each time.
unsafe fn encoded(encode: impl Fn(*mut *mut u8) -> c_int) -> Option<Vec<u8>> {
    let length = usize::try_from(encode(null_mut())).ok().filter(|length| *length > 0)?;
    let mut bytes = vec![0; length];
    let mut end = bytes.as_mut_ptr();
    let written = usize::try_from(encode(&raw mut end)).ok()?;
    (written == length).then_some(bytes)
}

/// The words for an error code of verifications.
pub(crate) fn error_text(openssl: &OpenSsl, code: c_int) -> String {
    // SAFETY: any number is allowed, and a C string comes back.
    let words = unsafe { text(openssl.crypto.X509_verify_cert_error_string(code.into())) };
    String::from_utf8_lossy(&words.unwrap_or_default()).into_owned()
}

/// A stack that holds certificates and owns none of them.
pub(crate) struct Stack {
    openssl: &'static OpenSsl,
    raw: *mut OPENSSL_STACK,
}

impl Stack {
    /// A stack of these certificates, which must stay as long as it. None if memory is out.
    pub(crate) fn of(openssl: &'static OpenSsl, certificates: &[Certified<'_>]) -> Option<Self> {
        // SAFETY: no arguments.
        let raw = unsafe { openssl.crypto.OPENSSL_sk_new_null() };
        let stack = (!raw.is_null()).then_some(Self { openssl, raw })?;
        // SAFETY: the stack is ours.
        let push = |c: &Certified<'_>| unsafe { openssl.crypto.OPENSSL_sk_push(raw, c.raw.cast()) };
        certificates.iter().all(|certificate| push(certificate) > 0).then_some(stack)
    }

    /// The stack, for calls that are made elsewhere.
    pub(crate) fn raw(&self) -> *mut OPENSSL_STACK {
        self.raw
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the stack is ours, and its elements are not.
        unsafe { self.openssl.crypto.OPENSSL_sk_free(self.raw) }
    }
}

/// A stack of certificates that holds a reference to each.
pub(crate) struct OwnedStack {
    openssl: &'static OpenSsl,
    raw: *mut OPENSSL_STACK,
}

impl OwnedStack {
    /// The certificates in it.
    pub(crate) fn certificates(&self) -> Vec<Certified<'_>> {
        // SAFETY: a stack of X509, which stay as long as it.
        unsafe { Certified::all(self.openssl, self.raw) }
    }
}

impl Drop for OwnedStack {
    fn drop(&mut self) {
        let crypto = &self.openssl.crypto;
        for certificate in self.certificates() {
            // SAFETY: one reference to each is ours.
            unsafe { crypto.X509_free(certificate.raw) };
        }
        // SAFETY: the stack is ours, and nothing in it is used any more.
        unsafe { crypto.OPENSSL_sk_free(self.raw) }
    }
}
