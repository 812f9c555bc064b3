//! What a certificate in a path must be, beyond what webpki checks: tables, one row a check.
//!
//! [`rfc5280`] and [`cabf`] hold the rows for one certificate, [`path`] those for a whole path.
//! `core/docs/strict.md` is all of it for people; a test holds the two together.

mod cabf;
mod der;
mod facts;
mod key;
mod path;
mod rfc5280;
mod suffix;

pub(crate) use path::Link;
pub(super) use path::broken;
pub use suffix::is_public as is_public_suffix;

use facts::Facts;
use x509_parser::prelude::X509Certificate;

use super::purpose::Purpose;
use crate::certificate::Certificate;
use crate::query::Role;
use crate::rule::Profile;

/// Where in a path a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The peer's certificate.
    Leaf,
    /// A CA between the peer's certificate and the anchor.
    Ca,
    /// The anchor at the end.
    Anchor,
    /// The peer's certificate, which is an anchor itself.
    Own,
}

/// A row, as people read it.
#[derive(Debug)]
pub(crate) struct Row {
    /// A stable word, as in the docs and the tests.
    pub(super) id: &'static str,
    /// What is wrong, as a predicate of the certificate or the path: `has a serial number that …`.
    pub(super) wrong: &'static str,
    /// The section that says so.
    #[cfg_attr(not(test), allow(dead_code))]
    pub(super) source: &'static str,
    /// Who demands it.
    pub(super) demand: Demand,
}

/// The profiles in which a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Every profile.
    Always,
    /// `rfc5280`, because the Baseline Requirements make an exception.
    Rfc5280,
    /// `cabf`.
    Cabf,
}

impl Row {
    fn is_made(&self, profile: Profile, _place: Option<Place>) -> bool {
        #[cfg(test)]
        if OFF.get() == Some((self.id, _place)) {
            return false;
        }
        match self.demand {
            Demand::Always => true,
            Demand::Rfc5280 => profile == Profile::Rfc5280,
            Demand::Cabf => profile == Profile::Cabf,
        }
    }
}

#[cfg(test)]
thread_local! {
    static OFF: std::cell::Cell<Option<(&'static str, Option<Place>)>> =
        const { std::cell::Cell::new(None) };
}

/// Does something as if a row were not there, at this place or, None, for a whole path.
#[cfg(test)]
pub(super) fn without<T>(id: &'static str, place: Option<Place>, act: impl FnOnce() -> T) -> T {
    OFF.set(Some((id, place)));
    let done = act();
    OFF.set(None);
    done
}

/// A check of one certificate.
struct Check {
    row: Row,
    /// Where in a path it is made.
    places: &'static [Place],
    is_wrong: fn(&Facts<'_>) -> bool,
}

const fn check(row: Row, places: &'static [Place], is_wrong: fn(&Facts<'_>) -> bool) -> Check {
    Check { row, places, is_wrong }
}

const fn always(id: &'static str, wrong: &'static str, source: &'static str) -> Row {
    Row { id, wrong, source, demand: Demand::Always }
}

const EVERYWHERE: &[Place] = &[Place::Leaf, Place::Ca, Place::Anchor, Place::Own];
/// Where webpki has not refused already: CAs it looks at first.
const ENDS: &[Place] = &[Place::Leaf, Place::Anchor, Place::Own];
const ISSUED: &[Place] = &[Place::Leaf, Place::Ca];
const SIGNING: &[Place] = &[Place::Ca, Place::Anchor];
const PEER: &[Place] = &[Place::Leaf, Place::Own];
const CA: &[Place] = &[Place::Ca];
const LEAF: &[Place] = &[Place::Leaf];
const ANCHOR: &[Place] = &[Place::Anchor];

fn checks() -> impl Iterator<Item = &'static Check> {
    rfc5280::CHECKS.iter().chain(cabf::CHECKS)
}

/// Every row, in the order in which the first failure is reported.
#[cfg(test)]
pub(super) fn rows() -> impl Iterator<Item = (&'static Row, &'static [Place])> {
    let of_one = checks().map(|check| (&check.row, check.places));
    of_one.chain(path::CHECKS.iter().map(|check| (&check.row, &[][..])))
}

/// What is asked of a certificate: where it stands, for what, and how strictly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(super) place: Place,
    pub(super) purpose: Purpose,
    pub(super) profile: Profile,
}

impl Asked {
    /// What most paths ask of the peer's certificate, or of a CA's below the anchor.
    pub(crate) fn of_path(role: Role, is_leaf: bool) -> Self {
        let place = if is_leaf { Place::Leaf } else { Place::Ca };
        Self { place, purpose: Purpose::of_role(role), profile: Profile::Rfc5280 }
    }

    /// What most paths ask of their anchor.
    pub(crate) fn of_anchor() -> Self {
        Self { place: Place::Anchor, ..Self::of_path(Role::Server, false) }
    }
}

/// What one certificate was found to be, by what was asked.
pub(crate) type Examined = Vec<(Asked, Result<Link, &'static Row>)>;

/// Takes a certificate apart, once: the first row that it fails, or what a path needs of it.
pub(super) fn examine(certificate: &Certificate, asked: Asked) -> Result<Link, &'static Row> {
    #[cfg(test)]
    if OFF.get().is_some() {
        return examine_anew(certificate, asked);
    }
    let known = |all: &mut Examined| all.iter().find(|(own, _)| *own == asked).cloned();
    if let Some((_, found)) = certificate.examined().with(known).flatten() {
        return found;
    }
    let found = examine_anew(certificate, asked);
    certificate.examined().with(|all| all.push((asked, found.clone())));
    found
}

/// Answers what will be asked of a certificate, while it is taken apart.
pub(crate) fn foresee(certificate: &Certificate, parsed: X509Certificate<'_>, asked: Asked) {
    let found = judge(&Facts { parsed, own: certificate, purpose: asked.purpose }, asked);
    certificate.examined().with(|all| all.push((asked, found)));
}

fn examine_anew(certificate: &Certificate, asked: Asked) -> Result<Link, &'static Row> {
    judge(&Facts::of(certificate, asked.purpose).ok_or(&UNREADABLE)?, asked)
}

fn judge(facts: &Facts<'_>, asked: Asked) -> Result<Link, &'static Row> {
    let fails = |check: &&Check| {
        check.row.is_made(asked.profile, Some(asked.place))
            && check.places.contains(&asked.place)
            && (check.is_wrong)(facts)
    };
    match checks().find(fails) {
        Some(check) => Err(&check.row),
        None => Ok(Link::of(facts)),
    }
}

/// A `Certificate` was read once already, so this comes up nowhere.
static UNREADABLE: Row = always("unreadable", "cannot be read", "RFC 5280 4.1");
