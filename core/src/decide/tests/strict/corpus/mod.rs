//! The chains, as data: what each is called, how it is made, and what is to be said of it.

mod anchors;
mod cabf;
mod cas;
mod form;
mod keys;
mod leaves;
mod paths;
mod usual;

use super::chain::Chain;
use crate::rule::Profile;

/// A chain and what peerkey has to say of it.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) profile: Profile,
    pub(super) expected: Expected,
    pub(super) make: fn(&mut Chain),
}

/// The right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Accept,
    /// Refused by this row of the table.
    Row(&'static str),
    /// Refused, with these words in the reason: by webpki, or before a path is looked for.
    Words(&'static str),
}

pub(super) fn cases() -> impl Iterator<Item = &'static Case> {
    let files = [
        usual::CASES,
        form::CASES,
        leaves::CASES,
        cas::CASES,
        anchors::CASES,
        paths::CASES,
        keys::CASES,
        cabf::CASES,
    ];
    files.into_iter().flatten()
}

const fn accepted(name: &'static str, make: fn(&mut Chain)) -> Case {
    Case { name, profile: Profile::Rfc5280, expected: Expected::Accept, make }
}

const fn refused(name: &'static str, row: &'static str, make: fn(&mut Chain)) -> Case {
    Case { name, profile: Profile::Rfc5280, expected: Expected::Row(row), make }
}

const fn told(name: &'static str, words: &'static str, make: fn(&mut Chain)) -> Case {
    Case { name, profile: Profile::Rfc5280, expected: Expected::Words(words), make }
}
