//! The answer, and how it came about.

use std::borrow::Cow;
use std::fmt;

use crate::key::{KeyError, KeyHash};

/// The answer to one query. Only a decision makes one.
#[must_use = "a verdict that nobody looks at protects nobody"]
#[derive(Clone, Debug)]
pub struct Verdict {
    pub(crate) outcome: Outcome,
    pub(crate) would: Option<Outcome>,
    pub(crate) trace: Trace,
}

impl Verdict {
    /// What holds: in monitor mode, and under rules that only monitor, what the program itself says.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// What would hold if nothing were only monitored, where that differs.
    pub fn would(&self) -> Option<&Outcome> {
        self.would.as_ref()
    }

    /// Whether the key is acceptable.
    pub fn is_accept(&self) -> bool {
        matches!(self.outcome, Outcome::Accept(_))
    }

    /// Each case that was decided, each authority that was asked, and what it found.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// A rejection for want of a decision: the policy cannot be read, or something failed inside.
    pub fn cannot_decide(why: impl Into<String>) -> Self {
        Self::refused(Reason::CannotDecide(why.into()))
    }

    /// A rejection that no rule had a part in.
    pub fn refused(reason: Reason) -> Self {
        Self { outcome: Outcome::Reject(reason), would: None, trace: Trace::default() }
    }
}

/// Accept, or reject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The key is acceptable, on this basis.
    Accept(Basis),
    /// It is not. Of several reasons, the one of the highest rank.
    Reject(Reason),
}

/// What an acceptance rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// The rules that accepted, as `rule 2 (policy.toml:14)` or `default`.
    pub rules: Vec<String>,
    /// The authorities that vouched, with what each found.
    pub authorities: Vec<String>,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.authorities.join("; "), self.rules.join(", "))
    }
}

/// Why a key is rejected. Texts from the peer are escaped already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No decision was possible: the policy is not readable, or something failed.
    CannotDecide(String),
    /// The key is denied.
    KeyDenied {
        /// The key.
        key: KeyHash,
        /// Where the policy says so, and the reason that it gives.
        denial: String,
    },
    /// The certificate of the peer, or one above it, is denied.
    CertificateDenied {
        /// The certificate.
        certificate: String,
        /// Where the policy says so, and the reason that it gives.
        denial: String,
    },
    /// The key is encoded so that it cannot be compared.
    UnusableKey(KeyError),
    /// The certificate cannot be read, so it cannot be held to the policy.
    UnusableCertificate(String),
    /// Every path that the program found goes through a CA that the policy limits to others.
    ConstraintBroken {
        /// The CA.
        certificate: String,
        /// The peer.
        peer: String,
        /// Where the policy says so.
        constraint: String,
    },
    /// The names that the certificate claims cannot be told, so no rule can be chosen for them.
    NoUsableClaim(String),
    /// The authorities that the rule asks did not vouch.
    NotVouched {
        /// The peer and the protocol.
        case: String,
        /// The rule.
        rule: String,
        /// Each authority that did not, and why.
        findings: Vec<String>,
    },
    /// A peer was met for the first time, and its key could not be remembered as the first.
    NotRemembered(String),
    /// The program's own verification refused, and no rule overrules it.
    Application(String),
}

impl Reason {
    /// Which of several reasons the user sees: the higher.
    pub fn rank(&self) -> u8 {
        match self {
            Self::CannotDecide(_) => 7,
            Self::KeyDenied { .. } => 6,
            Self::CertificateDenied { .. } => 5,
            Self::UnusableKey(_) | Self::UnusableCertificate(_) => 4,
            Self::ConstraintBroken { .. } => 3,
            Self::NoUsableClaim(_) => 2,
            Self::NotVouched { .. } | Self::NotRemembered(_) => 1,
            Self::Application(_) => 0,
        }
    }

    /// A stable word for programs: `key-denied`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CannotDecide(_) => "cannot-decide",
            Self::KeyDenied { .. } => "key-denied",
            Self::CertificateDenied { .. } => "certificate-denied",
            Self::UnusableKey(_) => "unusable-key",
            Self::UnusableCertificate(_) => "unusable-certificate",
            Self::ConstraintBroken { .. } => "constraint-broken",
            Self::NoUsableClaim(_) => "no-usable-claim",
            Self::NotVouched { .. } => "not-vouched",
            Self::NotRemembered(_) => "not-remembered",
            Self::Application(_) => "application",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotDecide(why) => write!(f, "no decision was possible: {why}"),
            Self::KeyDenied { key, denial } => write!(f, "the key {key} is denied by {denial}"),
            Self::CertificateDenied { certificate, denial } => {
                write!(f, "the certificate {certificate} is denied by {denial}")
            }
            Self::UnusableKey(error) => error.fmt(f),
            Self::UnusableCertificate(why) => {
                write!(f, "the peer's certificate cannot be read: {why}")
            }
            Self::ConstraintBroken { certificate, peer, constraint } => {
                write!(f, "the CA {certificate} may not vouch for {peer}: {constraint}")
            }
            Self::NoUsableClaim(why) => {
                write!(f, "it is not clear whom the certificate names: {why}")
            }
            Self::NotVouched { case, rule, findings } => {
                write!(f, "{rule} does not accept the key of {case}: {}", findings.join("; "))
            }
            Self::NotRemembered(why) => write!(f, "this first key is not remembered: {why}"),
            Self::Application(why) => write!(f, "the program's own verification refused: {why}"),
        }
    }
}

/// How the answer came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Findings before any rule: denials, constraints, facts that are not known.
    pub notes: Vec<String>,
    /// Each fully known case that had to be decided.
    pub cases: Vec<Case>,
}

/// One peer over one protocol, and the rule for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The peer, as its name, or a sentence where it has none.
    pub peer: String,
    /// The protocol, or `any other protocol`.
    pub protocol: String,
    /// The application, where a rule tells applications apart.
    pub application: Option<String>,
    /// The rule, as `rule 2 (policy.toml:14)`, or `default`.
    pub rule: String,
    /// Whether the rule is only monitored.
    pub monitored: bool,
    /// What it accepts, with the findings.
    pub accept: Node,
    /// Whether it accepts.
    pub accepted: bool,
}

/// An accept expression with its findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Some of these must accept.
    AtLeast {
        /// How many: 1 for `any`, all for `all`.
        least: usize,
        /// `any`, `all` or `at least N of`.
        label: Cow<'static, str>,
        /// Whether enough did.
        accepted: bool,
        /// The operands.
        of: Vec<Self>,
    },
    /// An authority.
    Authority {
        /// Its name.
        name: Cow<'static, str>,
        /// Its finding.
        finding: Finding,
    },
}

/// What one authority found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It vouches, because of this.
    Vouches(Cow<'static, str>),
    /// It does not, because of this.
    Silent(Cow<'static, str>),
    /// It was not asked: the answer was clear without it.
    NotAsked,
}
