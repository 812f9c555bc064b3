//! The anchors that this system gives to its programs, and who signed the certificates that a policy
//! names: for NSS, which is told of certificates only.

use std::path::Path;

use super::evidence::{self, Item, Want};
use super::file::{EVIDENCE_LIMIT, Files};
use crate::certificate::Certificate;
use crate::crypto::Crypto;
use crate::policy::{AuthorityKind, NamedCertificate, Policy};

/// Where distributions keep the anchors of their programs in one file: Debian; Fedora; SUSE; Alpine.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where the anchors that this system gives to its programs can be, the first that is there.
pub fn system_bundles() -> impl Iterator<Item = &'static Path> {
    BUNDLES.iter().map(Path::new)
}

/// Adds to a policy what NSS needs to know beside it, before it is published. A policy that names no CA
/// needs nothing.
pub fn complete(policy: &mut Policy, crypto: &dyn Crypto) {
    let names_anchors = policy
        .authorities
        .iter()
        .any(|authority| matches!(authority.kind, AuthorityKind::X509 { .. }));
    let names_cas = policy.constraints.iter().any(|c| !c.certificates.is_empty());
    if !names_anchors && !names_cas {
        return;
    }
    let mut files = Files::default();
    policy.system = bundle(&mut files);
    let fresh = files.into_sources();
    policy
        .sources
        .extend(fresh.into_iter().filter(|new| !policy.sources.contains(new)).collect::<Vec<_>>());
    let mut constraints = std::mem::take(&mut policy.constraints);
    for named in constraints.iter_mut().flat_map(|constraint| &mut constraint.certificates) {
        named.issuers = issuers(named, policy, crypto);
    }
    policy.constraints = constraints;
}

/// The first of the bundles that is there. What in it cannot be read is nobody's anchor.
fn bundle(files: &mut Files) -> Vec<Certificate> {
    let Some(path) = BUNDLES.iter().map(Path::new).find(|path| path.exists()) else {
        return Vec::new();
    };
    let Ok(data) = files.read(path, EVIDENCE_LIMIT) else { return Vec::new() };
    let (found, _) = evidence::items(path, &data, Want::Certificates);
    let certificates = found.into_iter().filter_map(|found| match found.item {
        Item::Certificate(certificate, _) => Some(*certificate),
        _ => None,
    });
    certificates.collect()
}

/// The certificates of the policy's and the system's whose key signed this one.
fn issuers(named: &NamedCertificate, policy: &Policy, crypto: &dyn Crypto) -> Vec<[u8; 32]> {
    let certificate = &named.certificate;
    if certificate.issuer() == certificate.subject() {
        return Vec::new();
    }
    let anchors = policy.authorities.iter().filter_map(|authority| match &authority.kind {
        AuthorityKind::X509 { anchors, .. } => Some(anchors),
        _ => None,
    });
    let known = anchors.flatten().map(|anchor| &anchor.certificate).chain(&policy.system);
    let signed = known.filter(|ca| {
        ca.subject() == certificate.issuer() && crate::signed::is_signed_by(certificate, ca, crypto)
    });
    let mut issuers: Vec<_> = signed.map(Certificate::fingerprint).collect();
    issuers.dedup();
    issuers
}
