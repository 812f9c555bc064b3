//! What is denied, by issuer and serial number: the only way in which NSS can be told of it.

use std::collections::HashSet;

use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::{Span, TrustObject};
use crate::certificate::Certificate;
use crate::der::tlv;
use crate::key::KeyHash;
use crate::policy::{AuthorityKind, Denial, DenialTarget, Policy};
use crate::store::{Trust, TrustRow};

/// The denials that are in force at one moment.
#[derive(Debug, Default)]
pub(super) struct Denied<'a> {
    keys: HashSet<KeyHash>,
    certificates: HashSet<[u8; 32]>,
    serials: HashSet<(&'a [u8], &'a [u8])>,
}

impl<'a> Denied<'a> {
    pub(super) fn of(policy: &'a Policy, now: i64) -> Self {
        let mut denied = Self::default();
        for denial in policy.denials.iter().filter(|d| d.until.is_none_or(|until| now <= until)) {
            match &denial.target {
                DenialTarget::Key(key) => drop(denied.keys.insert(*key)),
                DenialTarget::Certificate(signed) => drop(denied.certificates.insert(*signed)),
                DenialTarget::IssuerSerial { issuer, serial } => {
                    denied.serials.insert((issuer, bare(serial)));
                }
            }
        }
        denied
    }

    pub(super) fn has_key(&self, key: KeyHash) -> bool {
        self.keys.contains(&key)
    }

    pub(super) fn has(&self, certificate: &Certificate) -> bool {
        self.certificates.contains(&certificate.signed_fingerprint())
            || self.serials.contains(&(certificate.issuer(), bare(certificate.serial())))
    }
}

/// A serial number without leading zeros.
fn bare(serial: &[u8]) -> &[u8] {
    &serial[serial.iter().take_while(|octet| **octet == 0).count()..]
}

/// The trust objects of all denials, whenever they end, and of what the policy's CRLs revoke.
pub(super) fn objects(policy: &Policy, now: i64) -> Vec<TrustObject> {
    let mut out = Vec::new();
    let current = |denial: &&Denial| denial.until.is_none_or(|until| now <= until);
    for denial in policy.denials.iter().filter(current) {
        let span = Span { ends: denial.until.unwrap_or(i64::MAX), ..Span::ALWAYS };
        match &denial.target {
            DenialTarget::IssuerSerial { issuer, serial } => {
                out.extend(both_signs(serial).map(|serial| refused(issuer, serial, span)));
            }
            DenialTarget::Certificate(_) => {
                out.extend(denial.certificate.iter().map(|own| of_certificate(own, span)));
            }
            DenialTarget::Key(key) => {
                out.extend(denial.certificate.iter().map(|own| of_certificate(own, span)));
                out.extend(with_key(policy, *key).map(|own| of_certificate(own, span)));
            }
        }
    }
    out.extend(revoked(policy));
    out
}

/// The certificates that the policy names, and that have this key.
pub(super) fn with_key(policy: &Policy, key: KeyHash) -> impl Iterator<Item = &Certificate> {
    let anchors = policy.authorities.iter().flat_map(move |authority| {
        let found: Vec<&Certificate> = match &authority.kind {
            AuthorityKind::X509 { anchors, .. } => {
                anchors.iter().filter(|a| a.key == key).map(|a| &a.certificate).collect()
            }
            AuthorityKind::Pin { pins } => {
                let named = pins.iter().flat_map(|pin| &pin.certificates);
                named.filter(|named| named.key == key).map(|named| &named.certificate).collect()
            }
            AuthorityKind::Application | AuthorityKind::Tofu(_) => Vec::new(),
        };
        found
    });
    let limited = policy.constraints.iter().flat_map(|constraint| &constraint.certificates);
    anchors.chain(limited.filter(move |named| named.key == key).map(|named| &named.certificate))
}

/// What the CRLs of a policy revoke. A CRL of an authority that vouches beside another is more than the
/// policy says: what is revoked is refused.
fn revoked(policy: &Policy) -> Vec<TrustObject> {
    let mut out = Vec::new();
    for authority in &policy.authorities {
        let AuthorityKind::X509 { crls, .. } = &authority.kind else { continue };
        for crl in crls {
            let Ok((_, crl)) = CertificateRevocationList::from_der(crl) else { continue };
            let issuer = crl.issuer().as_raw();
            let serials = crl.iter_revoked_certificates().map(|one| one.raw_serial());
            out.extend(serials.map(|serial| refused(issuer, tlv(2, serial), Span::ALWAYS)));
        }
    }
    out
}

fn of_certificate(certificate: &Certificate, span: Span) -> TrustObject {
    refused(certificate.issuer(), tlv(2, certificate.serial()), span)
}

/// The INTEGERs that a serial number without its sign can mean.
fn both_signs(serial: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let bare = bare(serial);
    let positive = tlv(2, &[&[0], bare].concat());
    let plain = tlv(2, if bare.is_empty() { &[0] } else { bare });
    let is_large = bare.first().is_some_and(|octet| octet & 0x80 != 0);
    [Some(plain), is_large.then_some(positive)].into_iter().flatten()
}

/// Not trusted for anything, whatever its hash is: a wrong hash would make it void.
fn refused(issuer: &[u8], serial: Vec<u8>, span: Span) -> TrustObject {
    let no = Some(Trust::NotTrusted);
    let row = TrustRow { server: no, client: no, email: no, code: no, sha1: None, sha256: None };
    TrustObject { issuer: issuer.to_vec(), serial, span, is_denial: true, row }
}
