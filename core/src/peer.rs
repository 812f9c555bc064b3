//! Who the peer is: one name, in the one form in which peerkey compares names.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A host name as A-labels, in lower case, without the trailing dot (RFC 5890 section 2.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

impl HostName {
    /// Takes a host name as programs and certificates write it: any case, one trailing dot allowed.
    /// None if it is not made of letters, digits, hyphens and underscores in labels of 1 to 63.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let fits = !text.is_empty() && text.len() <= 253 && text.split('.').all(is_label);
        // A last label of digits only is an address or a slip, never a name (RFC 1123 section 2.1).
        let named = !text.rsplit('.').next().unwrap_or("").bytes().all(|b| b.is_ascii_digit());
        (fits && named).then(|| Self(text.to_ascii_lowercase()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `domain` itself or lies below it (RFC 5280 section 4.2.1.10).
    pub fn is_within(&self, domain: &Self) -> bool {
        match self.0.strip_suffix(&domain.0) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        }
    }

    /// This name and each domain above it, the nearest first: `a.b.c`, `b.c`, `c`.
    pub fn ancestry(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.0.as_str()), |name| name.split_once('.').map(|(_, up)| up))
    }

    /// The domain above, if there is one.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, up)| Self(up.to_owned()))
    }

    /// The name `label` directly below this one.
    pub(crate) fn child(&self, label: &str) -> Self {
        Self(format!("{label}.{}", self.0))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// An e-mail address: the local part byte for byte, the host compared as a host (RFC 8398).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email {
    local: String,
    host: HostName,
}

impl Email {
    /// Takes `local@host`; None if either part is not usable. Quoted local parts are not taken.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, host) = text.rsplit_once('@')?;
        let plain = |b: u8| b.is_ascii_graphic() && !b"\"(),:;<>@[\\]".contains(&b);
        let fits = (1..=64).contains(&local.len()) && local.bytes().all(plain);
        fits.then_some(())?;
        Some(Self { local: local.to_owned(), host: HostName::parse(host)? })
    }

    /// The host that receives the mail.
    pub fn host(&self) -> &HostName {
        &self.host
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.host)
    }
}

/// One name of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// A DNS host name.
    Host(HostName),
    /// An address; a v4-mapped IPv6 address is the IPv4 address.
    Address(IpAddr),
    /// A mailbox.
    Email(Email),
}

impl Name {
    /// Takes a host name, an address (IPv6 also in brackets) or an e-mail address.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Address(canonical_address(address)));
        }
        if text.contains('@') {
            return Email::parse(text).map(Self::Email);
        }
        HostName::parse(text).map(Self::Host)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => host.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Email(email) => email.fmt(f),
        }
    }
}

/// One form for one address: `::ffff:192.0.2.1` is `192.0.2.1` (RFC 4291 section 2.5.5.2).
pub fn canonical_address(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The address in a certificate's iPAddress (RFC 5280 section 4.2.1.6): 4 or 16 bytes.
pub(crate) fn address_from_octets(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(IpAddr::from(v4));
    }
    let v6 = <[u8; 16]>::try_from(octets).ok()?;
    Some(canonical_address(IpAddr::V6(Ipv6Addr::from(v6))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_form() {
        assert_eq!(HostName::parse("WWW.Example.ORG."), HostName::parse("www.example.org"));
        assert_eq!(Name::parse("[2001:DB8::1]"), Name::parse("2001:db8:0::1"));
        assert_eq!(Name::parse("::ffff:192.0.2.1"), Name::parse("192.0.2.1"));
        assert_eq!(Name::parse("Bob@Example.org").unwrap().to_string(), "Bob@example.org");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in
            ["", ".", "a..b", "*.example.org", "1.2.3", "a b", "x\0y", "ex\u{e4}mple", "a/b"]
        {
            assert_eq!(HostName::parse(text), None, "{text:?}");
        }
        for text in ["@x.org", "a@", "a b@x.org", "\"a\"@x.org"] {
            assert_eq!(Email::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_domain_holds_itself_and_what_is_below() {
        let name = |t| HostName::parse(t).unwrap();
        assert!(name("a.example.org").is_within(&name("example.org")));
        assert!(name("example.org").is_within(&name("example.org")));
        assert!(!name("badexample.org").is_within(&name("example.org")));
    }
}
