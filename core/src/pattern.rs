//! Which peers: the patterns that people write in a policy.

use std::fmt;
use std::net::IpAddr;

use crate::certificate::printable;
use crate::peer::{Email, HostName, Name, canonical_address};

/// A set of names, written as one word in a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern {
    /// `*`: every peer, also one without a usable name.
    Any,
    /// `host.example`: that host.
    Host(HostName),
    /// `.example.org`: the domain and all below it (RFC 5280 section 4.2.1.10).
    Domain(HostName),
    /// `192.0.2.0/24`, `2001:db8::/32`, or one address.
    Network(IpAddr, u8),
    /// `alice@example.org`.
    Mailbox(Email),
    /// `@example.org`: every mailbox at that host.
    MailHost(HostName),
}

/// Why a word is no pattern. Its text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

impl std::error::Error for PatternError {}

impl Pattern {
    /// Reads one pattern, strictly: what is nearly right is refused with a hint.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let fail = |why: String| Err(PatternError(why));
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.is_empty() {
            return fail("an empty peer pattern; write \"*\" for every peer".into());
        }
        if let Some(domain) = text.strip_prefix("*.") {
            return fail(format!(
                "\"{text}\" is no pattern; write \".{domain}\" for the domain and all below it"
            ));
        }
        if text.contains('*') {
            return fail(format!("\"{text}\": '*' stands alone only, for every peer"));
        }
        if !text.is_ascii() {
            return fail(format!("\"{text}\" is not in ASCII{}", a_label_hint(text)));
        }
        if text.ends_with('.') {
            let bare = text.trim_end_matches('.');
            return fail(format!("\"{text}\" ends with a dot; write \"{bare}\""));
        }
        if let Some((address, length)) = text.split_once('/') {
            return network(text, address, length);
        }
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let address = canonical_address(address);
            return Ok(Self::Network(address, address_bits(address)));
        }
        if let Some(host) = text.strip_prefix('@') {
            return HostName::parse(host)
                .map(Self::MailHost)
                .ok_or_else(|| PatternError(format!("\"{text}\": \"{host}\" is no host name")));
        }
        if text.contains('@') {
            return Email::parse(text)
                .map(Self::Mailbox)
                .ok_or_else(|| PatternError(format!("\"{text}\" is no e-mail address")));
        }
        let (host, make): (_, fn(HostName) -> Self) = match text.strip_prefix('.') {
            Some(domain) => (domain, Self::Domain),
            None => (text, Self::Host),
        };
        HostName::parse(host).map(make).ok_or_else(|| {
            PatternError(format!("\"{text}\": \"{host}\" is no host name or address"))
        })
    }

    /// Whether the name is in the set.
    pub fn matches(&self, name: &Name) -> bool {
        match (self, name) {
            (Self::Any, _) => true,
            (Self::Host(host), Name::Host(name)) => host == name,
            (Self::Domain(domain), Name::Host(name)) => name.is_within(domain),
            (Self::Network(network, bits), Name::Address(address)) => {
                mask(*address, *bits) == Some(*network)
            }
            (Self::Mailbox(email), Name::Email(name)) => email == name,
            (Self::MailHost(host), Name::Email(name)) => host == name.host(),
            _ => false,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Host(host) => host.fmt(f),
            Self::Domain(domain) => write!(f, ".{domain}"),
            Self::Network(address, bits) if *bits == address_bits(*address) => address.fmt(f),
            Self::Network(address, bits) => write!(f, "{address}/{bits}"),
            Self::Mailbox(email) => email.fmt(f),
            Self::MailHost(host) => write!(f, "@{host}"),
        }
    }
}

fn network(text: &str, address: &str, length: &str) -> Result<Pattern, PatternError> {
    let fail = |why: String| Err(PatternError(format!("\"{text}\": {why}")));
    let Ok(address) = address.parse::<IpAddr>() else {
        return fail(format!("\"{address}\" is no IP address"));
    };
    let Some(bits) = length.parse::<u8>().ok().filter(|bits| *bits <= address_bits(address)) else {
        return fail(format!("a prefix length of 0 to {} is wanted", address_bits(address)));
    };
    match mask(address, bits) {
        Some(masked) if masked == address => Ok(Pattern::Network(address, bits)),
        Some(masked) => fail(format!("bits are set behind the prefix; write \"{masked}/{bits}\"")),
        None => fail("no such network".into()),
    }
}

fn address_bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The network of `bits` bits that the address is in. None if the address has fewer bits.
pub(crate) fn mask(address: IpAddr, bits: u8) -> Option<IpAddr> {
    (bits <= address_bits(address)).then(|| match address {
        IpAddr::V4(v4) => IpAddr::from(
            (u32::from(v4) & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)).to_be_bytes(),
        ),
        IpAddr::V6(v6) => IpAddr::from(
            (u128::from(v6) & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0))
                .to_be_bytes(),
        ),
    })
}

#[cfg(feature = "source")]
fn a_label_hint(text: &str) -> String {
    let (lead, name) = match text.find(|c: char| c != '.' && c != '@') {
        Some(at) => text.split_at(at),
        None => ("", text),
    };
    match idna::domain_to_ascii_strict(name) {
        Ok(ascii) => format!("; write \"{lead}{ascii}\""),
        Err(_) => "; write the name in its A-label form (xn--…)".into(),
    }
}

#[cfg(not(feature = "source"))]
fn a_label_hint(_: &str) -> &'static str {
    "; write the name in its A-label form (xn--…)"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(&Name::parse(name).unwrap())
    }

    #[test]
    fn patterns_match_what_they_say() {
        assert!(matches("Host.Example", "host.example."));
        assert!(!matches("host.example", "x.host.example"));
        assert!(matches(".example.org", "example.org"));
        assert!(matches(".example.org", "a.b.example.org"));
        assert!(!matches(".example.org", "anexample.org"));
        assert!(matches("192.0.2.0/24", "192.0.2.77"));
        assert!(matches("192.0.2.0/24", "::ffff:192.0.2.77"));
        assert!(!matches("192.0.2.0/24", "192.0.3.1"));
        assert!(matches("2001:db8::/32", "2001:db8:1::1"));
        assert!(matches("0.0.0.0/0", "8.8.8.8"));
        assert!(!matches("0.0.0.0/0", "::1"));
        assert!(matches("alice@example.org", "alice@EXAMPLE.org"));
        assert!(!matches("alice@example.org", "Alice@example.org"));
        assert!(matches("@example.org", "bob@example.org"));
        assert!(!matches("@example.org", "bob@sub.example.org"));
        assert!(!matches(".example.org", "bob@example.org"));
        assert!(matches("*", "bob@example.org"));
    }

    #[test]
    fn what_is_nearly_right_is_refused_with_a_hint() {
        for (text, hint) in [
            ("*.example.org", "\".example.org\""),
            ("a*.example.org", "'*' stands alone"),
            ("example.org.", "\"example.org\""),
            ("192.0.2.1/24", "\"192.0.2.0/24\""),
            ("192.0.2.0/33", "0 to 32"),
            ("nonsense/8", "no IP address"),
            ("", "empty"),
            ("a..b", "no host name"),
            ("1.2.3", "no host name"),
        ] {
            let why = Pattern::parse(text).unwrap_err().to_string();
            assert!(why.contains(hint), "{text}: {why}");
        }
    }

    #[test]
    fn a_pattern_reads_back_as_written() {
        for text in ["*", "a.b", ".a.b", "10.0.0.0/8", "::1", "2001:db8::/32", "a@b.c", "@b.c"] {
            assert_eq!(Pattern::parse(text).unwrap().to_string(), text);
        }
    }
}
