//! Lines of the record, as a reader of JSON sees them.

use serde_json::Value;

use super::*;
use crate::crypto::NoCrypto;
use crate::decide::Fault;
use crate::key::Key;
use crate::peer::HostName;
use crate::query::{Evidence, ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};
use crate::verdict::{Case, Finding, Node, Reason, Trace};

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
        name: format!("a{index}").into(),
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

const NATIVE: Application = Application::NotAsked;

fn circumstances() -> Circumstances<'static> {
    Circumstances {
        pid: 7,
        uid: 1000,
        enforced: true,
        policy: Some("abcd"),
        level: Level::Handshake,
        native: &NATIVE,
        anchor: None,
    }
}

fn stamp() -> Stamp<'static> {
    Stamp { id: "k3j9", millis: 1_800_000_000_123, ..Stamp::default() }
}

fn written(query: &Query, verdict: &Verdict, circumstances: &Circumstances<'_>) -> Value {
    let question = Question::from(query);
    read(&Told::Now(Some(&question), circumstances).line(verdict, &stamp(), String::new()))
}

fn read(line: &str) -> Value {
    assert!(line.len() <= MAX_LINE && line.ends_with("}\n"), "{}", line.len());
    assert_eq!(line.matches('\n').count(), 1);
    let shown = line.strip_suffix('\n').unwrap().chars().all(crate::certificate::is_shown);
    assert!(shown, "{line}");
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_line_says_what_was_decided_and_why() {
    let line = written(&query(), &verdict("un\u{7}known".into(), 2), &circumstances());
    let at = |pointer: &str| line.pointer(pointer).unwrap_or(&Value::Null).clone();
    assert_eq!(at("/verdict"), "reject");
    assert_eq!(at("/code"), "application");
    assert_eq!(at("/time"), 1_800_000_000_123_i64);
    assert_eq!(at("/expected/1"), ".lan");
    assert_eq!(at("/port"), 8443);
    assert_eq!(at("/protocol"), Value::Null);
    assert_eq!(at("/application"), "/usr/bin/cu\"rl\u{1b}[2J");
    assert_eq!(at("/cases/0/authorities/1/why"), "it has another key\n\"quoted\"");
    assert_eq!(at("/cases/0/monitored"), false);
    assert_eq!(at("/native/says"), "not-asked");
    assert_eq!(at("/level"), "handshake");
    for absent in ["/cut", "/first", "/chain", "/dropped", "/anchor", "/would", "/native/faults"] {
        assert_eq!(at(absent), Value::Null, "{absent}");
    }
    assert!(at("/reason").as_str().unwrap().ends_with("un\u{7}known"));
    // No certificate says what the key is.
    assert!(at("/spki").as_str().unwrap().starts_with("MCow"));
}

#[test]
fn a_line_says_what_the_program_itself_found() {
    let native = Application::Refuses {
        faults: vec![Fault::NoTrustedPath, Fault::Other("odd\u{202e}".into())],
        why: "self-signed".into(),
    };
    let key = KeyHash([0; 32]);
    let anchor = Some(Anchor { subject: "CN=\u{85}R\u{2028}", key });
    let about = Circumstances { native: &native, anchor, level: Level::Store, ..circumstances() };
    let line = written(&query(), &verdict(String::new(), 0), &about);
    assert_eq!(line["native"]["says"], "refuses");
    let faults = serde_json::json!(["no-trusted-path", "other: odd\u{202e}"]);
    assert_eq!(line["native"]["faults"], faults);
    assert_eq!(line["native"]["why"], "self-signed");
    assert_eq!(line["anchor"]["subject"], "CN=\u{85}R\u{2028}");
    assert_eq!(line["anchor"]["key"], key.to_string());
    assert_eq!(line["level"], "store");
}

#[test]
fn where_nothing_could_be_asked_a_line_says_so_much() {
    let verdict = Verdict::cannot_decide("no policy");
    let about = Circumstances { policy: None, enforced: false, ..circumstances() };
    let stamp = Stamp { dropped: 3, ..stamp() };
    let line = read(&Told::Now(None, &about).line(&verdict, &stamp, String::new()));
    assert_eq!(line["code"], "cannot-decide");
    assert_eq!(line["enforced"], false);
    assert_eq!(line["dropped"], 3);
    assert_eq!(line["role"], Value::Null);
}

#[test]
fn what_became_of_a_first_key_is_said_at_the_end() {
    let verdict = Verdict {
        outcome: Outcome::Accept(Default::default()),
        would: None,
        trace: Trace::default(),
    };
    let draft = Draft::new(None, &verdict, &circumstances());
    let first = Stamp { first: true, chain: Some("00ff"), ..stamp() };
    let kept = read(&Told::Later(&draft).line(&verdict, &first, "of before".into()));
    assert_eq!((&kept["verdict"], &kept["first"]), (&"accept".into(), &true.into()));
    assert_eq!(kept["chain"], "00ff");
    let lost = Verdict::refused(Reason::NotRemembered("full".into()));
    let lost = Told::Later(&draft).line(&lost, &stamp(), String::new());
    assert_eq!(read(&lost)["code"], "not-remembered");
}

#[test]
fn what_would_hold_is_said_where_it_is_another_thing() {
    let refused = verdict(String::new(), 0).outcome;
    let accepted = Outcome::Accept(Default::default());
    let says = |outcome: &Outcome, would: &Outcome| {
        let (outcome, would) = (outcome.clone(), Some(would.clone()));
        let verdict = Verdict { outcome, would, trace: Trace::default() };
        let about = circumstances();
        let told = Told::Now(None, &about);
        let line = read(&told.line(&verdict, &stamp(), String::new()));
        (line["would"].clone(), told.sentence(&verdict))
    };
    assert_eq!(says(&accepted, &accepted).0, Value::Null);
    let (would, sentence) = says(&accepted, &refused);
    assert_eq!(would, "reject");
    assert!(sentence.starts_with("would refuse (but accepts, as it only monitors) a peer: "));
    assert_eq!(says(&refused, &accepted).0, "accept");
    assert_eq!(says(&refused, &refused).0, "reject");
}

#[test]
fn a_line_has_a_bound() {
    for fill in ["x", "\"", "\u{1f600}", "\u{1}"] {
        let long = verdict(fill.repeat(100_000), 100_000);
        let long = Verdict { would: Some(long.outcome.clone()), ..long };
        let line = written(&query(), &long, &circumstances());
        assert_eq!(line["cut"], true);
        assert!(line["reason"].as_str().unwrap().ends_with("..."));
        assert_eq!(line["cases"], Value::Null);
        assert!(line["expected"].is_array());
    }
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
