//! For whom and over what somebody vouched.

use std::collections::{BTreeMap, BTreeSet};

use peerkey_core::decide::is_public_suffix;
use peerkey_core::pattern::Pattern;
use peerkey_core::peer::{HostName, Name};
use peerkey_core::protocol::Protocol;

use super::comment;
use crate::record::RecordedCase;
use crate::render::count;

/// More than this are not named one by one in a comment.
const NAMED: usize = 4;

/// What somebody was used for.
#[derive(Default)]
pub(super) struct Scope {
    times: u64,
    /// As patterns, each with the protocols over which it was seen.
    peers: BTreeMap<Pattern, BTreeSet<String>>,
    /// Those that are broader than what was seen, because nothing narrower holds it.
    broader: BTreeSet<Pattern>,
    /// What no pattern holds.
    beyond: BTreeSet<String>,
    protocols: BTreeSet<String>,
    /// How often nobody knew over what.
    over_unknown: u64,
}

impl Scope {
    pub(super) fn add(&mut self, case: &RecordedCase) {
        self.times += 1;
        let protocol = Protocol::parse(&case.protocol).map(|protocol| protocol.to_string());
        match &protocol {
            Some(protocol) => {
                self.protocols.insert(protocol.clone());
            }
            None => self.over_unknown += 1,
        }
        // `bank.example at 192.0.2.1`: the address selected the rule, and names nobody.
        let peer = case.peer.split(" at ").next().unwrap_or_default();
        let Some(pattern) = pattern(peer) else {
            self.beyond.insert(case.peer.clone());
            return;
        };
        if let Pattern::Domain(_) = pattern {
            self.broader.insert(pattern.clone());
        }
        self.peers.entry(pattern).or_default().extend(protocol);
    }

    /// `1234 times, for 3 names over https`.
    pub(super) fn in_words(&self) -> String {
        let names = count(self.peers.len() + self.beyond.len(), "name");
        let over = match (self.over_unknown, self.protocols.len()) {
            (1.., _) => "not always a known protocol".to_owned(),
            (0, 1) => self.protocols.iter().next().cloned().unwrap_or_default(),
            (0, more) => count(more, "protocol"),
        };
        let times = count(usize::try_from(self.times).unwrap_or(usize::MAX), "time");
        format!("{times}, for {names} over {over}")
    }

    /// A table with this scope; as a comment, where the scope cannot hold what was seen.
    pub(super) fn limited(&self, table: &str) -> String {
        let mut out = String::new();
        if !self.beyond.is_empty() {
            let all: Vec<_> = self.beyond.iter().take(NAMED).map(|peer| comment(peer)).collect();
            out.push_str(&format!(
                "# No scope is proposed: it vouched for what no pattern holds: {}.\n",
                all.join("; ")
            ));
        }
        out.push_str(&self.hints());
        let lines = format!("{table}{}", self.lines());
        match self.beyond.is_empty() {
            true => out.push_str(&lines),
            false => lines.lines().for_each(|line| out.push_str(&format!("# {line}\n"))),
        }
        out
    }

    /// `peers` and `protocols`.
    fn lines(&self) -> String {
        let quoted = |text: String| toml::Value::String(text).to_string();
        let peers: Vec<_> = self.peers.keys().map(|peer| quoted(peer.to_string())).collect();
        let mut out = match peers.len() {
            0..=3 => format!("peers = [{}]\n", peers.join(", ")),
            _ => format!("peers = [\n    {},\n]\n", peers.join(",\n    ")),
        };
        if self.over_unknown == 0 {
            let protocols: Vec<_> = self.protocols.iter().cloned().map(quoted).collect();
            out.push_str(&format!("protocols = [{}]\n", protocols.join(", ")));
        }
        out
    }

    fn hints(&self) -> String {
        let mut out = String::new();
        for (domain, hosts) in self.domains() {
            let mut named: Vec<_> = hosts.iter().take(NAMED).map(|host| host.as_str()).collect();
            if hosts.len() > NAMED {
                named.push("others");
            }
            out.push_str(&format!(
                "# \".{domain}\" would hold {}, and every other name below {domain}.\n",
                named.join(", ")
            ));
        }
        for pattern in &self.broader {
            out.push_str(&format!(
                "# \"{pattern}\" is for \"*{pattern}\", which no narrower pattern holds.\n"
            ));
        }
        if self.over_unknown > 0 {
            out.push_str(&format!(
                "# Over a protocol that nobody knew {} times, so that no protocols are proposed.\n",
                self.over_unknown
            ));
        } else if self.peers.values().any(|over| over.len() < self.protocols.len()) {
            let seen = self.peers.iter().take(NAMED).map(|(peer, over)| {
                let over: Vec<_> = over.iter().map(String::as_str).collect();
                format!("{peer} over {}", over.join(", "))
            });
            let seen: Vec<_> = seen.collect();
            let more = if self.peers.len() > NAMED { "; and so on" } else { "" };
            out.push_str(&format!(
                "# A scope is for each name over each protocol; seen was {}{more}.\n",
                seen.join("; ")
            ));
        }
        out
    }

    /// The domains below which there were several hosts; never one below which a registry gives names out.
    fn domains(&self) -> BTreeMap<String, Vec<&HostName>> {
        let mut domains: BTreeMap<String, Vec<&HostName>> = BTreeMap::new();
        for pattern in self.peers.keys() {
            if let Pattern::Host(host) = pattern
                && let Some(above) = host.parent()
            {
                domains.entry(above.to_string()).or_default().push(host);
            }
        }
        domains.retain(|domain, hosts| hosts.len() > 1 && !is_public_suffix(domain));
        domains
    }
}

/// The narrowest pattern for a name as it is recorded; none for a public suffix, nor for what is no name.
fn pattern(peer: &str) -> Option<Pattern> {
    if let Some(domain) = peer.strip_prefix("*.").and_then(HostName::parse) {
        return (!is_public_suffix(domain.as_str())).then_some(Pattern::Domain(domain));
    }
    Name::parse(peer).and_then(|name| Pattern::parse(&name.to_string()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(seen: &[(&str, &str)]) -> Scope {
        let mut scope = Scope::default();
        for (peer, protocol) in seen {
            scope.add(&RecordedCase {
                peer: (*peer).into(),
                protocol: (*protocol).into(),
                rule: String::new(),
                accepted: true,
                authorities: Vec::new(),
            });
        }
        scope
    }

    #[test]
    fn nothing_is_broader_than_what_was_seen() {
        let seen = [("a.corp.example", "https"), ("b.corp.example", "https"), ("10.0.0.1", "ldap")];
        let text = scope(&seen).limited("");
        assert!(
            text.contains("# \".corp.example\" would hold a.corp.example, b.corp.example, and")
        );
        assert!(
            text.ends_with(
                "peers = [\"a.corp.example\", \"b.corp.example\", \"10.0.0.1\"]\n\
             protocols = [\"https\", \"ldap\"]\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("# A scope is for each name over each protocol; seen was "),
            "{text}"
        );
    }

    #[test]
    fn a_public_suffix_is_never_proposed() {
        for (one, other) in [("a.co.uk", "b.co.uk"), ("a.example", "b.example"), ("a.com", "b.com")]
        {
            let text = scope(&[(one, "https"), (other, "https")]).limited("");
            assert!(!text.contains("would hold"), "{text}");
        }
        let wild = scope(&[("*.co.uk", "https")]).limited("[x]\n");
        assert!(wild.contains("# [x]\n") && !wild.contains("\".co.uk\""), "{wild}");
        let wild = scope(&[("*.corp.example", "https")]).limited("");
        assert!(wild.contains("peers = [\".corp.example\"]"), "{wild}");
        assert!(wild.contains("# \".corp.example\" is for \"*.corp.example\""), "{wild}");
    }

    #[test]
    fn what_cannot_be_held_is_a_comment() {
        let unknown = scope(&[("a.example.org", "any other protocol"), ("a.example.org", "https")]);
        let text = unknown.limited("");
        assert!(text.contains("1 times") && !text.contains("protocols = "), "{text}");
        let nameless = scope(&[("a peer that cannot be told (no names)\n[x]", "https")]);
        let text = nameless.limited("[[constraint]]\n");
        assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
        let at = scope(&[("a.example.org at 192.0.2.1", "https")]).limited("");
        assert!(at.contains("peers = [\"a.example.org\"]"), "{at}");
    }
}
