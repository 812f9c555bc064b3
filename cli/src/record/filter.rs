//! Which decisions are asked for.

use peerkey_core::pattern::Pattern;
use peerkey_core::peer::{HostName, Name};
use peerkey_core::protocol::Protocol;

use super::{Entry, Word, base_name};
use crate::args::record::{LogArgs, Which};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    peers: Vec<Pattern>,
    protocol: Option<String>,
    program: Option<String>,
    since: Option<i64>,
    until: Option<i64>,
    code: Option<String>,
    refused: bool,
    accepted: bool,
    would: bool,
}

impl Filter {
    /// Of what every command takes.
    pub fn new(which: &Which, now: i64) -> Self {
        Self {
            peers: which.peer.clone(),
            protocol: which.protocol.as_ref().map(family),
            program: which.program.clone(),
            since: which.since.map(|moment| moment.seconds(now)),
            until: which.until.map(|moment| moment.seconds(now)),
            ..Self::default()
        }
    }

    /// Of what `log` takes.
    pub fn of_log(args: &LogArgs, now: i64) -> Self {
        Self {
            code: args.code.clone(),
            refused: args.refused,
            accepted: args.accepted,
            would: args.would,
            ..Self::new(&args.which, now)
        }
    }

    /// Whether a line is asked for.
    pub fn takes(&self, entry: &Entry) -> bool {
        self.is_within(entry) && self.has_verdict(entry) && self.is_about(entry)
    }

    fn is_within(&self, entry: &Entry) -> bool {
        let seconds = entry.seconds();
        self.since.is_none_or(|since| since <= seconds)
            && self.until.is_none_or(|until| seconds <= until)
    }

    /// Of several verdicts, one is enough.
    fn has_verdict(&self, entry: &Entry) -> bool {
        let any = !self.refused && !self.accepted && !self.would;
        let own = self.refused && entry.verdict == Some(Word::Reject)
            || self.accepted && entry.verdict == Some(Word::Accept)
            || self.would && entry.otherwise().is_some();
        let codes = [&entry.code, &entry.would_code];
        (any || own)
            && self.code.as_ref().is_none_or(|code| codes.into_iter().flatten().any(|c| c == code))
    }

    fn is_about(&self, entry: &Entry) -> bool {
        let facts = &entry.facts;
        let over = |wanted: &String| {
            let own = facts.protocol.as_deref().and_then(Protocol::parse);
            own.is_some_and(|own| family(&own) == *wanted)
        };
        let by = |wanted: &String| {
            facts.application.as_deref().is_some_and(|p| p == wanted || base_name(p) == wanted)
        };
        self.protocol.as_ref().is_none_or(over)
            && self.program.as_ref().is_none_or(by)
            && (self.peers.is_empty() || self.peers.iter().any(|peer| is_for(peer, entry)))
    }
}

fn family(protocol: &Protocol) -> String {
    protocol.family().to_string()
}

/// Whether one of the names, or the address that the program was connected to, is in the set.
fn is_for(pattern: &Pattern, entry: &Entry) -> bool {
    let names = entry.facts.names().iter();
    *pattern == Pattern::Any || names.chain(&entry.facts.address).any(|name| has(pattern, name))
}

/// `.lan` and `*.lan` stand for some host below: they are in a set that holds all of them.
fn has(pattern: &Pattern, name: &str) -> bool {
    let below = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
    match (below.and_then(HostName::parse), pattern) {
        (Some(domain), Pattern::Domain(wanted)) => domain.is_within(wanted),
        (Some(_), _) => false,
        (None, _) => Name::parse(name).is_some_and(|name| pattern.matches(&name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: &str) -> Entry {
        Entry::parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn patterns_are_those_of_policies() {
        let takes = |pattern: &str, name: &str| {
            let which = Which { peer: vec![Pattern::parse(pattern).unwrap()], ..Which::default() };
            let line = format!("{{\"verdict\":\"accept\",\"expected\":[\"{name}\"]}}");
            Filter::new(&which, 0).takes(&entry(&line))
        };
        assert!(takes("a.example", "a.example") && !takes("a.example", "b.a.example"));
        assert!(takes(".example", "b.a.example") && takes(".example", ".a.example"));
        assert!(takes(".example", "*.a.example") && !takes("a.example", "*.a.example"));
        assert!(takes("10.0.0.0/8", "10.1.2.3") && takes("*", "whatever it is"));
    }

    #[test]
    fn the_address_counts_where_no_name_is_expected() {
        let which = Which { peer: vec![Pattern::parse("10.0.0.0/8").unwrap()], ..Which::default() };
        let claimed = r#"{"verdict":"accept","claimed":["a.b"],"address":"10.0.0.1"}"#;
        assert!(Filter::new(&which, 0).takes(&entry(claimed)));
    }
}
