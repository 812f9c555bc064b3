//! Paths that were found before.

use std::ops::RangeInclusive;

use super::{Purpose, Search};
use crate::certificate::Certificate;
use crate::rule::Profile;

/// A path that was found, where the policy denies and limits nothing.
#[derive(Debug)]
pub(crate) struct KnownPath {
    authority: usize,
    purpose: Purpose,
    profile: Profile,
    evidence: Vec<Certificate>,
    /// When all that it goes through holds.
    holds: RangeInclusive<i64>,
    /// The path for people.
    text: String,
}

impl KnownPath {
    /// What a search found.
    pub(super) fn new(search: &Search<'_>, holds: RangeInclusive<i64>, text: String) -> Self {
        Self {
            authority: search.authority,
            purpose: search.purpose,
            profile: search.profile,
            evidence: search.evidence().cloned().collect(),
            holds,
            text,
        }
    }

    /// The path for people, if it is what a search would find.
    pub(super) fn answer(&self, search: &Search<'_>) -> Option<String> {
        let is_it = self.authority == search.authority
            && (self.purpose, self.profile) == (search.purpose, search.profile)
            && self.holds.contains(&search.decision.query.time)
            && self.evidence.len() == search.evidence().count()
            && self.evidence.iter().zip(search.evidence()).all(|(own, asked)| own.is_same(asked));
        is_it.then(|| self.text.clone())
    }
}
