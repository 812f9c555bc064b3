//! Bytes as the certificates that a peer presents.

use std::cell::OnceCell;
use std::sync::OnceLock;

use super::assert_printable;
use super::world::{self, Believing, NOW};
use crate::certificate::Certificate;
use crate::der;
use crate::key::Key;
use crate::peer::Name;
use crate::protocol::Protocol;
use crate::query::{Evidence, ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role, Room};
use crate::store::Compiled;

thread_local! {
    static POLICY: OnceCell<Compiled> = const { OnceCell::new() };
}

/// One certificate behind the other, the peer's own first. What they are for is asked for every kind of
/// peer, over a protocol that is known and one that is not.
pub fn certificates(input: &[u8]) {
    let Some(evidence) = evidence(input) else { return };
    POLICY.with(|policy| {
        let policy = policy.get_or_init(|| world::open(&world::compiled()).unwrap());
        for query in questions(&evidence) {
            world::ask(policy, &query);
        }
    });
}

/// Reads the bytes as an edge reads what was presented.
fn evidence(mut input: &[u8]) -> Option<Evidence> {
    let (mut read, mut room) = (Vec::new(), Room::default());
    while !input.is_empty() {
        let rest = der::read(0x30, input).map_or(&[][..], |(_, rest)| rest);
        let one = &input[..input.len() - rest.len()];
        let certificate = Certificate::from_der(one);
        if let Err(error) = &certificate {
            assert_printable(&error.to_string());
        }
        read.push(certificate);
        if !room.take(one.len()) {
            break;
        }
        input = rest;
    }
    let mut read = read.into_iter();
    let leaf = read.next()?.ok()?;
    let evidence = Evidence { leaf: Some(leaf), intermediates: read.flatten().collect() };
    for certificate in evidence.leaf.iter().chain(&evidence.intermediates) {
        look_at(certificate);
    }
    Some(evidence)
}

fn look_at(certificate: &Certificate) {
    let names = certificate.names();
    for text in [&certificate.to_string(), certificate.subject_text(), &certificate.issuer_text()] {
        assert_printable(text);
        assert!(text.len() < 2000, "{} bytes", text.len());
    }
    names.beyond.iter().for_each(|beyond| assert_printable(beyond));
    names.supported.iter().for_each(|name| assert_printable(&name.to_string()));
    assert_eq!(Certificate::from_der(certificate.der()).unwrap().names(), names);
    if let Ok(key) = Key::from_spki(certificate.spki(), &Believing) {
        assert!(!key.hashes().is_empty());
        assert_eq!(Key::from_spki(key.spki(), &Believing).as_ref(), Ok(&key), "one form");
    }
}

fn questions(evidence: &Evidence) -> Vec<Query> {
    let Some(leaf) = &evidence.leaf else { return Vec::new() };
    let Ok(key) = Key::from_spki(leaf.spki(), &Believing) else { return Vec::new() };
    let mut peers = vec![(Role::Server, Peer::Claimed), (Role::Client, Peer::Claimed)];
    let texts = ["db.corp.example", "10.0.0.1", "alice@corp.example"];
    peers.extend(texts.map(|text| (Role::Server, expected(text))));
    let own = leaf.names().supported.first().map(|name| expected(&name.to_string()));
    peers.extend(own.map(|peer| (Role::Server, peer)));
    let protocols = [Fact::Unknown, Protocol::parse("https").into()];
    let query = |((role, peer), protocol)| Query {
        role,
        peer,
        locator: (role == Role::Server).then_some([10, 0, 0, 1].into()),
        protocol,
        port: None,
        application: Fact::Unknown,
        key: key.clone(),
        evidence: evidence.clone(),
        time: NOW,
    };
    let all =
        peers.iter().flat_map(|peer| protocols.iter().map(move |p| (peer.clone(), p.clone())));
    all.map(query).collect()
}

/// A peer that is expected under a name; nobody if it is none, as `*.example.org`.
fn expected(text: &str) -> Peer {
    let mut peer = ExpectedPeer::default();
    match Name::parse(text) {
        Some(Name::Host(host)) => peer.hosts.push(ExpectedHost::Exact(host)),
        Some(Name::Address(address)) => peer.address = Some(address),
        Some(Name::Email(email)) => peer.email = Some(email),
        None => {}
    }
    Peer::Expected(peer)
}

/// Questions with a chain that is as it should be.
pub(super) fn queries() -> Vec<Query> {
    static GOOD: OnceLock<Evidence> = OnceLock::new();
    let chain = include_bytes!("../../fuzz/corpus/certificates/good-chain");
    questions(GOOD.get_or_init(|| evidence(chain).unwrap()))
}
