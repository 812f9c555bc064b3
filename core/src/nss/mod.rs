//! The policy as NSS can be told it: certificates and their trust, which say as much of it as PKCS#11 can
//! say, and a plan that says what they leave out.
//!
//! NSS asks a module about certificates, never about a peer: so each answer is computed beforehand, when
//! the policy is compiled. Where an object cannot say what a rule says, it says less.

use crate::policy::{Mode, Policy};
use crate::rule::APPLICATION;
use crate::store::{CertificateRow, TrustRow};

/// All that NSS is to be told, and how true it is to the policy.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What the compiled policy holds for NSS.
    pub objects: Objects,
}

/// What the compiled policy holds for NSS.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// What is known of certificates, by issuer and serial number.
    pub trust: Vec<TrustObject>,
    /// What NSS can find.
    pub certificates: Vec<CertificateObject>,
    /// Whether a certificate of which nothing is known is no anchor.
    pub closed: bool,
}

/// From its first to its last second, since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first second.
    pub begins: i64,
    /// The last second.
    pub ends: i64,
}

impl Span {
    /// At any time.
    pub const ALWAYS: Self = Self { begins: i64::MIN, ends: i64::MAX };
}

/// The trust in one certificate for a span of time.
#[derive(Clone, Debug)]
pub struct TrustObject {
    /// The issuer, a DER Name.
    pub issuer: Vec<u8>,
    /// The serial number, a whole DER INTEGER.
    pub serial: Vec<u8>,
    /// When it holds.
    pub span: Span,
    /// Whether it is a denial, which comes before all else.
    pub is_denial: bool,
    /// The trust.
    pub row: TrustRow,
}

/// One certificate for a span of time.
#[derive(Clone, Debug)]
pub struct CertificateObject {
    /// When it holds.
    pub span: Span,
    /// The certificate. Its number is given when it is written.
    pub row: CertificateRow,
}

/// What NSS is to be told of a policy, from the moment `now` on.
pub fn plan(policy: &Policy, _now: i64) -> Plan {
    // What only watches changes nothing.
    if policy.mode == Mode::Monitor {
        return Plan::default();
    }
    let closed = !policy.default.mentions(APPLICATION);
    Plan { objects: Objects { closed, ..Objects::default() } }
}
