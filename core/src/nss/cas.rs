//! The CAs that a policy knows, each with all its certificates: those with one name and one key are one.

use std::collections::{HashMap, HashSet};

use super::denials::Denied;
use super::limits::NameLimits;
use super::usage::Usage;
use crate::certificate::{Certificate, Purposes};
use crate::key::KeyHash;
use crate::policy::{AuthorityKind, Policy};

/// A CA.
#[derive(Debug)]
pub(super) struct Ca<'a> {
    /// Its certificates; the first is the one that it is spoken of by.
    pub(super) members: Vec<Member<'a>>,
    pub(super) key: KeyHash,
    /// Whether its key is denied.
    pub(super) is_denied: bool,
    /// What its certificates say of the names below, by the number of the limits.
    pub(super) limits: Vec<usize>,
    /// Whether they say something that cannot be told.
    pub(super) has_strange_limits: bool,
}

/// A certificate of a CA.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) certificate: &'a Certificate,
    /// The authorities that it is an anchor of, and for what.
    pub(super) anchor_of: Vec<(usize, Purposes)>,
    /// Whether this system gives it to its programs.
    pub(super) is_system: bool,
    /// Who signed it, where only a constraint names it.
    pub(super) issuers: &'a [[u8; 32]],
    pub(super) is_denied: bool,
}

impl Member<'_> {
    pub(super) fn is_root(&self) -> bool {
        self.certificate.issuer() == self.certificate.subject()
    }

    pub(super) fn is_valid(&self, now: i64) -> bool {
        let (from, to) = self.certificate.validity();
        (from..=to).contains(&now)
    }
}

impl Ca<'_> {
    pub(super) fn is_system(&self) -> bool {
        self.members.iter().any(|member| member.is_system && !member.is_denied)
    }

    /// Whether nobody but a constraint names it, and another CA signed it.
    pub(super) fn is_only_limited(&self) -> bool {
        self.members.iter().all(|m| m.anchor_of.is_empty() && !m.is_system && !m.is_root())
    }

    pub(super) fn is_anchor_of(&self, authority: usize) -> bool {
        self.members.iter().any(|m| m.anchor_of.iter().any(|(index, _)| *index == authority))
    }

    /// The authorities for which it anchors paths for this usage, now.
    pub(super) fn authorities(&self, usage: Usage, now: i64) -> Vec<usize> {
        let members = self.members.iter().filter(|m| !m.is_denied && m.is_valid(now));
        let anchors = members.flat_map(|member| &member.anchor_of);
        let mut all: Vec<_> = anchors
            .filter(|(_, purposes)| usage.is_in(*purposes))
            .map(|(index, _)| *index)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// All CAs of a policy, and what their certificates say of names.
pub(super) fn all<'a>(policy: &'a Policy, denied: &Denied<'_>) -> (Vec<Ca<'a>>, Vec<NameLimits>) {
    let mut known = Known { cas: Vec::new(), by_key: HashMap::new(), limits: Vec::new(), denied };
    for (index, authority) in policy.authorities.iter().enumerate() {
        let AuthorityKind::X509 { anchors, .. } = &authority.kind else { continue };
        for anchor in anchors.iter().filter(|anchor| is_ca(&anchor.certificate)) {
            let member = known.member(&anchor.certificate, anchor.key);
            member.anchor_of.push((index, anchor.purposes));
        }
    }
    for named in policy.constraints.iter().flat_map(|constraint| &constraint.certificates) {
        if is_ca(&named.certificate) {
            known.member(&named.certificate, named.key).issuers = &named.issuers;
        }
    }
    // Of the system's anchors only those count that the policy speaks of, and who signed what it limits.
    let limited = policy.constraints.iter().flat_map(|constraint| &constraint.certificates);
    let issuers: HashSet<_> = limited.flat_map(|named| &named.issuers).collect();
    for certificate in &policy.system {
        let place = (certificate.subject(), certificate.spki());
        let key = match known.by_key.get(&place) {
            Some(ca) => known.cas[*ca].key,
            None if issuers.contains(&certificate.fingerprint()) => {
                // Nobody compares it with others' keys: no authority and no constraint names it.
                KeyHash::of(certificate.spki())
            }
            None => continue,
        };
        known.member(certificate, key).is_system = true;
    }
    (known.cas, known.limits)
}

/// Whether NSS can be told of it as of a CA. Anything else that it anchors by is a CA for everything.
pub(super) fn is_ca(certificate: &Certificate) -> bool {
    certificate.limits().is_ca == Some(true)
}

struct Known<'a, 'd> {
    cas: Vec<Ca<'a>>,
    by_key: HashMap<(&'a [u8], &'a [u8]), usize>,
    limits: Vec<NameLimits>,
    denied: &'d Denied<'d>,
}

impl<'a> Known<'a, '_> {
    fn member(&mut self, certificate: &'a Certificate, key: KeyHash) -> &mut Member<'a> {
        let place = (certificate.subject(), certificate.spki());
        let next = self.cas.len();
        let index = *self.by_key.entry(place).or_insert(next);
        if index == next {
            let is_denied = self.denied.has_key(key);
            let (members, limits) = (Vec::new(), Vec::new());
            let has_strange_limits = false;
            self.cas.push(Ca { members, key, is_denied, limits, has_strange_limits });
        }
        let ca = &mut self.cas[index];
        let known = ca.members.iter().position(|m| m.certificate.der() == certificate.der());
        let at = known.unwrap_or_else(|| {
            match NameLimits::of(certificate) {
                Ok(None) => {}
                Ok(Some(limits)) => {
                    ca.limits.push(self.limits.len());
                    self.limits.push(limits);
                }
                Err(()) => ca.has_strange_limits = true,
            }
            ca.members.push(Member {
                certificate,
                anchor_of: Vec::new(),
                is_system: false,
                issuers: &[],
                is_denied: self.denied.has(certificate),
            });
            ca.members.len() - 1
        });
        &mut ca.members[at]
    }
}
