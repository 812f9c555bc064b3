//! `explain`: a recorded decision once more, and what would have changed it.

use std::io;

use peerkey_core::certificate::printable;
use peerkey_core::decide::Shortfall;
use peerkey_core::keys::Book;
use peerkey_core::store::Compiled;
use peerkey_core::verdict::{Outcome, Reason, Verdict};
use serde_json::{Value, json};

use super::check::in_force;
use super::{FINE, NO, NO_ANSWER, no_result};
use crate::args::Global;
use crate::args::record::ExplainArgs;
use crate::book::Books;
use crate::clock;
use crate::crypto::System;
use crate::record::again::{Again, Inquiry};
use crate::record::asked::Asked;
use crate::record::place::{Home, homes};
use crate::record::read::{Complaints, Found, Reader, nothing};
use crate::record::{Entry, Word};
use crate::render::tree::Branch;
use crate::render::{BAD, BOLD, GOOD, ODD, explain, json, shortfall, styled};
use crate::screen::Screen;

/// Runs the command.
pub fn run(global: &Global, args: &ExplainArgs, screen: &Screen) -> io::Result<u8> {
    let found = homes(&global.state_dir, &args.whose)
        .and_then(|homes| find(&homes, args.id.as_deref(), screen).map(|found| (homes, found)));
    let (homes, found) = match found {
        Ok(found) => found,
        Err(why) => return no_result(screen, args.json, why, NO_ANSWER),
    };
    let Found { entry, raw, home } = found;
    match again(global, &entry, &homes[home]) {
        Ok(explained) => {
            screen.print(&match args.json {
                true => json::text(&explained.document(&entry, &raw)),
                false => explained.for_people(&entry, screen),
            })?;
            Ok(FINE)
        }
        Err(why) => {
            screen.print(&match args.json {
                true => json::text(&json!({
                    "version": json::VERSION,
                    "recorded": recorded_document(&raw),
                    "again": Value::Null,
                    "why-not": why,
                })),
                false => {
                    let words = styled(ODD, format!("it cannot be asked again: {why}"));
                    let all = recorded(&entry, None).with_all(cases(&entry)).draw(screen.lines);
                    format!("{all}{words}\n")
                }
            })?;
            Ok(NO)
        }
    }
}

/// The decision with this id, or the newest refusal.
fn find(homes: &[Home], id: Option<&str>, screen: &Screen) -> Result<Found, String> {
    let mut complaints = Complaints::new(screen);
    let mut reader = Reader::open(homes, &mut complaints);
    if reader.files == 0 {
        return Err(nothing(homes, &complaints)
            .map_or("the record cannot be read".into(), |words| words.trim_end().to_owned()));
    }
    let mut best: Option<Found> = None;
    let mut others = 0;
    while let Some(found) = reader.next(&mut complaints) {
        let entry = &found.entry;
        match id {
            _ if entry.verdict.is_none() => {}
            Some(id) if entry.id == id => {
                (best, others) = (Some(found), 0);
                break;
            }
            Some(id) if entry.id.starts_with(id) => {
                others += 1;
                best = Some(found);
            }
            None if entry.is_refusal() => best = Some(found),
            _ => {}
        }
    }
    complaints.end();
    match (best, id) {
        (Some(_), Some(id)) if others > 1 => Err(format!(
            "{others} decisions have ids that begin with \"{}\": write more of it",
            printable(id)
        )),
        (Some(found), _) => Ok(found),
        (None, Some(id)) => Err(format!(
            "no decision with the id \"{}\" is in the record, or it is there no longer; peerkey log \
             shows those that are",
            printable(id)
        )),
        (None, None) => Err("nothing in the record was refused, or would have been".into()),
    }
}

/// A decision that was asked again.
struct Explained {
    asked: Asked,
    again: Again,
    short: Shortfall,
    only_removal: Vec<String>,
    /// Whether it is the policy that decided then; None where that is not known.
    is_same: Option<bool>,
    digest: String,
}

/// What the program's own word is called.
const BY: &str = "as it was recorded";

fn again(global: &Global, entry: &Entry, home: &Home) -> Result<Explained, String> {
    let crypto = System::start();
    let policy: Compiled = in_force(global)?;
    let mut asked = Asked::again(&entry.facts, entry.seconds(), home, &crypto)
        .map_err(|lost| lost.in_words())?;
    let books = home.is_own().then(|| Books::open(&global.state_dir));
    let book = books.as_ref().map(|books| books as &dyn Book);
    let inquiry =
        Inquiry { policy: &policy, crypto: &crypto, book, recorded: entry.policy.as_deref() };
    let fail = |error: peerkey_core::store::StoreError| error.to_string();
    let again = inquiry.ask(&asked).map_err(fail)?;
    let short = inquiry.shortfall(&asked, &again.answer.application).map_err(fail)?;
    asked.remarks.extend(remarks(&again, home));
    let only_removal = limits(&again.answer.verdict, &short);
    let digest = policy.meta().digest.clone();
    let is_same = entry.policy.as_ref().map(|then| *then == digest);
    Ok(Explained { asked, again, short, only_removal, is_same, digest })
}

fn remarks(again: &Again, home: &Home) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(why) = again.unsaid {
        remarks.push(format!("the program's own verification counts as silent here: {why}"));
    }
    if again.other_path {
        remarks.push(
            "the chain that the program found goes through a CA that this policy rules out; it could \
             have found another"
                .into(),
        );
    }
    match (again.by_memory, home.is_own()) {
        (true, true) => remarks.push("remembered keys are those of now".into()),
        (true, false) => remarks.push(format!(
            "the keys that uid {} remembers are not looked at: run the command as that user",
            home.uid
        )),
        (false, _) => {}
    }
    remarks
}

/// What nobody can outvote: a denial of the key, and what keeps CAs out of the evidence.
fn limits(verdict: &Verdict, short: &Shortfall) -> Vec<String> {
    let outcomes = [Some(verdict.outcome()), verdict.would()];
    let refused = outcomes.into_iter().flatten().find_map(|outcome| match outcome {
        Outcome::Reject(reason) => Some(reason),
        Outcome::Accept(_) => None,
    });
    let Some(reason) = refused else { return Vec::new() };
    let mut limits: Vec<String> = Vec::new();
    if let Reason::KeyDenied { .. }
    | Reason::CertificateDenied { .. }
    | Reason::ConstraintBroken { .. } = reason
    {
        limits.push(reason.to_string());
    }
    let notes = verdict.trace().notes.iter();
    let left = notes.filter_map(|note| note.strip_prefix("left out of the evidence: "));
    let silent = short.sets.iter().flatten().map(|missing| missing.why.as_str());
    for words in left.chain(silent) {
        let is_limit = words.contains("is denied by") || words.contains("may not vouch for");
        if is_limit && !limits.iter().any(|known| known == words) {
            limits.push(words.to_owned());
        }
    }
    limits
}

impl Explained {
    fn refuses(&self) -> bool {
        let verdict = &self.again.answer.verdict;
        let is_refusal = |outcome: &Outcome| matches!(outcome, Outcome::Reject(_));
        is_refusal(verdict.outcome()) || verdict.would().is_some_and(is_refusal)
    }

    fn for_people(&self, entry: &Entry, screen: &Screen) -> String {
        let mut out = recorded(entry, self.is_same).draw(screen.lines);
        let now = match self.is_same {
            Some(true) => "asked again of the same policy",
            _ => "asked again of the policy in force now",
        };
        out.push_str(&format!("\n{}: ", styled(BOLD, now)));
        let explained = explain::Explained {
            query: &self.asked.query,
            remarks: &self.asked.remarks,
            connection: None,
            answer: &self.again.answer,
            by: BY,
        };
        out.push_str(&explain::answer(&explained, screen.lines));
        if self.refuses() {
            let short = shortfall::for_people(&self.short, &self.only_removal, screen.lines);
            out.push_str(&format!("\n{short}"));
        }
        out
    }

    fn document(&self, entry: &Entry, raw: &[u8]) -> Value {
        let answer = &self.again.answer;
        let mut again = json::verdict(&answer.verdict);
        again["query"] = json::query(&self.asked.query);
        again["program"] = json::application(&answer.application, BY);
        again["remarks"] = json!(self.asked.remarks);
        again["policy"] = json!({ "digest": self.digest, "is-recorded": self.is_same });
        let short = self.refuses().then(|| shortfall::document(&self.short, &self.only_removal));
        json!({
            "version": json::VERSION,
            "id": entry.id,
            "recorded": recorded_document(raw),
            "again": again,
            "would-have-changed": short,
        })
    }
}

fn recorded_document(raw: &[u8]) -> Value {
    serde_json::from_slice(raw).unwrap_or(Value::Null)
}

/// What was recorded, without what was asked.
fn recorded(entry: &Entry, is_same: Option<bool>) -> Branch {
    let word = |verdict: Word| match verdict {
        Word::Accept => styled(GOOD, "accept"),
        Word::Reject => styled(BAD, "reject"),
    };
    let mut verdict = entry.verdict.map_or_else(String::new, word);
    let own = entry.reason.as_ref().or(entry.basis.as_ref());
    if let Some(why) = own {
        verdict.push_str(&format!(": {}", printable(why)));
    }
    let id = printable(&entry.id);
    let title = format!("{} {id}, {}", styled(BOLD, "recorded"), clock::local(entry.seconds()));
    let mut facts = vec![Branch::fact("verdict", verdict)];
    if let Some(would) = entry.would {
        let why = entry.would_reason.as_deref().unwrap_or_default();
        let words = format!("{}: {}", word(would), printable(why));
        facts.push(Branch::fact("if enforced", words));
    } else if entry.verdict == Some(Word::Reject) && entry.was_let_go() {
        let words = "no: OpenSSL's verification is off there, or the program looks at it by itself";
        facts.push(Branch::fact("held to it", words));
    }
    let program = printable(entry.facts.program());
    let of = |number: Option<u32>| number.map_or("?".into(), |number| number.to_string());
    let process = format!("{program}, process {} of uid {}", of(entry.pid), of(entry.uid));
    facts.push(Branch::fact("program", process));
    let policy = match is_same {
        Some(true) => "the one in force",
        Some(false) => "another than the one in force now",
        None => return Branch::new(title).with_all(facts),
    };
    facts.push(Branch::fact("policy", policy));
    Branch::new(title).with_all(facts)
}

/// What each case was, where nothing but the line is left.
fn cases(entry: &Entry) -> Vec<Branch> {
    let mut all = vec![
        Branch::fact("peer", printable(&entry.peer())),
        Branch::fact("protocol", printable(entry.facts.protocol.as_deref().unwrap_or("not known"))),
    ];
    for case in &entry.cases {
        let words = if case.accepted { "accepts" } else { "does not accept" };
        let title = format!("{} over {}: {} {words}", case.peer, case.protocol, case.rule);
        let findings = case.authorities.iter().map(|one| {
            let why = if one.why.is_empty() { &one.found } else { &one.why };
            Branch::new(printable(&format!("{}: {why}", one.name)))
        });
        all.push(Branch::new(printable(&title)).with_all(findings));
    }
    all
}
