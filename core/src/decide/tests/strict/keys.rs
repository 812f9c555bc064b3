//! Keys of every kind, made once a run, and their signatures, by the system's libcrypto.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use openssl::bn::BigNumContext;
use openssl::dsa::Dsa;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer, Verifier};
use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::Digest;

use crate::crypto::Crypto;
use crate::der::{bit_string, sequence, tlv};

/// A kind of key, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    P256(&'static str),
    P384(&'static str),
    P521(&'static str),
    P192,
    P224,
    Koblitz256,
    Brainpool256,
    Rsa(u32),
    /// RSA with the exponent 1, under which everybody can sign.
    RsaOne,
    Dsa,
    Ed25519,
    Ed448,
    X25519,
}

static KEYS: LazyLock<Mutex<HashMap<Kind, PKey<Private>>>> = LazyLock::new(Mutex::default);

pub(super) fn key_pair(kind: Kind) -> PKey<Private> {
    let mut keys = KEYS.lock().unwrap();
    keys.entry(kind).or_insert_with(|| generate(kind)).clone()
}

fn generate(kind: Kind) -> PKey<Private> {
    let curve = |curve| {
        let group = EcGroup::from_curve_name(curve).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    };
    match kind {
        Kind::P256(_) => curve(Nid::X9_62_PRIME256V1),
        Kind::P384(_) => curve(Nid::SECP384R1),
        Kind::P521(_) => curve(Nid::SECP521R1),
        Kind::P192 => curve(Nid::X9_62_PRIME192V1),
        Kind::P224 => curve(Nid::SECP224R1),
        Kind::Koblitz256 => curve(Nid::SECP256K1),
        Kind::Brainpool256 => curve(Nid::BRAINPOOL_P256R1),
        Kind::RsaOne => generate(Kind::Rsa(2048)),
        Kind::Rsa(bits) => PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap(),
        Kind::Dsa => PKey::from_dsa(Dsa::generate(1024).unwrap()).unwrap(),
        Kind::Ed25519 => PKey::generate_ed25519().unwrap(),
        Kind::Ed448 => PKey::generate_ed448().unwrap(),
        Kind::X25519 => PKey::generate_x25519().unwrap(),
    }
}

pub(super) fn spki_of(kind: Kind) -> Vec<u8> {
    match kind {
        Kind::RsaOne => rsa(&key_pair(kind).rsa().unwrap().n().to_vec(), &[1]),
        kind => key_pair(kind).public_key_to_der().unwrap(),
    }
}

/// A SubjectPublicKeyInfo from the content of its algorithm and the bits of its key.
pub(super) fn spki(algorithm: &[u8], bits: &[u8]) -> Vec<u8> {
    sequence(&[&tlv(0x30, algorithm), &bit_string(bits)])
}

/// An RSA key of these numbers.
pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = sequence(&[&crate::der::unsigned(modulus), &crate::der::unsigned(exponent)]);
    spki(&alg_id::RSA_ENCRYPTION, &key)
}

pub(super) fn modulus(bits: u32) -> Vec<u8> {
    key_pair(Kind::Rsa(bits)).rsa().unwrap().n().to_vec()
}

/// The point of an EC key, in this form.
pub(super) fn point(kind: Kind, form: PointConversionForm) -> Vec<u8> {
    let key = key_pair(kind).ec_key().unwrap();
    let mut numbers = BigNumContext::new().unwrap();
    key.public_key().to_bytes(key.group(), form, &mut numbers).unwrap()
}

/// A way to sign: the content of its AlgorithmIdentifier, its hash, and whether RSA pads as PSS.
#[derive(Clone, Copy)]
pub(super) struct Signing {
    pub(super) id: &'static [u8],
    hash: Option<fn() -> MessageDigest>,
    is_pss: bool,
}

const fn way(id: &'static [u8], hash: fn() -> MessageDigest) -> Signing {
    Signing { id, hash: Some(hash), is_pss: false }
}

const fn pss(id: &'static [u8], hash: fn() -> MessageDigest) -> Signing {
    Signing { is_pss: true, ..way(id, hash) }
}

pub(super) const ECDSA_SHA256: Signing =
    way(b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", MessageDigest::sha256);
pub(super) const ECDSA_SHA384: Signing =
    way(b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03", MessageDigest::sha384);
pub(super) const ECDSA_SHA512: Signing =
    way(b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04", MessageDigest::sha512);
pub(super) const ECDSA_SHA1: Signing =
    way(b"\x06\x07\x2a\x86\x48\xce\x3d\x04\x01", MessageDigest::sha1);
pub(super) const RSA_SHA256: Signing =
    way(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00", MessageDigest::sha256);
pub(super) const RSA_SHA512: Signing =
    way(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00", MessageDigest::sha512);
pub(super) const RSA_SHA1: Signing =
    way(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00", MessageDigest::sha1);
pub(super) const RSA_MD5: Signing =
    way(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04\x05\x00", MessageDigest::md5);
pub(super) const OIW_RSA_SHA1: Signing =
    way(b"\x06\x05\x2b\x0e\x03\x02\x1d\x05\x00", MessageDigest::sha1);
/// RSASSA-PSS over SHA-256 with all its parameters (RFC 4055 section 3.1).
pub(super) const PSS_SHA256: Signing = pss(
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34\
      \xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\
      \xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\
      \x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\xa2\x03\x02\x01\x20",
    MessageDigest::sha256,
);
/// RSASSA-PSS with no parameters said, which are SHA-1's.
pub(super) const PSS_SHA1: Signing =
    pss(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x00", MessageDigest::sha1);
/// RSASSA-PSS without parameters, which are SHA-1's too.
pub(super) const PSS_BARE: Signing =
    pss(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", MessageDigest::sha1);
pub(super) const DSA_SHA256: Signing =
    way(b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x02", MessageDigest::sha256);
pub(super) const ED25519: Signing =
    Signing { id: b"\x06\x03\x2b\x65\x70", hash: None, is_pss: false };
pub(super) const ED448: Signing =
    Signing { id: b"\x06\x03\x2b\x65\x71", hash: None, is_pss: false };

impl Kind {
    /// How its certificates are signed unless said otherwise.
    pub(super) fn usual(self) -> Signing {
        match self {
            Self::P384(_) => ECDSA_SHA384,
            Self::P521(_) => ECDSA_SHA512,
            Self::Rsa(_) | Self::RsaOne => RSA_SHA256,
            Self::Dsa => DSA_SHA256,
            Self::Ed25519 | Self::X25519 => ED25519,
            Self::Ed448 => ED448,
            _ => ECDSA_SHA256,
        }
    }
}

pub(super) fn sign(kind: Kind, signing: Signing, message: &[u8]) -> Vec<u8> {
    if kind == Kind::RsaOne {
        return padded(message);
    }
    let key = &key_pair(kind);
    let mut signer = match signing.hash {
        Some(hash) => Signer::new(hash(), key).unwrap(),
        None => Signer::new_without_digest(key).unwrap(),
    };
    if let (true, Some(hash)) = (signing.is_pss, signing.hash) {
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer.set_rsa_mgf1_md(hash()).unwrap();
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
    }
    signer.sign_oneshot_to_vec(message).unwrap()
}

/// EMSA-PKCS1-v1_5 over SHA-256 (RFC 8017 section 9.2): what a signature is, to the power of 1.
fn padded(message: &[u8]) -> Vec<u8> {
    const SHA256: &[u8] =
        b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
    let hash = sha2::Sha256::digest(message);
    let filled = vec![0xff; 256 - 3 - SHA256.len() - hash.len()];
    [&[0, 1][..], &filled, &[0], SHA256, &hash].concat()
}

/// The system's libcrypto, with the weak algorithms too: what is weak, the table has to refuse.
pub(super) struct System;

impl Crypto for System {
    fn uncompressed_point(&self, spki: &[u8]) -> Option<Vec<u8>> {
        let key = PKey::public_key_from_der(spki).ok()?.ec_key().ok()?;
        let mut numbers = BigNumContext::new().ok()?;
        key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut numbers).ok()
    }

    fn algorithms(&self) -> &[&dyn SignatureVerificationAlgorithm] {
        &ALGORITHMS
    }
}

static ALGORITHMS: LazyLock<Vec<&'static dyn SignatureVerificationAlgorithm>> =
    LazyLock::new(|| {
        let ec: &[&[u8]] = &[
            &alg_id::ECDSA_P256,
            &alg_id::ECDSA_P384,
            &alg_id::ECDSA_P521,
            b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x01",
            b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x21",
            b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x0a",
            b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07",
        ];
        let rsa: &[&[u8]] =
            &[&alg_id::RSA_ENCRYPTION, b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"];
        let by_ec = [ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512, ECDSA_SHA1];
        let by_rsa = [
            RSA_SHA256,
            RSA_SHA512,
            RSA_SHA1,
            RSA_MD5,
            OIW_RSA_SHA1,
            PSS_SHA256,
            PSS_SHA1,
            PSS_BARE,
        ];
        let pairs = ec.iter().flat_map(|key| by_ec.map(|way| (*key, way)));
        let pairs = pairs.chain(rsa.iter().flat_map(|key| by_rsa.map(|way| (*key, way))));
        let pairs = pairs.chain([ED25519, ED448].map(|way| (way.id, way)));
        pairs
            .map(|(key, signing)| {
                let algorithm: &'static Algorithm = Box::leak(Box::new(Algorithm { key, signing }));
                algorithm as &dyn SignatureVerificationAlgorithm
            })
            .collect()
    });

struct Algorithm {
    key: &'static [u8],
    signing: Signing,
}

impl std::fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x?} by {:x?}", self.signing.id, self.key)
    }
}

impl SignatureVerificationAlgorithm for Algorithm {
    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = PKey::public_key_from_der(&spki(self.key, key)).map_err(|_| InvalidSignature)?;
        let check = || {
            let mut verifier = match self.signing.hash {
                Some(hash) => Verifier::new(hash(), &key)?,
                None => Verifier::new_without_digest(&key)?,
            };
            if let (true, Some(hash)) = (self.signing.is_pss, self.signing.hash) {
                verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                verifier.set_rsa_mgf1_md(hash())?;
                verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
            }
            verifier.verify_oneshot(signature, message)
        };
        check().unwrap_or(false).then_some(()).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::from_slice(self.key)
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::from_slice(self.signing.id)
    }
}
