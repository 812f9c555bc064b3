//! `replay`: what was asked before, asked of another policy.

mod known;
mod report;

use std::collections::{BTreeMap, HashMap};
use std::io;

use indicatif::{ProgressBar, ProgressStyle};
use peerkey_core::keys::Book;

use self::known::{Known, Outcome};
use super::{FINE, NO, NO_ANSWER, gap, no_result};
use crate::args::Global;
use crate::args::record::ReplayArgs;
use crate::book::Books;
use crate::clock;
use crate::crypto::System;
use crate::record::again::Inquiry;
use crate::record::filter::Filter;
use crate::record::place::{Home, homes};
use crate::record::read::{Complaints, Found, Reader, nothing};
use crate::record::{Entry, Facts, Word};
use crate::screen::Screen;

/// More different questions than this are not kept in mind at once.
const KEPT: usize = 200_000;

/// Runs the command.
pub fn run(global: &Global, args: &ReplayArgs, screen: &Screen) -> io::Result<u8> {
    let crypto = System::start();
    let folder = args.policy.as_ref().unwrap_or(&global.config_dir);
    let found = homes(&global.state_dir, &args.whose)
        .and_then(|homes| super::check::sources(folder, screen, &crypto).map(|p| (homes, p)));
    let (homes, trial) = match found {
        Ok(found) => found,
        Err(why) => return no_result(screen, args.json, why, NO_ANSWER),
    };
    let mut complaints = Complaints::new(screen);
    let mut reader = Reader::open(&homes, &mut complaints);
    if reader.files == 0 {
        let why = nothing(&homes, &complaints);
        let why = why.unwrap_or_else(|| "the record cannot be read".into());
        return no_result(screen, args.json, why.trim_end(), NO_ANSWER);
    }
    let books = Books::open(&global.state_dir);
    let mut replay = Replay {
        policy: &trial.compiled,
        crypto: &crypto,
        books: &books,
        homes: &homes,
        now: clock::now(),
        known: HashMap::new(),
        tally: Tally::default(),
    };
    let filter = Filter::new(&args.which, replay.now);
    replay.all(&mut reader, &filter, &mut complaints);
    complaints.end();
    let tally = Tally { gap: gap(global), ..replay.tally };
    screen.print(&match args.json {
        true => report::document(&tally, &trial.compiled.meta().digest, complaints.number),
        false => report::for_people(&tally, folder, complaints.number, screen.lines),
    })?;
    Ok(match (tally.changed(), tally.replayed) {
        (1.., _) => NO,
        (0, 0) => NO_ANSWER,
        (0, _) => FINE,
    })
}

/// What holds for a program: the verdict, and what it would be if nothing were only monitored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct State {
    accepts: bool,
    /// Where that differs.
    would: Option<bool>,
}

impl State {
    fn recorded(entry: &Entry) -> Self {
        let accepts = |word: Word| word == Word::Accept;
        Self { accepts: entry.verdict.is_some_and(accepts), would: entry.otherwise().map(accepts) }
    }

    fn as_str(self) -> &'static str {
        match (self.accepts, self.would) {
            (true, None) => "accept",
            (false, None) => "reject",
            (true, Some(_)) => "accept, would reject",
            (false, Some(_)) => "reject, would accept",
        }
    }
}

/// What would change, for whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Change {
    peer: String,
    program: String,
    protocol: String,
    from: State,
    to: State,
    why: String,
}

/// What came out.
#[derive(Debug, Default)]
struct Tally {
    lines: u64,
    /// How many the programs themselves left out of the record, to bound it.
    dropped: u64,
    replayed: u64,
    /// How often, and the id of the last.
    changes: BTreeMap<Change, (u64, String)>,
    /// What could not be replayed, by the reason.
    lost: BTreeMap<String, u64>,
    by_memory: u64,
    other_path: u64,
    /// Why decisions are missing, if they are.
    gap: Option<&'static str>,
}

impl Tally {
    fn changed(&self) -> u64 {
        self.changes.values().map(|(number, _)| number).sum()
    }
}

struct Replay<'a> {
    policy: &'a peerkey_core::store::Compiled,
    crypto: &'a System,
    books: &'a Books,
    homes: &'a [Home],
    now: i64,
    /// By whose it is, and whether this policy decided it then.
    known: HashMap<(usize, bool, Facts), Known>,
    tally: Tally,
}

impl Replay<'_> {
    /// What the filter takes, with a bar of how far it is.
    fn all(&mut self, reader: &mut Reader, filter: &Filter, complaints: &mut Complaints<'_>) {
        let bar = bar(reader.size);
        while let Some(found) = reader.next(complaints) {
            if found.entry.verdict.is_some() && filter.takes(&found.entry) {
                self.one(&found);
                if self.tally.lines.is_multiple_of(256) {
                    bar.set_position(reader.read);
                    bar.set_message(format!("{} decisions", self.tally.lines));
                }
            }
        }
        bar.finish_and_clear();
    }

    fn one(&mut self, found: &Found) {
        self.tally.lines += 1;
        self.tally.dropped += found.entry.dropped;
        let entry = &found.entry;
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        let home = &self.homes[found.home];
        let book = home.is_own().then_some(self.books as &dyn Book);
        let recorded = entry.policy.as_deref();
        let inquiry = Inquiry { policy: self.policy, crypto: self.crypto, book, recorded };
        let is_same = recorded == Some(self.policy.meta().digest.as_str());
        let key = (found.home, is_same, entry.facts.clone());
        let known =
            self.known.entry(key).or_insert_with(|| Known::new(&entry.facts, home, self.crypto));
        match known.at(entry.seconds(), self.now, &inquiry, home) {
            Err(why) => *self.tally.lost.entry(why).or_default() += 1,
            Ok(outcome) => self.count(entry, outcome),
        }
    }

    fn count(&mut self, entry: &Entry, outcome: Outcome) {
        let tally = &mut self.tally;
        tally.replayed += 1;
        tally.by_memory += u64::from(outcome.by_memory);
        tally.other_path += u64::from(outcome.other_path);
        let from = State::recorded(entry);
        if from == outcome.state {
            return;
        }
        let change = Change {
            peer: entry.peer(),
            program: entry.facts.program().to_owned(),
            protocol: entry.facts.protocol.clone().unwrap_or_else(|| "-".into()),
            from,
            to: outcome.state,
            why: outcome.why,
        };
        let counted = tally.changes.entry(change).or_default();
        counted.0 += 1;
        counted.1.clone_from(&entry.id);
    }
}

/// Seen on a terminal only.
fn bar(size: u64) -> ProgressBar {
    let template = "{bar:30} {percent}% {msg}, {eta} to go";
    match ProgressStyle::with_template(template) {
        Ok(style) => ProgressBar::new(size).with_style(style),
        Err(_) => ProgressBar::new_spinner(),
    }
}
