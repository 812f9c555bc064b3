//! Keys and signatures, weak and in odd forms.

use openssl::ec::{Asn1Flag, EcGroup, EcKey, PointConversionForm};
use openssl::nid::Nid;
use openssl::pkey::PKey;

use super::super::build::*;
use super::super::chain::Top;
use super::super::keys::{self, Kind, modulus, point, rsa, spki};
use super::{Case, accepted, refused, told};
use crate::query::Role;

const P256: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const P384: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
/// The content of their AlgorithmIdentifiers, and how long such keys are (RFC 9881 section 4).
const ML_DSA_44: (&[u8], usize) = (b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x11", 1312);
const ML_DSA_65: (&[u8], usize) = (b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x12", 1952);
const ML_DSA_87: (&[u8], usize) = (b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x13", 2592);
const ML_DSA_44_WITH_NULL: (&[u8], usize) =
    (b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x11\x05\x00", 1312);
const HASH_ML_DSA_44: (&[u8], usize) = (b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x20", 1312);
/// A key for RSASSA-PSS alone, with any of its parameters.
const RSASSA_PSS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
const RSA_WITHOUT_NULL: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";

/// A key of a kind that the system's OpenSSL need not know. Nothing is signed with it.
fn unknown((algorithm, length): (&[u8], usize)) -> Option<Vec<u8>> {
    Some(spki(algorithm, &vec![7; length]))
}

/// The key, with its curve spelled out.
fn explicit(kind: Kind) -> Vec<u8> {
    let mut group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    group.set_asn1_flag(Asn1Flag::EXPLICIT_CURVE);
    let key = keys::key_pair(kind).ec_key().unwrap();
    let key = EcKey::from_public_key(&group, key.public_key()).unwrap();
    PKey::from_ec_key(key).unwrap().public_key_to_der().unwrap()
}

/// A modulus whose last bit is off.
fn even_modulus() -> Vec<u8> {
    let mut n = modulus(2048);
    *n.last_mut().unwrap() &= 0xfe;
    n
}

/// An RSA key whose algorithm has no parameters.
fn without_null() -> Vec<u8> {
    bare_rsa(RSA_WITHOUT_NULL)
}

fn bare_rsa(algorithm: &[u8]) -> Vec<u8> {
    let numbers = [crate::der::unsigned(&modulus(2048)), crate::der::unsigned(&[1, 0, 1])];
    spki(algorithm, &crate::der::sequence(&[&numbers[0], &numbers[1]]))
}

pub(super) const CASES: &[Case] = &[
    refused("leaf-rsa-1024", "rsa-short", |c| {
        c.leaf.key(Kind::Rsa(1024));
    }),
    refused("leaf-rsa-2047", "rsa-short", |c| {
        c.leaf.key(Kind::Rsa(2047));
    }),
    refused("leaf-rsa-2049", "rsa-short", |c| {
        c.leaf.spki = Some(rsa(&[&[1], &modulus(2048)[..]].concat(), &[1, 0, 1]));
    }),
    refused("ca-rsa-1024", "rsa-short", |c| {
        c.ca().key(Kind::Rsa(1024));
    }),
    refused("anchor-rsa-1024", "rsa-short", |c| {
        c.root.key(Kind::Rsa(1024));
    }),
    refused("own-rsa-1024", "rsa-short", |c| {
        c.anchor = Top::Own;
        c.leaf.key(Kind::Rsa(1024));
    }),
    accepted("leaf-rsa-2056", |c| {
        c.leaf.key(Kind::Rsa(2056));
    }),
    refused("leaf-rsa-exponent-1", "rsa-numbers", |c| {
        c.leaf.spki = Some(rsa(&modulus(2048), &[1]));
    }),
    refused("leaf-rsa-exponent-even", "rsa-numbers", |c| {
        c.leaf.spki = Some(rsa(&modulus(2048), &[1, 0, 0]));
    }),
    refused("leaf-rsa-exponent-0", "rsa-numbers", |c| {
        c.leaf.spki = Some(rsa(&modulus(2048), &[]));
    }),
    refused("leaf-rsa-modulus-even", "rsa-numbers", |c| {
        c.leaf.spki = Some(rsa(&even_modulus(), &[1, 0, 1]));
    }),
    refused("ca-rsa-exponent-1", "rsa-numbers", |c| {
        c.ca().key(Kind::RsaOne);
    }),
    refused("anchor-rsa-exponent-1", "rsa-numbers", |c| {
        c.root.key(Kind::RsaOne);
    }),
    refused("own-rsa-exponent-1", "rsa-numbers", |c| {
        c.anchor = Top::Own;
        c.leaf.key(Kind::RsaOne);
    }),
    accepted("leaf-rsa-exponent-3", |c| {
        c.leaf.spki = Some(rsa(&modulus(2048), &[3]));
    }),
    refused("leaf-p192", "curve", |c| {
        c.leaf.key(Kind::P192);
    }),
    refused("leaf-p224", "curve", |c| {
        c.leaf.key(Kind::P224);
    }),
    refused("leaf-secp256k1", "curve", |c| {
        c.leaf.key(Kind::Koblitz256);
    }),
    refused("leaf-brainpool", "curve", |c| {
        c.leaf.key(Kind::Brainpool256);
    }),
    refused("ca-p192", "curve", |c| {
        c.ca().key(Kind::P192);
    }),
    refused("ca-secp256k1", "curve", |c| {
        c.ca().key(Kind::Koblitz256);
    }),
    refused("anchor-p224", "curve", |c| {
        c.root.key(Kind::P224);
    }),
    refused("own-secp256k1", "curve", |c| {
        c.anchor = Top::Own;
        c.leaf.key(Kind::Koblitz256);
    }),
    told("leaf-curve-spelled-out", "spells out its curve", |c| {
        c.leaf.spki = Some(explicit(Kind::P256("peer")));
    }),
    told("ca-curve-spelled-out", "that is not taken", |c| {
        c.ca().spki = Some(explicit(Kind::P256("Issuing CA")));
    }),
    told("anchor-curve-spelled-out", "anchor: the EC key spells out its curve", |c| {
        c.root.spki = Some(explicit(Kind::P256("Root")));
    }),
    refused("leaf-point-hybrid", "ec-point", |c| {
        c.leaf.spki = Some(spki(P256, &point(Kind::P256("peer"), PointConversionForm::HYBRID)));
    }),
    refused("leaf-point-of-another-curve", "ec-point", |c| {
        c.leaf.spki =
            Some(spki(P384, &point(Kind::P256("peer"), PointConversionForm::UNCOMPRESSED)));
    }),
    refused("ca-point-hybrid", "ec-point", |c| {
        let kind = c.ca().key;
        c.ca().spki = Some(spki(P256, &point(kind, PointConversionForm::HYBRID)));
    }),
    refused("anchor-point-hybrid", "ec-point", |c| {
        c.root.spki = Some(spki(P256, &point(c.root.key, PointConversionForm::HYBRID)));
    }),
    refused("own-point-hybrid", "ec-point", |c| {
        c.anchor = Top::Own;
        c.leaf.spki = Some(spki(P256, &point(c.leaf.key, PointConversionForm::HYBRID)));
    }),
    accepted("leaf-point-compressed", |c| {
        c.leaf.spki = Some(spki(P256, &point(Kind::P256("peer"), PointConversionForm::COMPRESSED)));
    }),
    told("leaf-point-compressed-too-short", "compressed, on a curve that is not known", |c| {
        c.leaf.spki = Some(spki(P256, &[2; 32]));
    }),
    told("leaf-point-at-infinity", "the public key is malformed", |c| {
        c.leaf.spki = Some(spki(P256, &[0]));
    }),
    refused("leaf-dsa", "key-kind", |c| {
        c.leaf.key(Kind::Dsa);
    }),
    refused("leaf-x25519", "key-kind", |c| {
        c.leaf.key(Kind::X25519).usage(KEY_AGREEMENT);
    }),
    refused("anchor-dsa", "key-kind", |c| {
        c.root.key(Kind::Dsa);
    }),
    refused("own-dsa", "key-kind", |c| {
        c.anchor = Top::Own;
        c.leaf.key(Kind::Dsa);
    }),
    told("ca-dsa", "that is not taken", |c| {
        c.ca().key(Kind::Dsa);
    }),
    accepted("leaf-ml-dsa-44", |c| {
        c.leaf.spki = unknown(ML_DSA_44);
    }),
    accepted("leaf-ml-dsa-65", |c| {
        c.leaf.spki = unknown(ML_DSA_65);
    }),
    accepted("leaf-ml-dsa-87", |c| {
        c.leaf.spki = unknown(ML_DSA_87);
    }),
    refused("leaf-hash-ml-dsa-44", "key-kind", |c| {
        c.leaf.spki = unknown(HASH_ML_DSA_44);
    }),
    told("ca-ml-dsa-44", "that is not taken", |c| {
        c.ca().spki = unknown(ML_DSA_44);
    }),
    told("anchor-ml-dsa-44", "that is not taken", |c| {
        c.root.spki = unknown(ML_DSA_44);
    }),
    refused("leaf-ml-dsa-with-null", "key-parameters", |c| {
        c.leaf.spki = unknown(ML_DSA_44_WITH_NULL);
    }),
    accepted("leaf-ml-dsa-every-bit-for-signing", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | CONTENT_COMMITMENT | CRL_SIGN).spki = unknown(ML_DSA_44);
    }),
    refused("leaf-ml-dsa-for-encipherment-beside", "key-usage-kind", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | KEY_ENCIPHERMENT).spki = unknown(ML_DSA_44);
    }),
    refused("leaf-ml-dsa-for-data-beside", "key-usage-kind", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | DATA_ENCIPHERMENT).spki = unknown(ML_DSA_65);
    }),
    refused("leaf-ml-dsa-for-agreement-beside", "key-usage-kind", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | KEY_AGREEMENT).spki = unknown(ML_DSA_87);
    }),
    refused("leaf-ml-dsa-enciphers-only-beside", "key-usage-kind", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | ENCIPHER_ONLY).spki = unknown(ML_DSA_44);
    }),
    refused("leaf-ml-dsa-deciphers-only-beside", "key-usage-kind", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | DECIPHER_ONLY).spki = unknown(ML_DSA_44);
    }),
    refused("leaf-ml-dsa-for-encipherment-alone", "key-usage", |c| {
        c.leaf.usage(KEY_ENCIPHERMENT).spki = unknown(ML_DSA_44);
    }),
    refused("client-ml-dsa-for-agreement-alone", "key-usage", |c| {
        c.role = Role::Client;
        c.leaf.usage(KEY_AGREEMENT).eku(&[CLIENT]).spki = unknown(ML_DSA_44);
    }),
    accepted("leaf-ed25519-every-bit-for-signing", |c| {
        c.leaf.key(Kind::Ed25519).usage(DIGITAL_SIGNATURE | CONTENT_COMMITMENT | CRL_SIGN);
    }),
    accepted("leaf-ed25519-for-agreement-beside", |c| {
        c.leaf.key(Kind::Ed25519).usage(DIGITAL_SIGNATURE | KEY_AGREEMENT);
    }),
    accepted("leaf-ed448-for-encipherment-beside", |c| {
        c.leaf.key(Kind::Ed448).usage(DIGITAL_SIGNATURE | KEY_ENCIPHERMENT);
    }),
    accepted("ca-ed25519-for-agreement-beside", |c| {
        c.ca().key(Kind::Ed25519).usage(CERT_SIGN | CRL_SIGN | KEY_AGREEMENT);
    }),
    refused("leaf-ed25519-for-agreement-alone", "key-usage", |c| {
        c.leaf.key(Kind::Ed25519).usage(KEY_AGREEMENT);
    }),
    refused("own-ed25519-for-agreement-alone", "key-usage", |c| {
        c.anchor = Top::Own;
        c.leaf.key(Kind::Ed25519).usage(KEY_AGREEMENT);
    }),
    accepted("own-ed25519-for-agreement-beside", |c| {
        c.anchor = Top::Own;
        c.leaf.key(Kind::Ed25519).usage(DIGITAL_SIGNATURE | KEY_AGREEMENT);
    }),
    accepted("anchor-ec-for-encipherment-beside", |c| {
        c.root.usage(CERT_SIGN | CRL_SIGN | KEY_ENCIPHERMENT);
    }),
    accepted("leaf-ec-for-agreement-beside", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | CONTENT_COMMITMENT | KEY_AGREEMENT | ENCIPHER_ONLY);
    }),
    accepted("leaf-ec-for-encipherment-beside", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | KEY_ENCIPHERMENT);
    }),
    accepted("leaf-ec-for-data-beside", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | DATA_ENCIPHERMENT);
    }),
    accepted("ca-ec-for-encipherment-beside", |c| {
        c.ca().usage(CERT_SIGN | CRL_SIGN | KEY_ENCIPHERMENT);
    }),
    refused("leaf-ec-for-encipherment-alone", "key-usage", |c| {
        c.leaf.usage(KEY_ENCIPHERMENT);
    }),
    accepted("leaf-rsa-pss-key", |c| {
        c.leaf.spki = Some(bare_rsa(RSASSA_PSS));
    }),
    accepted("leaf-rsa-pss-key-for-encipherment-beside", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | KEY_ENCIPHERMENT).spki = Some(bare_rsa(RSASSA_PSS));
    }),
    refused("leaf-rsa-pss-key-for-encipherment-alone", "key-usage", |c| {
        c.leaf.usage(KEY_ENCIPHERMENT).spki = Some(bare_rsa(RSASSA_PSS));
    }),
    refused("own-rsa-pss-key-for-agreement-alone", "key-usage", |c| {
        c.anchor = Top::Own;
        c.leaf.signing = Some(keys::PSS_SHA256);
        c.leaf.key(Kind::Rsa(2048)).usage(KEY_AGREEMENT).spki = Some(bare_rsa(RSASSA_PSS));
    }),
    refused("leaf-rsa-without-null", "key-parameters", |c| {
        c.leaf.spki = Some(without_null());
    }),
    refused("ca-rsa-without-null", "key-parameters", |c| {
        c.ca().key(Kind::Rsa(2048)).spki = Some(without_null());
    }),
    refused("anchor-rsa-without-null", "key-parameters", |c| {
        c.root.key(Kind::Rsa(2048)).spki = Some(without_null());
    }),
    refused("own-rsa-without-null", "key-parameters", |c| {
        c.anchor = Top::Own;
        c.leaf.key(Kind::Rsa(2048)).spki = Some(without_null());
    }),
    refused("leaf-ed25519-with-null", "key-parameters", |c| {
        c.leaf.spki = Some(spki(b"\x06\x03\x2b\x65\x70\x05\x00", &[7; 32]));
    }),
    refused("leaf-signed-over-sha1", "signature-weak", |c| {
        c.leaf.signing = Some(keys::ECDSA_SHA1);
    }),
    refused("leaf-signed-with-rsa-over-sha1", "signature-weak", |c| {
        c.ca().key(Kind::Rsa(2048));
        c.leaf.signing = Some(keys::RSA_SHA1);
    }),
    refused("leaf-signed-over-md5", "signature-weak", |c| {
        c.ca().key(Kind::Rsa(2048));
        c.leaf.signing = Some(keys::RSA_MD5);
    }),
    refused("leaf-signed-over-sha1-by-its-other-name", "signature-weak", |c| {
        c.ca().key(Kind::Rsa(2048));
        c.leaf.signing = Some(keys::OIW_RSA_SHA1);
    }),
    refused("leaf-signed-with-pss-over-sha1", "signature-weak", |c| {
        c.ca().key(Kind::Rsa(2048));
        c.leaf.signing = Some(keys::PSS_SHA1);
    }),
    refused("leaf-signed-with-pss-over-nothing-said", "signature-weak", |c| {
        c.ca().key(Kind::Rsa(2048));
        c.leaf.signing = Some(keys::PSS_BARE);
    }),
    refused("ca-signed-over-sha1", "signature-weak", |c| {
        c.ca().signing = Some(keys::ECDSA_SHA1);
    }),
    refused("ca-signed-with-rsa-over-sha1", "signature-weak", |c| {
        c.root.key(Kind::Rsa(2048));
        c.ca().signing = Some(keys::RSA_SHA1);
    }),
];
