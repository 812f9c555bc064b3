//! Over what: IANA service names, and how a program's facts give one.

use std::fmt;

/// An IANA service name (RFC 6335 section 5.1) such as `https` or `postgresql`, or `smime`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Protocol {
    /// The name, and zeros behind it: a decision copies it often.
    name: [u8; Self::LONGEST],
    length: u8,
}

impl Protocol {
    const LONGEST: usize = 15;

    /// A name that is one, in lower case.
    fn named(name: &str) -> Self {
        let mut own = [0; Self::LONGEST];
        let length = name.len().min(Self::LONGEST);
        own[..length].copy_from_slice(&name.as_bytes()[..length]);
        Self { name: own, length: length as u8 }
    }

    /// Takes a service name: 1 to 15 letters, digits and single inner hyphens, with a letter; any case.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::LONGEST).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && text.bytes().any(|b| b.is_ascii_alphabetic())
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.contains("--");
        fits.then(|| Self::named(&text.to_ascii_lowercase()))
    }

    /// The service that an ALPN protocol id belongs to (IANA, TLS ALPN Protocol IDs).
    pub fn from_alpn(id: &[u8]) -> Option<Self> {
        ALPN.iter().find(|(alpn, _)| alpn.as_bytes() == id).map(|(_, name)| Self::named(name))
    }

    /// The service whose own TCP port this is.
    pub fn from_port(port: u16) -> Option<Self> {
        SERVICES.iter().find(|s| s.ports.contains(&port)).map(|s| Self::named(s.name))
    }

    /// The port that the service has of its own, where peerkey knows one.
    pub fn default_port(&self) -> Option<u16> {
        SERVICES.iter().find(|s| s.name == self.as_str()).and_then(|s| s.ports.first().copied())
    }

    /// The name with implicit TLS for the name with STARTTLS, and the other way round.
    pub fn counterpart(&self) -> Option<Self> {
        PAIRS.iter().find_map(|(starttls, implicit)| match self.as_str() {
            name if name == *starttls => Some(Self::named(implicit)),
            name if name == *implicit => Some(Self::named(starttls)),
            _ => None,
        })
    }

    /// One name for the protocol with STARTTLS and with implicit TLS: the former.
    pub fn family(&self) -> Self {
        let pair = PAIRS.iter().find(|(_, implicit)| *implicit == self.as_str());
        pair.map_or_else(|| self.clone(), |(starttls, _)| Self::named(starttls))
    }

    /// Whether peerkey knows the service; another name is allowed, and nothing can suggest it.
    pub fn is_well_known(&self) -> bool {
        let name = self.as_str();
        name == "smime" || name == "ssh" || Self::well_known().any(|known| known == name)
    }

    /// The names of the services that peerkey knows.
    pub fn well_known() -> impl Iterator<Item = &'static str> {
        SERVICES.iter().map(|s| s.name)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        let name = self.name.get(..usize::from(self.length)).unwrap_or_default();
        // It is ASCII.
        std::str::from_utf8(name).unwrap_or_default()
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Protocol({:?})", self.as_str())
    }
}

struct Service {
    name: &'static str,
    ports: &'static [u16],
}

const fn service(name: &'static str, ports: &'static [u16]) -> Service {
    Service { name, ports }
}

/// IANA, Service Name and Transport Protocol Port Number Registry; 8443 and the like are left out,
/// because a port that anyone may use says nothing about the protocol.
const SERVICES: &[Service] = &[
    service("ftp", &[21]),
    service("smtp", &[25]),
    service("domain-s", &[853]),
    service("pop3", &[110]),
    service("nntp", &[119]),
    service("imap", &[143]),
    service("ldap", &[389]),
    service("https", &[443]),
    service("submissions", &[465]),
    service("nntps", &[563]),
    service("submission", &[587]),
    service("ipps", &[631]),
    service("ldaps", &[636]),
    service("ftps", &[990]),
    service("imaps", &[993]),
    service("pop3s", &[995]),
    service("openvpn", &[1194]),
    service("mqtt", &[1883]),
    service("nfs", &[2049]),
    service("mysql", &[3306]),
    service("sieve", &[4190]),
    service("sips", &[5061]),
    service("xmpp-client", &[5222]),
    service("xmpps-client", &[5223]),
    service("xmpp-server", &[5269]),
    service("xmpps-server", &[5270]),
    service("postgresql", &[5432]),
    service("amqps", &[5671]),
    service("amqp", &[5672]),
    service("redis", &[6379]),
    service("syslog-tls", &[6514]),
    service("ircs-u", &[6697]),
    service("secure-mqtt", &[8883]),
    service("zabbix-trapper", &[10051]),
];

/// One service under two names: with STARTTLS, and with TLS from the first byte.
const PAIRS: &[(&str, &str)] = &[
    ("imap", "imaps"),
    ("pop3", "pop3s"),
    ("submission", "submissions"),
    ("ldap", "ldaps"),
    ("ftp", "ftps"),
    ("nntp", "nntps"),
    ("amqp", "amqps"),
    ("mqtt", "secure-mqtt"),
    ("xmpp-client", "xmpps-client"),
    ("xmpp-server", "xmpps-server"),
];

const ALPN: &[(&str, &str)] = &[
    ("h2", "https"),
    ("http/1.1", "https"),
    ("http/1.0", "https"),
    ("http/0.9", "https"),
    ("h3", "https"),
    ("ftp", "ftp"),
    ("imap", "imap"),
    ("pop3", "pop3"),
    ("managesieve", "sieve"),
    ("xmpp-client", "xmpp-client"),
    ("xmpp-server", "xmpp-server"),
    ("mqtt", "mqtt"),
    ("dot", "domain-s"),
    ("irc", "ircs-u"),
    ("nnsp", "nntp"),
    ("nntp", "nntp"),
    ("sip/2", "sips"),
    ("postgresql", "postgresql"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_give_service_names() {
        assert_eq!(Protocol::from_alpn(b"h2"), Protocol::parse("https"));
        assert_eq!(Protocol::from_alpn(b"x"), None);
        assert_eq!(Protocol::from_port(5432), Protocol::parse("PostgreSQL"));
        assert_eq!(Protocol::from_port(8443), None);
        assert_eq!(Protocol::parse("imap").unwrap().counterpart(), Protocol::parse("imaps"));
        assert_eq!(Protocol::parse("https").unwrap().counterpart(), None);
    }

    #[test]
    fn what_is_no_service_name_is_refused() {
        for text in ["", "-a", "a--b", "a-", "123", "a b", "sixteen-letters-x", "http/1.1", "*"] {
            assert_eq!(Protocol::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn tables_agree_with_themselves() {
        for name in Protocol::well_known().chain(ALPN.iter().map(|(_, name)| *name)) {
            assert!(Protocol::parse(name).is_some_and(|p| p.is_well_known()), "{name}");
        }
        for (starttls, implicit) in PAIRS {
            assert!(Protocol::well_known().any(|n| n == *starttls), "{starttls}");
            assert!(Protocol::well_known().any(|n| n == *implicit), "{implicit}");
        }
    }
}
