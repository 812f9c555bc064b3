//! Whether one certificate's key signed another.

use x509_parser::prelude::{FromDer, X509Certificate};

use crate::certificate::Certificate;
use crate::crypto::Crypto;
#[cfg(feature = "pkix")]
use crate::der;

/// Whether the signature of `certificate` is by the key of `ca`. Nothing else of them is looked at.
pub(crate) fn is_signed_by(
    certificate: &Certificate,
    ca: &Certificate,
    crypto: &dyn Crypto,
) -> bool {
    match (X509Certificate::from_der(certificate.der()), X509Certificate::from_der(ca.der())) {
        (Ok((_, certificate)), Ok((_, ca))) => holds(&certificate, &ca, crypto),
        _ => false,
    }
}

#[cfg(feature = "pkix")]
fn holds(certificate: &X509Certificate<'_>, ca: &X509Certificate<'_>, crypto: &dyn Crypto) -> bool {
    let Some((signed_by, keyed_by)) = algorithms(certificate, ca) else { return false };
    let key = &ca.public_key().subject_public_key.data;
    let (message, signature) =
        (certificate.tbs_certificate.as_ref(), &certificate.signature_value.data);
    crypto.algorithms().iter().any(|algorithm| {
        algorithm.signature_alg_id().as_ref() == signed_by
            && algorithm.public_key_alg_id().as_ref() == keyed_by
            && algorithm.verify_signature(key, message, signature).is_ok()
    })
}

/// The content octets of the AlgorithmIdentifiers of the signature and of the CA's key.
#[cfg(feature = "pkix")]
fn algorithms<'a>(
    certificate: &'a X509Certificate<'_>,
    ca: &'a X509Certificate<'_>,
) -> Option<(&'a [u8], &'a [u8])> {
    let outer = der::read(0x30, certificate.as_raw())?.0;
    let (_, behind) = der::read(0x30, outer)?;
    let (signed_by, _) = der::read(0x30, behind)?;
    let (info, _) = der::read(0x30, ca.public_key().raw)?;
    let (keyed_by, _) = der::read(0x30, info)?;
    Some((signed_by, keyed_by))
}

#[cfg(not(feature = "pkix"))]
fn holds(_: &X509Certificate<'_>, _: &X509Certificate<'_>, _: &dyn Crypto) -> bool {
    false
}
