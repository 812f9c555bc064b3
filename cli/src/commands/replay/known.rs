//! What is known of one question: of its answers only the time can make another.

use peerkey_core::crypto::Crypto;
use peerkey_core::verdict::{self, Verdict};

use super::State;
use crate::record::Facts;
use crate::record::again::Inquiry;
use crate::record::asked::{Asked, Lost};
use crate::record::place::Home;

/// What the other policy says.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) state: State,
    pub(super) why: String,
    pub(super) by_memory: bool,
    pub(super) other_path: bool,
}

/// The same, or why it cannot be told.
type Answer = Result<Outcome, String>;

/// A question, with its answers so far.
pub(super) struct Known {
    asked: Result<Asked, String>,
    spans: Vec<Span>,
}

/// From one second to another the answer is the same: it is so at both ends, and what a policy or a
/// certificate says about time has one beginning and one end.
struct Span {
    from: i64,
    to: i64,
    answer: Answer,
}

impl Known {
    pub(super) fn new(facts: &Facts, home: &Home, crypto: &dyn Crypto) -> Self {
        let asked = Asked::again(facts, 0, home, crypto).map_err(|lost: Lost| lost.in_words());
        Self { asked, spans: Vec::new() }
    }

    /// The answer in this second. With `now`, the last second that will be asked about, most
    /// questions are answered once and for all.
    pub(super) fn at(
        &mut self,
        second: i64,
        now: i64,
        inquiry: &Inquiry<'_>,
        home: &Home,
    ) -> Answer {
        if self.spans.is_empty() && self.asked.is_ok() {
            let answer = self.ask(now.max(second), inquiry, home);
            self.add(now.max(second), answer);
        }
        if let Err(why) = &self.asked {
            return Err(why.clone());
        }
        if self.position(second).is_err() {
            let answer = self.ask(second, inquiry, home);
            let at = self.add(second, answer);
            self.probe(at, inquiry, home);
        }
        match self.position(second) {
            Ok(at) => self.spans[at].answer.clone(),
            Err(at) => self.spans[at.min(self.spans.len() - 1)].answer.clone(),
        }
    }

    /// The span of a second, or where one would be.
    fn position(&self, second: i64) -> Result<usize, usize> {
        self.spans.binary_search_by(|span| match () {
            () if span.to < second => std::cmp::Ordering::Less,
            () if span.from > second => std::cmp::Ordering::Greater,
            () => std::cmp::Ordering::Equal,
        })
    }

    /// Adds an answer, and joins it with its neighbours that are the same.
    fn add(&mut self, second: i64, answer: Answer) -> usize {
        let Err(at) = self.position(second) else { return 0 };
        self.spans.insert(at, Span { from: second, to: second, answer });
        let at = self.join(at);
        if at > 0 { self.join(at - 1) } else { at }
    }

    /// Joins a span with the next one, if both say the same.
    fn join(&mut self, at: usize) -> usize {
        if let [own, next, ..] = &self.spans[at..]
            && is_same(&own.answer, &next.answer)
        {
            self.spans[at].to = next.to;
            self.spans.remove(at + 1);
        }
        at.min(self.spans.len() - 1)
    }

    /// Asks in the middle of what is not known behind a span: so the second in which the answer
    /// changes is soon found.
    fn probe(&mut self, at: usize, inquiry: &Inquiry<'_>, home: &Home) {
        let Some([own, next]) = self.spans.get(at..at + 2) else { return };
        let middle = own.to + (next.from - own.to) / 2;
        if middle > own.to && middle < next.from {
            let answer = self.ask(middle, inquiry, home);
            self.add(middle, answer);
        }
    }

    fn ask(&mut self, second: i64, inquiry: &Inquiry<'_>, home: &Home) -> Answer {
        let asked = self.asked.as_mut().map_err(|why| why.clone())?;
        asked.query.time = second;
        let again = inquiry.ask(asked).map_err(|error| error.to_string())?;
        if again.by_memory && !home.is_own() {
            return Err(
                "it hangs on keys that another user remembers: replay it as that user".into()
            );
        }
        if let Some(why) = again.unsaid {
            return Err(why.into());
        }
        Ok(Outcome {
            state: state(&again.answer.verdict),
            why: why(&again.answer.verdict),
            by_memory: again.by_memory,
            other_path: again.other_path,
        })
    }
}

fn is_same(one: &Answer, other: &Answer) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one.state == other.state,
        (Err(one), Err(other)) => one == other,
        _ => false,
    }
}

fn accepts(outcome: &verdict::Outcome) -> bool {
    matches!(outcome, verdict::Outcome::Accept(_))
}

fn state(verdict: &Verdict) -> State {
    let would = verdict.would().map(accepts).filter(|would| *would != verdict.is_accept());
    State { accepts: verdict.is_accept(), would }
}

/// Why; of what would hold, if that is not for the same reason.
fn why(verdict: &Verdict) -> String {
    match verdict.would().unwrap_or(verdict.outcome()) {
        verdict::Outcome::Accept(basis) => basis.to_string(),
        verdict::Outcome::Reject(reason) => reason.to_string(),
    }
}
