//! The key that the peer proved to possess, in one form for every encoding of it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::Tag;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::crypto::Crypto;
use crate::der;
use crate::slot::Slot;

/// SHA-256 of a DER SubjectPublicKeyInfo (RFC 7469 section 2.4), written `sha256/BASE64`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of these bytes.
    pub fn of(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }

    /// Reads `sha256/BASE64`, `sha256//BASE64` (curl) or 64 hex digits, colons allowed.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = match text.strip_prefix("sha256/") {
            // One hash in 64 begins with a slash of its own: what reads as it is, is as it is.
            Some(base64) => BASE64
                .decode(base64.as_bytes())
                .or_else(|_| BASE64.decode(base64.strip_prefix('/').unwrap_or("").as_bytes()))
                .ok()?,
            None => HEXLOWER_PERMISSIVE.decode(text.replace(':', "").as_bytes()).ok()?,
        };
        bytes.try_into().ok().map(Self)
    }

    /// The hash as 64 hex digits.
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", BASE64.encode_display(&self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A public key. Two encodings of one key are equal: RSA is compared by n and e, EC by curve and
/// uncompressed point, RSASSA-PSS and RSA with the same n and e are one key. A copy is the same one.
#[derive(Clone, Debug)]
pub struct Key(Arc<Content>);

#[derive(Debug)]
struct Content {
    canonical: Vec<u8>,
    /// How it was presented, where that is another form.
    presented: Option<Vec<u8>>,
    /// Once they were asked for.
    hashes: Slot<Option<KeyHashes>>,
}

/// The hashes under which somebody may have written a key down, as a slice; the usual one first.
#[derive(Clone, Copy, Debug)]
pub struct KeyHashes {
    all: [KeyHash; 3],
    count: usize,
}

impl KeyHashes {
    fn of<'f>(forms: impl IntoIterator<Item = &'f [u8]>) -> Self {
        let mut hashes = Self { all: [KeyHash([0; 32]); 3], count: 0 };
        for (place, form) in hashes.all.iter_mut().zip(forms) {
            *place = KeyHash::of(form);
            hashes.count += 1;
        }
        hashes
    }
}

impl Deref for KeyHashes {
    type Target = [KeyHash];

    fn deref(&self) -> &[KeyHash] {
        self.all.get(..self.count).unwrap_or_default()
    }
}

/// Why a SubjectPublicKeyInfo gives no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It is not the DER of a SubjectPublicKeyInfo.
    Malformed,
    /// An EC key that spells out its curve instead of naming it (RFC 5480 section 2.1.1 forbids it).
    ExplicitCurve,
    /// An RSA key of more bits than anyone checks a signature with.
    TooLong,
    /// An EC point that is compressed and could not be brought to the uncompressed form.
    UnknownPoint,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the public key is malformed",
            Self::ExplicitCurve => "the EC key spells out its curve instead of naming it",
            Self::TooLong => "the RSA key is longer than 16384 bits, or its exponent than 64",
            Self::UnknownPoint => "the EC key is compressed, on a curve that is not known here",
        })
    }
}

impl std::error::Error for KeyError {}

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

impl Key {
    /// Reads a DER SubjectPublicKeyInfo. `crypto` uncompresses EC points where that is needed.
    pub fn from_spki(spki: &[u8], crypto: &dyn Crypto) -> Result<Self, KeyError> {
        let (rest, info) = SubjectPublicKeyInfo::from_der(spki).map_err(|_| KeyError::Malformed)?;
        if !rest.is_empty() {
            return Err(KeyError::Malformed);
        }
        let oid = info.algorithm.algorithm.as_bytes();
        let bits: &[u8] = &info.subject_public_key.data;
        let canonical = match oid {
            RSA_ENCRYPTION | RSASSA_PSS => rsa_form(bits, &RSA_ALGORITHM)?,
            EC_PUBLIC_KEY => {
                let curve = info.algorithm.parameters.as_ref().ok_or(KeyError::Malformed)?;
                // as_oid takes the content of anything for an OID, whatever its tag says.
                if curve.tag() != Tag::Oid {
                    return Err(KeyError::ExplicitCurve);
                }
                let curve = curve.as_oid().map_err(|_| KeyError::Malformed)?;
                ec_form(curve.as_bytes(), &whole_point(bits, || crypto.uncompressed_point(spki))?)
            }
            _ => spki.to_vec(),
        };
        let presented = (canonical != spki).then(|| spki.to_vec());
        Ok(Self(Arc::new(Content { canonical, presented, hashes: Slot::default() })))
    }

    /// The hash by which this key is stored: that of its usual encoding.
    pub fn hash(&self) -> KeyHash {
        self.hashes().first().copied().unwrap_or(KeyHash([0; 32]))
    }

    /// The hashes under which somebody may have written this key down; the usual one first.
    pub fn hashes(&self) -> KeyHashes {
        self.0.hashes.get_or(|| self.hash_all())
    }

    fn hash_all(&self) -> KeyHashes {
        let Content { canonical, presented, .. } = &*self.0;
        let other = other_form(canonical);
        let presented = presented.as_ref().filter(|form| other.as_ref() != Some(*form));
        KeyHashes::of(
            [Some(canonical), other.as_ref(), presented].into_iter().flatten().map(Vec::as_slice),
        )
    }

    /// The length of the modulus, if the SubjectPublicKeyInfo holds an RSA key.
    #[cfg(feature = "pkix")]
    pub(crate) fn rsa_bits(spki: &[u8]) -> Option<usize> {
        let (_, info) = SubjectPublicKeyInfo::from_der(spki).ok()?;
        let is_rsa = [RSA_ENCRYPTION, RSASSA_PSS].contains(&info.algorithm.algorithm.as_bytes());
        let (n, _) = der::rsa_public_key(&info.subject_public_key.data).filter(|_| is_rsa)?;
        Some(bits(n)).filter(|bits| *bits > 0)
    }

    /// The key in its usual encoding, as a DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.0.canonical
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.canonical == other.0.canonical
    }
}

impl Eq for Key {}

/// The longest RSA modulus and exponent, in bits: OpenSSL's own limits for a modulus above 3072 bits
/// (OPENSSL_RSA_MAX_MODULUS_BITS, OPENSSL_RSA_MAX_PUBEXP_BITS). The work of a check grows with both.
const RSA_BITS: (usize, usize) = (16_384, 64);

/// Whether an RSA key's n and e are within bounds.
fn is_bearable((n, e): (&[u8], &[u8])) -> bool {
    bits(n) <= RSA_BITS.0 && bits(e) <= RSA_BITS.1
}

/// The length of an unsigned number.
fn bits(number: &[u8]) -> usize {
    match number.iter().position(|octet| *octet != 0) {
        None => 0,
        Some(start) => (number.len() - start) * 8 - number[start].leading_zeros() as usize,
    }
}

/// Whether an RSA key's numbers, a DER RSAPublicKey, are so long that a check would take long. What is
/// no RSAPublicKey is none.
#[cfg(feature = "pkix")]
pub(crate) fn is_too_long(key: &[u8]) -> bool {
    der::rsa_public_key(key).is_some_and(|key| !is_bearable(key))
}

/// n and e of an RSAPublicKey (RFC 8017 appendix A.1.1) as big-endian numbers; None where they are
/// negative or zero.
#[cfg(feature = "pkix")]
pub fn rsa_numbers(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let positive =
        |number: &[u8]| number.first().is_some_and(|b| b & 0x80 == 0) && bits(number) > 0;
    der::rsa_public_key(key).filter(|(n, e)| positive(n) && positive(e))
}

/// An AlgorithmIdentifier: rsaEncryption with NULL parameters.
const RSA_ALGORITHM: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// The same: RSASSA-PSS without parameters (RFC 4055 section 1.2).
const PSS_ALGORITHM: [u8; 13] =
    [0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];

/// An RSA key with its numbers in the shortest encoding.
fn rsa_form(bits: &[u8], algorithm: &[u8]) -> Result<Vec<u8>, KeyError> {
    let (n, e) = der::rsa_public_key(bits).ok_or(KeyError::Malformed)?;
    if !is_bearable((n, e)) {
        return Err(KeyError::TooLong);
    }
    let key = der::sequence(&[&der::unsigned(n), &der::unsigned(e)]);
    Ok(der::sequence(&[algorithm, &der::bit_string(&key)]))
}

/// The point uncompressed (SEC 1 section 2.3.3).
fn whole_point(
    point: &[u8],
    uncompress: impl FnOnce() -> Option<Vec<u8>>,
) -> Result<Vec<u8>, KeyError> {
    let whole = match point.first() {
        Some(4) => point.to_vec(),
        Some(6 | 7) => [&[4], &point[1..]].concat(),
        Some(2 | 3) => {
            uncompress().filter(|p| p.first() == Some(&4)).ok_or(KeyError::UnknownPoint)?
        }
        _ => return Err(KeyError::Malformed),
    };
    let coordinates = whole.len() - 1;
    if coordinates == 0 || coordinates % 2 != 0 {
        return Err(KeyError::Malformed);
    }
    Ok(whole)
}

fn ec_form(curve: &[u8], point: &[u8]) -> Vec<u8> {
    let algorithm = der::sequence(&[&der::oid(EC_PUBLIC_KEY), &der::oid(curve)]);
    der::sequence(&[&algorithm, &der::bit_string(point)])
}

/// Of a key in its usual form, the other one that is in use: an RSA key as RSASSA-PSS, an EC key with its
/// point compressed.
fn other_form(canonical: &[u8]) -> Option<Vec<u8>> {
    let (content, _) = der::read(0x30, canonical)?;
    let (algorithm, bits) = der::read(0x30, content)?;
    let (bits, _) = der::read(3, bits)?;
    let (_, bits) = bits.split_first()?;
    if content.starts_with(&RSA_ALGORITHM) {
        return rsa_form(bits, &PSS_ALGORITHM).ok();
    }
    let (kind, curve) = der::read(6, algorithm)?;
    if kind != EC_PUBLIC_KEY {
        return None;
    }
    let (curve, _) = der::read(6, curve)?;
    let (_, coordinates) = bits.split_first()?;
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    let sign = 2 | (y.last().unwrap_or(&0) & 1);
    Some(ec_form(curve, &[&[sign], x].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::NoCrypto;

    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

    struct Uncompress(Vec<u8>);
    impl Crypto for Uncompress {
        fn uncompressed_point(&self, _: &[u8]) -> Option<Vec<u8>> {
            Some(self.0.clone())
        }
        #[cfg(feature = "pkix")]
        fn algorithms(&self) -> &[&dyn rustls_pki_types::SignatureVerificationAlgorithm] {
            &[]
        }
    }

    fn ec(point: &[u8]) -> Vec<u8> {
        let algorithm = der::sequence(&[&der::oid(EC_PUBLIC_KEY), &der::oid(P256)]);
        der::sequence(&[&algorithm, &der::bit_string(point)])
    }

    #[test]
    fn every_encoding_of_an_ec_key_is_one_key() {
        let (x, y) = ([7u8; 32], [9u8; 32]);
        let whole = [&[4u8][..], &x, &y].concat();
        let usual = Key::from_spki(&ec(&whole), &NoCrypto).unwrap();
        let compressed = ec(&[&[3u8][..], &x].concat());
        let same = Key::from_spki(&compressed, &Uncompress(whole.clone())).unwrap();
        assert_eq!(usual, same);
        assert_eq!(usual.hash(), KeyHash::of(&ec(&whole)));
        assert!(usual.hashes().contains(&KeyHash::of(&compressed)));
        let hybrid = Key::from_spki(&ec(&[&[7u8][..], &x, &y].concat()), &NoCrypto).unwrap();
        assert_eq!(usual, hybrid);
        assert_eq!(Key::from_spki(&compressed, &NoCrypto), Err(KeyError::UnknownPoint));
    }

    #[test]
    fn a_curve_that_is_spelled_out_is_no_curve() {
        let algorithm = der::sequence(&[&der::oid(EC_PUBLIC_KEY), &der::sequence(&[&[5, 0]])]);
        let point = der::bit_string(&[&[4u8][..], &[7; 64]].concat());
        let key = Key::from_spki(&der::sequence(&[&algorithm, &point]), &NoCrypto);
        assert_eq!(key, Err(KeyError::ExplicitCurve));
    }

    #[test]
    fn rsa_and_rsassa_pss_with_one_modulus_are_one_key() {
        let bits = der::bit_string(&der::sequence(&[
            &der::unsigned(&[0x91; 256]),
            &der::unsigned(&[1, 0, 1]),
        ]));
        let rsa = der::sequence(&[&der::sequence(&[&der::oid(RSA_ENCRYPTION), &[5, 0]]), &bits]);
        let pss = der::sequence(&[&der::sequence(&[&der::oid(RSASSA_PSS)]), &bits]);
        let (rsa_key, pss_key) =
            (Key::from_spki(&rsa, &NoCrypto).unwrap(), Key::from_spki(&pss, &NoCrypto).unwrap());
        assert_eq!(rsa_key, pss_key);
        assert_eq!(pss_key.hash(), KeyHash::of(&rsa));
    }

    #[test]
    #[cfg(feature = "pkix")]
    fn an_rsa_key_has_the_length_of_its_modulus() {
        for (first, bits) in [(0x80, 1024), (0xff, 1024), (0x01, 1017)] {
            let mut n = [0u8; 128];
            n[0] = first;
            let key = der::sequence(&[&der::unsigned(&n), &der::unsigned(&[1, 0, 1])]);
            let rsa = der::sequence(&[&der::oid(RSA_ENCRYPTION), &[5, 0]]);
            let spki = der::sequence(&[&rsa, &der::bit_string(&key)]);
            assert_eq!(Key::rsa_bits(&spki), Some(bits));
        }
        assert_eq!(Key::rsa_bits(&ec(&[4; 65])), None);
    }

    #[test]
    fn hashes_read_in_every_spelling() {
        let hash = KeyHash::of(b"x");
        assert_eq!(KeyHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(KeyHash::parse(&hash.to_hex().to_uppercase()), Some(hash));
        for hash in [hash, KeyHash([0xff; 32]), KeyHash([0; 32])] {
            let curl = hash.to_string().replacen("sha256/", "sha256//", 1);
            assert_eq!(KeyHash::parse(&hash.to_string()), Some(hash));
            assert_eq!(KeyHash::parse(&curl), Some(hash), "{curl}");
        }
        assert_eq!(KeyHash::parse("sha256/AAAA"), None);
        assert_eq!(KeyHash::parse("sha1/AAAA"), None);
    }
}
