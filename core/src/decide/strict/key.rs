//! Keys and signatures: how strong they are, and in what form they stand there.

use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::AlgorithmIdentifier;

use super::facts::{Facts, usage};
use crate::key::Key;

pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const ED448: &[u8] = &[0x2b, 0x65, 0x71];

/// ML-DSA-44, ML-DSA-65 and ML-DSA-87 (RFC 9881 section 2).
const ML_DSA: [&[u8]; 3] = [
    &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x11],
    &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x12],
    &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x13],
];

/// secp256r1, secp384r1, secp521r1 (RFC 5480 section 2.1.1.1), with the octets of a coordinate.
const CURVES: [(&[u8], usize); 3] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], 32),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], 48),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], 66),
];

/// MD2, MD4, MD5 and SHA-1 with RSA, the same by its OIW name, SHA-1 with ECDSA and with DSA.
const WEAK: [&[u8]; 7] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x02],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x03],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
    &[0x2b, 0x0e, 0x03, 0x02, 0x1d],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],
    &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03],
];

/// The object identifier of SHA-1, as RSASSA-PSS parameters name it.
const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];

/// The kind of the certificate's key.
pub(super) fn kind<'f>(facts: &'f Facts<'_>) -> &'f [u8] {
    facts.parsed.public_key().algorithm.algorithm.as_bytes()
}

/// Whether it is a key that signs and that some program can use today (RFC 8446 section 4.2.3, RFC
/// 9881). Which of them sign in a path, the host's algorithms say.
pub(super) fn is_known(facts: &Facts<'_>) -> bool {
    let kind = kind(facts);
    [RSA, RSASSA_PSS, EC, ED25519, ED448].contains(&kind) || ML_DSA.contains(&kind)
}

/// The keyUsage bits for which a certificate with such a key is refused (RFC 9881 section 5).
///
/// RFC 8813 section 3 and RFC 9295 section 3 forbid the same of EC, Ed25519 and Ed448 keys. But CAs that are
/// much in use (Vault's and cert-manager's by default) write keyEncipherment into every certificate,
/// whatever its key; no such key can do what the bit allows, and a refusal would protect nobody.
pub(super) fn forbidden_usage(facts: &Facts<'_>) -> u16 {
    if ML_DSA.contains(&kind(facts)) { BEYOND_SIGNING } else { 0 }
}

/// The keyUsage bits that say nothing of such a key, since it cannot do it: of EC keys encipherment (RFC
/// 8813 section 3), of Ed25519, Ed448 and ML-DSA all but signing (RFC 9295 section 3, RFC 9881 section 5),
/// of RSASSA-PSS too (RFC 4055 section 1.2).
pub(super) fn idle_usage(facts: &Facts<'_>) -> u16 {
    match kind(facts) {
        RSASSA_PSS => !(usage::DIGITAL_SIGNATURE | usage::CONTENT_COMMITMENT),
        EC => ENCIPHERMENT,
        ED25519 | ED448 => BEYOND_SIGNING,
        _ => forbidden_usage(facts),
    }
}

const ENCIPHERMENT: u16 = usage::KEY_ENCIPHERMENT | usage::DATA_ENCIPHERMENT;
const BEYOND_SIGNING: u16 =
    ENCIPHERMENT | usage::KEY_AGREEMENT | usage::ENCIPHER_ONLY | usage::DECIPHER_ONLY;

/// Whether an RSA key is too short, or of an odd length.
pub(super) fn is_short(facts: &Facts<'_>) -> bool {
    Key::rsa_bits(facts.own.spki()).is_some_and(|bits| bits < 2048 || bits % 8 != 0)
}

/// Whether an RSA key has numbers that no key generation makes.
pub(super) fn has_odd_numbers(facts: &Facts<'_>) -> bool {
    let even = |number: &[u8]| number.last().is_none_or(|last| last % 2 == 0);
    match facts.parsed.public_key().parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let exponent = without_zeros(rsa.exponent);
            even(rsa.modulus) || even(exponent) || exponent == [1]
        }
        _ => false,
    }
}

/// Whether an EC key is on a curve other than the three that are used, or spells its curve out.
pub(super) fn is_on_other_curve(facts: &Facts<'_>) -> bool {
    kind(facts) == EC && curve(facts).is_none()
}

/// Whether an EC key's point is in a form that RFC 5480 does not know.
pub(super) fn has_odd_point(facts: &Facts<'_>) -> bool {
    let Some(octets) = curve(facts).filter(|_| kind(facts) == EC) else { return false };
    let point: &[u8] = &facts.parsed.public_key().subject_public_key.data;
    match point.first() {
        // Who brings it to the uncompressed form sees whether it is one.
        Some(2 | 3) => false,
        Some(4) => point.len() != 1 + 2 * octets,
        _ => true,
    }
}

/// The octets of a coordinate on the named curve, if it is one of the three.
fn curve(facts: &Facts<'_>) -> Option<usize> {
    let parameters = facts.parsed.public_key().algorithm.parameters.as_ref()?;
    // The tag first: `as_oid` takes the content of anything for an OID.
    let name = (parameters.tag().0 == 6).then_some(parameters.data)?;
    CURVES.iter().find(|(curve, _)| *curve == name).map(|(_, octets)| *octets)
}

/// Whether the key's algorithm has parameters that it must not have, or lacks those that it must.
pub(super) fn has_odd_parameters(facts: &Facts<'_>) -> bool {
    let parameters = facts.parsed.public_key().algorithm.parameters.as_ref();
    match kind(facts) {
        RSA => !parameters.is_some_and(|p| p.tag().0 == 5 && p.data.is_empty()),
        ED25519 | ED448 => parameters.is_some(),
        other => ML_DSA.contains(&other) && parameters.is_some(),
    }
}

/// Whether the certificate is signed over a hash for which collisions are found.
pub(super) fn is_weakly_signed(facts: &Facts<'_>) -> bool {
    let algorithm = &facts.parsed.signature_algorithm;
    match algorithm.algorithm.as_bytes() {
        RSASSA_PSS => has_sha1(algorithm),
        other => WEAK.contains(&other),
    }
}

/// SHA-1 is what RSASSA-PSS parameters say by saying nothing (RFC 4055 section 3.1).
fn has_sha1(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    let parameters = algorithm.parameters.as_ref().map(RsaSsaPssParams::try_from);
    match parameters {
        Some(Ok(parameters)) => parameters.hash_algorithm_oid().as_bytes() == SHA1,
        _ => true,
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|octet| *octet != 0).unwrap_or(number.len());
    &number[start..]
}
