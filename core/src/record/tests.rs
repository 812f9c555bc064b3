//! Lines of the record, as a reader of JSON sees them.

use serde_json::Value;

use super::*;
use crate::crypto::NoCrypto;
use crate::key::Key;
use crate::peer::HostName;
use crate::query::{Evidence, ExpectedHost, ExpectedPeer, Fact};
use crate::verdict::{Case, Reason, Trace};

fn query() -> Query {
    let spki = data_encoding::BASE64
        .decode(b"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=")
        .unwrap();
    let hosts = vec![
        ExpectedHost::Exact(HostName::parse("bank.example").unwrap()),
        ExpectedHost::Below(HostName::parse("lan").unwrap()),
    ];
    Query {
        role: Role::Server,
        peer: Peer::Expected(ExpectedPeer { hosts, ..ExpectedPeer::default() }),
        locator: Some([127, 0, 0, 1].into()),
        protocol: Fact::Unknown,
        port: Some(8443),
        application: Fact::Known("/usr/bin/cu\"rl\u{1b}[2J".into()),
        key: Key::from_spki(&spki, &NoCrypto).unwrap(),
        evidence: Evidence::default(),
        time: 1_800_000_000,
    }
}

fn verdict(reason: String, findings: usize) -> Verdict {
    let authority = |index| Node::Authority {
        name: format!("a{index}"),
        finding: Finding::Silent("it has another key\n\"quoted\"".into()),
    };
    let case = Case {
        peer: "bank.example".into(),
        protocol: "https".into(),
        application: None,
        rule: "rule 1 (policy.toml:3)".into(),
        monitored: false,
        accept: Node::AtLeast {
            least: 1,
            label: "any of".into(),
            accepted: false,
            of: (0..findings).map(authority).collect(),
        },
        accepted: false,
    };
    Verdict {
        outcome: Outcome::Reject(Reason::Application(reason)),
        would: None,
        trace: Trace { notes: Vec::new(), cases: vec![case] },
    }
}

fn circumstances() -> Circumstances<'static> {
    Circumstances {
        id: "k3j9",
        millis: 1_800_000_000_123,
        pid: 7,
        uid: 1000,
        enforced: true,
        policy: "abcd",
        chain: None,
        dropped: 0,
    }
}

fn read(line: &str) -> Value {
    assert!(line.len() <= MAX_LINE && line.ends_with("}\n"), "{}", line.len());
    assert_eq!(line.matches('\n').count(), 1);
    assert!(!line.contains('\u{1b}'));
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_line_says_what_was_decided_and_why() {
    let line = read(&line(&query(), &verdict("un\u{7}known".into(), 2), &circumstances()));
    let at = |pointer: &str| line.pointer(pointer).unwrap_or(&Value::Null).clone();
    assert_eq!(at("/verdict"), "reject");
    assert_eq!(at("/code"), "application");
    assert_eq!(at("/time"), 1_800_000_000_123_i64);
    assert_eq!(at("/expected/1"), ".lan");
    assert_eq!(at("/port"), 8443);
    assert_eq!(at("/protocol"), Value::Null);
    assert_eq!(at("/application"), "/usr/bin/cu\"rl\\u{1b}[2J");
    assert_eq!(at("/cases/0/authorities/1/why"), "it has another key\n\"quoted\"");
    assert_eq!(at("/cut"), Value::Null);
    assert!(at("/reason").as_str().unwrap().ends_with("un\u{7}known"));
}

#[test]
fn a_line_has_a_bound() {
    let long = line(&query(), &verdict("x".repeat(100_000), 100_000), &circumstances());
    let line = read(&long);
    assert_eq!(line["cut"], true);
    assert!(line["reason"].as_str().unwrap().ends_with("..."));
    assert_eq!(line["cases"], Value::Null);
}

#[test]
fn what_is_recorded_hangs_on_the_policy() {
    let refused = verdict(String::new(), 0);
    let accepted = Verdict {
        outcome: Outcome::Accept(Default::default()),
        would: None,
        trace: Trace::default(),
    };
    let watched = Verdict { would: Some(refused.outcome.clone()), ..accepted.clone() };
    let wants = |log: Log| {
        [&refused, &accepted, &watched].map(|verdict| log.wants(verdict, false)).to_vec()
    };
    assert_eq!(wants(Log::Refused), [true, false, true]);
    assert_eq!(wants(Log::All), [true; 3]);
    assert_eq!(wants(Log::None), [false; 3]);
    assert!(Log::Refused.wants(&accepted, true));
}
