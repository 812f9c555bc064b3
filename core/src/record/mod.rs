//! The record: what was decided, when, for whom, and why; one line of JSON for each decision.
//!
//! A line is written by a single append, and so has a bound. Text that a peer chose is escaped before
//! it comes here (`printable`), and again as JSON demands.

mod line;
mod members;
mod question;
#[cfg(test)]
mod tests;
mod told;

use crate::decide::Application;
use crate::key::KeyHash;
use crate::verdict::{Outcome, Verdict};
use line::Object;
pub use question::Question;
pub use told::{Draft, Told};

/// Lines are no longer than this: what is too long is cut, and says so.
pub const MAX_LINE: usize = 16 << 10;
/// Of which each sentence that says why takes so much at most, and so much is what else a line begins
/// with; the rest is for what was asked, and for the findings.
const MAX_WHY: usize = 2500;
const MAX_REST: usize = MAX_LINE - 2 * MAX_WHY - 1000;

/// `log`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// Refusals, what would be refused if it were not only monitored, and first uses.
    #[default]
    Refused,
    /// Every decision.
    All,
    /// Nothing.
    None,
}

impl Log {
    /// `refused`, `all` or `none`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::All => "all",
            Self::None => "none",
        }
    }

    /// Reads what [`Log::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Refused, Self::All, Self::None].into_iter().find(|log| log.as_str() == text)
    }

    /// Whether a verdict is to be recorded; `remembers` where it is the first use of a key.
    pub fn wants(self, verdict: &Verdict, remembers: bool) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Refused => {
                let refuses = |outcome: &Outcome| matches!(outcome, Outcome::Reject(_));
                remembers || refuses(verdict.outcome()) || verdict.would().is_some_and(refuses)
            }
        }
    }
}

/// Where a verification takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// In a TLS handshake.
    Handshake,
    /// In a certificate store of the program's, outside of what TLS does by itself.
    Store,
}

/// What a host knows of a decision beside the query and the verdict.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    /// The process.
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// Whether the verdict holds the program to it; else it only says what would hold.
    pub enforced: bool,
    /// The digest of the policy, where one was read.
    pub policy: Option<&'a str>,
    /// Where it was decided.
    pub level: Level,
    /// What the program's own verification says.
    pub native: &'a Application,
    /// The top of the chain that the program's own verification found.
    pub anchor: Option<Anchor<'a>>,
}

/// A certificate that ends a chain.
#[derive(Clone, Copy, Debug)]
pub struct Anchor<'a> {
    /// Its subject, for people.
    pub subject: &'a str,
    /// Its key.
    pub key: KeyHash,
}

/// What is known of a line when it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamp<'a> {
    /// Names the line: no other has it.
    pub id: &'a str,
    /// In milliseconds since 1970.
    pub millis: i64,
    /// Whether the key was new, and is remembered now.
    pub first: bool,
    /// Under which name the certificates are kept; None if they are not.
    pub chain: Option<&'a str>,
    /// How many decisions before this one were left out, to bound what is written.
    pub dropped: u64,
}

/// The line for something that is no decision, with its end: what happened (`event`), and in words.
/// Members: those of a decision's line that are told here.
pub fn event(event: &str, words: &str, who: &Who<'_>, stamp: &Stamp<'_>) -> String {
    let mut object = Object::within(String::new());
    object.text("id", stamp.id);
    object.number("time", stamp.millis);
    object.text("event", event);
    object.text_within("what", words, MAX_WHY);
    if let Some(application) = who.application {
        object.text_within("application", application, MAX_WHY);
    }
    object.number("uid", who.uid.into());
    object.number("pid", who.pid.into());
    object.line()
}

/// In which process something happened.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The path of its executable, where that is known.
    pub application: Option<&'a str>,
    /// Its effective user.
    pub uid: u32,
    /// It.
    pub pid: u32,
}
