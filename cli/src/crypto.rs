//! Core's cryptography, from the system's libcrypto.

use openssl::bn::BigNumContext;
use openssl::ec::PointConversionForm;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Public};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use peerkey_core::crypto::Crypto;
use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

use crate::library;

/// The system's libcrypto.
#[derive(Clone, Copy, Debug)]
pub struct System(());

impl System {
    /// Starts the library.
    pub fn start() -> Self {
        library::start();
        Self(())
    }
}

impl Crypto for System {
    fn uncompressed_point(&self, spki: &[u8]) -> Option<Vec<u8>> {
        let key = PKey::public_key_from_der(spki).ok()?.ec_key().ok()?;
        let mut numbers = BigNumContext::new().ok()?;
        key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut numbers).ok()
    }

    fn algorithms(&self) -> &[&dyn SignatureVerificationAlgorithm] {
        ALGORITHMS
    }
}

/// What may sign a certificate: no SHA-1, no RSA below 2048 bits (CA/B BR 6.1.5, 7.1.3).
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    &Algorithm { key: alg_id::ECDSA_P256, signature: alg_id::ECDSA_SHA256, scheme: Ecdsa(SHA256) },
    &Algorithm { key: alg_id::ECDSA_P256, signature: alg_id::ECDSA_SHA384, scheme: Ecdsa(SHA384) },
    &Algorithm { key: alg_id::ECDSA_P256, signature: alg_id::ECDSA_SHA512, scheme: Ecdsa(SHA512) },
    &Algorithm { key: alg_id::ECDSA_P384, signature: alg_id::ECDSA_SHA256, scheme: Ecdsa(SHA256) },
    &Algorithm { key: alg_id::ECDSA_P384, signature: alg_id::ECDSA_SHA384, scheme: Ecdsa(SHA384) },
    &Algorithm { key: alg_id::ECDSA_P384, signature: alg_id::ECDSA_SHA512, scheme: Ecdsa(SHA512) },
    &Algorithm { key: alg_id::ECDSA_P521, signature: alg_id::ECDSA_SHA256, scheme: Ecdsa(SHA256) },
    &Algorithm { key: alg_id::ECDSA_P521, signature: alg_id::ECDSA_SHA384, scheme: Ecdsa(SHA384) },
    &Algorithm { key: alg_id::ECDSA_P521, signature: alg_id::ECDSA_SHA512, scheme: Ecdsa(SHA512) },
    &Algorithm { key: RSA, signature: alg_id::RSA_PKCS1_SHA256, scheme: RsaPkcs1(SHA256) },
    &Algorithm { key: RSA, signature: alg_id::RSA_PKCS1_SHA384, scheme: RsaPkcs1(SHA384) },
    &Algorithm { key: RSA, signature: alg_id::RSA_PKCS1_SHA512, scheme: RsaPkcs1(SHA512) },
    &Algorithm { key: RSA, signature: NO_NULL_SHA256, scheme: RsaPkcs1(SHA256) },
    &Algorithm { key: RSA, signature: NO_NULL_SHA384, scheme: RsaPkcs1(SHA384) },
    &Algorithm { key: RSA, signature: NO_NULL_SHA512, scheme: RsaPkcs1(SHA512) },
    &Algorithm { key: RSA, signature: alg_id::RSA_PSS_SHA256, scheme: RsaPss(SHA256) },
    &Algorithm { key: RSA, signature: alg_id::RSA_PSS_SHA384, scheme: RsaPss(SHA384) },
    &Algorithm { key: RSA, signature: alg_id::RSA_PSS_SHA512, scheme: RsaPss(SHA512) },
    &Algorithm { key: alg_id::ED25519, signature: alg_id::ED25519, scheme: Pure },
    &Algorithm { key: alg_id::ED448, signature: alg_id::ED448, scheme: Pure },
    // With OpenSSL 3.5 and newer; an older one cannot read such a key.
    &Algorithm { key: alg_id::ML_DSA_44, signature: alg_id::ML_DSA_44, scheme: Pure },
    &Algorithm { key: alg_id::ML_DSA_65, signature: alg_id::ML_DSA_65, scheme: Pure },
    &Algorithm { key: alg_id::ML_DSA_87, signature: alg_id::ML_DSA_87, scheme: Pure },
];

const RSA: AlgorithmIdentifier = alg_id::RSA_ENCRYPTION;
/// sha256WithRSAEncryption and its kin without the NULL, which must be taken too (RFC 4055 section 5).
const NO_NULL_SHA256: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b");
const NO_NULL_SHA384: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c");
const NO_NULL_SHA512: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d");

use Hash::{SHA256, SHA384, SHA512};
use Scheme::{Ecdsa, Pure, RsaPkcs1, RsaPss};

#[derive(Clone, Copy, Debug)]
enum Hash {
    SHA256,
    SHA384,
    SHA512,
}

impl Hash {
    fn digest(self) -> MessageDigest {
        match self {
            SHA256 => MessageDigest::sha256(),
            SHA384 => MessageDigest::sha384(),
            SHA512 => MessageDigest::sha512(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Scheme {
    Ecdsa(Hash),
    RsaPkcs1(Hash),
    RsaPss(Hash),
    /// Ed25519, Ed448 and ML-DSA sign the message itself (RFC 8410, RFC 9881).
    Pure,
}

#[derive(Debug)]
struct Algorithm {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    scheme: Scheme,
}

impl SignatureVerificationAlgorithm for Algorithm {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key =
            PKey::public_key_from_der(&self.spki(public_key)).map_err(|_| InvalidSignature)?;
        let weak = matches!(self.scheme, RsaPkcs1(_) | RsaPss(_)) && key.bits() < 2048;
        match !weak && self.holds(&key, message, signature) {
            true => Ok(()),
            false => Err(InvalidSignature),
        }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

impl Algorithm {
    fn holds(&self, key: &PKey<Public>, message: &[u8], signature: &[u8]) -> bool {
        let check = || {
            let mut verifier = match self.scheme {
                Ecdsa(hash) | RsaPkcs1(hash) | RsaPss(hash) => Verifier::new(hash.digest(), key)?,
                Pure => Verifier::new_without_digest(key)?,
            };
            if let RsaPss(hash) = self.scheme {
                verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                verifier.set_rsa_mgf1_md(hash.digest())?;
                verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
            }
            verifier.verify_oneshot(signature, message)
        };
        // An error is a signature, or a key, of the wrong form.
        check().unwrap_or(false)
    }

    /// A SubjectPublicKeyInfo (RFC 5280 section 4.1) around the key's bits.
    fn spki(&self, bits: &[u8]) -> Vec<u8> {
        let algorithm = tlv(0x30, &[self.key.as_ref()]);
        let bits = tlv(0x03, &[&[0], bits]);
        tlv(0x30, &[&algorithm, &bits])
    }
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let octets = length.to_be_bytes();
        let start = octets.iter().position(|b| *b != 0).unwrap_or(octets.len() - 1);
        out.push(0x80 | (octets.len() - start) as u8);
        out.extend_from_slice(&octets[start..]);
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

#[cfg(test)]
mod tests {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::Private;
    use openssl::rsa::Rsa;
    use openssl::sign::Signer;
    use peerkey_core::key::Key;

    use super::*;

    fn ec(curve: Nid) -> PKey<Private> {
        let group = EcGroup::from_curve_name(curve).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    }

    fn rsa(bits: u32) -> PKey<Private> {
        PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
    }

    fn sign(algorithm: &Algorithm, key: &PKey<Private>, message: &[u8]) -> Vec<u8> {
        let mut signer = match algorithm.scheme {
            Ecdsa(hash) | RsaPkcs1(hash) | RsaPss(hash) => Signer::new(hash.digest(), key).unwrap(),
            Pure => Signer::new_without_digest(key).unwrap(),
        };
        if let RsaPss(_) = algorithm.scheme {
            signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
        }
        signer.sign_oneshot_to_vec(message).unwrap()
    }

    /// The content of the BIT STRING at the end of a SubjectPublicKeyInfo.
    fn bits(key: &PKey<Private>, algorithm: &Algorithm) -> Vec<u8> {
        let spki = key.public_key_to_der().unwrap();
        (0..spki.len())
            .map(|start| spki[start..].to_vec())
            .find(|bits| algorithm.spki(bits) == spki)
            .unwrap()
    }

    fn check(algorithm: &Algorithm, key: &PKey<Private>) {
        let bits = bits(key, algorithm);
        let mut signature = sign(algorithm, key, b"message");
        let verify = |message: &[u8], signature: &[u8]| {
            algorithm.verify_signature(&bits, message, signature).is_ok()
        };
        assert!(verify(b"message", &signature), "{algorithm:?}");
        assert!(!verify(b"massage", &signature), "{algorithm:?}");
        let last = signature.len() - 1;
        signature[last] ^= 1;
        assert!(!verify(b"message", &signature), "{algorithm:?}");
        assert!(!verify(b"message", b""), "{algorithm:?}");
        assert!(algorithm.verify_signature(b"", b"message", &signature).is_err());
    }

    #[test]
    fn signatures_of_every_scheme_are_told_from_forged_ones() {
        System::start();
        let hashes = [
            (SHA256, alg_id::ECDSA_SHA256),
            (SHA384, alg_id::ECDSA_SHA384),
            (SHA512, alg_id::ECDSA_SHA512),
        ];
        let curves = [
            (alg_id::ECDSA_P256, Nid::X9_62_PRIME256V1),
            (alg_id::ECDSA_P384, Nid::SECP384R1),
            (alg_id::ECDSA_P521, Nid::SECP521R1),
        ];
        for (key, curve) in curves {
            for (hash, signature) in hashes {
                check(&Algorithm { key, signature, scheme: Ecdsa(hash) }, &ec(curve));
            }
        }
        let key = rsa(2048);
        for hash in [SHA256, SHA384, SHA512] {
            for scheme in [RsaPkcs1(hash), RsaPss(hash)] {
                check(&Algorithm { key: RSA, signature: alg_id::RSA_PKCS1_SHA256, scheme }, &key);
            }
        }
        let pure = |id| Algorithm { key: id, signature: id, scheme: Pure };
        check(&pure(alg_id::ED25519), &PKey::generate_ed25519().unwrap());
        check(&pure(alg_id::ED448), &PKey::generate_ed448().unwrap());
    }

    #[test]
    fn a_short_rsa_key_signs_nothing() {
        System::start();
        let key = rsa(1024);
        let algorithm =
            Algorithm { key: RSA, signature: alg_id::RSA_PKCS1_SHA256, scheme: RsaPkcs1(SHA256) };
        let signature = sign(&algorithm, &key, b"message");
        let bits = bits(&key, &algorithm);
        assert!(algorithm.verify_signature(&bits, b"message", &signature).is_err());
    }

    #[test]
    fn a_compressed_point_is_the_same_key() {
        let system = System::start();
        let key = ec(Nid::X9_62_PRIME256V1);
        let usual = key.public_key_to_der().unwrap();
        let mut point = key.ec_key().unwrap();
        let mut numbers = BigNumContext::new().unwrap();
        let compressed = point
            .public_key()
            .to_bytes(point.group(), PointConversionForm::COMPRESSED, &mut numbers)
            .unwrap();
        let algorithm = Algorithm {
            key: alg_id::ECDSA_P256,
            signature: alg_id::ECDSA_SHA256,
            scheme: Ecdsa(SHA256),
        };
        let other = algorithm.spki(&compressed);
        assert_ne!(usual, other);
        assert_eq!(Key::from_spki(&usual, &system), Key::from_spki(&other, &system));
        point = EcKey::generate(point.group()).unwrap();
        let stranger = PKey::from_ec_key(point).unwrap().public_key_to_der().unwrap();
        assert_ne!(Key::from_spki(&usual, &system), Key::from_spki(&stranger, &system));
        assert_eq!(system.uncompressed_point(b"nonsense"), None);
    }
}
