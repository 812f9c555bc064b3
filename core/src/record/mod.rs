//! The record: what was decided, when, for whom, and why; one line of JSON for each decision.
//!
//! A line is written by a single append, and so has a bound. Text that a peer chose is escaped before
//! it comes here (`printable`), and again as JSON demands.

mod line;
#[cfg(test)]
mod tests;

use crate::query::{Peer, Query, Role};
use crate::verdict::{Finding, Node, Outcome, Verdict};
use line::Object;

/// Lines are no longer than this: what is too long is cut, and says so.
pub const MAX_LINE: usize = 16 << 10;

/// `log`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// Refusals, what would be refused if it were not only monitored, and first uses.
    #[default]
    Refused,
    /// Every decision.
    All,
    /// Nothing.
    None,
}

impl Log {
    /// `refused`, `all` or `none`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::All => "all",
            Self::None => "none",
        }
    }

    /// Reads what [`Log::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Refused, Self::All, Self::None].into_iter().find(|log| log.as_str() == text)
    }

    /// Whether a verdict is to be recorded; `remembers` where it is the first use of a key.
    pub fn wants(self, verdict: &Verdict, remembers: bool) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Refused => {
                let refuses = |outcome: &Outcome| matches!(outcome, Outcome::Reject(_));
                remembers || refuses(verdict.outcome()) || verdict.would().is_some_and(refuses)
            }
        }
    }
}

/// What a host knows of a decision beside the query and the verdict.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    /// Names the line: no other has it.
    pub id: &'a str,
    /// In milliseconds since 1970.
    pub millis: i64,
    /// The process.
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// Whether the verdict holds the program to it; else it only says what would hold.
    pub enforced: bool,
    /// The digest of the policy.
    pub policy: &'a str,
    /// Under which name the certificates are kept; None if they are not.
    pub chain: Option<&'a str>,
    /// How many decisions before this one were left out, to bound what is written.
    pub dropped: u64,
}

/// The line for a decision, with its end.
pub fn line(query: &Query, verdict: &Verdict, circumstances: &Circumstances<'_>) -> String {
    for detail in [Detail::Whole, Detail::Short, Detail::Least] {
        let line = write(query, verdict, circumstances, detail);
        if line.len() <= MAX_LINE {
            return line;
        }
    }
    let mut object = Object::new();
    object.text("id", circumstances.id);
    object.number("time", circumstances.millis);
    object.text("verdict", word(verdict.outcome()));
    object.flag("cut", true);
    object.end()
}

/// How much is written: what makes a line too long goes first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Whole,
    /// Without the findings of each authority.
    Short,
    /// Without long sentences too.
    Least,
}

fn write(
    query: &Query,
    verdict: &Verdict,
    circumstances: &Circumstances<'_>,
    detail: Detail,
) -> String {
    let mut object = Object::new();
    object.text("id", circumstances.id);
    object.number("time", circumstances.millis);
    object.text("verdict", word(verdict.outcome()));
    object.flag("enforced", circumstances.enforced);
    why(&mut object, verdict.outcome(), detail);
    if let Some(would) = verdict.would() {
        object.text("would", word(would));
        if let Outcome::Reject(reason) = would {
            object.text("would-code", reason.code());
            object.text("would-reason", &shortened(&reason.to_string(), detail));
        }
    }
    question(&mut object, query, detail);
    if detail == Detail::Whole {
        let cases = verdict.trace().cases.iter().map(|case| {
            let mut one = Object::new();
            one.text("peer", &case.peer);
            one.text("protocol", &case.protocol);
            one.text("rule", &case.rule);
            one.flag("accepted", case.accepted);
            let mut findings = Vec::new();
            authorities(&case.accept, &mut findings);
            one.objects("authorities", findings);
            one
        });
        object.objects("cases", cases.collect());
    } else {
        object.flag("cut", true);
    }
    object.number("uid", circumstances.uid.into());
    object.number("pid", circumstances.pid.into());
    object.text("policy", circumstances.policy);
    if let Some(chain) = circumstances.chain {
        object.text("chain", chain);
    }
    if circumstances.dropped > 0 {
        object.number("dropped", i64::try_from(circumstances.dropped).unwrap_or(i64::MAX));
    }
    object.end()
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accept(_) => "accept",
        Outcome::Reject(_) => "reject",
    }
}

fn why(object: &mut Object, outcome: &Outcome, detail: Detail) {
    match outcome {
        Outcome::Accept(basis) => object.text("basis", &shortened(&basis.to_string(), detail)),
        Outcome::Reject(reason) => {
            object.text("code", reason.code());
            object.text("reason", &shortened(&reason.to_string(), detail));
        }
    }
}

fn question(object: &mut Object, query: &Query, detail: Detail) {
    object.text("role", query.role.as_str());
    match &query.peer {
        Peer::Expected(expected) => {
            let hosts = expected.hosts.iter().map(ToString::to_string);
            let address = expected.address.map(|address| address.to_string());
            let email = expected.email.as_ref().map(ToString::to_string);
            let names = hosts.chain(address).chain(email);
            object.texts("expected", names.take(most(detail)));
        }
        Peer::Claimed => {
            let leaf = query.evidence.leaf.as_ref();
            let names = leaf.map(|leaf| leaf.names().supported.iter()).into_iter().flatten();
            object.texts("claimed", names.map(ToString::to_string).take(most(detail)));
        }
    }
    if let Some(protocol) = query.protocol.known() {
        object.text("protocol", protocol.as_str());
    }
    if let Some(locator) = query.locator.filter(|_| query.role == Role::Server) {
        object.text("address", &locator.to_string());
    }
    if let Some(port) = query.port {
        object.number("port", port.into());
    }
    object.text("key", &query.key.hash().to_string());
    if let Some(application) = query.application.known() {
        object.text("application", &crate::certificate::printable(application));
    }
}

fn most(detail: Detail) -> usize {
    if detail == Detail::Whole { 32 } else { 4 }
}

fn authorities(node: &Node, into: &mut Vec<Object>) {
    match node {
        Node::AtLeast { of, .. } => of.iter().for_each(|operand| authorities(operand, into)),
        Node::Authority { name, finding } => {
            let (word, text) = match finding {
                Finding::Vouches(text) => ("vouches", text.as_str()),
                Finding::Silent(text) => ("silent", text.as_str()),
                Finding::NotAsked => ("not asked", ""),
            };
            let mut one = Object::new();
            one.text("name", name);
            one.text("found", word);
            if !text.is_empty() {
                one.text("why", text);
            }
            into.push(one);
        }
    }
}

/// A sentence, or its beginning.
fn shortened(text: &str, detail: Detail) -> String {
    let most = if detail == Detail::Least { 300 } else { 2000 };
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
