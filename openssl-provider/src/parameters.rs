//! What a program told its TLS stack to expect: X509_VERIFY_PARAM.

use std::marker::PhantomData;

use crate::bindings::{X509_V_FLAG_USE_CHECK_TIME, X509_VERIFY_PARAM};
use crate::memory::text;
use crate::openssl::OpenSsl;

/// The parameters of a verification, or of a connection before it.
#[derive(Clone, Copy)]
pub(crate) struct Parameters<'a> {
    openssl: &'static OpenSsl,
    raw: *mut X509_VERIFY_PARAM,
    life: PhantomData<&'a ()>,
}

impl Parameters<'_> {
    /// # Safety
    ///
    /// `raw` is of this copy of OpenSSL, valid as long as this, and used by this thread alone.
    pub(crate) unsafe fn new(openssl: &'static OpenSsl, raw: *mut X509_VERIFY_PARAM) -> Self {
        Self { openssl, raw, life: PhantomData }
    }

    /// The host names that the program expects, as it wrote them.
    pub(crate) fn hosts(self) -> Vec<Vec<u8>> {
        let crypto = &self.openssl.crypto;
        // SAFETY: the parameters are valid, and keep the name.
        let host = |i| unsafe { text(crypto.X509_VERIFY_PARAM_get0_host(self.raw, i)) };
        (0..).map_while(host).collect()
    }

    /// The mailbox that the program expects.
    pub(crate) fn email(self) -> Option<Vec<u8>> {
        // SAFETY: the parameters are valid, and keep the mailbox.
        unsafe { text(self.openssl.crypto.X509_VERIFY_PARAM_get0_email(self.raw)) }
    }

    /// The address that the program expects, as text.
    pub(crate) fn address(self) -> Option<Vec<u8>> {
        let crypto = &self.openssl.crypto;
        // SAFETY: the parameters are valid; the text is ours to free.
        unsafe {
            let address = crypto.X509_VERIFY_PARAM_get1_ip_asc(self.raw);
            let copied = text(address);
            crypto.CRYPTO_free(address.cast(), c"peerkey".as_ptr(), 0);
            copied
        }
    }

    /// The moment for which the program asked to verify, if it did.
    pub(crate) fn check_time(self) -> Option<i64> {
        let crypto = &self.openssl.crypto;
        // SAFETY: the parameters are valid.
        unsafe {
            let flags = crypto.X509_VERIFY_PARAM_get_flags(self.raw);
            (flags & X509_V_FLAG_USE_CHECK_TIME as u64 != 0)
                .then(|| crypto.X509_VERIFY_PARAM_get_time(self.raw))
        }
    }
}
