//! The question: I speak protocol X with a peer whom I take to be Y, and it proved key Z.

use std::fmt;
use std::net::IpAddr;

use crate::certificate::Certificate;
use crate::key::Key;
use crate::peer::{Email, HostName};
use crate::protocol::Protocol;

/// One question. What is not known is said to be unknown, never guessed.
#[derive(Clone, Debug)]
pub struct Query {
    /// The peer's side of the connection.
    pub role: Role,
    /// Whom the peer is taken to be.
    pub peer: Peer,
    /// The address that the program is connected to: it selects rules and limits, and never names the
    /// peer. None in the server role, where the client chose it.
    pub locator: Option<IpAddr>,
    /// Over what.
    pub protocol: Fact<Protocol>,
    /// The port that the program is connected to, where that is known. None in the server role.
    pub port: Option<u16>,
    /// The path of the program's executable.
    pub application: Fact<String>,
    /// The key whose possession the peer proves.
    pub key: Key,
    /// What came with the key.
    pub evidence: Evidence,
    /// The moment that is asked about, in seconds since 1970.
    pub time: i64,
}

/// The peer's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The peer is the server; the program is its client.
    Server,
    /// The peer is the client; the program is its server.
    Client,
}

impl Role {
    /// `server` or `client`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// Whom the query is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Whom the program said that it expects.
    Expected(ExpectedPeer),
    /// Nobody in particular: the names are those that the certificate claims.
    Claimed,
}

/// Expected names combine as in OpenSSL: any of the hosts, and the address, and the mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedPeer {
    /// Any of these.
    pub hosts: Vec<ExpectedHost>,
    /// And this.
    pub address: Option<IpAddr>,
    /// And this.
    pub email: Option<Email>,
}

/// One expected host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedHost {
    /// This host.
    Exact(HostName),
    /// Some host below this domain: the certificate says which (X509_check_host, leading dot).
    Below(HostName),
}

impl fmt::Display for ExpectedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Below(domain) => write!(f, ".{domain}"),
        }
    }
}

/// Something that may not be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// It is this.
    Known(T),
    /// It can be anything: what is accepted must be acceptable whatever it is.
    Unknown,
}

impl<T> Fact<T> {
    /// The value, where it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown => None,
        }
    }
}

impl<T> From<Option<T>> for Fact<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unknown, Self::Known)
    }
}

/// Supplementary evidence: it can help a key, and is never believed by itself.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The certificate that wraps the key; None for a raw public key (RFC 7250).
    pub leaf: Option<Certificate>,
    /// Further certificates, in the order presented.
    pub intermediates: Vec<Certificate>,
}

/// How much of what came with a key is looked at: what came first counts first. Once there is no room,
/// nothing more is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    certificates: usize,
    bytes: usize,
    is_full: bool,
}

impl Room {
    /// No more intermediates than this. A path goes through six at most.
    pub const CERTIFICATES: usize = 64;
    /// Nor more bytes of them.
    pub const BYTES: usize = 1 << 20;

    /// Takes a certificate of this length, if there is room for it.
    pub fn take(&mut self, length: usize) -> bool {
        self.certificates += 1;
        self.bytes = self.bytes.saturating_add(length);
        self.is_full |= self.certificates > Self::CERTIFICATES || self.bytes > Self::BYTES;
        !self.is_full
    }
}
