//! `--connect`: speaks to a server until TLS is up, trusts nothing, and brings home what it showed.

mod starttls;
mod target;
mod tls;
mod wire;

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::time::Duration;

use peerkey_core::certificate::printable;
use peerkey_core::peer::HostName;
use peerkey_core::protocol::Protocol;

pub use target::Target;

/// What a server showed, and proved: the handshake was finished.
#[derive(Clone, Debug)]
pub struct Presented {
    /// Its certificates in DER, its own first.
    pub chain: Vec<Vec<u8>>,
    /// The address that was connected to.
    pub address: IpAddr,
    /// `TLSv1.3`.
    pub version: &'static str,
    /// The ALPN protocol id that it chose.
    pub alpn: Option<String>,
    /// In whose words TLS was asked for, where it did not start at once.
    pub starttls: Option<&'static str>,
}

/// Whom to speak to, and how.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Where.
    pub target: &'a Target,
    /// Over what; None where that is not known.
    pub protocol: Option<&'a Protocol>,
    /// Whose name to ask for (SNI, and the domain of an XMPP stream).
    pub name: Option<&'a HostName>,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// Why there is nothing to ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError(String);

impl CallError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Something that the server said, shown safely and in part.
    fn answer(expected: &str, said: &[u8]) -> Self {
        let said: String = String::from_utf8_lossy(said).trim_end().chars().take(200).collect();
        Self(format!("{expected}; the server said \"{}\"", printable(&said)))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CallError {}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        Self(match error.kind() {
            ErrorKind::TimedOut => "no answer in time".into(),
            ErrorKind::UnexpectedEof => "the server hung up".into(),
            ErrorKind::ConnectionRefused => "nothing listens there (connection refused)".into(),
            _ => error.to_string(),
        })
    }
}

/// Calls the server, and finishes a TLS handshake with it.
pub fn call(call: &Call<'_>) -> Result<Presented, CallError> {
    let mut wire = wire::Wire::open(call.target, call.timeout)?;
    let address = wire.peer_address()?;
    let starttls = starttls::which(call.protocol, call.target.port);
    if let Some(dialogue) = starttls {
        let client = wire.own_address()?;
        // An XMPP stream is addressed to a domain, and a domain must be named.
        let domain = call.name.map_or(call.target.host.as_str(), HostName::as_str);
        dialogue.run(&mut wire, &starttls::Names { domain, client }).map_err(|why| {
            CallError(format!("cannot start TLS with {} ({}): {why}", call.target, dialogue.name()))
        })?;
    }
    let offered = tls::alpn(call.protocol);
    let shown = tls::handshake(wire, call.name, offered)
        .map_err(|why| CallError(format!("no TLS with {}: {why}", call.target)))?;
    Ok(Presented {
        chain: shown.chain,
        address,
        version: shown.version,
        alpn: shown.alpn,
        starttls: starttls.map(|dialogue| dialogue.name()),
    })
}
