//! The certificates of a program's store that could stand in a path for a peer.

use peerkey_core::decide::Decision;
use peerkey_core::store::StoreError;

use crate::bindings::X509_NAME;
use crate::certified::{Certified, OwnedStack};
use crate::context::Context;
use crate::verify::rules_out;

/// More names than this are not followed: a path is short, and a peer may send what it likes.
const NAMES: usize = 64;

/// What the store has for a chain, and which of it may be used.
pub(crate) struct Candidates {
    found: Vec<OwnedStack>,
    allowed: Vec<Vec<bool>>,
}

impl Candidates {
    /// Looks for the names of what was presented, and for the issuers of what is found, until there
    /// are no new ones. A store can be a folder: only names can be asked for.
    pub(crate) fn of(
        context: Context<'_>,
        presented: &[Certified<'_>],
        decision: &Decision<'_>,
    ) -> Result<Self, StoreError> {
        let mut candidates = Self { found: Vec::new(), allowed: Vec::new() };
        let mut names: Vec<*mut X509_NAME> = Vec::new();
        for certified in presented {
            add(&mut names, *certified, context);
        }
        let mut next = 0;
        while let Some(name) = names.get(next).copied() {
            next += 1;
            let Some(stack) = context.stored(name) else { continue };
            let mut allowed = Vec::new();
            for certified in stack.certificates() {
                let may = rules_out(decision, certified.read())?.is_none();
                allowed.push(may);
                if may {
                    add(&mut names, certified, context);
                }
            }
            candidates.found.push(stack);
            candidates.allowed.push(allowed);
        }
        Ok(candidates)
    }

    /// Those that may stand in a path.
    pub(crate) fn allowed(&self) -> Vec<Certified<'_>> {
        let all = self.found.iter().zip(&self.allowed).flat_map(|(stack, allowed)| {
            stack.certificates().into_iter().zip(allowed.iter().copied())
        });
        all.filter_map(|(certified, may)| may.then_some(certified)).collect()
    }
}

/// What of `presented` can still stand in a path: the leaf, and what has an issuer left. OpenSSL does
/// not turn back from an intermediate that it has chosen, even if that leads nowhere.
pub(crate) fn living<'a>(
    mut presented: Vec<Certified<'a>>,
    trusted: &[Certified<'_>],
) -> Vec<Certified<'a>> {
    loop {
        let issued = |certified: &Certified<'_>| {
            let by = |issuer: &Certified<'_>| issuer.issued(*certified);
            trusted.iter().any(by) || presented.iter().any(by)
        };
        let lives: Vec<bool> =
            presented.iter().enumerate().map(|(place, c)| place == 0 || issued(c)).collect();
        if lives.iter().all(|lives| *lives) {
            return presented;
        }
        let mut lives = lives.into_iter();
        presented.retain(|_| lives.next().unwrap_or(true));
    }
}

/// Adds the names of a certificate that are not there yet.
fn add(names: &mut Vec<*mut X509_NAME>, certified: Certified<'_>, context: Context<'_>) {
    for name in certified.names() {
        if names.len() < NAMES && !names.iter().any(|known| context.same_name(*known, name)) {
            names.push(name);
        }
    }
}
