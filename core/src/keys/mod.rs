//! Keys that are remembered: which key a peer had, since when, and what people decided about it.
//!
//! A file `keys.db` for each user, and one for the machine. A decision only reads them; what it saw is
//! written once the whole verdict was accept and the handshake has finished.

#[cfg(feature = "source")]
mod edit;
#[cfg(feature = "source")]
mod machine;
pub mod place;
mod read;
mod remember;
mod schema;
#[cfg(feature = "source")]
mod select;
#[cfg(test)]
mod tests;
#[cfg(feature = "nss")]
mod told;
mod wrapped;

use std::fmt;

#[cfg(feature = "source")]
pub use edit::{Change, Done, Edit, EditResult, Given, Put, Undone};
#[cfg(feature = "source")]
pub use machine::publish_machine;
pub use read::{Access, Keys};
pub(crate) use remember::DAY;
pub use remember::{IMPORTED, Lost, PERSON, Seen, Sighting};
pub use schema::SCHEMA;
#[cfg(feature = "source")]
pub use select::Filter;
#[cfg(feature = "nss")]
pub use told::{Told, told};
pub use wrapped::{LONGEST_KEPT, Wanted};

use crate::key::KeyHash;
use crate::peer::Name;
use crate::protocol::Protocol;

/// A key that somebody has, or had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// Its number in its file.
    pub id: i64,
    /// Whose, as [`Name`] writes it.
    pub peer: String,
    /// For which of the peer's services.
    pub service: Service,
    /// The canonical hash.
    pub key: KeyHash,
    /// The SubjectPublicKeyInfo as it was seen; empty if only the hash is known.
    pub spki: Vec<u8>,
    /// What holds for it.
    pub state: State,
    /// Where it came from, for people: `first use`, `web`, `imported from known_hosts`.
    pub origin: String,
    /// In seconds since 1970.
    pub first_seen: i64,
    /// In seconds since 1970; counted no more than once a day.
    pub last_seen: i64,
    /// On how many days it was seen.
    pub sightings: i64,
    /// It vouches until this second, and not after it.
    pub until: Option<i64>,
    /// Whether a certificate around it is kept.
    pub has_certificate: bool,
    /// Whether the machine's administrator decided it, and not the user.
    pub of_machine: bool,
}

impl KnownKey {
    /// Whether it may vouch at this moment, as far as its state says.
    pub fn holds(&self, now: i64) -> bool {
        self.state == State::Remembered && self.until.is_none_or(|until| now <= until)
    }
}

/// What holds for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It is the peer's.
    Remembered,
    /// It was met, and waits for a person's word.
    Held,
    /// A person said that it is not the peer's.
    Denied,
}

impl State {
    /// `remembered`, `held` or `denied`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remembered => "remembered",
            Self::Held => "held",
            Self::Denied => "denied",
        }
    }

    /// Reads what [`State::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Remembered, Self::Held, Self::Denied].into_iter().find(|s| s.as_str() == text)
    }
}

/// One of a peer's services: keys are remembered for each apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    /// The protocol; with and without STARTTLS it is one.
    pub protocol: String,
    /// The port, where it is known and not the protocol's own; else 0.
    pub port: u16,
}

impl Service {
    /// The service that speaks this protocol on this port.
    pub fn new(protocol: &Protocol, port: Option<u16>) -> Self {
        let family = protocol.family();
        let own = |port: &u16| Protocol::from_port(*port).is_some_and(|p| p.family() == family);
        let port = port.filter(|port| !own(port)).unwrap_or(0);
        Self { protocol: family.to_string(), port }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            0 => f.write_str(&self.protocol),
            port => write!(f, "{} on port {port}", self.protocol),
        }
    }
}

/// Where a decision looks keys up.
pub trait Book {
    /// Every key that is known of this peer: the machine's and the user's.
    fn keys_of(&self, peer: &Name) -> Result<Vec<KnownKey>, KeysError>;

    /// Why a first use could not be remembered, if that is known already: then it is none.
    fn may_remember(&self) -> Result<(), KeysError> {
        Ok(())
    }
}

/// Why keys cannot be read or remembered: the file and the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysError {
    path: String,
    why: String,
}

impl KeysError {
    /// An error about the file at `path`.
    pub fn new(path: &str, why: impl fmt::Display) -> Self {
        Self { path: path.into(), why: why.to_string() }
    }

    /// The file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The cause alone.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Whether the file is damaged, in SQLite's words.
    #[cfg(feature = "source")]
    pub fn is_damage(&self) -> bool {
        ["database disk image is malformed", "file is not a database"]
            .iter()
            .any(|words| self.why.starts_with(words))
    }
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the remembered keys in {}: {}", self.path, self.why)
    }
}

impl std::error::Error for KeysError {}
