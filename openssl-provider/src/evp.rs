//! Signatures and keys by the host's own libcrypto, and what is remembered of them.

use std::ffi::{CStr, c_char};
use std::fmt;
use std::ptr::{null, null_mut};
use std::sync::{Arc, OnceLock};

use peerkey_core::certificate::{Certificate, CertificateError};
use peerkey_core::crypto::Crypto;
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use sha2::{Digest as _, Sha256};

use crate::algorithms::{ALGORITHMS, Algorithm, Padding};
use crate::bindings::{
    BIGNUM, EVP_MD_CTX, EVP_PKEY, EVP_PKEY_RSA, EVP_PKEY_RSA_PSS, RSA_PKCS1_PSS_PADDING,
    RSA_PSS_SALTLEN_DIGEST, X509_PUBKEY,
};
use crate::certified::Certified;
use crate::keys::Key;
use crate::openssl::OpenSsl;
use peerkey_guest::recent::soon;

/// RSA keys below this sign nothing that counts (NIST SP 800-131A, CA/Browser Forum BR 6.1.5).
const RSA_BITS: i32 = 2048;

/// The host's cryptography for one verification, with the keys of the certificates presented: to
/// decode a key again costs 120 µs with OpenSSL 3.0.
pub(crate) struct HostCrypto<'a> {
    openssl: &'static OpenSsl,
    presented: Vec<(Certified<'a>, Certificate)>,
    checked: OnceLock<Vec<Checked>>,
}

/// A certificate whose signature libcrypto found right a moment ago.
struct Checked {
    certificate: Certificate,
    /// With this key, a DER SubjectPublicKeyInfo.
    key: Vec<u8>,
}

// SAFETY: the keys belong to certificates that outlive the verification, and are only read.
unsafe impl Sync for HostCrypto<'_> {}
// SAFETY: as above.
unsafe impl Send for HostCrypto<'_> {}

impl<'a> HostCrypto<'a> {
    /// The cryptography of this copy of OpenSSL, with what was presented and what was read in it.
    pub(crate) fn new(
        openssl: &'static OpenSsl,
        presented: Vec<(Certified<'a>, Certificate)>,
    ) -> Self {
        Self { openssl, presented, checked: OnceLock::new() }
    }

    /// What peerkey reads in a certificate of the host's: many are what was presented.
    pub(crate) fn read(&self, certified: Certified<'_>) -> Result<Certificate, CertificateError> {
        self.presented_as(certified).map_or_else(|| certified.read(), |one| Ok(one.clone()))
    }

    fn presented_as(&self, certified: Certified<'_>) -> Option<&Certificate> {
        let same = self.presented.iter().find(|(one, _)| one.raw() == certified.raw());
        same.map(|(_, certificate)| certificate)
    }

    /// The key of a certificate of the host's, as it is encoded there.
    fn spki_of(&self, certified: Certified<'_>) -> Option<Vec<u8>> {
        let presented = self.presented_as(certified);
        presented.map_or_else(|| certified.spki(), |one| Some(one.spki().to_vec()))
    }

    /// Takes over what the program's own verification has found out: libcrypto checked the signature of
    /// each certificate of this chain with the key of the next one, and all were right.
    pub(crate) fn take_over(&self, chain: &[Certified<'_>]) {
        let pairs = chain.windows(2).filter_map(|pair| {
            let &[certified, issuer] = pair else { return None };
            issuer.key().filter(|key| self.is_strong(*key))?;
            let certificate = self.read(certified).ok()?;
            Some(Checked { certificate, key: self.spki_of(issuer)? })
        });
        self.checked.get_or_init(|| pairs.collect());
    }

    /// Runs `body` with it as core wants it.
    pub(crate) fn with<T>(&self, body: impl FnOnce(&dyn Crypto) -> T) -> T {
        let verifiers: [Verifier<'_>; ALGORITHMS.len()] =
            std::array::from_fn(|i| Verifier { host: self, algorithm: &ALGORITHMS[i] });
        let algorithms: [&dyn SignatureVerificationAlgorithm; ALGORITHMS.len()] =
            std::array::from_fn(|i| &verifiers[i] as _);
        body(&Offered { host: self, algorithms: &algorithms })
    }

    /// Whether it is a right signature. A right one is remembered.
    fn verify(&self, algorithm: &Algorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        if self.is_checked((&algorithm.key, key), message, signature) {
            return true;
        }
        let mut hash = Sha256::new();
        for part in [&algorithm.key, &algorithm.signature, key, message, signature] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash: [u8; 32] = hash.finalize().into();
        let remembered = &self.openssl.policies.remembered().signatures;
        if soon(remembered).is_some_and(|signatures| signatures.get(&hash).is_some()) {
            return true;
        }
        let right = self.openssl.quietly(|| {
            let body = |raw| self.digest_verify(algorithm, raw, message, signature);
            self.with_key((&algorithm.key, key), &spki(&algorithm.key, key), body)
        });
        if right && let Some(mut signatures) = soon(remembered) {
            signatures.put(hash, ());
        }
        right
    }

    /// Whether the program's own verification has found it right. It goes by the certificate's algorithm,
    /// which is the one that is asked about: both are told from what stands in the certificate.
    fn is_checked(&self, by: (&[u8], &[u8]), message: &[u8], signature: &[u8]) -> bool {
        self.checked.get().into_iter().flatten().any(|Checked { certificate, key }| {
            certificate.has_signature(message, signature) && is_spki(key, by)
        })
    }

    /// Whether what this key signs counts.
    fn is_strong(&self, key: *mut EVP_PKEY) -> bool {
        let crypto = &self.openssl.crypto;
        // SAFETY: the key is valid.
        let (kind, bits) =
            unsafe { (crypto.EVP_PKEY_get_base_id(key), crypto.EVP_PKEY_get_bits(key)) };
        ![EVP_PKEY_RSA, EVP_PKEY_RSA_PSS].contains(&kind) || bits >= RSA_BITS
    }

    /// Runs `body` with the key of a SubjectPublicKeyInfo, here also in its two parts; false where it
    /// cannot be decoded.
    fn with_key(
        &self,
        (kind, bits): (&[u8], &[u8]),
        spki: &[u8],
        body: impl FnOnce(*mut EVP_PKEY) -> bool,
    ) -> bool {
        let presented = self.presented.iter().find(|(_, read)| read.spki() == spki);
        if let Some(key) = presented.and_then(|(presented, _)| presented.key()) {
            return body(key);
        }
        let hash: [u8; 32] = Sha256::digest(spki).into();
        let keys = &self.openssl.policies.remembered().keys;
        if let Some(key) = soon(keys).and_then(|keys| keys.get(&hash)) {
            return body(key.raw());
        }
        let key = Key::of(self.openssl, kind, bits, spki).map(Arc::new);
        let Some(key) = key else { return false };
        let forgotten = soon(keys).map(|mut keys| keys.put(hash, Arc::clone(&key)));
        drop(forgotten);
        body(key.raw())
    }

    fn digest_verify(
        &self,
        algorithm: &Algorithm,
        key: *mut EVP_PKEY,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        if !self.is_strong(key) {
            return false;
        }
        let crypto = &self.openssl.crypto;
        // SAFETY: no arguments.
        let context = unsafe { crypto.EVP_MD_CTX_new() };
        // SAFETY: the context is new, or null; the key is valid.
        let right = !context.is_null()
            && unsafe { self.begin(context, algorithm, key) }
            // SAFETY: a context that began; slices with their lengths.
            && unsafe {
                let (sign, text) = (signature.as_ptr(), message.as_ptr());
                crypto.EVP_DigestVerify(context, sign, signature.len(), text, message.len()) == 1
            };
        // SAFETY: ours, or null.
        unsafe { crypto.EVP_MD_CTX_free(context) };
        right
    }

    /// # Safety
    ///
    /// A new context and a valid key.
    unsafe fn begin(
        &self,
        context: *mut EVP_MD_CTX,
        algorithm: &Algorithm,
        key: *mut EVP_PKEY,
    ) -> bool {
        let crypto = &self.openssl.crypto;
        let digest = algorithm.digest.map_or(null::<c_char>(), CStr::as_ptr);
        let mut padding = null_mut();
        // SAFETY: as promised; the padding's context belongs to the context.
        unsafe {
            crypto.EVP_DigestVerifyInit_ex(
                context,
                &raw mut padding,
                digest,
                null_mut(),
                null(),
                key,
                null(),
            ) == 1
                && (algorithm.padding == Padding::Usual
                    || crypto.EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) > 0
                        && crypto.EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST)
                            > 0)
        }
    }

    /// The uncompressed point of an EC key.
    fn uncompressed(&self, spki: &[u8]) -> Option<Vec<u8>> {
        let crypto = &self.openssl.crypto;
        let mut next = spki.as_ptr();
        let length = spki.len().try_into().ok()?;
        // SAFETY: `next` points at that many bytes.
        let parsed = unsafe { crypto.d2i_X509_PUBKEY(null_mut(), &raw mut next, length) };
        // SAFETY: null, or ours.
        let point = (!parsed.is_null()).then(|| unsafe { self.point(parsed) })?;
        // SAFETY: ours.
        unsafe { crypto.X509_PUBKEY_free(parsed) };
        point
    }

    /// # Safety
    ///
    /// A valid key.
    unsafe fn point(&self, parsed: *const X509_PUBKEY) -> Option<Vec<u8>> {
        let crypto = &self.openssl.crypto;
        let (mut bytes, mut length) = (null(), 0);
        // SAFETY: as promised; what is not asked for is null.
        let (known, key) = unsafe {
            let places = (&raw mut bytes, &raw mut length);
            let known =
                crypto.X509_PUBKEY_get0_param(null_mut(), places.0, places.1, null_mut(), parsed);
            (known == 1, crypto.X509_PUBKEY_get0(parsed))
        };
        if !known || key.is_null() {
            return None;
        }
        // A compressed point is one byte and X, which is as long as the field (SEC 1 section 2.3.3).
        let field = usize::try_from(length).ok()?.checked_sub(1)?;
        let mut point = vec![4];
        for name in [c"qx", c"qy"] {
            // SAFETY: the key is valid.
            point.extend(unsafe { self.coordinate(key, name, field) }?);
        }
        Some(point)
    }

    /// # Safety
    ///
    /// A valid key.
    unsafe fn coordinate(
        &self,
        key: *const EVP_PKEY,
        name: &CStr,
        field: usize,
    ) -> Option<Vec<u8>> {
        let crypto = &self.openssl.crypto;
        let mut number: *mut BIGNUM = null_mut();
        let mut bytes = vec![0; field];
        let length = field.try_into().ok()?;
        // SAFETY: as promised; the number is ours to free, and the bytes have room for the field.
        unsafe {
            let known = crypto.EVP_PKEY_get_bn_param(key, name.as_ptr(), &raw mut number) == 1;
            let fits = known && crypto.BN_bn2binpad(number, bytes.as_mut_ptr(), length) == length;
            crypto.BN_free(number);
            fits.then_some(bytes)
        }
    }
}

struct Offered<'a> {
    host: &'a HostCrypto<'a>,
    algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
}

impl Crypto for Offered<'_> {
    fn uncompressed_point(&self, spki: &[u8]) -> Option<Vec<u8>> {
        self.host.openssl.quietly(|| self.host.uncompressed(spki))
    }

    fn algorithms(&self) -> &[&dyn SignatureVerificationAlgorithm] {
        self.algorithms
    }
}

struct Verifier<'a> {
    host: &'a HostCrypto<'a>,
    algorithm: &'static Algorithm,
}

impl fmt::Debug for Verifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host's libcrypto")
    }
}

impl SignatureVerificationAlgorithm for Verifier<'_> {
    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let right = self.host.verify(self.algorithm, key, message, signature);
        right.then_some(()).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature
    }
}

/// The SubjectPublicKeyInfo of a key (RFC 5280 section 4.1), from its parts.
fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let algorithm = tlv(0x30, &[algorithm]);
    tlv(0x30, &[&algorithm, &tlv(0x03, &[&[0], key])])
}

/// Whether it is the SubjectPublicKeyInfo of a key, made of these parts.
fn is_spki(spki: &[u8], (algorithm, key): (&[u8], &[u8])) -> bool {
    let (inner, bits) = (Header::new(0x30, algorithm.len()), Header::new(0x03, key.len() + 1));
    let length = inner.octets().len() + algorithm.len() + bits.octets().len() + 1 + key.len();
    let outer = Header::new(0x30, length);
    let parts = [outer.octets(), inner.octets(), algorithm, bits.octets(), &[0], key];
    let rest = parts.iter().try_fold(spki, |rest, part| rest.strip_prefix(*part));
    rest.is_some_and(<[u8]>::is_empty)
}

/// A DER value of less than 16 MB.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut der = Header::new(tag, parts.iter().map(|part| part.len()).sum()).octets().to_vec();
    parts.iter().for_each(|part| der.extend_from_slice(part));
    der
}

/// The tag and the length of such a value.
struct Header([u8; 5], usize);

impl Header {
    fn new(tag: u8, length: usize) -> Self {
        let [_, a, b, c] = (length as u32).to_be_bytes();
        match length {
            0..=0x7f => Self([tag, c, 0, 0, 0], 2),
            0x80..=0xff => Self([tag, 0x81, c, 0, 0], 3),
            0x100..=0xffff => Self([tag, 0x82, b, c, 0], 4),
            _ => Self([tag, 0x83, a, b, c], 5),
        }
    }

    fn octets(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

#[cfg(test)]
mod tests {
    use peerkey_core::key::Key as CoreKey;
    use rustls_pki_types::alg_id;

    use super::*;
    use crate::algorithms::{PKCS1_SHA256, SHA256, SHA384, SHA512};
    use crate::host::{KeyPair, openssl};

    /// The algorithms by which this signature of this key counts.
    fn counting(pair: &KeyPair, text: &[u8], signature: &[u8]) -> Vec<usize> {
        let der = pair.spki(false);
        let holds = |(_, algorithm): &(usize, &Algorithm)| {
            let known = tlv(0x30, &[&algorithm.key]);
            let at = der.windows(known.len()).position(|window| window == known);
            at.is_some_and(|at| {
                // Behind the algorithm comes the BIT STRING: tag, length, unused bits.
                let rest = &der[at + known.len()..];
                let header = 2 + if rest[1] & 0x80 == 0 { 0 } else { usize::from(rest[1] & 0x7f) };
                let host = HostCrypto::new(openssl(), Vec::new());
                host.verify(algorithm, &rest[header + 1..], text, signature)
            })
        };
        ALGORITHMS.iter().enumerate().filter(holds).map(|(index, _)| index).collect()
    }

    #[test]
    fn a_key_is_known_again_from_its_parts() {
        for length in [1, 126, 127, 128, 254, 255, 256, 70_000] {
            let (algorithm, key) = (&[6, 1, 7][..], vec![9; length]);
            let whole = spki(algorithm, &key);
            assert!(is_spki(&whole, (algorithm, &key)), "{length}");
            for at in 0..whole.len().min(40) {
                let mut other = whole.clone();
                other[at] ^= 1;
                assert!(!is_spki(&other, (algorithm, &key)), "{length} {at}");
            }
            assert!(!is_spki(&[&whole[..], &[0]].concat(), (algorithm, &key)), "{length}");
            assert!(!is_spki(&whole[..whole.len() - 1], (algorithm, &key)), "{length}");
        }
    }

    fn index(key: AlgorithmIdentifier, signature: AlgorithmIdentifier) -> usize {
        ALGORITHMS.iter().position(|a| a.key == key && a.signature == signature).unwrap()
    }

    #[test]
    fn a_signature_counts_by_its_own_algorithm_only() {
        let text = b"what is signed";
        for (pair, digest, signature, key) in [
            (KeyPair::new(c"EC", c"P-256", 0), SHA256, alg_id::ECDSA_SHA256, alg_id::ECDSA_P256),
            (KeyPair::new(c"EC", c"P-384", 0), SHA512, alg_id::ECDSA_SHA512, alg_id::ECDSA_P384),
            (KeyPair::new(c"EC", c"P-521", 0), SHA384, alg_id::ECDSA_SHA384, alg_id::ECDSA_P521),
            (KeyPair::new(c"ED25519", c"", 0), None, alg_id::ED25519, alg_id::ED25519),
            (KeyPair::new(c"ED448", c"", 0), None, alg_id::ED448, alg_id::ED448),
        ] {
            let mut right = pair.sign(digest, false, text);
            assert_eq!(counting(&pair, text, &right), [index(key, signature)]);
            assert_eq!(counting(&pair, b"another text", &right), [0; 0]);
            right[7] ^= 1;
            assert_eq!(counting(&pair, text, &right), [0; 0]);
        }
    }

    #[test]
    fn rsa_counts_from_2048_bits_on_with_the_padding_that_is_said() {
        let text = b"what is signed";
        let pair = KeyPair::new(c"RSA", c"", 2048);
        let usual = pair.sign(SHA256, false, text);
        let expected = [
            index(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA256),
            index(alg_id::RSA_ENCRYPTION, PKCS1_SHA256),
        ];
        assert_eq!(counting(&pair, text, &usual), expected);
        let pss = pair.sign(SHA384, true, text);
        let expected = [index(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA384)];
        assert_eq!(counting(&pair, text, &pss), expected);
        let weak = KeyPair::new(c"RSA", c"", 1024);
        assert_eq!(counting(&weak, text, &weak.sign(SHA256, false, text)), [0; 0]);
        let sha1 = pair.sign(Some(c"SHA1"), false, text);
        assert_eq!(counting(&pair, text, &sha1), [0; 0]);
    }

    #[test]
    fn a_compressed_point_is_the_same_key() {
        for curve in [c"P-256", c"P-384", c"P-521", c"sect233k1", c"brainpoolP256r1"] {
            let pair = KeyPair::new(c"EC", curve, 0);
            let (whole, compressed) = (pair.spki(false), pair.spki(true));
            assert!(compressed.len() < whole.len());
            HostCrypto::new(openssl(), Vec::new()).with(|crypto| {
                let read = |spki: &[u8]| CoreKey::from_spki(spki, crypto).unwrap();
                assert_eq!(read(&whole), read(&compressed), "{curve:?}");
            });
        }
    }
}
