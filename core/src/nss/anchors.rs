//! What NSS is told of each CA: that it anchors paths, or that a twin of it does, for certain names.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::cas::{Ca, Member};
use super::cells::Cells;
use super::judge::{Judge, Voter};
use super::limits::NameLimits;
use super::region::Region;
use super::twin::Twin;
use super::usage::Usage;
use super::{CertificateObject, Objects, Span, TrustObject};
use crate::certificate::Certificate;
use crate::pattern::Pattern;
use crate::policy::{AuthorityKind, Policy, Scope};
use crate::store::{CertificateRow, Trust};

/// A policy's questions for one usage at one moment.
pub(super) struct Questions<'a> {
    pub(super) judge: Judge<'a>,
    pub(super) cells: Cells,
    limits: &'a [NameLimits],
    /// Many anchors are alike.
    regions: RefCell<HashMap<Voter, Rc<Region>>>,
}

impl<'a> Questions<'a> {
    pub(super) fn new(
        policy: &'a Policy,
        usage: Usage,
        now: i64,
        limits: &'a [NameLimits],
    ) -> Self {
        let judge = Judge::new(policy, usage, now);
        let own: Vec<Pattern> = limits.iter().flat_map(NameLimits::patterns).collect();
        let rules = policy.rules.iter().filter_map(|rule| rule.peers.as_ref());
        let scopes = policy.authorities.iter().map(|authority| &authority.scope);
        let scopes = scopes.chain(policy.constraints.iter().map(|constraint| &constraint.scope));
        let scopes = scopes.filter_map(|scope: &Scope| scope.peers.as_ref());
        let cells = Cells::of(rules.chain(scopes).flatten().chain(&own), &judge);
        Self { judge, cells, limits, regions: RefCell::new(HashMap::new()) }
    }

    /// The names for which the voter alone is enough.
    pub(super) fn region(&self, voter: &Voter) -> Rc<Region> {
        if let Some(known) = self.regions.borrow().get(voter) {
            return Rc::clone(known);
        }
        let accepts = |cell: &super::cells::Cell| {
            self.judge.accepts(&cell.decides, voter, &cell.name, self.limits)
        };
        let accepted: Vec<bool> = self.cells.all.iter().map(accepts).collect();
        let region = Rc::new(Region::of(&self.cells, &accepted, self.judge.usage));
        self.regions.borrow_mut().insert(voter.clone(), Rc::clone(&region));
        region
    }
}

/// What a CA is for one usage.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// What programs make of it by themselves; for these names it also vouches.
    Alone(Rc<Region>),
    /// An anchor for all names.
    Plain,
    /// An anchor for these names.
    Twins(Rc<Region>),
    /// No anchor.
    Nothing,
}

/// Decides what a CA is.
pub(super) struct Anchors<'a> {
    pub(super) cas: &'a [Ca<'a>],
    pub(super) questions: &'a [Questions<'a>],
    pub(super) limits: &'a [NameLimits],
    pub(super) now: i64,
}

impl Anchors<'_> {
    /// What a CA is for one usage.
    pub(super) fn part(&self, ca: &Ca<'_>, questions: &Questions<'_>) -> Part {
        let usage = questions.judge.usage;
        if ca.is_denied || ca.has_strange_limits {
            return Part::Nothing;
        }
        let voter = self.voter(ca, questions);
        let region = |application| questions.region(&Voter { application, ..voter.clone() });
        let granted = region(false);
        if granted.everything && !ca.is_only_limited() {
            return Part::Plain;
        }
        if region(true).everything {
            let says_more = !ca.is_only_limited() && usage != Usage::Client;
            return Part::Alone(if says_more { granted } else { Rc::default() });
        }
        let own = region(voter.application);
        // A client's certificate need not have a name that a constraint could be about.
        if own.is_nothing() || usage == Usage::Client { Part::Nothing } else { Part::Twins(own) }
    }

    /// As whom a CA vouches. One that only a constraint names is what those who signed it are.
    pub(super) fn voter(&self, ca: &Ca<'_>, questions: &Questions<'_>) -> Voter {
        let judge = &questions.judge;
        let mut voter = Voter {
            authorities: self.unexpired(ca, ca.authorities(judge.usage, self.now), judge.policy),
            application: ca.is_system(),
            constraints: judge.constraints_on(ca.key),
            limits: ca.limits.clone(),
        };
        if !ca.is_only_limited() {
            return voter;
        }
        let signed = |other: &&Ca<'_>| {
            let own = |member: &Member<'_>| !member.is_denied && member.is_valid(self.now);
            let issuers = || ca.members.iter().flat_map(|member| member.issuers);
            other.members.iter().any(|member| {
                let fingerprint = member.certificate.fingerprint();
                own(member) && issuers().any(|issuer| *issuer == fingerprint)
            })
        };
        if let Some(issuer) = self.cas.iter().filter(|own| !own.is_only_limited()).find(signed)
            && !issuer.is_denied
            && !issuer.has_strange_limits
        {
            let above = self.voter(issuer, questions);
            voter.authorities = above.authorities;
            voter.application = above.application;
            voter.constraints.extend(above.constraints);
            voter.limits.extend(above.limits);
        }
        voter
    }

    /// Those authorities whose CRL of this CA, if they have one, is not out of date.
    fn unexpired(&self, ca: &Ca<'_>, authorities: Vec<usize>, policy: &Policy) -> Vec<usize> {
        let Some(first) = ca.members.first() else { return authorities };
        let is_stale = |crl: &&Vec<u8>| {
            super::crl_of(crl).is_some_and(|(issuer, next)| {
                issuer == first.certificate.subject() && next.is_some_and(|next| next < self.now)
            })
        };
        let is_fresh = |index: &usize| match &policy.authorities[*index].kind {
            AuthorityKind::X509 { crls, .. } => !crls.iter().any(|crl| is_stale(&crl)),
            _ => true,
        };
        authorities.into_iter().filter(is_fresh).collect()
    }

    /// Tells NSS of a CA; the objects hold for `span`. Returns the usages for which no certificate could
    /// say it.
    pub(super) fn tell(&self, ca: &Ca<'_>, span: Span, objects: &mut Objects) -> Vec<Usage> {
        let parts: Vec<_> = self
            .questions
            .iter()
            .map(|questions| (questions.judge.usage, self.part(ca, questions)))
            .collect();
        let mut unsaid = Vec::new();
        for (usage, part) in &parts {
            let (region, older) = match part {
                Part::Twins(region) => (region, 0),
                // The program's own certificate is the newer one of both, and so is taken before this.
                Part::Alone(region) => (region, 1),
                Part::Plain | Part::Nothing => continue,
            };
            if !self.twins(ca, *usage, region, older, span, objects) {
                unsaid.push(*usage);
            }
        }
        if parts.iter().any(|(_, part)| !matches!(part, Part::Alone(_))) {
            for member in &ca.members {
                original(member, ca, &parts, span, objects);
            }
        }
        unsaid
    }

    /// Makes a CA's twins; false where one cannot be made.
    fn twins(
        &self,
        ca: &Ca<'_>,
        usage: Usage,
        region: &Region,
        older: u8,
        span: Span,
        objects: &mut Objects,
    ) -> bool {
        let mut limits = NameLimits::default();
        for own in ca.limits.iter().map(|index| &self.limits[*index]) {
            limits.others.0.extend_from_slice(&own.others.0);
            limits.others.1.extend_from_slice(&own.others.1);
        }
        let valid = ca.members.iter().filter(|m| !m.is_denied);
        let Some(member) = valid.max_by_key(|member| member.certificate.validity().1) else {
            return false;
        };
        for (subtrees, older) in region.subtrees.iter().zip(older..) {
            let original = member.certificate;
            let twin = Twin { original, usage, subtrees, limits: &limits, older };
            let Some(row) = twin.make() else { return false };
            let trust = |of| match of == usage {
                true => Trust::Delegator,
                false => Trust::MustVerify,
            };
            objects.trust.push(trust_object(&row, span, trust));
            objects.certificates.push(CertificateObject { span, row });
        }
        true
    }
}

/// The trust in a certificate of a CA as it is.
fn original(
    member: &Member<'_>,
    ca: &Ca<'_>,
    parts: &[(Usage, Part)],
    span: Span,
    objects: &mut Objects,
) {
    let row = row_of(member.certificate);
    // Firefox takes a path through an intermediate that only must be verified.
    let no = if member.is_root() { Trust::MustVerify } else { Trust::NotTrusted };
    let is_anchor = !member.anchor_of.is_empty() || member.is_system;
    let trust = |usage| match parts.iter().find(|(own, _)| *own == usage) {
        Some((_, Part::Plain)) if is_anchor => Trust::Delegator,
        Some((Usage::Server, Part::Alone(_))) if ca.is_system() => Trust::Delegator,
        Some((_, Part::Plain | Part::Alone(_))) | None => Trust::MustVerify,
        Some((_, Part::Twins(_) | Part::Nothing)) => no,
    };
    objects.trust.push(trust_object(&row, span, trust));
    if parts.iter().any(|(_, part)| matches!(part, Part::Plain)) && !member.is_denied {
        objects.certificates.push(CertificateObject { span, row });
    }
}

/// A certificate as it is.
pub(super) fn row_of(certificate: &Certificate) -> CertificateRow {
    CertificateRow::of(certificate)
}

/// The trust in this very certificate. Code is never trusted.
pub(super) fn trust_object(
    row: &CertificateRow,
    span: Span,
    trust: impl Fn(Usage) -> Trust,
) -> TrustObject {
    let trust = row.trust(trust(Usage::Server), trust(Usage::Client), trust(Usage::Email));
    let (issuer, serial) = (row.issuer.clone(), row.serial.clone());
    TrustObject { issuer, serial, span, is_denial: false, row: trust }
}
