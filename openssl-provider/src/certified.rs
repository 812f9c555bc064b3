//! Certificates of the host's, and stacks of them.

use std::marker::PhantomData;
use std::ptr::{null, null_mut};
use std::slice::from_raw_parts;

use peerkey_core::certificate::{Certificate, CertificateError};
use peerkey_core::query::Role;

use crate::bindings::{EVP_PKEY, OPENSSL_STACK, X509, X509_NAME, X509_V_OK};
use crate::memory::encoded;
use crate::openssl::OpenSsl;

/// A certificate of the host's. It lives as long as the context that it was found in.
#[derive(Clone, Copy)]
pub(crate) struct Certified<'a> {
    openssl: &'static OpenSsl,
    raw: *mut X509,
    life: PhantomData<&'a ()>,
}

impl<'a> Certified<'a> {
    /// # Safety
    ///
    /// `raw` is null, or an X509 that stays for `'a`.
    pub(crate) unsafe fn new(openssl: &'static OpenSsl, raw: *mut X509) -> Option<Self> {
        (!raw.is_null()).then_some(Self { openssl, raw, life: PhantomData })
    }

    /// The certificates in a stack; none for null.
    ///
    /// # Safety
    ///
    /// It holds X509 that stay for `'a`.
    pub(crate) unsafe fn all(openssl: &'static OpenSsl, stack: *const OPENSSL_STACK) -> Vec<Self> {
        // SAFETY: null, which has no elements, or a stack.
        let count = unsafe { openssl.crypto.OPENSSL_sk_num(stack) };
        // SAFETY: as promised, and `i` is below the count.
        let at =
            |i| unsafe { Self::new(openssl, openssl.crypto.OPENSSL_sk_value(stack, i).cast()) };
        (0..count).filter_map(at).collect()
    }

    /// The DER.
    pub(crate) fn der(self) -> Vec<u8> {
        // SAFETY: i2d functions measure first, and write what they measured.
        unsafe { encoded(|out| self.openssl.crypto.i2d_X509(self.raw, out)) }.unwrap_or_default()
    }

    /// The certificate, for calls that are made elsewhere.
    pub(crate) fn raw(self) -> *mut X509 {
        self.raw
    }

    /// What peerkey reads in it.
    pub(crate) fn read(self) -> Result<Certificate, CertificateError> {
        self.read_as(self.der(), None, false)
    }

    /// The same where its DER is at hand. `for_path` says whose certificate it is to be, the peer's own
    /// (`is_leaf`) or a CA's, where it is likely to stand in a path of ours.
    pub(crate) fn read_as(
        self,
        der: Vec<u8>,
        for_path: Option<Role>,
        is_leaf: bool,
    ) -> Result<Certificate, CertificateError> {
        let read = |der: &[u8]| match for_path {
            Some(role) => Certificate::from_der_for_path(der, role, is_leaf),
            None => Certificate::from_der(der),
        };
        self.openssl.policies.remembered().certificate(der, read)
    }

    /// Its key as it is encoded in it, a DER SubjectPublicKeyInfo.
    pub(crate) fn spki(self) -> Option<Vec<u8>> {
        let crypto = &self.openssl.crypto;
        // SAFETY: the certificate is valid, and keeps the key; i2d functions measure first, and write what
        // they measured.
        unsafe {
            let key = crypto.X509_get_X509_PUBKEY(self.raw);
            if key.is_null() { None } else { encoded(|out| crypto.i2d_X509_PUBKEY(key, out)) }
        }
    }

    /// Its subject, a DER Name, and the bits of its key; None if OpenSSL has them at hand in no such form.
    pub(crate) fn subject_and_key(self) -> Option<(&'a [u8], &'a [u8])> {
        let crypto = &self.openssl.crypto;
        let (mut name, mut length) = (null(), 0);
        let (mut bits, mut count) = (null(), 0);
        // SAFETY: the certificate is valid, and keeps what is pointed at; what is not asked for is null.
        unsafe {
            let subject = crypto.X509_get_subject_name(self.raw);
            let key = crypto.X509_get_X509_PUBKEY(self.raw);
            let known = !subject.is_null()
                && !key.is_null()
                && crypto.X509_NAME_get0_der(subject, &raw mut name, &raw mut length) == 1
                && crypto.X509_PUBKEY_get0_param(
                    null_mut(),
                    &raw mut bits,
                    &raw mut count,
                    null_mut(),
                    key,
                ) == 1;
            if !known || name.is_null() || bits.is_null() {
                return None;
            }
            let count = usize::try_from(count).ok()?;
            Some((from_raw_parts(name, length), from_raw_parts(bits, count)))
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
    /// # Safety
    ///
    /// `raw` is null, or a stack of X509 that is ours with a reference to each.
    pub(crate) unsafe fn new(openssl: &'static OpenSsl, raw: *mut OPENSSL_STACK) -> Option<Self> {
        (!raw.is_null()).then_some(Self { openssl, raw })
    }

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
