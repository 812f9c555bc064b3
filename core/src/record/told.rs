//! A decision as it is told: in a line, and in a sentence.

use std::borrow::Cow;

use super::line::Object;
use super::{Circumstances, MAX_WHY, Question, Stamp, members};
use crate::certificate::printable;
use crate::verdict::{Outcome, Verdict};

/// What a verdict was about: it is told at once, or later.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// What was asked, where that is known, and the rest.
    Now(Option<&'a Question<'a>>, &'a Circumstances<'a>),
    /// Whether a first key can be remembered shows later.
    Later(&'a Draft),
}

/// A line of which all is known but its beginning.
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
        let told = Told::Now(question, circumstances);
        let mut rest = Object::default();
        members::write(&mut rest, question, verdict, circumstances);
        Self {
            enforced: told.is_enforced(),
            peer: told.peer().into_owned(),
            protocol: told.protocol().to_owned(),
            rest,
        }
    }
}

impl Told<'_> {
    /// Whether the verdict holds the program to it.
    pub fn is_enforced(&self) -> bool {
        match self {
            Self::Now(_, circumstances) => circumstances.enforced,
            Self::Later(draft) => draft.enforced,
        }
    }

    /// Whom it was about, for people; empty where that is not known.
    pub fn peer(&self) -> Cow<'_, str> {
        match self {
            Self::Now(question, _) => {
                question.map_or_else(String::new, |question| question.peer()).into()
            }
            Self::Later(draft) => Cow::Borrowed(&draft.peer),
        }
    }

    /// Over what; empty where that is not known.
    pub fn protocol(&self) -> &str {
        match self {
            Self::Now(question, _) => {
                question.and_then(|question| question.protocol).map_or("", |it| it.as_str())
            }
            Self::Later(draft) => &draft.protocol,
        }
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
        if !self.is_enforced() {
            text.push_str(" (left to the program)");
        }
        self.about(&text, &why)
    }

    fn about(&self, does: &str, why: &str) -> String {
        let (peer, protocol) = (self.peer(), self.protocol());
        let peer = if peer.is_empty() { "a peer" } else { &peer };
        let over = if protocol.is_empty() { "" } else { " over " };
        let text = format!("{does} {peer}{over}{protocol}: {why}");
        let end = text.char_indices().nth(1000).map_or(text.len(), |(end, _)| end);
        printable(&text[..end])
    }

    /// The line, with its end, in place of what is in `text`; `verdict` is what was told, or what became
    /// of it.
    pub fn line(&self, verdict: &Verdict, stamp: &Stamp<'_>, text: String) -> String {
        let mut object = Object::within(text);
        begin(&mut object, self.is_enforced(), verdict, stamp);
        match self {
            Self::Now(question, circumstances) => {
                members::write(&mut object, *question, verdict, circumstances);
            }
            Self::Later(draft) => object.members(&draft.rest),
        }
        object.line()
    }
}

fn begin(object: &mut Object, enforced: bool, verdict: &Verdict, stamp: &Stamp<'_>) {
    object.text("id", stamp.id);
    object.number("time", stamp.millis);
    object.text("verdict", word(verdict.outcome()));
    object.flag("enforced", enforced);
    match verdict.outcome() {
        Outcome::Accept(basis) => object.shown("basis", basis, MAX_WHY),
        Outcome::Reject(reason) => {
            object.text("code", reason.code());
            object.shown("reason", reason, MAX_WHY);
        }
    }
    if let Some(would) = would(verdict) {
        object.text("would", word(would));
        if let Outcome::Reject(reason) = would {
            object.text("would-code", reason.code());
            object.shown("would-reason", reason, MAX_WHY);
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
