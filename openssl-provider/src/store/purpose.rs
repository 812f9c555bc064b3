//! For what a program verifies.
//!
//! OpenSSL 3.5 can be asked. Before, a verification's purpose can be set and copied, but not read; nor
//! is the name of a set of parameters ("smime_sign") copied with it. So we let it judge two
//! certificates of ours, which differ in extendedKeyUsage: one for e-mail, one for servers. The purposes
//! S/MIME signing and encryption are the only ones that take the first and refuse the second.

use std::ptr::null_mut;
use std::sync::atomic::Ordering;

use super::leave;
use crate::bindings::{
    X509_PURPOSE_SMIME_ENCRYPT, X509_PURPOSE_SMIME_SIGN, X509_V_ERR_INVALID_PURPOSE,
};
use crate::certified::{Certified, Stack};
use crate::context::Context;
use crate::openssl::OpenSsl;

const PROBES: [&[u8]; 2] = [
    // extendedKeyUsage emailProtection; keyUsage digitalSignature and keyEncipherment.
    include_bytes!("email.der"),
    // extendedKeyUsage serverAuth; keyUsage digitalSignature.
    include_bytes!("server.der"),
];

/// Whether it is for S/MIME.
pub(super) fn is_smime(context: Context<'_>) -> bool {
    match context.openssl().newer.purpose {
        Some(purpose) => {
            // SAFETY: the context is valid, and so are its parameters.
            let purpose = unsafe {
                purpose(context.openssl().crypto.X509_STORE_CTX_get0_param(context.raw()))
            };
            [X509_PURPOSE_SMIME_SIGN, X509_PURPOSE_SMIME_ENCRYPT].contains(&purpose)
        }
        // The second first: for most purposes the answer is clear then.
        None => takes(context, 1) == Some(false) && takes(context, 0) == Some(true),
    }
}

/// Whether a certificate is for the purpose of this verification. It is trusted, so the first thing that
/// can be wrong with it is the purpose. No signature is checked, and nothing of the program's is called.
fn takes(context: Context<'_>, probe: usize) -> Option<bool> {
    let openssl = context.openssl();
    let crypto = &openssl.crypto;
    let certificate = certificate(openssl, probe)?;
    let trusted = Stack::of(openssl, &[certificate])?;
    // SAFETY: objects of ours, used only if they were made; X509_STORE_CTX_free(3) takes null.
    unsafe {
        let raw = crypto.X509_STORE_CTX_new();
        let ready = !raw.is_null()
            && crypto.X509_STORE_CTX_init(raw, null_mut(), certificate.raw(), null_mut()) == 1;
        let taken = ready.then(|| {
            leave(Context::new(openssl, raw));
            let parameters = crypto.X509_STORE_CTX_get0_param(raw);
            let theirs = crypto.X509_STORE_CTX_get0_param(context.raw());
            crypto.X509_VERIFY_PARAM_set1(parameters, theirs);
            crypto.X509_VERIFY_PARAM_clear_flags(parameters, !0);
            crypto.X509_VERIFY_PARAM_set_auth_level(parameters, 0);
            crypto.X509_STORE_CTX_set0_trusted_stack(raw, trusted.raw().cast());
            crypto.X509_verify_cert(raw);
            crypto.X509_STORE_CTX_get_error(raw) != X509_V_ERR_INVALID_PURPOSE
        });
        crypto.X509_STORE_CTX_free(raw);
        taken
    }
}

/// A certificate of ours. It is kept: decoding its key takes longer than all else.
fn certificate(openssl: &'static OpenSsl, probe: usize) -> Option<Certified<'static>> {
    let (place, der) = (openssl.probes.get(probe)?, PROBES.get(probe)?);
    let mut known = place.load(Ordering::Acquire);
    if known.is_null() {
        let mut from = der.as_ptr();
        let length = der.len().try_into().ok()?;
        // SAFETY: bytes of this length.
        let ours = unsafe { openssl.crypto.d2i_X509(null_mut(), &raw mut from, length) };
        let order = (Ordering::AcqRel, Ordering::Acquire);
        known = match place.compare_exchange(null_mut(), ours, order.0, order.1) {
            Ok(_) => ours,
            Err(other) => {
                // SAFETY: null, or ours alone.
                unsafe { openssl.crypto.X509_free(ours) };
                other
            }
        };
    }
    // SAFETY: null, or a certificate that is never freed.
    unsafe { Certified::new(openssl, known) }
}
