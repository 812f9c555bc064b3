//! The record: what was decided, when, for whom, and why; one line of JSON for each decision.
//!
//! A line is written by a single append, and so has a bound. Text that a peer chose is escaped before
//! it comes here (`printable`), and again as JSON demands.

mod line;
mod question;
#[cfg(test)]
mod tests;

use crate::certificate::printable;
use crate::decide::{Application, Fault};
use crate::key::KeyHash;
use crate::verdict::{Case, Finding, Node, Outcome, Verdict};
use line::Object;
pub use question::Question;

/// Lines are no longer than this: what is too long is cut, and says so.
pub const MAX_LINE: usize = 16 << 10;
/// Of which each sentence that says why takes so much at most, and so much is what else a line begins
/// with; the rest is for what was asked, and for the findings.
const MAX_WHY: usize = 2500;
const MAX_REST: usize = MAX_LINE - 2 * MAX_WHY - 1000;

/// More cases are too long, whatever is in them.
const MAX_CASES: usize = 100;

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

/// The line for a decision, with its end.
pub fn line(
    question: Option<&Question<'_>>,
    verdict: &Verdict,
    circumstances: &Circumstances<'_>,
    stamp: &Stamp<'_>,
) -> String {
    Draft::new(question, verdict, circumstances).line(verdict, stamp, String::new())
}

/// A line of which all is known but its end: whether a first key can be remembered shows later.
#[derive(Clone, Debug)]
pub struct Draft {
    enforced: bool,
    peer: String,
    protocol: String,
    rest: Object,
}

impl Draft {
    /// What was asked, and what was found. `question` is None where even that is not known.
    pub fn new(
        question: Option<&Question<'_>>,
        verdict: &Verdict,
        circumstances: &Circumstances<'_>,
    ) -> Self {
        let write = |detail| rest(question, verdict, circumstances, detail);
        let whole = (verdict.trace().cases.len() <= MAX_CASES).then(|| write(Detail::Whole));
        let rest = whole.filter(|rest| rest.len() <= MAX_REST);
        let rest = rest.unwrap_or_else(|| write(Detail::Least));
        let protocol = question.and_then(|question| question.protocol);
        Self {
            enforced: circumstances.enforced,
            peer: question.map_or_else(String::new, Question::peer),
            protocol: protocol.map(ToString::to_string).unwrap_or_default(),
            rest,
        }
    }

    /// Whether the verdict holds the program to it.
    pub fn is_enforced(&self) -> bool {
        self.enforced
    }

    /// Whom it was about, for people; empty where that is not known.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Over what, if that is known.
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// All of it in a sentence, without line ends.
    pub fn sentence(&self, verdict: &Verdict) -> String {
        let does = |outcome: &Outcome| match outcome {
            Outcome::Accept(basis) => ("accept", basis.to_string()),
            Outcome::Reject(reason) => ("refuse", reason.to_string()),
        };
        let (word, why) = does(verdict.outcome());
        let mut text = format!("{word}s");
        if let Some((word, why)) = would(verdict).map(does) {
            text = format!("would {word} (but {text}, as it only monitors)");
            return self.about(&text, &why);
        }
        if !self.enforced {
            text.push_str(" (left to the program)");
        }
        self.about(&text, &why)
    }

    fn about(&self, does: &str, why: &str) -> String {
        let peer = if self.peer.is_empty() { "a peer" } else { &self.peer };
        let over = if self.protocol.is_empty() { "" } else { " over " };
        let text = format!("{does} {peer}{over}{}: {why}", self.protocol);
        let end = text.char_indices().nth(1000).map_or(text.len(), |(end, _)| end);
        printable(&text[..end])
    }

    /// The line, with its end, in place of what is in `text`; `verdict` is that of [`Draft::new`], or what
    /// became of it.
    pub fn line(&self, verdict: &Verdict, stamp: &Stamp<'_>, text: String) -> String {
        let mut object = Object::within(text);
        object.text("id", stamp.id);
        object.number("time", stamp.millis);
        object.text("verdict", word(verdict.outcome()));
        object.flag("enforced", self.enforced);
        match verdict.outcome() {
            Outcome::Accept(basis) => object.text_within("basis", &basis.to_string(), MAX_WHY),
            Outcome::Reject(reason) => {
                object.text("code", reason.code());
                object.text_within("reason", &reason.to_string(), MAX_WHY);
            }
        }
        if let Some(would) = would(verdict) {
            object.text("would", word(would));
            if let Outcome::Reject(reason) = would {
                object.text("would-code", reason.code());
                object.text_within("would-reason", &reason.to_string(), MAX_WHY);
            }
        }
        if stamp.first {
            object.flag("first", true);
        }
        if let Some(chain) = stamp.chain {
            object.text("chain", chain);
        }
        if stamp.dropped > 0 {
            object.number("dropped", i64::try_from(stamp.dropped).unwrap_or(i64::MAX));
        }
        object.line_with(&self.rest)
    }
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
    object.line_with(&Object::default())
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

/// How much is written: what makes a line too long goes first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Whole,
    /// Without the cases, and with the first names only.
    Least,
}

impl Detail {
    fn names(self) -> usize {
        if self == Self::Whole { 32 } else { 4 }
    }

    fn text(self) -> usize {
        if self == Self::Whole { 5000 } else { 300 }
    }
}

fn rest(
    question: Option<&Question<'_>>,
    verdict: &Verdict,
    circumstances: &Circumstances<'_>,
    detail: Detail,
) -> Object {
    let mut object = Object::with_room();
    if let Some(question) = question {
        question.write(&mut object, detail);
    }
    object.object("native", |object| native(object, circumstances.native, detail));
    if let Some(anchor) = circumstances.anchor {
        object.object("anchor", |object| {
            object.text_within("subject", anchor.subject, detail.text());
            object.text("key", &anchor.key.to_string());
        });
    }
    object.text(
        "level",
        match circumstances.level {
            Level::Handshake => "handshake",
            Level::Store => "store",
        },
    );
    match detail {
        Detail::Whole => object.objects("cases", |object| {
            verdict.trace().cases.iter().for_each(|one| object.item(|object| case(object, one)));
        }),
        Detail::Least => object.flag("cut", true),
    }
    object.number("uid", circumstances.uid.into());
    object.number("pid", circumstances.pid.into());
    if let Some(policy) = circumstances.policy {
        object.text_within("policy", policy, detail.text());
    }
    object
}

/// What would hold instead, unless it is an acceptance too, on another basis.
fn would(verdict: &Verdict) -> Option<&Outcome> {
    verdict.would().filter(|would| !verdict.is_accept() || matches!(would, Outcome::Reject(_)))
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accept(_) => "accept",
        Outcome::Reject(_) => "reject",
    }
}

fn native(object: &mut Object, application: &Application, detail: Detail) {
    let (says, why) = match application {
        Application::NotAsked => ("not-asked", None),
        Application::Accepts => ("accepts", None),
        Application::Refuses { why, .. } => ("refuses", Some(why.clone())),
        Application::RuledOut(reason) => ("ruled-out", Some(reason.to_string())),
    };
    object.text("says", says);
    if let Application::Refuses { faults, .. } = application {
        let faults = faults.iter().take(detail.names());
        object.texts("faults", faults.map(fault));
    }
    if let Some(why) = why {
        object.text_within("why", &why, detail.text());
    }
}

fn fault(fault: &Fault) -> String {
    match fault {
        Fault::NoTrustedPath => "no-trusted-path".into(),
        Fault::Expired => "expired".into(),
        Fault::NameMismatch => "name-mismatch".into(),
        Fault::Other(text) => format!("other: {}", text.chars().take(100).collect::<String>()),
    }
}

fn case(object: &mut Object, case: &Case) {
    object.text("peer", &case.peer);
    object.text("protocol", &case.protocol);
    object.text("rule", &case.rule);
    object.flag("accepted", case.accepted);
    object.flag("monitored", case.monitored);
    object.objects("authorities", |object| authorities(object, &case.accept));
}

fn authorities(object: &mut Object, node: &Node) {
    match node {
        Node::AtLeast { of, .. } => of.iter().for_each(|operand| authorities(object, operand)),
        Node::Authority { name, finding } => object.item(|object| {
            let (word, text) = match finding {
                Finding::Vouches(text) => ("vouches", &**text),
                Finding::Silent(text) => ("silent", &**text),
                Finding::NotAsked => ("not asked", ""),
            };
            object.text("name", name);
            object.text("found", word);
            if !text.is_empty() {
                object.text("why", text);
            }
        }),
    }
}
