//! The file of a compiled policy, and how names and scopes are written in it.

use std::net::IpAddr;
use std::sync::OnceLock;

use crate::certificate::printable;
use crate::pattern::{Pattern, mask};
use crate::peer::Name;
use crate::protocol::Protocol;

/// The schema that this version writes and reads; it is part of the file's name.
pub const SCHEMA: u32 = 1;

/// `PRAGMA application_id`: "PKey".
pub(super) const APPLICATION_ID: u32 = 0x504b_6579;

/// The name of the compiled policy in the state folder.
pub fn file_name() -> String {
    format!("policy-{SCHEMA}.db")
}

/// `*` in a column of protocols: over everything.
pub(crate) const EVERY_PROTOCOL: &str = "*";

/// Prefix lengths that the policy's networks have, so that an address is looked up by these alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PrefixLengths {
    pub(crate) v4: Vec<u8>,
    pub(crate) v6: Vec<u8>,
}

impl PrefixLengths {
    #[cfg(feature = "source")]
    pub(crate) fn add(&mut self, pattern: &Pattern) {
        let Pattern::Network(address, bits) = pattern else { return };
        let lengths = if address.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        if !lengths.contains(bits) {
            lengths.push(*bits);
        }
    }

    #[cfg(feature = "source")]
    pub(super) fn encode(&self) -> String {
        let join = |lengths: &[u8]| lengths.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        format!("{};{}", join(&self.v4), join(&self.v6))
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let (v4, v6) = text.split_once(';')?;
        let split = |lengths: &str| -> Option<Vec<u8>> {
            lengths.split(',').filter(|l| !l.is_empty()).map(|l| l.parse().ok()).collect()
        };
        Some(Self { v4: split(v4)?, v6: split(v6)? })
    }
}

/// The patterns that match a name, as rules are kept under them.
pub(crate) fn keys_of(name: &Name, lengths: &PrefixLengths) -> Vec<String> {
    let mut keys = vec![Pattern::Any.to_string()];
    match name {
        Name::Host(host) => {
            keys.push(host.to_string());
            keys.extend(host.ancestry().map(|domain| [".", domain].concat()));
        }
        Name::Email(email) => {
            keys.push(email.to_string());
            keys.push(format!("@{}", email.host()));
        }
        Name::Address(address) => keys.extend(network_keys(*address, lengths)),
    }
    keys
}

fn network_keys(address: IpAddr, lengths: &PrefixLengths) -> impl Iterator<Item = String> {
    let lengths = if address.is_ipv4() { &lengths.v4 } else { &lengths.v6 };
    lengths.iter().filter_map(move |bits| {
        mask(address, *bits).map(|network| Pattern::Network(network, *bits).to_string())
    })
}

/// A scope's patterns, one a line.
#[cfg(feature = "source")]
pub(super) fn join<T: ToString>(items: Option<&Vec<T>>) -> Option<String> {
    items.map(|items| items.iter().map(T::to_string).collect::<Vec<_>>().join("\n"))
}

/// Where something holds, as it is read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredScope {
    pub(crate) peers: Option<String>,
    pub(crate) protocols: Option<String>,
    pub(crate) until: Option<i64>,
    /// The peers as patterns, once they were asked about. (A connection is one thread's at a time: nobody
    /// waits for this.)
    patterns: OnceLock<Vec<Pattern>>,
}

impl StoredScope {
    pub(super) fn new(
        peers: Option<String>,
        protocols: Option<String>,
        until: Option<i64>,
    ) -> Self {
        Self { peers, protocols, until, patterns: OnceLock::new() }
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_current(&self, now: i64) -> bool {
        self.until.is_none_or(|until| now <= until)
    }

    /// Whether it is about this peer. Without a name: whether it is about every peer.
    pub(crate) fn has_peer(&self, name: Option<&Name>) -> bool {
        let Some(peers) = &self.peers else { return true };
        let read = || peers.lines().filter_map(|line| Pattern::parse(line).ok()).collect();
        self.patterns.get_or_init(read).iter().any(|pattern| match name {
            Some(name) => pattern.matches(name),
            None => *pattern == Pattern::Any,
        })
    }

    /// Whether it is about this protocol, or for None about every protocol.
    pub(crate) fn has_protocol(&self, protocol: Option<&Protocol>) -> bool {
        let Some(protocols) = &self.protocols else { return true };
        protocol.is_some_and(|protocol| protocols.lines().any(|line| line == protocol.as_str()))
    }

    /// The peers, for people.
    pub(crate) fn peers_text(&self) -> String {
        listed(self.peers.as_deref())
    }

    /// The protocols, for people.
    pub(crate) fn protocols_text(&self) -> String {
        listed(self.protocols.as_deref())
    }
}

fn listed(lines: Option<&str>) -> String {
    printable(&lines.unwrap_or("*").replace('\n', ", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_keys_of_the_patterns_that_match_it() {
        let lengths = PrefixLengths { v4: vec![8, 32], v6: vec![32] };
        let keys = |text: &str| keys_of(&Name::parse(text).unwrap(), &lengths);
        assert_eq!(keys("a.b.c"), ["*", "a.b.c", ".a.b.c", ".b.c", ".c"]);
        assert_eq!(keys("10.1.2.3"), ["*", "10.0.0.0/8", "10.1.2.3"]);
        assert_eq!(keys("2001:db8::1"), ["*", "2001:db8::/32"]);
        assert_eq!(keys("x@b.c"), ["*", "x@b.c", "@b.c"]);
        for key in keys("10.1.2.3").iter().chain(&keys("a.b.c")) {
            assert_eq!(&Pattern::parse(key).unwrap().to_string(), key);
        }
    }

    #[test]
    fn a_scope_holds_what_it_lists() {
        let peers = Some(".corp.example\n10.0.0.0/8".into());
        let scope = StoredScope::new(peers, Some("https\nldap".into()), Some(100));
        assert!(scope.has_peer(Name::parse("db.corp.example").as_ref()));
        assert!(scope.has_peer(Name::parse("10.1.1.1").as_ref()));
        assert!(!scope.has_peer(Name::parse("bank.example").as_ref()));
        assert!(!scope.has_peer(None));
        assert!(scope.has_protocol(Protocol::parse("ldap").as_ref()));
        assert!(!scope.has_protocol(None));
        assert!(scope.is_current(100) && !scope.is_current(101));
        assert!(StoredScope::default().has_peer(None) && StoredScope::default().has_protocol(None));
    }
}
