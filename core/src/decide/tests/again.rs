//! What is asked again is answered as it was, and what is not the same is answered anew.

use std::net::IpAddr;

use super::world::*;
use crate::decide::Application;
use crate::policy::{Accept, Mode};
use crate::protocol::Protocol;
use crate::query::{ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};
use crate::rule::APPLICATION;

/// A policy in which each fact of a query chooses another rule.
fn world(pinned: &Leaf) -> World {
    let mut world = World::new();
    let pins = world.pin("pins", "a.example", &[], &[&pinned.key()]);
    let ended = world.rule(&["a.example"], &["https"], any(&[pins]));
    ended.until = Some(NOW + 10);
    world.rule(&["a.example"], &["imap"], all(&[pins, APPLICATION]));
    let program = world.rule(&["a.example"], &[], any(&[pins]));
    program.applications = Some(vec!["/usr/bin/mail".into()]);
    world.rule(&["b.example"], &[], any(&[pins])).mode = Some(Mode::Monitor);
    world.rule(&["192.0.2.0/24"], &["ldap"], any(&[pins]));
    world.rule(&[".clients.example"], &[], any(&[APPLICATION])).role = Some(Role::Client);
    world.rule(&["c.example"], &[], Accept::Any(Vec::new()));
    world
}

fn queries(leaf: &Leaf) -> Vec<Query> {
    let hosts = |names: &[&str]| ExpectedPeer {
        hosts: names.iter().map(|name| ExpectedHost::Exact(host(name))).collect(),
        ..ExpectedPeer::default()
    };
    let address = ExpectedPeer { address: "192.0.2.7".parse().ok(), ..ExpectedPeer::default() };
    let below = ExpectedPeer {
        hosts: vec![ExpectedHost::Below(host("example"))],
        ..ExpectedPeer::default()
    };
    let expected = [
        hosts(&["a.example"]),
        hosts(&["b.example"]),
        hosts(&["c.example"]),
        hosts(&["d.example"]),
        hosts(&["a.example", "d.example"]),
        address,
        below,
    ];
    let peers = expected.map(Peer::Expected).into_iter().chain([Peer::Claimed]);
    let mut all = Vec::new();
    for peer in peers {
        for role in [Role::Server, Role::Client] {
            for protocol in ["https", "imap", "ldap", ""] {
                for program in ["/usr/bin/curl", "/usr/bin/mail", ""] {
                    for locator in [None, Some("192.0.2.9"), Some("198.51.100.1")] {
                        for time in [NOW, NOW + 11] {
                            let application = (!program.is_empty()).then(|| program.to_owned());
                            all.push(Query {
                                peer: peer.clone(),
                                protocol: Protocol::parse(protocol).into(),
                                application: Fact::from(application),
                                locator: locator.and_then(|text| text.parse::<IpAddr>().ok()),
                                time,
                                ..claim(role, "https", leaf, &[])
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

#[test]
fn the_same_policy_answers_every_query_as_if_it_were_the_first() {
    let (pinned, stranger) = (
        Leaf::self_signed(&["a.example", "b.example", "x.clients.example"]),
        Leaf::self_signed(&["d.example", "192.0.2.7"]),
    );
    let world = world(&pinned);
    let says = [Application::Accepts, no_path()];
    let text =
        |query: &Query| says.each_ref().map(|says| format!("{:?}", world.verdict(query, says)));
    // The same question about one and about the other, one after the other.
    let both = queries(&pinned).into_iter().zip(queries(&stranger));
    let queries: Vec<_> = both.flat_map(|(one, other)| [one, other]).collect();
    let first: Vec<_> = queries
        .iter()
        .map(|query| {
            world.afresh();
            text(query)
        })
        .collect();
    let distinct: std::collections::HashSet<_> = first.iter().collect();
    assert!(distinct.len() > 60, "{}", distinct.len());
    world.afresh();
    // So that one stands behind another in many orders.
    for step in [1, 7, 131] {
        for at in (0..step).flat_map(|start| (start..queries.len()).step_by(step)) {
            assert_eq!(text(&queries[at]), first[at], "{:?}", queries[at]);
            assert_eq!(text(&queries[at]), first[at], "{:?}", queries[at]);
        }
    }
    let kept = world.compiled(|policy| policy.cases().len());
    assert!((1..=32).contains(&kept), "{kept}");
}
