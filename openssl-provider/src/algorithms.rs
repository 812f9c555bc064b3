#![forbid(unsafe_code)]
//! The signature algorithms that may stand in a certification path.

use std::ffi::CStr;

use rustls_pki_types::{AlgorithmIdentifier, alg_id};

/// One signature algorithm with one kind of key. SHA-1 and what is older is not there.
pub(crate) struct Algorithm {
    pub(crate) key: AlgorithmIdentifier,
    pub(crate) signature: AlgorithmIdentifier,
    pub(crate) digest: Option<&'static CStr>,
    pub(crate) padding: Padding,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// What the key's kind has.
    Usual,
    /// RSASSA-PSS with a salt as long as the digest.
    Pss,
}

pub(crate) const SHA256: Option<&CStr> = Some(c"SHA256");
pub(crate) const SHA384: Option<&CStr> = Some(c"SHA384");
pub(crate) const SHA512: Option<&CStr> = Some(c"SHA512");

/// Signatures with rsaEncryption whose parameters are left out; RFC 4055 section 5 wants a NULL, and
/// asks to accept both.
pub(crate) const PKCS1_SHA256: AlgorithmIdentifier =
    pkcs1(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b");
const PKCS1_SHA384: AlgorithmIdentifier = pkcs1(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c");
const PKCS1_SHA512: AlgorithmIdentifier = pkcs1(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d");
/// A key that is for RSASSA-PSS only, with any parameters (RFC 4055 section 3.1).
const PSS_KEY: AlgorithmIdentifier = pkcs1(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a");

const fn pkcs1(oid: &'static [u8; 11]) -> AlgorithmIdentifier {
    AlgorithmIdentifier::from_slice(oid)
}

const fn usual(
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    digest: Option<&'static CStr>,
) -> Algorithm {
    Algorithm { key, signature, digest, padding: Padding::Usual }
}

const fn pss(
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    digest: Option<&'static CStr>,
) -> Algorithm {
    Algorithm { key, signature, digest, padding: Padding::Pss }
}

/// All of them, the usual ones first.
pub(crate) static ALGORITHMS: [Algorithm; 26] = [
    usual(alg_id::ECDSA_P256, alg_id::ECDSA_SHA256, SHA256),
    usual(alg_id::ECDSA_P384, alg_id::ECDSA_SHA384, SHA384),
    usual(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA256, SHA256),
    usual(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA384, SHA384),
    usual(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA512, SHA512),
    usual(alg_id::ECDSA_P256, alg_id::ECDSA_SHA384, SHA384),
    usual(alg_id::ECDSA_P256, alg_id::ECDSA_SHA512, SHA512),
    usual(alg_id::ECDSA_P384, alg_id::ECDSA_SHA256, SHA256),
    usual(alg_id::ECDSA_P384, alg_id::ECDSA_SHA512, SHA512),
    usual(alg_id::ECDSA_P521, alg_id::ECDSA_SHA256, SHA256),
    usual(alg_id::ECDSA_P521, alg_id::ECDSA_SHA384, SHA384),
    usual(alg_id::ECDSA_P521, alg_id::ECDSA_SHA512, SHA512),
    usual(alg_id::RSA_ENCRYPTION, PKCS1_SHA256, SHA256),
    usual(alg_id::RSA_ENCRYPTION, PKCS1_SHA384, SHA384),
    usual(alg_id::RSA_ENCRYPTION, PKCS1_SHA512, SHA512),
    pss(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA256, SHA256),
    pss(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA384, SHA384),
    pss(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA512, SHA512),
    pss(PSS_KEY, alg_id::RSA_PSS_SHA256, SHA256),
    pss(PSS_KEY, alg_id::RSA_PSS_SHA384, SHA384),
    pss(PSS_KEY, alg_id::RSA_PSS_SHA512, SHA512),
    usual(alg_id::ED25519, alg_id::ED25519, None),
    usual(alg_id::ED448, alg_id::ED448, None),
    usual(alg_id::ML_DSA_44, alg_id::ML_DSA_44, None),
    usual(alg_id::ML_DSA_65, alg_id::ML_DSA_65, None),
    usual(alg_id::ML_DSA_87, alg_id::ML_DSA_87, None),
];
