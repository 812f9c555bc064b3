//! Where to connect.

use std::fmt;
use std::net::IpAddr;

use peerkey_core::protocol::Protocol;

/// A host, or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A host name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// Reads `HOST:PORT`, `HOST`, `[ADDRESS]:PORT` or `ADDRESS`; where `text` is empty, the peer is the
    /// host. A port that is not given is the protocol's own.
    pub fn new(
        text: &str,
        peer: Option<&str>,
        protocol: Option<&Protocol>,
    ) -> Result<Self, String> {
        let text = match (text, peer) {
            ("", Some(peer)) => peer,
            ("", None) => return Err("write where to connect to: --connect HOST:PORT".into()),
            (text, _) => text,
        };
        let (host, port) = split(text)?;
        if host.is_empty() || host.contains('@') || host.starts_with('.') {
            return Err(format!("\"{host}\" is nothing to connect to; write --connect HOST:PORT"));
        }
        let own = || protocol.and_then(Protocol::default_port);
        match port.or_else(own) {
            Some(port) => Ok(Self { host: host.to_owned(), port }),
            None => Err(format!(
                "the port of {} is not known; write --connect {host}:PORT",
                protocol.map_or("an unknown protocol", Protocol::as_str)
            )),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn split(text: &str) -> Result<(&str, Option<u16>), String> {
    let port = |digits: &str| match digits.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("\"{digits}\" is no port; one from 1 to 65535 is wanted")),
    };
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text, None));
    }
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        return match rest.strip_prefix(':') {
            Some(digits) => Ok((address, Some(port(digits)?))),
            None if rest.is_empty() => Ok((address, None)),
            None => Err(format!("\"{text}\": write [ADDRESS]:PORT")),
        };
    }
    match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => Err(format!("\"{text}\": write [ADDRESS]:PORT")),
        Some((host, digits)) => Ok((host, Some(port(digits)?))),
        None => Ok((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str, protocol: &str) -> Result<String, String> {
        Target::new(text, Some("peer.example"), Protocol::parse(protocol).as_ref())
            .map(|target| target.to_string())
    }

    #[test]
    fn what_is_left_out_comes_from_the_peer_and_the_protocol() {
        assert_eq!(target("", "https").unwrap(), "peer.example:443");
        assert_eq!(target("a.b", "imap").unwrap(), "a.b:143");
        assert_eq!(target("a.b:8443", "x-own").unwrap(), "a.b:8443");
        assert_eq!(target("::1", "https").unwrap(), "[::1]:443");
        assert_eq!(target("[::1]:1", "https").unwrap(), "[::1]:1");
        assert_eq!(target("[::1]", "https").unwrap(), "[::1]:443");
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for text in ["a:0", "a:65536", "a:b:c", "[::1]x", ":1", "me@a.b:25", ".a.b:1", "a:"] {
            assert!(target(text, "https").is_err(), "{text}");
        }
        assert!(target("a.b", "x-own").unwrap_err().contains("x-own"));
        assert!(Target::new("", None, None).is_err());
    }
}
