//! `learn`: scopes, from what was really accepted. Nothing is applied.

mod scope;
mod sources;

use std::collections::BTreeMap;
use std::io;

use peerkey_core::certificate::printable;
use peerkey_core::key::KeyHash;

use self::scope::Scope;
use self::sources::Written;
use super::{FINE, NO_ANSWER, gap, no_result};
use crate::args::Global;
use crate::args::record::LearnArgs;
use crate::clock;
use crate::record::filter::Filter;
use crate::record::place::homes;
use crate::record::read::{Complaints, Reader, nothing};
use crate::record::{Anchor, Entry, RecordedCase, Word};
use crate::render::count;
use crate::screen::Screen;

/// Runs the command.
pub fn run(global: &Global, args: &LearnArgs, screen: &Screen) -> io::Result<u8> {
    let homes = match homes(&global.state_dir, &args.whose) {
        Ok(homes) => homes,
        Err(why) => return no_result(screen, false, why, NO_ANSWER),
    };
    let mut complaints = Complaints::new(screen);
    let mut reader = Reader::open(&homes, &mut complaints);
    if reader.files == 0 {
        let why = nothing(&homes, &complaints);
        let why = why.unwrap_or_else(|| "the record cannot be read".into());
        return no_result(screen, false, why.trim_end(), NO_ANSWER);
    }
    let filter = Filter::new(&args.which, clock::now());
    let mut lesson = Lesson::default();
    while let Some(found) = reader.next(&mut complaints) {
        if filter.takes(&found.entry) {
            lesson.one(&found.entry);
        }
    }
    complaints.end();
    if lesson.accepted == 0 {
        let why = "nothing that was accepted is in the record; the policy must say log = \"all\", and \
                   programs must have run since";
        return no_result(screen, false, why, NO_ANSWER);
    }
    let (written, mistakes) = sources::read(&global.config_dir);
    mistakes.iter().for_each(|why| complaints.add("the policy's sources", why));
    lesson.gap = gap(global);
    if let Some(why) = lesson.gap {
        complaints.add("the record has a gap", &format!("{why}; write log = \"all\""));
    }
    screen.print(&lesson.in_toml(&written))?;
    Ok(FINE)
}

/// What was learnt.
#[derive(Default)]
struct Lesson {
    accepted: u64,
    /// How many decisions the programs left out of the record, to bound it.
    dropped: u64,
    first: Option<i64>,
    last: i64,
    users: std::collections::BTreeSet<u32>,
    /// By the name of the authority.
    authorities: BTreeMap<String, Scope>,
    /// By the CA at the top of the program's own chain.
    anchors: BTreeMap<String, (String, Scope)>,
    /// How often a program accepted by a chain whose top is not known.
    without_anchor: u64,
    /// Why accepted decisions are missing, if they are.
    gap: Option<&'static str>,
}

impl Lesson {
    fn one(&mut self, entry: &Entry) {
        self.dropped += entry.dropped;
        if entry.verdict != Some(Word::Accept) {
            return;
        }
        self.accepted += 1;
        self.first.get_or_insert(entry.seconds());
        self.last = self.last.max(entry.seconds());
        self.users.extend(entry.uid);
        for case in entry.cases.iter().filter(|case| case.accepted) {
            for one in case.authorities.iter().filter(|one| one.found == "vouches") {
                if one.name != "application" {
                    self.authorities.entry(one.name.clone()).or_default().add(case);
                }
            }
        }
        self.program(entry);
    }

    /// What a program accepted by itself, and was let accept.
    fn program(&mut self, entry: &Entry) {
        let by_itself = |case: &&RecordedCase| {
            let own = |one: &crate::record::RecordedFinding| {
                one.name == "application" && one.found == "vouches"
            };
            case.accepted && case.authorities.iter().any(own)
        };
        // Under a rule that only monitors, the program's word was what held.
        let only_watched = entry.would == Some(Word::Reject);
        let cases: Vec<_> =
            entry.cases.iter().filter(|case| only_watched || by_itself(case)).collect();
        let accepts = entry.facts.native.as_ref().is_some_and(|native| native.says == "accepts");
        if !accepts || cases.is_empty() {
            return;
        }
        let anchor = entry.facts.anchor.as_ref();
        let Some(Anchor { key, subject }) = anchor.filter(|a| KeyHash::parse(&a.key).is_some())
        else {
            self.without_anchor += 1;
            return;
        };
        let known = self.anchors.entry(key.clone());
        let (_, scope) = known.or_insert_with(|| (subject.clone(), Scope::default()));
        cases.into_iter().for_each(|case| scope.add(case));
    }

    fn in_toml(&self, written: &Written) -> String {
        let mut out = self.heading();
        for (name, scope) in &self.authorities {
            out.push('\n');
            out.push_str(&written.section(name, scope));
        }
        for (key, (subject, scope)) in &self.anchors {
            let subject = comment(subject);
            out.push_str(&format!(
                "\n# The CA \"{subject}\" was at the top of chains that programs accept by \
                 themselves,\n# {}.\n",
                scope.in_words()
            ));
            let table = format!("[[constraint]]\nca = [\"{key}\"]\n");
            out.push_str(&scope.limited(&table));
        }
        if self.without_anchor > 0 {
            out.push_str(&format!(
                "\n# Of {} it is not recorded which CA was at the top of the program's chain: nothing \
                 is\n# proposed for it.\n",
                decisions(self.without_anchor, "decision")
            ));
        }
        out
    }

    fn heading(&self) -> String {
        let users: Vec<_> = self.users.iter().map(ToString::to_string).collect();
        let mut gap = self.gap.map_or(String::new(), |why| {
            format!("# Much may be missing: {why}. Write log = \"all\", and learn again later.\n")
        });
        if self.dropped > 0 {
            let dropped = decisions(self.dropped, "decision");
            gap.push_str(&format!("# {dropped} were left out of the record, to bound it.\n"));
        }
        format!(
            "# From {} of uid {}, {} to {}.\n{gap}\
             # Proposed by peerkey learn; nothing was applied. A scope holds what was seen and no more: \
             what is\n\
             # needed once a year may be missing. Ask `peerkey replay` before `peerkey apply`.\n",
            decisions(self.accepted, "accepted decision"),
            users.join(", "),
            clock::rfc3339(self.first.unwrap_or(0)),
            clock::rfc3339(self.last),
        )
    }
}

fn decisions(number: u64, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

/// Text that ends no comment, and begins nothing else.
fn comment(text: &str) -> String {
    printable(text)
}
