//! Twins: certificates with a CA's name and key, and constraints of ours.
//!
//! An anchor's signature is checked by nobody, so that no key is needed to make one. What NSS matches
//! (subject, key, key identifier) is copied byte for byte; the issuer's name and the serial number are ours,
//! and the same for the same policy.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::limits::NameLimits;
use super::region::{Base, Subtrees};
use super::usage::Usage;
use crate::certificate::Certificate;
use crate::der::{bit_string, oid, sequence, tlv, unsigned};
use crate::store::{CertificateRow, title};

const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const TRUE: &[u8] = &[1, 1, 0xff];

/// mozilla::pkix reads no certificate of more than 65,535 bytes.
const LONGEST: usize = 60_000;

/// A twin to be made.
pub(super) struct Twin<'a> {
    pub(super) original: &'a Certificate,
    pub(super) usage: Usage,
    pub(super) subtrees: &'a Subtrees,
    /// What the original says itself, of names of kinds that the policy does not know.
    pub(super) limits: &'a NameLimits,
    /// By how many seconds it is older than the original: of two, older NSS code takes the newer.
    pub(super) older: u8,
}

impl Twin<'_> {
    /// The certificate; None where it cannot be made, or would be too long.
    pub(super) fn make(&self) -> Option<CertificateRow> {
        let (_, parsed) = X509Certificate::from_der(self.original.der()).ok()?;
        let original = self.original;
        let issuer = name(self.usage);
        let algorithm = sequence(&[&oid(ECDSA_WITH_SHA256)]);
        let validity = self.validity()?;
        let extensions = tlv(0xa3, &sequence(&[&self.extensions(&parsed)?]));
        let body = |serial: &[u8]| {
            let version = tlv(0xa0, &[2, 1, 2]);
            let (subject, key) = (original.subject(), original.spki());
            let parts: [&[u8]; 8] =
                [&version, serial, &algorithm, &issuer, &validity, subject, key, &extensions];
            sequence(&parts)
        };
        let serial = unsigned(&serial(&body(&[])));
        let der = sequence(&[&body(&serial), &algorithm, &bit_string(&[0; 8])]);
        (der.len() <= LONGEST).then(|| CertificateRow {
            id: 0,
            issuer,
            serial,
            subject: original.subject().to_vec(),
            der,
            label: format!("{} (peerkey, for {})", title(original), self.usage.text()),
            is_ca: true,
        })
    }

    fn validity(&self) -> Option<Vec<u8>> {
        let (from, to) = self.original.validity();
        Some(sequence(&[&moment(from - i64::from(self.older))?, &moment(to)?]))
    }

    fn extensions(&self, parsed: &X509Certificate<'_>) -> Option<Vec<u8>> {
        let path_length = parsed.basic_constraints().ok().flatten();
        let path_length = path_length.and_then(|basic| basic.value.path_len_constraint);
        let path_length = path_length.map(|most| unsigned(&most.to_be_bytes()));
        let basic = sequence(&[TRUE, path_length.as_deref().unwrap_or(&[])]);
        let purpose = sequence(&[&oid(self.usage.purpose())]);
        let mut all = vec![
            extension(BASIC_CONSTRAINTS, true, &basic),
            extension(NAME_CONSTRAINTS, true, &self.name_constraints()?),
            extension(EXTENDED_KEY_USAGE, false, &purpose),
        ];
        let key_id = parsed.extensions().iter().find(|extension| {
            matches!(extension.parsed_extension(), ParsedExtension::SubjectKeyIdentifier(_))
        });
        if let Some(key_id) = key_id {
            all.push(extension(SUBJECT_KEY_ID, false, key_id.value));
        }
        Some(all.concat())
    }

    fn name_constraints(&self) -> Option<Vec<u8>> {
        let list = |tag: u8, bases: &[Base], more: &[Vec<u8>]| -> Vec<u8> {
            let mut trees: Vec<Vec<u8>> = bases.iter().map(subtree).collect();
            trees.extend_from_slice(more);
            if trees.is_empty() { Vec::new() } else { tlv(tag, &trees.concat()) }
        };
        let permitted = list(0xa0, &self.subtrees.permitted, &self.limits.others.0);
        let excluded = list(0xa1, &self.subtrees.excluded, &self.limits.others.1);
        // An empty NameConstraints is none (RFC 5280).
        let both = [permitted, excluded].concat();
        (!both.is_empty()).then(|| sequence(&[&both]))
    }
}

fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { TRUE } else { &[] };
    sequence(&[&oid(id), critical, &tlv(4, value)])
}

/// GeneralSubtree (RFC 5280 section 4.2.1.10).
fn subtree(base: &Base) -> Vec<u8> {
    let base = match base {
        Base::Mail(text) => tlv(0x81, text.as_bytes()),
        Base::Dns(text) => tlv(0x82, text.as_bytes()),
        Base::Net(IpAddr::V4(address), bits) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
            tlv(0x87, &[address.octets(), mask.to_be_bytes()].concat())
        }
        Base::Net(IpAddr::V6(address), bits) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
            tlv(0x87, &[address.octets(), mask.to_be_bytes()].concat())
        }
    };
    sequence(&[&base])
}

/// A name that no CA has.
fn name(usage: Usage) -> Vec<u8> {
    let attribute =
        |id: &[u8], text: &str| tlv(0x31, &sequence(&[&oid(id), &tlv(0x0c, text.as_bytes())]));
    let common = format!("policy for {}", usage.text());
    sequence(&[&attribute(ORGANIZATION, "peerkey"), &attribute(COMMON_NAME, &common)])
}

/// 16 bytes out of the content, so that the same policy makes the same certificate.
fn serial(body: &[u8]) -> [u8; 16] {
    let mut serial = [0; 16];
    serial.copy_from_slice(&Sha256::digest(body)[..16]);
    // Positive, and of one length.
    serial[0] = serial[0] & 0x7f | 0x40;
    serial
}

/// A Time: UTCTime through 2049, GeneralizedTime before 1950 and behind (RFC 5280 section 4.1.2.5).
fn moment(second: i64) -> Option<Vec<u8>> {
    let at = OffsetDateTime::from_unix_timestamp(second).ok()?;
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    let year = at.year();
    Some(match year {
        1950..=2049 => tlv(0x17, format!("{:02}{rest}", year % 100).as_bytes()),
        0..=9999 => tlv(0x18, format!("{year:04}{rest}").as_bytes()),
        _ => return None,
    })
}
