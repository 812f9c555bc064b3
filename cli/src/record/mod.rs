//! The record of decisions, as it is read back: whose it is, its lines, and what was asked in them.

pub mod again;
pub mod asked;
pub mod filter;
pub mod follow;
pub mod lines;
pub mod place;
pub mod read;

use std::hash::Hash;
use std::path::Path;

use serde::Deserialize;

/// A line of the record. What a line does not say is None, and what is not known here is ignored.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Names the line.
    #[serde(default)]
    pub id: String,
    /// In milliseconds since 1970.
    #[serde(default)]
    pub time: i64,
    /// What was decided; None where the line is about something else.
    pub verdict: Option<Word>,
    /// Whether the program was held to it.
    pub enforced: Option<bool>,
    /// On what an acceptance rests.
    pub basis: Option<String>,
    /// The code of a refusal.
    pub code: Option<String>,
    /// The sentence of a refusal.
    pub reason: Option<String>,
    /// What would hold if nothing were only monitored, where that differs.
    pub would: Option<Word>,
    /// Its code, where it is a refusal.
    pub would_code: Option<String>,
    /// Its sentence.
    pub would_reason: Option<String>,
    /// Whether the key was met for the first time.
    #[serde(default)]
    pub first: bool,
    /// What was asked.
    #[serde(flatten)]
    pub facts: Facts,
    /// Each case that was decided.
    #[serde(default)]
    pub cases: Vec<RecordedCase>,
    /// The user.
    pub uid: Option<u32>,
    /// The process.
    pub pid: Option<u32>,
    /// The digest of the policy.
    pub policy: Option<String>,
    /// How many decisions before this one were left out.
    #[serde(default)]
    pub dropped: u64,
    /// What happened, where nothing was decided.
    pub event: Option<String>,
}

/// What was asked: of two lines with the same facts, only the time can make a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub struct Facts {
    /// The peer's side.
    pub role: Option<Side>,
    /// Whom the program expects.
    pub expected: Option<Vec<String>>,
    /// The names that the certificate claims.
    pub claimed: Option<Vec<String>>,
    /// Over what.
    pub protocol: Option<String>,
    /// The address that the program is connected to.
    pub address: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The path of the program.
    pub application: Option<String>,
    /// The key's hash.
    pub key: Option<String>,
    /// The key, where there is no certificate.
    pub spki: Option<String>,
    /// Under which name the certificates are kept.
    pub chain: Option<String>,
    /// What the program's own verification says.
    pub native: Option<Native>,
    /// The top of the chain that it found.
    pub anchor: Option<Anchor>,
    /// Where it was verified.
    pub level: Option<Level>,
    /// Whether details were left out.
    #[serde(default)]
    pub cut: bool,
}

/// A verdict in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The key is acceptable.
    Accept,
    /// It is not.
    Reject,
}

/// A side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The peer is the server.
    Server,
    /// The peer is the client.
    Client,
}

/// At what the program verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// A TLS handshake.
    Handshake,
    /// A certificate store of the program's.
    Store,
}

/// What the program's own verification said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Native {
    /// `accepts`, `refuses`, `ruled-out` or `not-asked`.
    pub says: String,
    /// What it found wrong.
    #[serde(default)]
    pub faults: Vec<String>,
    /// The same for people.
    #[serde(default)]
    pub why: String,
}

/// A trust anchor of the program's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Anchor {
    /// The hash of its key.
    pub key: String,
    /// Its subject as text.
    #[serde(default)]
    pub subject: String,
}

/// A case as it was recorded.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedCase {
    /// The peer.
    #[serde(default)]
    pub peer: String,
    /// The protocol.
    #[serde(default)]
    pub protocol: String,
    /// The rule.
    #[serde(default)]
    pub rule: String,
    /// Whether it was accepted.
    #[serde(default)]
    pub accepted: bool,
    /// Who was asked.
    #[serde(default)]
    pub authorities: Vec<RecordedFinding>,
}

/// What an authority found.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedFinding {
    /// The authority.
    #[serde(default)]
    pub name: String,
    /// `vouches`, `silent` or `not asked`.
    #[serde(default)]
    pub found: String,
    /// Why.
    #[serde(default)]
    pub why: String,
}

impl Entry {
    /// Reads a line.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        if line.first() != Some(&b'{') {
            return Err("it is no JSON object".into());
        }
        serde_json::from_slice(line).map_err(|error| error.to_string())
    }

    /// In seconds since 1970.
    pub fn seconds(&self) -> i64 {
        self.time.div_euclid(1000)
    }

    /// Whether it was refused, or would have been.
    pub fn is_refusal(&self) -> bool {
        self.verdict == Some(Word::Reject) || self.would == Some(Word::Reject)
    }

    /// What would hold if nothing were only monitored, where that is another verdict.
    pub fn otherwise(&self) -> Option<Word> {
        self.would.filter(|would| Some(*would) != self.verdict)
    }

    /// Whether a refusal of the policy's did not hold the program.
    pub fn was_let_go(&self) -> bool {
        self.enforced == Some(false) && self.code.as_deref() != Some("application")
    }

    /// Whom it is about, in one word; of several the first.
    pub fn peer(&self) -> String {
        let names = self.facts.names();
        match (names, &self.facts.address) {
            ([], Some(address)) => address.clone(),
            ([], None) => "-".into(),
            ([one], _) => one.clone(),
            ([first, more @ ..], _) => format!("{first} +{}", more.len()),
        }
    }

    /// Why, in a sentence; of what would hold, if that is another verdict.
    pub fn why(&self) -> &str {
        let would = self.would_reason.as_ref().filter(|_| self.otherwise().is_some());
        let texts = [would, self.reason.as_ref(), self.basis.as_ref()];
        texts.into_iter().flatten().next().map_or("", String::as_str)
    }
}

impl Facts {
    /// The names that were expected or claimed.
    pub fn names(&self) -> &[String] {
        self.expected.as_ref().or(self.claimed.as_ref()).map_or(&[], Vec::as_slice)
    }

    /// The program's path, for people.
    pub fn program(&self) -> &str {
        self.application.as_deref().unwrap_or("-")
    }
}

/// The last part of a path.
pub fn base_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}
