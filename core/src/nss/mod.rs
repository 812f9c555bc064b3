//! The policy as NSS can be told it: certificates and their trust, which say as much of it as PKCS#11 can
//! say, and a plan that says what they leave out.
//!
//! NSS asks a module about certificates, never about a peer: so each answer is computed beforehand, when
//! the policy is compiled. Where an object cannot say what a rule says, it says less.

mod anchors;
mod cas;
mod cells;
mod denials;
mod judge;
mod limits;
mod pins;
mod region;
mod report;
#[cfg(all(test, feature = "pkix"))]
mod tests;
mod twin;
mod usage;

use std::collections::{BTreeSet, HashMap};

use x509_parser::prelude::{CertificateRevocationList, FromDer};

pub use report::{About, How, Laxer, Line};
pub use usage::Usage;

use anchors::{Anchors, Questions};
use denials::Denied;
use judge::Voter;

use crate::peer::Name;
use crate::policy::{AuthorityKind, Mode, Policy};
use crate::store::{CertificateRow, TrustRow};

/// All that NSS is to be told, and how true it is to the policy.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What the compiled policy holds for NSS.
    pub objects: Objects,
    /// How true that is to the policy, for each thing that it says.
    pub lines: Vec<Line>,
    /// What Firefox can only be told in a profile's list of exceptions.
    pub overrides: Vec<Override>,
    /// Whether the policy only watches: then NSS is told nothing.
    pub monitored: bool,
}

/// A pinned certificate that Firefox takes only as an exception: for this peer, and no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The peer.
    pub peer: Name,
    /// SHA-256 of the certificate.
    pub sha256: [u8; 32],
    /// Where the pin stands.
    pub place: String,
    /// Until this second.
    pub until: Option<i64>,
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

    /// Whether `next` begins where this ends.
    fn meets(self, next: Self) -> bool {
        self.ends.checked_add(1) == Some(next.begins)
    }
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

/// No more moments than this, at which something ends, are looked ahead.
const MOMENTS: usize = 32;

/// What NSS is to be told of a policy, from the moment `now` on, and how true that is.
pub fn plan(policy: &Policy, now: i64) -> Plan {
    if policy.mode == Mode::Monitor {
        return Plan { monitored: true, ..Plan::default() };
    }
    let (lines, overrides) = Epoch::new(policy, now).with(|look| (look.lines(), look.overrides()));
    Plan { objects: objects(policy, now), lines, overrides, monitored: false }
}

/// What NSS is to be told of a policy, from the moment `now` on.
pub(crate) fn objects(policy: &Policy, now: i64) -> Objects {
    // What only watches changes nothing.
    if policy.mode == Mode::Monitor {
        return Objects::default();
    }
    let mut objects = Objects { trust: denials::objects(policy, now), ..Objects::default() };
    let begins = moments(policy, now);
    for (index, moment) in begins.iter().enumerate() {
        let span = Span {
            begins: if index == 0 { i64::MIN } else { *moment },
            ends: begins.get(index + 1).map_or(i64::MAX, |next| next - 1),
        };
        let epoch = Epoch::new(policy, *moment);
        epoch.with(|look| look.tell(span, &mut objects));
    }
    objects.closed = Epoch::new(policy, now).with(|look| look.is_closed());
    objects.join();
    objects
}

/// `now`, and the seconds at which something else holds than before.
fn moments(policy: &Policy, now: i64) -> Vec<i64> {
    let authorities = policy.authorities.iter();
    let untils = authorities.clone().filter_map(|authority| authority.scope.until);
    let crls = authorities.filter_map(|authority| match &authority.kind {
        AuthorityKind::X509 { crls, .. } => Some(crls),
        _ => None,
    });
    let crls = crls.flatten().filter_map(|crl| crl_of(crl)?.1);
    let all = untils
        .chain(crls)
        .chain(policy.constraints.iter().filter_map(|constraint| constraint.scope.until))
        .chain(policy.rules.iter().filter_map(|rule| rule.until))
        .map(|until| until.saturating_add(1));
    let later: BTreeSet<i64> = all.filter(|moment| *moment > now).collect();
    [now].into_iter().chain(later).take(MOMENTS).collect()
}

/// The issuer of a CRL, a DER Name, and when the next is due.
fn crl_of(der: &[u8]) -> Option<(&[u8], Option<i64>)> {
    let (_, crl) = CertificateRevocationList::from_der(der).ok()?;
    let next = crl.next_update().map(|next| next.timestamp());
    Some((crl.tbs_cert_list.issuer.as_raw(), next))
}

/// A policy at one moment.
struct Epoch<'a> {
    policy: &'a Policy,
    now: i64,
    denied: Denied<'a>,
}

impl<'a> Epoch<'a> {
    fn new(policy: &'a Policy, now: i64) -> Self {
        Self { policy, now, denied: Denied::of(policy, now) }
    }

    fn with<T>(&self, look: impl FnOnce(&Look<'_>) -> T) -> T {
        let (cas, limits) = cas::all(self.policy, &self.denied);
        let questions =
            Usage::ALL.map(|usage| Questions::new(self.policy, usage, self.now, &limits));
        let anchors = Anchors { cas: &cas, questions: &questions, limits: &limits, now: self.now };
        look(&Look { epoch: self, anchors })
    }
}

/// A policy at one moment, with all that is worked out of it.
struct Look<'a> {
    epoch: &'a Epoch<'a>,
    anchors: Anchors<'a>,
}

impl Look<'_> {
    fn tell(&self, span: Span, objects: &mut Objects) {
        for ca in self.anchors.cas {
            self.anchors.tell(ca, span, objects);
        }
        let Epoch { policy, now, denied } = self.epoch;
        let servers = &self.anchors.questions[0];
        for candidate in pins::candidates(policy) {
            let leaf = pins::see(servers, &candidate, denied, *now);
            pins::tell(&candidate, &leaf, policy, span, objects);
        }
    }

    /// Pinned certificates that Firefox does not trust by themselves, and that are enough for the peer.
    fn overrides(&self) -> Vec<Override> {
        let Epoch { policy, now, denied } = self.epoch;
        let servers = &self.anchors.questions[0];
        let mut out = Vec::new();
        for candidate in pins::candidates(policy) {
            let certificate = candidate.certificate;
            if denied.has(certificate)
                || denied.has_key(candidate.key)
                || pins::see(servers, &candidate, denied, *now) == pins::Leaf::Trusted
            {
                continue;
            }
            for pin in pins::with_key(policy, candidate.key, *now) {
                if pins::is_enough(servers, &candidate, &pin.peer, *now) {
                    out.push(Override {
                        peer: pin.peer.clone(),
                        sha256: certificate.fingerprint(),
                        place: pin.place.to_string(),
                        until: pin.until,
                    });
                }
            }
        }
        out
    }

    /// Whether an anchor that only programs know vouches for nobody whom no rule names.
    fn is_closed(&self) -> bool {
        let servers = &self.anchors.questions[0];
        let other = &servers.cells.all[servers.cells.hosts[0].below];
        let voter = Voter { application: true, ..Voter::default() };
        !servers.judge.accepts(&other.decides, &voter, &other.name, &[])
    }
}

impl Objects {
    /// Makes one of what holds in several spans, one behind the other.
    fn join(&mut self) {
        let mut places: HashMap<_, usize> = HashMap::new();
        let mut trust: Vec<TrustObject> = Vec::new();
        for object in std::mem::take(&mut self.trust) {
            let key = (object.issuer.clone(), object.serial.clone(), object.is_denial);
            match places.get(&key).map(|index| &mut trust[*index]) {
                Some(last) if last.row == object.row && last.span.meets(object.span) => {
                    last.span.ends = object.span.ends;
                }
                _ => {
                    places.insert(key, trust.len());
                    trust.push(object);
                }
            }
        }
        let mut places: HashMap<_, usize> = HashMap::new();
        let mut certificates: Vec<CertificateObject> = Vec::new();
        for object in std::mem::take(&mut self.certificates) {
            match places.get(&object.row.der).map(|index| &mut certificates[*index]) {
                Some(last) if last.span.meets(object.span) => last.span.ends = object.span.ends,
                _ => {
                    places.insert(object.row.der.clone(), certificates.len());
                    certificates.push(object);
                }
            }
        }
        (self.trust, self.certificates) = (trust, certificates);
    }
}
