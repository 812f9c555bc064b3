//! The decision: one query against one compiled policy.
//!
//! A query becomes cases, in which every fact is known ([`cases`]). For each case the first rule that
//! matches says who must vouch ([`evaluate`]); an authority looks for a binding or a path
//! ([`authority`], [`path`]), within what denials and constraints leave of the evidence ([`limits`]).

mod authority;
mod cases;
mod evaluate;
mod limits;
#[cfg(feature = "pkix")]
mod path;
#[cfg(feature = "pkix")]
mod purpose;
#[cfg(feature = "pkix")]
mod puzzle;
mod rules;
mod shortfall;
mod sightings;
#[cfg(feature = "pkix")]
mod strict;
#[cfg(all(test, feature = "source", feature = "pkix"))]
mod tests;
mod tofu;

#[cfg(feature = "pkix")]
pub(crate) use path::KnownPath;
pub use shortfall::{Missing, OtherRule, Shortfall};
#[cfg(feature = "pkix")]
pub use strict::is_public_suffix;
#[cfg(feature = "pkix")]
pub(crate) use strict::{Asked, Examined, foresee};

use std::sync::Arc;

use authority::Findings;
pub(crate) use cases::KnownCases;
use cases::{Level, Prepared};
use limits::{Known, Limits};

use crate::certificate::Certificate;
use crate::crypto::Crypto;
use crate::key::KeyHash;
use crate::keys::Book;
use crate::query::{Query, Room};
use crate::rule::{APPLICATION, Mode};
use crate::store::{Compiled, StoreError};
use crate::verdict::{Basis, Outcome, Reason, Trace, Verdict};

/// What a program's own verification found wrong, as far as a grant may overrule it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No path to an authority of the program's: overruled by a path of ours, and by a binding.
    NoTrustedPath,
    /// A certificate has expired: overruled by a binding.
    Expired,
    /// The certificate does not name the peer: overruled by a binding for exactly that peer.
    NameMismatch,
    /// Anything else: never overruled.
    Other(String),
}

/// What a program's own verification says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Application {
    /// It was not asked. Right only where [`Decision::consults_application`] is false.
    NotAsked,
    /// It accepts.
    Accepts,
    /// It refuses.
    Refuses {
        /// All that it found wrong.
        faults: Vec<Fault>,
        /// The same for people.
        why: String,
    },
    /// It accepts, but only by a path through a certificate that this policy rules out, for this
    /// reason: it counts as having no trusted path.
    RuledOut(Reason),
}

/// A decision under way.
pub struct Decision<'a> {
    policy: &'a Compiled,
    query: &'a Query,
    crypto: &'a dyn Crypto,
    level: Level,
    book: Option<&'a dyn Book>,
    denial: Option<Reason>,
    excluded: Vec<usize>,
    prepared: Arc<Prepared>,
    findings: Findings,
    notes: Vec<String>,
}

impl<'a> Decision<'a> {
    /// Finds the rules for the query, and whether its key or certificate is denied. Look-ups only.
    pub fn new(
        policy: &'a Compiled,
        query: &'a Query,
        crypto: &'a dyn Crypto,
    ) -> Result<Self, StoreError> {
        Self::at(Level::Handshake, policy, query, crypto)
    }

    /// The same where a program verifies with a certificate store of its own, outside of what TLS does
    /// by itself: denials and constraints hold, and of the rules only those that are written for
    /// S/MIME in this program.
    pub fn at_store(
        policy: &'a Compiled,
        query: &'a Query,
        crypto: &'a dyn Crypto,
    ) -> Result<Self, StoreError> {
        Self::at(Level::Store, policy, query, crypto)
    }

    fn at(
        level: Level,
        policy: &'a Compiled,
        query: &'a Query,
        crypto: &'a dyn Crypto,
    ) -> Result<Self, StoreError> {
        let mut notes = Vec::new();
        let limits = Limits { policy, query, crypto };
        let denial = limits.key_or_leaf()?;
        let prepared = match denial {
            Some(_) => Prepared::nothing(),
            None => cases::of(policy, query, level)?,
        };
        let Prepared { requirement, cases, .. } = &*prepared;
        let (mut excluded, mut room, mut known) = (Vec::new(), Room::default(), Known::default());
        for (index, certificate) in query.evidence.intermediates.iter().enumerate() {
            if !room.take(certificate.der().len()) {
                notes.push(format!(
                    "left out of the evidence: what came behind {index} certificates"
                ));
                excluded.extend(index..query.evidence.intermediates.len());
                break;
            }
            let out = limits.rule_out_once(certificate, requirement, cases, &mut known)?;
            if let Some(reason) = out {
                notes.push(format!("left out of the evidence: {reason}"));
                excluded.push(index);
            }
        }
        let findings = Findings::default();
        Ok(Self {
            policy,
            query,
            crypto,
            level,
            book: None,
            denial,
            excluded,
            prepared,
            findings,
            notes,
        })
    }

    /// Looks remembered keys up in this book. Without one, no key is known, and none can be remembered.
    #[must_use]
    pub fn with_book(self, book: &'a dyn Book) -> Self {
        Self { book: Some(book), ..self }
    }

    /// Whether the key or the certificate is denied: nothing else is asked then.
    pub fn is_denied(&self) -> bool {
        self.denial.is_some()
    }

    /// Whether a case hangs on remembered keys: only then is a book needed.
    pub fn consults_book(&mut self) -> Result<bool, StoreError> {
        if self.policy.meta().remembering == 0 {
            return Ok(false);
        }
        for index in 0..self.prepared.cases.len() {
            if !self.remembering(index)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the answer hangs on what the program's own verification says. Where it does not, ask
    /// for the verdict first: a refusal needs no further work.
    pub fn consults_application(&self) -> bool {
        self.denial.is_none()
            && (self.is_monitored()
                || self.prepared.cases.iter().any(|case| case.consults_application()))
    }

    /// Whether an authority that looks for paths may be asked: then it is of use what the program's own
    /// verification has found out about signatures.
    pub fn looks_for_paths(&self) -> bool {
        let mut is_path = |authority| {
            authority != APPLICATION
                && self.authority(authority).is_ok_and(|authority| authority.kind == "x509")
        };
        self.policy.meta().anchors > 0
            && self.prepared.cases.iter().any(|case| case.accept.mentions_any(&mut is_path))
    }

    /// Which of the query's intermediates are denied, or ruled out by a constraint: they are to be
    /// taken out of the program's evidence too.
    pub fn excluded(&self) -> &[usize] {
        &self.excluded
    }

    /// Why a path of the program's may not go through this certificate, if it may not.
    pub fn rules_out(&self, certificate: &Certificate) -> Result<Option<Reason>, StoreError> {
        self.limits().rule_out(certificate, &self.prepared.requirement, &self.prepared.cases)
    }

    /// The same of a certificate that is not at hand, by its key: an anchor of the program's.
    pub fn rules_out_key(&self, subject: &str, key: KeyHash) -> Result<Option<Reason>, StoreError> {
        self.limits().rule_out_key(subject, key, &self.prepared.requirement, &self.prepared.cases)
    }

    /// Whether the policy accepts although the program's own verification found these faults.
    pub fn overrules(&mut self, faults: &[Fault]) -> Result<bool, StoreError> {
        if self.denial.is_some() || self.is_monitored() {
            return Ok(false);
        }
        let says = Application::Refuses { faults: faults.to_vec(), why: String::new() };
        let (outcome, _) = self.assess(&says, false)?;
        Ok(matches!(outcome, Outcome::Accept(_)))
    }

    /// The verdict, with its whole trace.
    pub fn conclude(&mut self, application: &Application) -> Result<Verdict, StoreError> {
        self.conclude_shared(application).map(Arc::unwrap_or_clone)
    }

    /// The same. Where every case is the program's own to decide, those who ask the same share one.
    pub fn conclude_shared(
        &mut self,
        application: &Application,
    ) -> Result<Arc<Verdict>, StoreError> {
        let shares = *application == Application::Accepts
            && self.denial.is_none()
            && self.notes.is_empty()
            && !self.is_monitored();
        let prepared = Arc::clone(&self.prepared);
        let Some(shared) = prepared.accepted().filter(|_| shares) else {
            return self.concluded(application).map(Arc::new);
        };
        if let Some(verdict) = shared.get() {
            return Ok(Arc::clone(verdict));
        }
        let verdict = Arc::new(self.concluded(application)?);
        let _ = shared.set(Arc::clone(&verdict));
        Ok(verdict)
    }

    fn concluded(&mut self, application: &Application) -> Result<Verdict, StoreError> {
        let (strict, trace) = self.assess(application, true)?;
        let outcome = if self.is_monitored() {
            program_says(application)
        } else if self.prepared.cases.iter().any(|case| case.monitored) {
            self.assess(application, false)?.0
        } else {
            strict.clone()
        };
        let would = (strict != outcome).then_some(strict);
        Ok(Verdict { outcome, would, trace })
    }

    /// The outcome; where `strict`, as if nothing were only monitored.
    fn assess(
        &mut self,
        application: &Application,
        strict: bool,
    ) -> Result<(Outcome, Trace), StoreError> {
        let prepared = Arc::clone(&self.prepared);
        let notes = prepared.notes.iter().chain(&self.notes).cloned().collect();
        let mut trace = Trace { notes, cases: Vec::new() };
        if let Some(reason) = &self.denial {
            return Ok((Outcome::Reject(reason.clone()), trace));
        }
        let outcome = match self.require(&prepared.requirement, application, strict, &mut trace)? {
            None => Outcome::Accept(evaluate::basis(&trace)),
            Some(reason) => Outcome::Reject(reason),
        };
        Ok((outcome, trace))
    }

    fn is_monitored(&self) -> bool {
        self.policy.meta().mode == Mode::Monitor
    }

    fn limits(&self) -> Limits<'a> {
        Limits { policy: self.policy, query: self.query, crypto: self.crypto }
    }
}

/// The verdict where the program's own holds, whatever is found; and what would hold instead.
pub fn only_watched(application: &Application, would: Option<Reason>) -> Verdict {
    let would = would.map(Outcome::Reject);
    Verdict { outcome: program_says(application), would, trace: Trace::default() }
}

fn program_says(application: &Application) -> Outcome {
    match application {
        Application::Accepts | Application::RuledOut(_) => Outcome::Accept(Basis {
            rules: vec!["mode = \"monitor\"".into()],
            authorities: vec!["application".into()],
        }),
        Application::Refuses { why, .. } => Outcome::Reject(Reason::Application(why.clone())),
        Application::NotAsked => Outcome::Reject(Reason::Application("it was not asked".into())),
    }
}
