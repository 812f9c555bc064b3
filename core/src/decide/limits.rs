//! What ends a decision, and what is taken out of the evidence: denials, and constraints on CAs.

use std::borrow::Borrow;
use std::collections::hash_map::Entry;

use super::cases::{CaseState, Exempt, Requirement};
use crate::certificate::{Certificate, printable};
use crate::crypto::Crypto;
use crate::key::{Key, KeyHash};
use crate::map::Map;
use crate::query::Query;
use crate::store::{Compiled, StoreError, StoredDenial, StoredLimit};
use crate::verdict::Reason;

/// For whom the limits on a key are broken, and which: what was found for one requirement.
pub(super) type Known = Map<KeyHash, Option<(String, String)>>;

/// The denials and constraints of a policy, as they bear on one query.
pub(super) struct Limits<'a> {
    pub(super) policy: &'a Compiled,
    pub(super) query: &'a Query,
    pub(super) crypto: &'a dyn Crypto,
}

impl Limits<'_> {
    /// Whether the key itself or its certificate is denied: that ends the decision.
    pub(super) fn key_or_leaf(&self) -> Result<Option<Reason>, StoreError> {
        if self.policy.meta().denials == 0 {
            return Ok(None);
        }
        let denials = self.policy.key_denials(&self.query.key.hashes())?;
        if let Some(denial) = self.current(&denials) {
            return Ok(Some(Reason::KeyDenied { key: self.query.key.hash(), denial }));
        }
        match &self.query.evidence.leaf {
            Some(leaf) => self.denied_certificate(leaf),
            None => Ok(None),
        }
    }

    /// Why no path may go through this certificate for this query, if none may.
    pub(super) fn rule_out(
        &self,
        certificate: &Certificate,
        requirement: &Requirement,
        cases: &[impl Borrow<CaseState>],
    ) -> Result<Option<Reason>, StoreError> {
        self.rule_out_if(certificate, |key| self.broken(&key.hashes(), requirement, cases))
    }

    /// The same for one of many certificates: of those with one key, only the first costs anything.
    pub(super) fn rule_out_once(
        &self,
        certificate: &Certificate,
        requirement: &Requirement,
        cases: &[impl Borrow<CaseState>],
        known: &mut Known,
    ) -> Result<Option<Reason>, StoreError> {
        self.rule_out_if(certificate, |key| {
            Ok(match known.entry(key.hash()) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(place) => {
                    place.insert(self.broken(&key.hashes(), requirement, cases)?).clone()
                }
            })
        })
    }

    /// The same, with what limits on a key say: for whom one is broken, and which.
    fn rule_out_if(
        &self,
        certificate: &Certificate,
        broken: impl FnOnce(&Key) -> Result<Option<(String, String)>, StoreError>,
    ) -> Result<Option<Reason>, StoreError> {
        let meta = self.policy.meta();
        if meta.denials == 0 && meta.constraints == 0 {
            return Ok(None);
        }
        if let Some(reason) = self.denied_certificate(certificate)? {
            return Ok(Some(reason));
        }
        let key = match certificate.key(self.crypto) {
            Ok(key) => key,
            // A key that cannot be compared could be one that is denied or limited.
            Err(error) => return Ok(Some(Reason::UnusableKey(error))),
        };
        if let Some(denial) = self.current(&self.policy.key_denials(&key.hashes())?) {
            let certificate = certificate.to_string();
            return Ok(Some(Reason::CertificateDenied { certificate, denial }));
        }
        Ok(broken(&key)?.map(|(peer, constraint)| {
            let certificate = certificate.to_string();
            Reason::ConstraintBroken { certificate, peer, constraint }
        }))
    }

    /// The same where only the CA's subject, as text, and its key are known.
    pub(super) fn rule_out_key(
        &self,
        subject: &str,
        key: KeyHash,
        requirement: &Requirement,
        cases: &[impl Borrow<CaseState>],
    ) -> Result<Option<Reason>, StoreError> {
        let certificate = format!("\"{}\"", printable(subject));
        if let Some(denial) = self.current(&self.policy.key_denials(&[key])?) {
            return Ok(Some(Reason::CertificateDenied { certificate, denial }));
        }
        let broken = self.broken(&[key], requirement, cases)?;
        Ok(broken.map(|(peer, constraint)| Reason::ConstraintBroken {
            certificate,
            peer,
            constraint,
        }))
    }

    /// The first limit on a CA's key that does not hold: for whom, and which.
    fn broken(
        &self,
        key: &[KeyHash],
        requirement: &Requirement,
        cases: &[impl Borrow<CaseState>],
    ) -> Result<Option<(String, String)>, StoreError> {
        for limit in self.policy.limits(key)? {
            if !limit.scope.is_current(self.query.time) {
                continue;
            }
            if let Some(peer) = broken_for(&limit, requirement, cases) {
                return Ok(Some((peer, in_words(&limit))));
            }
        }
        Ok(None)
    }

    fn denied_certificate(&self, certificate: &Certificate) -> Result<Option<Reason>, StoreError> {
        let denials = self.policy.certificate_denials(certificate)?;
        let reason =
            |denial| Reason::CertificateDenied { certificate: certificate.to_string(), denial };
        Ok(self.current(&denials).map(reason))
    }

    fn current(&self, denials: &[StoredDenial]) -> Option<String> {
        let is_current = |d: &&StoredDenial| d.until.is_none_or(|until| self.query.time <= until);
        denials.iter().find(is_current).map(|denial| match &denial.reason {
            Some(reason) => format!("{} ({reason})", denial.place),
            None => denial.place.clone(),
        })
    }
}

/// The constraint for people, with what it limits.
fn in_words(limit: &StoredLimit) -> String {
    let (scope, place) = (&limit.scope, &limit.place);
    let (peers, protocols) = (scope.peers_text(), scope.protocols_text());
    let to = match (&scope.peers, &scope.protocols) {
        (_, None) => peers,
        (None, Some(_)) => protocols,
        (Some(_), Some(_)) => format!("{peers} over {protocols}"),
    };
    format!("the constraint at {place} holds it to {to}")
}

/// The peer and the protocol for which the limit is broken; None where it holds for the whole query.
fn broken_for(
    limit: &StoredLimit,
    requirement: &Requirement,
    cases: &[impl Borrow<CaseState>],
) -> Option<String> {
    match requirement {
        Requirement::All(of) => of.iter().find_map(|one| broken_for(limit, one, cases)),
        Requirement::Any(of) => {
            let mut broken = of.iter().map(|one| broken_for(limit, one, cases));
            let first = broken.next()?;
            if broken.all(|one| one.is_some()) { first } else { None }
        }
        Requirement::Case(index) => {
            let case: &CaseState = cases.get(*index)?.borrow();
            let over = || limit.scope.has_protocol(case.protocol.as_ref());
            let holds = match case.exempt {
                Exempt::Nothing => limit.scope.has_peer(case.subject.as_ref()) && over(),
                Exempt::Peers => over(),
                Exempt::Everything => true,
            };
            (!holds).then(|| format!("{} over {}", case.peer, case.protocol_text()))
        }
    }
}
