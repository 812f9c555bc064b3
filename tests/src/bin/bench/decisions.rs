//! Whether two threads decide faster than one.

use std::time::Instant;

use peerkey_core::certificate::Certificate;
use peerkey_core::crypto::NoCrypto;
use peerkey_core::decide::{Application, Decision};
use peerkey_core::key::Key;
use peerkey_core::peer::HostName;
use peerkey_core::protocol::Protocol;
use peerkey_core::query::{Evidence, ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};
use peerkey_core::verdict::Outcome;
use peerkey_guest::policy::Policies;
use peerkey_tests::pki::now;
use peerkey_tests::site::{Peerkey, Site};

use crate::figure::{Figure, Limit, Sample, Unit};
use crate::policies;
use crate::tls::{BANK, Chain, Kind};
use crate::turns::{in_turns, of_workers};
use crate::worker::{Task, Worker};

const ROUNDS: usize = 60;
/// In a round, on each thread.
const DECISIONS: usize = 500;
const HANDSHAKES: usize = 20;

pub(crate) fn measure() -> Vec<Figure> {
    let chain = Chain::new(Kind::Ec);
    let site = Site::new();
    chain.write(&site);
    site.apply(&policies::pin_alone(&[chain.leaf.pin()]));
    let policies = Policies::<()>::new(&site.path("state"));
    let query = query(&chain);
    let decisions = in_turns(ROUNDS, |turn| a_second(turn + 1, &policies, &query));
    let mut figures = vec![two_to_one("decisions by a pin", &decisions)];
    for (what, peerkey) in [("without", Peerkey::Off), ("with", Peerkey::On)] {
        let workers = [1, 2].map(|threads| {
            Worker::start(&site, Kind::Ec, peerkey, Task::Threads(threads, HANDSHAKES))
        });
        let rounds = of_workers(ROUNDS, workers);
        figures.push(two_to_one(&format!("handshakes {what} peerkey"), &rounds));
    }
    figures
}

fn two_to_one(what: &str, rounds: &[[f64; 2]]) -> Figure {
    let side = |index: usize, name: &str| {
        let median = Sample::of(rounds.iter().map(|round| round[index])).median();
        format!("{name}: {median:.0}/s")
    };
    let ratios = Sample::of(rounds.iter().map(|[one, two]| two / one));
    Figure::new(what, [side(0, "1 thread"), side(1, "2 threads")], ratios.median(), Unit::Ratio)
        .spread(ratios.quartiles())
        .limit(Limit::Least(1.0))
}

/// Decisions a second, as an edge makes them in a process.
fn a_second(threads: usize, policies: &Policies<()>, query: &Query) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..DECISIONS).for_each(|_| decide(policies, query)));
        }
    });
    (threads * DECISIONS) as f64 / start.elapsed().as_secs_f64()
}

fn decide(policies: &Policies<()>, query: &Query) {
    let policy = policies.in_force().ok().flatten().expect("a policy");
    let mut decision = Decision::new(&policy, query, &NoCrypto).unwrap();
    let verdict = decision.conclude(&Application::NotAsked).unwrap();
    assert!(matches!(verdict.outcome(), Outcome::Accept(_)));
}

fn query(chain: &Chain) -> Query {
    let read = |cert: &openssl::x509::X509| Certificate::from_der(&cert.to_der().unwrap()).unwrap();
    let leaf = read(&chain.leaf.cert);
    let host = ExpectedHost::Exact(HostName::parse(BANK).unwrap());
    Query {
        role: Role::Server,
        peer: Peer::Expected(ExpectedPeer { hosts: vec![host], ..ExpectedPeer::default() }),
        locator: None,
        protocol: Fact::Known(Protocol::parse("https").unwrap()),
        port: None,
        application: Fact::Known("/usr/bin/curl".into()),
        key: Key::from_spki(leaf.spki(), &NoCrypto).unwrap(),
        evidence: Evidence {
            leaf: Some(leaf),
            intermediates: chain.leaf.above.iter().map(read).collect(),
        },
        time: now(),
    }
}
