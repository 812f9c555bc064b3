//! Bounds on what a peer can make a decision do: how many ways there are through the certificates that
//! it presents, how often a path is searched, and how many signatures are checked.

use std::cell::RefCell;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use sha2::{Digest, Sha256};

use super::authority::Found;
use super::purpose::Purpose;
use crate::certificate::Certificate;
use crate::key;
use crate::map::Map;
use crate::peer::Name;
use crate::protocol::Protocol;
use crate::store::StoreError;

/// What is said where a bound is met.
pub(super) const TOO_LARGE: &str = "the certificates presented make too large a puzzle";

/// Ways from issuer to issuer, by names alone. webpki follows 200,000 of them, and reads every
/// certificate anew at each step.
pub(super) const MOST_WAYS: usize = 5000;
/// webpki's longest path, in intermediates.
const DEPTH: usize = 6;
/// Searches for a path in one decision: authorities, and under constraints names and protocols.
pub(super) const MOST_SEARCHES: usize = 256;
/// Signatures that are checked in one decision. webpki checks a hundred in one search.
pub(super) const MOST_SIGNATURES: usize = 400;

/// Whether there are more ways up from the leaf than are followed.
pub(super) fn is_too_large(leaf: &Certificate, intermediates: &[&Certificate]) -> bool {
    let above = |issuer: &[u8]| -> Vec<usize> {
        let issued = intermediates.iter().enumerate().filter(|(_, c)| c.subject() == issuer);
        issued.map(|(index, _)| index).collect()
    };
    let steps: Vec<_> = intermediates.iter().map(|c| above(c.issuer())).collect();
    let mut ways = vec![0_usize; intermediates.len()];
    above(leaf.issuer()).into_iter().for_each(|index| ways[index] = 1);
    let mut total = 0;
    for _ in 0..DEPTH {
        total += ways.iter().sum::<usize>();
        if total > MOST_WAYS {
            return true;
        }
        let mut next = vec![0; intermediates.len()];
        for (from, count) in ways.iter().enumerate().filter(|(_, count)| **count > 0) {
            steps[from].iter().for_each(|to| next[*to] += count);
        }
        ways = next;
    }
    false
}

/// The authority, the purpose, and under constraints for whom.
type Question = (usize, Purpose, Option<(Name, Option<Protocol>)>);

/// The searches for paths of one decision.
#[derive(Default)]
pub(super) struct Searches {
    found: RefCell<Map<Question, Found>>,
    pub(super) signatures: Signatures,
}

impl Searches {
    /// What a search found, or finds.
    pub(super) fn once(
        &self,
        question: Question,
        search: impl FnOnce() -> Result<Found, StoreError>,
    ) -> Result<Found, StoreError> {
        let known = self.found.borrow();
        if let Some(found) = known.get(&question) {
            return Ok(found.clone());
        }
        if known.len() >= MOST_SEARCHES {
            return Ok(Found::silent(TOO_LARGE));
        }
        drop(known);
        let found = search()?;
        self.found.borrow_mut().insert(question, found.clone());
        Ok(found)
    }
}

/// The signatures that were checked in one decision.
#[derive(Default)]
pub(super) struct Signatures {
    searches: AtomicUsize,
    checked: AtomicUsize,
    known: Mutex<Map<[u8; 32], bool>>,
}

impl Signatures {
    /// Runs `body` with these algorithms, as long as there are not too many signatures to check, and
    /// no key makes a check slow. Most decisions search once: from the second search on, nothing is
    /// checked twice.
    pub(super) fn within_bounds<T>(
        &self,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
        body: impl FnOnce(&[&dyn SignatureVerificationAlgorithm]) -> T,
    ) -> T {
        let remembers = self.searches.fetch_add(1, Ordering::Relaxed) > 0;
        let bounded: Vec<_> = algorithms
            .iter()
            .map(|algorithm| Bounded { algorithm: *algorithm, signatures: self, remembers })
            .collect();
        let offered: Vec<_> = bounded.iter().map(|one| one as _).collect();
        body(&offered)
    }

    fn may_check(&self) -> bool {
        self.checked.fetch_add(1, Ordering::Relaxed) < MOST_SIGNATURES
    }
}

struct Bounded<'a> {
    algorithm: &'a dyn SignatureVerificationAlgorithm,
    signatures: &'a Signatures,
    remembers: bool,
}

impl Bounded<'_> {
    fn is_right(&self, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        !key::is_too_long(key)
            && self.signatures.may_check()
            && self.algorithm.verify_signature(key, message, signature).is_ok()
    }

    fn remembered(&self, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let mut hash = Sha256::new();
        let (of_key, of_signature) = (self.public_key_alg_id(), self.signature_alg_id());
        for part in [&of_key, &of_signature, key, message, signature] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash: [u8; 32] = hash.finalize().into();
        let known =
            || self.signatures.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(right) = known().get(&hash) {
            return *right;
        }
        let right = self.is_right(key, message, signature);
        known().insert(hash, right);
        right
    }
}

impl fmt::Debug for Bounded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.algorithm.fmt(f)
    }
}

impl SignatureVerificationAlgorithm for Bounded<'_> {
    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let right = match self.remembers {
            true => self.remembered(key, message, signature),
            false => self.is_right(key, message, signature),
        };
        right.then_some(()).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }

    fn fips(&self) -> bool {
        self.algorithm.fips()
    }
}
