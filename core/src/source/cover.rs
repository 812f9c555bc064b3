//! Whether sets of peers hold all of another: for rules that nothing can reach.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use crate::pattern::{Pattern, mask};
use crate::peer::HostName;

/// The peers of some patterns.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerSet {
    any: bool,
    names: HashSet<Pattern>,
    networks: BTreeSet<(IpAddr, u8)>,
}

impl PeerSet {
    /// Adds the peers of these patterns; None is every peer.
    pub(super) fn add(&mut self, patterns: Option<&[Pattern]>) {
        self.any |= patterns.is_none();
        for pattern in patterns.unwrap_or_default() {
            match pattern {
                Pattern::Any => self.any = true,
                Pattern::Network(address, bits) => {
                    self.networks.insert((*address, *bits));
                }
                name => {
                    self.names.insert(name.clone());
                }
            }
        }
    }

    /// Whether one of the patterns here holds all of this domain.
    fn has_domain(&self, host: &HostName) -> bool {
        let above = host.ancestry().filter_map(HostName::parse);
        above.map(Pattern::Domain).any(|domain| self.names.contains(&domain))
    }

    fn has_network(&self, address: IpAddr, bits: u8) -> bool {
        let wider = (0..=bits).filter_map(|bits| Some((mask(address, bits)?, bits)));
        self.any || wider.into_iter().any(|network| self.networks.contains(&network))
    }

    fn has_part_of(&self, address: IpAddr, bits: u8) -> bool {
        let last = last_address(address, bits);
        self.networks.range((address, 0)..=(last, u8::MAX)).next().is_some()
    }
}

/// Whether every peer of `patterns` is in one of the sets. None is every peer.
pub(super) fn cover(sets: &[&PeerSet], patterns: Option<&[Pattern]>) -> bool {
    match patterns {
        None => sets.iter().any(|set| set.any),
        Some(patterns) => patterns.iter().all(|pattern| covers_pattern(sets, pattern)),
    }
}

fn covers_pattern(sets: &[&PeerSet], pattern: &Pattern) -> bool {
    if let Pattern::Network(address, bits) = pattern {
        return covers_network(sets, *address, *bits);
    }
    sets.iter().any(|set| {
        let wider = match pattern {
            Pattern::Host(host) | Pattern::Domain(host) => set.has_domain(host),
            Pattern::Mailbox(email) => set.names.contains(&Pattern::MailHost(email.host().clone())),
            Pattern::Any | Pattern::Network(..) | Pattern::MailHost(_) => false,
        };
        set.any || wider || set.names.contains(pattern)
    })
}

/// A network is also covered where its two halves are.
fn covers_network(sets: &[&PeerSet], address: IpAddr, bits: u8) -> bool {
    if sets.iter().any(|set| set.has_network(address, bits)) {
        return true;
    }
    if !sets.iter().any(|set| set.has_part_of(address, bits)) {
        return false;
    }
    let Some(upper) = upper_half(address, bits) else { return false };
    covers_network(sets, address, bits + 1) && covers_network(sets, upper, bits + 1)
}

/// The second half of a network. None for a single address.
fn upper_half(address: IpAddr, bits: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let bit = 31u32.checked_sub(u32::from(bits))?;
            Some(IpAddr::from((u32::from(v4) | 1 << bit).to_be_bytes()))
        }
        IpAddr::V6(v6) => {
            let bit = 127u32.checked_sub(u32::from(bits))?;
            Some(IpAddr::from((u128::from(v6) | 1 << bit).to_be_bytes()))
        }
    }
}

fn last_address(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(v4) => {
            let rest = u32::MAX.checked_shr(bits).unwrap_or(0);
            IpAddr::from((u32::from(v4) | rest).to_be_bytes())
        }
        IpAddr::V6(v6) => {
            let rest = u128::MAX.checked_shr(bits).unwrap_or(0);
            IpAddr::from((u128::from(v6) | rest).to_be_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(outer: &[&str], inner: &[&str]) -> bool {
        let parse = |texts: &[&str]| -> Vec<_> {
            texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
        };
        let mut set = PeerSet::default();
        set.add(Some(&parse(outer)));
        cover(&[&set], Some(&parse(inner)))
    }

    #[test]
    fn wider_patterns_hold_narrower_ones() {
        for (outer, inner) in [
            (&["*"][..], &["a.b", "@x.y", "::/0"][..]),
            (&[".b"], &["a.b", ".b", ".x.a.b", "b"]),
            (&["a.b", "c.b"], &["c.b", "a.b"]),
            (&["@x.y"], &["bob@x.y", "@x.y"]),
            (&["10.0.0.0/8"], &["10.1.0.0/16", "10.0.0.1"]),
            (&["10.0.0.0/9", "10.128.0.0/10", "10.192.0.0/10"], &["10.0.0.0/8"]),
            (&["2001:db8::/33", "2001:db8:8000::/33"], &["2001:db8::/32"]),
            (&["10.0.0.0", "10.0.0.1"], &["10.0.0.0/31"]),
            (&["0.0.0.0/1", "128.0.0.0/1"], &["0.0.0.0/0"]),
        ] {
            assert!(covered(outer, inner), "{outer:?} {inner:?}");
        }
    }

    #[test]
    fn what_is_left_over_is_seen() {
        for (outer, inner) in [
            (&["0.0.0.0/0", "::/0"][..], &["*"][..]),
            (&["a.b"], &[".b"]),
            (&[".a.b"], &[".b"]),
            (&[".a.b"], &["xa.b"]),
            (&["x.y"], &["@x.y"]),
            (&["bob@x.y"], &["@x.y"]),
            (&["10.0.0.0/9", "10.128.0.0/10"], &["10.0.0.0/8"]),
            (&["10.0.0.0"], &["10.0.0.0/31"]),
            (&["0.0.0.0/0"], &["::/0"]),
            (&["a.b"], &["a.b", "c.b"]),
        ] {
            assert!(!covered(outer, inner), "{outer:?} {inner:?}");
        }
        assert!(!cover(&[], Some(&[Pattern::Any])));
        assert!(!cover(&[&PeerSet::default()], None));
    }
}
