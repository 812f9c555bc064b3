//! What a peer presents may be large, and rules may be many: the work stays within bounds.

use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, IsCa};
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

use super::world::*;
use crate::certificate::Certificate;
use crate::crypto::Crypto;
use crate::decide::{Application, Decision};
use crate::protocol::Protocol;
use crate::query::{Evidence, Fact, Role};
use crate::rule::Accept;
use crate::verdict::Reason;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("h{i}.d{}.example", i % 100)).collect()
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Twenty protocols, and this many rules, of which each is for its own host over one of them.
fn many_rules(rules: usize) -> World {
    let protocols: Vec<_> = Protocol::well_known().take(20).collect();
    let mut world = World::new();
    for i in 0..rules {
        let host = format!("h{i}.d{}.example", i % 100);
        let pin = world.pin(&format!("p{i}"), &host, &[], &[]);
        let accept = Accept::Any(vec![Accept::Authority(0), Accept::Authority(pin)]);
        world.rule(&[&host], &[protocols[i % protocols.len()]], accept);
    }
    world
}

fn look_ups(names: usize, rules: usize) -> (usize, usize) {
    let sans = self::names(names);
    let leaf = Leaf::self_signed(&strs(&sans));
    let mut query = claim(Role::Server, "https", &leaf, &[]);
    query.protocol = Fact::Unknown;
    many_rules(rules).with(&query, |decision| {
        let verdict = decision.conclude(&Application::Accepts).unwrap();
        assert!(verdict.is_accept(), "{:?}", verdict.outcome());
        (decision.policy.asked.get(), verdict.trace().cases.len())
    })
}

#[test]
fn many_names_over_many_protocols_cost_look_ups_by_name_and_not_by_case() {
    let start = std::time::Instant::now();
    let (asked, cases) = look_ups(1000, 1000);
    eprintln!("{asked} look-ups, {cases} cases, {:?}", start.elapsed());
    assert!(cases >= 2000, "each rule has its case: {cases}");
    // For a name: itself and its domain; for a rule: its row, and its authority where it is asked.
    assert!(asked < 6 * 1000, "{asked}");
}
