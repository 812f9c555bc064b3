//! Results as JSON. Each document says its `version`: keys may come, none goes or changes its meaning.

use peerkey_core::decide::{Application, Fault};
use peerkey_core::policy::Place;
use peerkey_core::query::{ExpectedHost, ExpectedPeer, Fact, Peer, Query};
use peerkey_core::source::{Counts, Diagnostic};
use peerkey_core::verdict::{Case, Finding, Node, Outcome, Verdict};
use serde_json::{Value, json};

use crate::clock::rfc3339;
use crate::inquiry::fault_name;

/// The version of every document.
pub const VERSION: u32 = 1;

/// A document as text.
pub fn text(document: &Value) -> String {
    format!("{document:#}\n")
}

/// Why there is no result.
pub fn error(why: &str) -> Value {
    json!({ "version": VERSION, "error": why })
}

/// A verdict.
pub fn verdict(verdict: &Verdict) -> Value {
    let trace = verdict.trace();
    let mut document = outcome(verdict.outcome());
    document["would"] = verdict.would().map_or(Value::Null, outcome);
    document["cases"] = trace.cases.iter().map(case).collect();
    document["notes"] = json!(trace.notes);
    document
}

/// An outcome, without how it came about.
pub fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Accept(basis) => json!({
            "verdict": "accept",
            "basis": { "rules": basis.rules, "authorities": basis.authorities },
        }),
        Outcome::Reject(reason) => json!({
            "verdict": "reject",
            "reason": { "code": reason.code(), "text": reason.to_string() },
        }),
    }
}

fn case(case: &Case) -> Value {
    json!({
        "peer": case.peer,
        "protocol": case.protocol,
        "application": case.application,
        "rule": case.rule,
        "monitored": case.monitored,
        "accepted": case.accepted,
        "accept": node(&case.accept),
    })
}

fn node(node_: &Node) -> Value {
    match node_ {
        Node::AtLeast { least, label, accepted, of } => json!({
            "label": label,
            "at-least": least,
            "accepted": accepted,
            "of": of.iter().map(node).collect::<Vec<_>>(),
        }),
        Node::Authority { name, finding } => {
            let (vouches, text) = match finding {
                Finding::Vouches(text) => (Some(true), Some(text)),
                Finding::Silent(text) => (Some(false), Some(text)),
                Finding::NotAsked => (None, None),
            };
            json!({ "authority": name, "vouches": vouches, "finding": text })
        }
    }
}

/// The question.
pub fn query(query: &Query) -> Value {
    let leaf = query.evidence.leaf.as_ref();
    let validity = leaf.map(|leaf| leaf.validity());
    json!({
        "peer": match &query.peer {
            Peer::Expected(peer) => json!({ "expected": expected(peer) }),
            Peer::Claimed => json!({ "claimed": leaf.map(|leaf| {
                leaf.names().supported.iter().map(ToString::to_string).collect::<Vec<_>>()
            }) }),
        },
        "locator": query.locator.map(|address| address.to_string()),
        "protocol": fact(&query.protocol),
        "application": fact(&query.application),
        "role": query.role.as_str(),
        "time": rfc3339(query.time),
        "key": query.key.hash().to_string(),
        "certificate": leaf.map(|leaf| json!({
            "subject": leaf.subject_text(),
            "issuer": leaf.issuer_text(),
            "not-before": validity.map(|(from, _)| rfc3339(from)),
            "not-after": validity.map(|(_, until)| rfc3339(until)),
        })),
        "intermediates": query.evidence.intermediates.iter()
            .map(|certificate| certificate.subject_text().to_owned()).collect::<Vec<_>>(),
    })
}

fn expected(peer: &ExpectedPeer) -> Vec<String> {
    let host = |host: &ExpectedHost| match host {
        ExpectedHost::Exact(host) => host.to_string(),
        ExpectedHost::Below(domain) => format!(".{domain}"),
    };
    let hosts = peer.hosts.iter().map(host);
    let address = peer.address.iter().map(ToString::to_string);
    hosts.chain(address).chain(peer.email.iter().map(ToString::to_string)).collect()
}

fn fact<T: ToString>(fact: &Fact<T>) -> Option<String> {
    fact.known().map(ToString::to_string)
}

/// What the program itself said, and by whose mouth.
pub fn application(application: &Application, by: &str) -> Value {
    let (verdict, faults, why) = match application {
        Application::NotAsked => return Value::Null,
        Application::Accepts => ("accept", &[][..], None),
        Application::Refuses { faults, why } => ("reject", &faults[..], Some(why.clone())),
        Application::RuledOut(reason) => ("accept", &[][..], Some(reason.to_string())),
    };
    json!({
        "verdict": verdict,
        "ruled-out": matches!(application, Application::RuledOut(_)),
        "faults": faults.iter().map(fault).collect::<Vec<_>>(),
        "why": why,
        "by": by,
    })
}

fn fault(fault: &Fault) -> Value {
    let text = match fault {
        Fault::Other(text) => Some(text),
        _ => None,
    };
    json!({ "code": fault_name(fault), "text": text })
}

/// Mistakes.
pub fn diagnostics(diagnostics: &[Diagnostic]) -> Value {
    let one = |diagnostic: &Diagnostic| {
        json!({
            "place": diagnostic.place.as_ref().map(place),
            "message": diagnostic.message,
            "help": diagnostic.hint,
        })
    };
    diagnostics.iter().map(one).collect()
}

fn place(place: &Place) -> Value {
    let file = place.file.to_string_lossy();
    json!({ "file": file, "line": place.line, "column": place.column })
}

/// How many there are of each kind.
pub fn counts(counts: &Counts) -> Value {
    json!({
        "files": counts.files,
        "authorities": counts.authorities,
        "anchors": counts.anchors,
        "crls": counts.crls,
        "pins": counts.pins,
        "lists": counts.lists,
        "constraints": counts.constraints,
        "denials": counts.denials,
        "rules": counts.rules,
    })
}
