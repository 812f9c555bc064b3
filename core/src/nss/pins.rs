//! Certificates that are trusted themselves: those of pinned keys, and anchors that are no CA's.
//!
//! NSS trusts such a certificate for every name in it, and takes one that is not explicitly no CA's for a
//! CA's: so most conditions here are about what must not be trusted.

use std::collections::BTreeMap;

use super::anchors::{Questions, row_of, trust_object};
use super::cas::is_ca;
use super::denials::Denied;
use super::judge::Voter;
use super::usage::Usage;
use super::{CertificateObject, Objects, Span};
use crate::certificate::{Certificate, CertificateName};
use crate::key::KeyHash;
use crate::peer::Name;
use crate::policy::{AuthorityKind, Pin, Policy};
use crate::store::Trust;

/// How NSS sees a certificate that is to be trusted itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// As the policy says.
    Trusted,
    /// As the policy says, but for Firefox and Thunderbird, for this reason.
    ToolsOnly(&'static str),
    /// Not at all, for this reason.
    No(String),
}

/// A certificate that is to be trusted itself.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) certificate: &'a Certificate,
    pub(super) key: KeyHash,
    /// The authorities that it is an anchor of, for TLS servers.
    pub(super) anchor_of: Vec<usize>,
}

/// All of a policy's.
pub(super) fn candidates(policy: &Policy) -> Vec<Candidate<'_>> {
    let mut all: BTreeMap<&[u8], Candidate<'_>> = BTreeMap::new();
    let mut add = |certificate, key, authority: Option<usize>| {
        let new = Candidate { certificate, key, anchor_of: Vec::new() };
        let candidate = all.entry(Certificate::der(certificate)).or_insert(new);
        candidate.anchor_of.extend(authority);
    };
    for (index, authority) in policy.authorities.iter().enumerate() {
        match &authority.kind {
            AuthorityKind::Application | AuthorityKind::Tofu(_) => {}
            AuthorityKind::Pin { pins } => {
                for named in pins.iter().flat_map(|pin| &pin.certificates) {
                    add(&named.certificate, named.key, None);
                }
            }
            AuthorityKind::X509 { anchors, .. } => {
                let leaves = anchors.iter().filter(|anchor| !is_ca(&anchor.certificate));
                for anchor in leaves.filter(|anchor| anchor.purposes.server) {
                    add(&anchor.certificate, anchor.key, Some(index));
                }
            }
        }
    }
    all.into_values().collect()
}

/// The pins of one key for one peer that are over `https`, now; each with its authority.
pub(super) fn pins_of<'p>(
    policy: &'p Policy,
    peer: &'p Name,
    key: KeyHash,
    now: i64,
) -> impl Iterator<Item = (usize, &'p Pin)> {
    let authorities = policy.authorities.iter().enumerate();
    let all = authorities.flat_map(|(index, authority)| match &authority.kind {
        AuthorityKind::Pin { pins } => pins.iter().map(|pin| (index, pin)).collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    all.filter(move |(_, pin)| {
        pin.peer == *peer
            && pin.keys.contains(&key)
            && pin.until.is_none_or(|until| now <= until)
            && is_for_servers(pin)
    })
}

/// The pins of one key that are over `https`, now.
pub(super) fn with_key(policy: &Policy, key: KeyHash, now: i64) -> Vec<&Pin> {
    let pins = policy.authorities.iter().filter_map(|authority| match &authority.kind {
        AuthorityKind::Pin { pins } => Some(pins),
        _ => None,
    });
    let is_own = |pin: &&Pin| {
        pin.keys.contains(&key) && pin.until.is_none_or(|until| now <= until) && is_for_servers(pin)
    };
    pins.flatten().filter(is_own).collect()
}

pub(super) fn is_for_servers(pin: &Pin) -> bool {
    let protocols = pin.protocols.as_deref();
    protocols.is_none_or(|all| all.iter().any(|p| p.as_str() == Usage::Server.protocol()))
}

/// Whether the policy accepts this certificate for this name without anything else.
pub(super) fn is_enough(
    questions: &Questions<'_>,
    candidate: &Candidate<'_>,
    name: &Name,
    now: i64,
) -> bool {
    let judge = &questions.judge;
    let mut authorities = candidate.anchor_of.clone();
    let pins = pins_of(judge.policy, name, candidate.key, now);
    authorities.extend(pins.map(|(index, _)| index));
    let constraints = match candidate.anchor_of.is_empty() {
        true => Vec::new(),
        false => judge.constraints_on(candidate.key),
    };
    let voter = Voter { authorities, constraints, ..Voter::default() };
    judge.accepts(&judge.decides(name), &voter, name, &[])
}

/// How NSS sees a candidate.
pub(super) fn see(
    questions: &Questions<'_>,
    candidate: &Candidate<'_>,
    denied: &Denied<'_>,
    now: i64,
) -> Leaf {
    let certificate = candidate.certificate;
    if denied.has(certificate) || denied.has_key(candidate.key) {
        return Leaf::No("it is denied".into());
    }
    let (from, to) = certificate.validity();
    if !(from..=to).contains(&now) {
        return Leaf::No("NSS takes no certificate that is not valid now".into());
    }
    if let Some(why) = reaches_beyond(questions, candidate, now) {
        return Leaf::No(why);
    }
    let limits = certificate.limits();
    match (limits.version, limits.is_ca) {
        (3, Some(false)) => Leaf::Trusted,
        // Its CA's trust is in one object with this.
        (_, Some(true)) if is_anchor(questions.judge.policy, certificate) => {
            Leaf::No("it is also a CA's, and an anchor".into())
        }
        (_, Some(true)) => Leaf::ToolsOnly("it says that it is a CA's"),
        (3, _) => Leaf::ToolsOnly("it does not say that it is no CA's (basicConstraints)"),
        _ => Leaf::ToolsOnly("it is of version 1"),
    }
}

/// Why the certificate would be trusted for more than the policy says; None if it would not.
fn reaches_beyond(
    questions: &Questions<'_>,
    candidate: &Candidate<'_>,
    now: i64,
) -> Option<String> {
    let names = candidate.certificate.names();
    if let Some(unknown) = &names.unknown {
        return Some(format!("it has {unknown}"));
    }
    let mut hosts = 0;
    for name in &names.supported {
        match name {
            CertificateName::Exact(Name::Email(_)) => {}
            CertificateName::Exact(own) if is_enough(questions, candidate, own, now) => {
                hosts += usize::from(matches!(own, Name::Host(_)));
            }
            _ => return Some(format!("NSS would also trust it for {name}")),
        }
    }
    let has_address =
        names.supported.iter().any(|n| matches!(n, CertificateName::Exact(Name::Address(_))));
    match (hosts, &names.beyond) {
        (0, _) if !has_address => Some("no subjectAltName of its names a peer".into()),
        // Without a DNS name, older code takes the common name for one.
        (0, Some(beyond)) => Some(format!("it has {beyond}")),
        _ => None,
    }
}

fn is_anchor(policy: &Policy, certificate: &Certificate) -> bool {
    policy.authorities.iter().any(|authority| match &authority.kind {
        AuthorityKind::X509 { anchors, .. } => {
            anchors.iter().any(|anchor| anchor.certificate.der() == certificate.der())
        }
        _ => false,
    })
}

/// What NSS is told of a candidate.
pub(super) fn tell(
    candidate: &Candidate<'_>,
    leaf: &Leaf,
    policy: &Policy,
    span: Span,
    objects: &mut Objects,
) {
    let (server, client) = match leaf {
        // As a delegator it is taken by Firefox too; as a client's it is only itself.
        Leaf::Trusted => (Trust::Delegator, Trust::Trusted),
        Leaf::ToolsOnly(_) => (Trust::Trusted, Trust::MustVerify),
        Leaf::No(_) => return,
    };
    let span = Span { ends: span.ends.min(until(candidate, policy, span.begins)), ..span };
    let row = row_of(candidate.certificate);
    let trust = |usage| match usage {
        Usage::Server => server,
        Usage::Client => client,
        Usage::Email => Trust::MustVerify,
    };
    objects.trust.push(trust_object(&row, span, trust));
    objects.certificates.push(CertificateObject { span, row });
}

/// The last second at which every name in the certificate is still pinned.
fn until(candidate: &Candidate<'_>, policy: &Policy, now: i64) -> i64 {
    if !candidate.anchor_of.is_empty() {
        return i64::MAX;
    }
    let ends = candidate.certificate.names().supported.iter().filter_map(|name| match name {
        CertificateName::Exact(name) => {
            let pins = pins_of(policy, name, candidate.key, now);
            pins.map(|(_, pin)| pin.until.unwrap_or(i64::MAX)).max()
        }
        CertificateName::Wildcard(_) => None,
    });
    ends.min().unwrap_or(i64::MAX)
}
