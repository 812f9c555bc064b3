//! A verdict and how it came about, for people.

use peerkey_core::certificate::Certificate;
use peerkey_core::decide::Application;
use peerkey_core::query::{ExpectedHost, Peer, Query, Role};
use peerkey_core::verdict::{Case, Finding, Node, Outcome};

use super::tree::Branch;
use super::{BAD, BOLD, DIM, GOOD, ODD, styled};
use crate::clock::rfc3339;
use crate::inquiry::{Answer, is_mail};
use crate::screen::Lines;

/// What there is to explain.
#[derive(Debug)]
pub struct Explained<'a> {
    /// The question.
    pub query: &'a Query,
    /// What is odd about it, and what was left out.
    pub remarks: &'a [String],
    /// How the key was come by.
    pub connection: Option<String>,
    /// The answer.
    pub answer: &'a Answer,
    /// Who said what the program itself says.
    pub by: &'a str,
}

/// The verdict in one line, then how it came about.
pub fn answer(explained: &Explained<'_>, lines: Lines) -> String {
    let verdict = &explained.answer.verdict;
    let mut out = format!("{}\n", one_line(verdict.outcome()));
    if let Some(would) = verdict.would() {
        out.push_str(&format!(
            "{} {}\n",
            styled(ODD, "only monitored; enforced it would be:"),
            one_line(would)
        ));
    }
    out.push('\n');
    out.push_str(&question(explained).draw(lines));
    for case in &verdict.trace().cases {
        out.push_str(&self::case(case, lines).draw(lines));
    }
    if let Some(program) = program(explained, lines) {
        out.push_str(&program.draw(lines));
    }
    let notes: Vec<_> = explained.remarks.iter().chain(&verdict.trace().notes).collect();
    if !notes.is_empty() {
        let notes = notes.into_iter().map(Branch::new);
        out.push_str(&Branch::new(styled(BOLD, "notes")).with_all(notes).draw(lines));
    }
    out
}

/// An outcome in one line.
pub fn one_line(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accept(basis) => format!(
            "{}, by {}: {}",
            styled(GOOD.bold(), "accept"),
            basis.rules.join(", "),
            basis.authorities.join("; ")
        ),
        Outcome::Reject(reason) => format!("{}: {reason}", styled(BAD.bold(), "reject")),
    }
}

fn question(explained: &Explained<'_>) -> Branch {
    let query = explained.query;
    let mut facts = vec![
        Branch::fact("peer", peer(query)),
        Branch::fact("protocol", query.protocol.known().map_or("not known", |p| p.as_str())),
        Branch::fact("program", query.application.known().map_or("not known", |path| path)),
        Branch::fact("key", query.key.hash().to_string()),
    ];
    if let Some(leaf) = &query.evidence.leaf {
        facts.push(certificate(leaf));
    }
    facts.extend(explained.connection.iter().map(|words| Branch::fact("connection", words)));
    facts.push(Branch::fact("time", rfc3339(query.time)));
    Branch::new(styled(BOLD, "question")).with_all(facts)
}

fn peer(query: &Query) -> String {
    let side = match query.role {
        _ if is_mail(query) => "a signer",
        Role::Server => "a server",
        Role::Client => "a client",
    };
    let at = query.locator.map_or(String::new(), |address| format!(", at {address}"));
    match &query.peer {
        Peer::Claimed => format!("{side} that names itself{at}"),
        Peer::Expected(expected) => {
            let mut names: Vec<String> = Vec::new();
            for host in &expected.hosts {
                names.push(match host {
                    ExpectedHost::Exact(host) => host.to_string(),
                    ExpectedHost::Below(domain) => format!("a host below {domain}"),
                });
            }
            names.extend(expected.address.iter().map(ToString::to_string));
            names.extend(expected.email.iter().map(ToString::to_string));
            format!("{}, {side}{at}", names.join(" and "))
        }
    }
}

fn certificate(leaf: &Certificate) -> Branch {
    let names: Vec<_> = leaf.names().supported.iter().map(ToString::to_string).collect();
    let names = match names.len() {
        0 => "no names".into(),
        1..=4 => names.join(", "),
        more => format!("{} and {} more", names[..3].join(", "), more - 3),
    };
    let (from, until) = leaf.validity();
    let dates = format!("{} to {}", rfc3339(from), rfc3339(until));
    Branch::fact("certificate", leaf.to_string())
        .with(Branch::fact("names", names))
        .with(Branch::fact("issuer", format!("\"{}\"", leaf.issuer_text())))
        .with(Branch::fact("valid", dates))
}

fn case(case: &Case, lines: Lines) -> Branch {
    let mut who = format!("{} over {}", case.peer, case.protocol);
    if let Some(path) = &case.application {
        who.push_str(&format!(" by {path}"));
    }
    let monitored = if case.monitored { ", only monitored" } else { "" };
    let rule = match case.accepted {
        true => styled(GOOD, format!("{}{} accepts", sign(Some(true), lines), case.rule)),
        false => styled(BAD, format!("{}{} does not accept", sign(Some(false), lines), case.rule)),
    };
    let rule = Branch::new(format!("{rule}{monitored}")).with(node(&case.accept, lines));
    Branch::new(styled(BOLD, who)).with(rule)
}

fn node(node_: &Node, lines: Lines) -> Branch {
    match node_ {
        Node::AtLeast { label, accepted, of, .. } => {
            // An operand that nobody asked has neither accepted nor refused.
            let known = of.iter().any(is_asked).then_some(*accepted);
            let text = mark(known, lines, label);
            Branch::new(text).with_all(of.iter().map(|operand| node(operand, lines)))
        }
        Node::Authority { name, finding } => Branch::new(match finding {
            Finding::Vouches(text) => format!("{}: {text}", mark(Some(true), lines, name)),
            Finding::Silent(text) => format!("{}: {text}", mark(Some(false), lines, name)),
            Finding::NotAsked => {
                format!("{}{}", mark(None, lines, name), styled(DIM, ": not asked"))
            }
        }),
    }
}

fn is_asked(node: &Node) -> bool {
    match node {
        Node::AtLeast { of, .. } => of.iter().any(is_asked),
        Node::Authority { finding, .. } => *finding != Finding::NotAsked,
    }
}

fn mark(holds: Option<bool>, lines: Lines, text: &str) -> String {
    let style = match holds {
        Some(true) => GOOD,
        Some(false) => BAD,
        None => DIM,
    };
    styled(style, format!("{}{text}", sign(holds, lines)))
}

/// Colour alone says nothing to many people, and in a pipe to nobody.
fn sign(holds: Option<bool>, lines: Lines) -> &'static str {
    match (lines, holds) {
        (Lines::Drawn, Some(true)) => "✓ ",
        (Lines::Drawn, Some(false)) => "✗ ",
        (Lines::Drawn, None) => "· ",
        (_, Some(true)) => "+ ",
        (_, Some(false)) => "- ",
        (_, None) => "  ",
    }
}

fn program(explained: &Explained<'_>, lines: Lines) -> Option<Branch> {
    let says = match &explained.answer.application {
        Application::NotAsked => return None,
        Application::Accepts => mark(Some(true), lines, "accepts"),
        Application::RuledOut(reason) => {
            format!("{}: {reason}", mark(Some(false), lines, "accepts by a path that is ruled out"))
        }
        Application::Refuses { why, .. } if explained.answer.verdict.is_accept() => {
            format!("{}: {why}; the policy overrules that", mark(Some(false), lines, "refuses"))
        }
        Application::Refuses { why, .. } => {
            format!("{}: {why}", mark(Some(false), lines, "refuses"))
        }
    };
    Some(
        Branch::new(styled(BOLD, "the program's own verification"))
            .with(Branch::new(says))
            .with(Branch::new(styled(DIM, explained.by))),
    )
}

/// An outcome in plain words, for tables.
pub fn plain(outcome: &Outcome) -> String {
    anstream::adapter::strip_str(&one_line(outcome)).to_string()
}
