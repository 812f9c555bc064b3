//! What a peer presents may be large, and rules may be many: the work stays within bounds, which are
//! counted here and never timed.

use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::KeyPair;
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

use super::world::*;
use crate::certificate::Certificate;
use crate::crypto::Crypto;
use crate::decide::{Application, Decision, cases, puzzle};
use crate::query::{Fact, Query, Role, Room};
use crate::rule::Accept;
use crate::verdict::Reason;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("h{i}.d{}.example", i % 100)).collect()
}

fn claiming(names: &[String]) -> Query {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let query = claim(Role::Server, "https", &Leaf::self_signed(&names), &[]);
    Query { protocol: Fact::Unknown, ..query }
}

/// This many rules, each for a host of its own over one of this many protocols.
fn many_rules(rules: usize, protocols: usize) -> World {
    let protocols: Vec<String> = (0..protocols).map(|i| format!("proto{i}")).collect();
    let mut world = World::new();
    for (i, host) in names(rules).iter().enumerate() {
        let pin = world.pin(&format!("p{i}"), host, &[], &[]);
        let accept = Accept::Any(vec![Accept::Authority(0), Accept::Authority(pin)]);
        world.rule(&[host], &[&protocols[i % protocols.len()]], accept);
    }
    world
}

#[test]
fn many_names_over_many_protocols_cost_look_ups_by_name_and_not_by_case() {
    let query = claiming(&names(1000));
    let (asked, cases) = many_rules(1000, 20).with(&query, |decision| {
        let verdict = decision.conclude(&Application::Accepts).unwrap();
        assert!(verdict.is_accept(), "{:?}", verdict.outcome());
        (decision.policy.asked.get(), verdict.trace().cases.len())
    });
    assert_eq!(cases, 2000, "for each name its rule, and the default for all else");
    // For a name: itself and its domains; for a rule: its row and its authorities.
    assert!(asked < 5000, "{asked}");
}

#[test]
fn more_names_or_cases_than_are_looked_at_make_no_claim() {
    for (names_, protocols, allowed) in [
        (cases::MAX_CLAIMED_NAMES, 1, true),
        (cases::MAX_CLAIMED_NAMES + 1, 1, false),
        (700, cases::MAX_CLAIMED_CASES / 700 - 1, true),
        (700, cases::MAX_CLAIMED_CASES / 700, false),
    ] {
        // No rule for every peer ends the list of those that a nameless peer is held to.
        let mut world = many_rules(protocols, protocols);
        world.rule(&["nobody.example"], &[], Accept::Any(vec![]));
        let query = claiming(&names(names_));
        let outcome = world.verdict(&query, &Application::Accepts);
        assert_eq!(outcome.is_accept(), allowed, "{names_} {protocols}: {:?}", outcome.outcome());
        if !allowed {
            let reason = world.reason(&query, &Application::Accepts);
            assert!(matches!(&reason, Reason::NoUsableClaim(why) if why.contains("more than")));
        }
    }
}

#[test]
fn one_name_many_times_is_one_name() {
    let wildcards = vec!["*.d0.example".to_owned(); 2000];
    let cases =
        many_rules(1000, 1).with(&claiming(&wildcards), |decision| decision.prepared.cases.len());
    assert_eq!(cases, 21, "ten hosts below, over the protocol or another; and any other host");
}

/// ring's algorithms, counting what they are asked.
#[derive(Debug)]
struct Counting {
    inner: &'static dyn SignatureVerificationAlgorithm,
}

static CHECKED: AtomicUsize = AtomicUsize::new(0);

impl SignatureVerificationAlgorithm for Counting {
    fn verify_signature(&self, k: &[u8], m: &[u8], s: &[u8]) -> Result<(), InvalidSignature> {
        CHECKED.fetch_add(1, Ordering::Relaxed);
        self.inner.verify_signature(k, m, s)
    }
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.public_key_alg_id()
    }
    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.signature_alg_id()
    }
}

struct CountingRing(Vec<&'static dyn SignatureVerificationAlgorithm>);

impl CountingRing {
    fn new() -> Self {
        let counting = |inner| -> &'static dyn SignatureVerificationAlgorithm {
            Box::leak(Box::new(Counting { inner }))
        };
        Self(webpki::ALL_VERIFICATION_ALGS.iter().map(|inner| counting(*inner)).collect())
    }
}

impl Crypto for CountingRing {
    fn uncompressed_point(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
    fn algorithms(&self) -> &[&dyn SignatureVerificationAlgorithm] {
        &self.0
    }
}

/// CAs of one name, each signed with the next one's key, the last with the first one's; and a leaf.
fn circle(size: usize, root: &Ca) -> (Leaf, Vec<Certificate>) {
    let keys: Vec<_> = (0..size).map(|_| KeyPair::generate().unwrap()).collect();
    let again = |key: &KeyPair| KeyPair::from_pem(&key.serialize_pem()).unwrap();
    let signed = |i: usize| {
        let issuer = root.certify_key("Circle", again(&keys[(i + 1) % size]));
        issuer.certify_key("Circle", again(&keys[i]))
    };
    let ring: Vec<Ca> = (0..size).map(signed).collect();
    let leaf = ring[0].leaf(&["a.example"]);
    (leaf, ring.iter().map(Ca::certificate).collect())
}

#[test]
fn certificates_that_sign_each_other_in_circles_are_not_followed_round() {
    let (root, mut world) = (Ca::root("Root"), World::new());
    let anchor = root.certificate();
    // The anchor has the name that everything is issued by, so that webpki checks signatures.
    let named = Ca::root("Circle").certificate();
    let web = world.x509("web", scope(&[], &[]), &[&anchor, &named]);
    world.rule(&[], &[], any(&[web]));
    let crypto = CountingRing::new();
    for (size, too_large) in [(2, false), (3, false), (4, true), (200, true)] {
        let (leaf, ring) = circle(size, &root);
        let mut query = server("a.example", "https", &leaf, &[]);
        query.evidence.intermediates = ring;
        CHECKED.store(0, Ordering::Relaxed);
        let text = world.with(&query, |decision| {
            let mut decision = Decision::new(decision.policy, &query, &crypto).unwrap();
            assert_eq!(decision.excluded().len(), size.saturating_sub(Room::CERTIFICATES));
            format!("{:?}", decision.conclude(&Application::NotAsked).unwrap().outcome())
        });
        assert_eq!(text.contains(puzzle::TOO_LARGE), too_large, "{size}: {text}");
        let checked = CHECKED.load(Ordering::Relaxed);
        assert!(checked <= if too_large { 0 } else { 100 }, "{size}: {checked}");
    }
}
