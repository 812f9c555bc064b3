//! `log`: what was decided, as it was recorded.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};

use serde_json::Value;

use super::{FINE, NO_ANSWER, no_result};
use crate::args::Global;
use crate::args::record::{LogArgs, POLL};
use crate::clock;
use crate::record::filter::Filter;
use crate::record::follow::Follower;
use crate::record::place::{Home, homes};
use crate::record::read::{Complaints, Reader, nothing, open_all};
use crate::record::{Entry, Word, base_name};
use crate::render::{BAD, DIM, GOOD, ODD, styled};
use crate::screen::Screen;
use peerkey_core::certificate::printable;

/// So many are shown before what is followed.
const BEFORE: usize = 10;

/// So much is written at once.
const PAGE: usize = 1 << 16;

/// Runs the command.
pub fn run(global: &Global, args: &LogArgs, screen: &Screen) -> io::Result<u8> {
    let homes = match homes(&global.state_dir, &args.whose) {
        Ok(homes) => homes,
        Err(why) => return no_result(screen, false, why, NO_ANSWER),
    };
    let mut log = Log {
        args,
        screen,
        filter: Filter::of_log(args, clock::now()),
        complaints: Complaints::new(screen),
        page: Page { screen, raw: args.json, text: Vec::new(), is_read: true },
        of_many: homes.len() > 1,
        is_terminal: io::stdout().is_terminal(),
    };
    match args.follow {
        true => log.follow(homes)?,
        false => log.read(&homes)?,
    }
    log.complaints.end();
    Ok(FINE)
}

/// What is being shown.
struct Log<'a> {
    args: &'a LogArgs,
    screen: &'a Screen,
    filter: Filter,
    complaints: Complaints<'a>,
    page: Page<'a>,
    of_many: bool,
    is_terminal: bool,
}

impl Log<'_> {
    fn read(&mut self, homes: &[Home]) -> io::Result<()> {
        let mut reader = Reader::open(homes, &mut self.complaints);
        if reader.files == 0 {
            if let Some(words) = nothing(homes, &self.complaints) {
                self.screen.complain(&words);
            }
            return Ok(());
        }
        let mut last = Last::new(self.args.last);
        while let Some(found) = reader.next(&mut self.complaints) {
            if !self.filter.takes(&found.entry) {
                continue;
            }
            let text = self.shown(&found.entry, &found.raw);
            match &mut last {
                Some(last) => last.push(found.entry.time, text),
                None => self.page.add(&text)?,
            }
            if !self.page.is_read {
                return Ok(());
            }
        }
        for text in last.into_iter().flat_map(Last::end) {
            self.page.add(&text)?;
        }
        self.page.flush()
    }

    fn follow(&mut self, homes: Vec<Home>) -> io::Result<()> {
        let mut before: Vec<(i64, Vec<u8>)> = Vec::new();
        let mut followers = Vec::new();
        for home in homes {
            let mut last = Last { size: self.args.last.unwrap_or(BEFORE), texts: VecDeque::new() };
            let mut files = open_all(&home, &mut self.complaints);
            for file in &mut files {
                while let Some((entry, raw)) = file.next(&mut self.complaints) {
                    if self.filter.takes(&entry) {
                        last.push(entry.time, self.shown(&entry, &raw));
                    }
                }
            }
            before.extend(last.texts);
            followers.push(Follower::new(home, files));
        }
        before.sort_by_key(|(time, _)| *time);
        let skip = before.len() - before.len().min(self.args.last.unwrap_or(BEFORE));
        for (_, text) in before.iter().skip(skip) {
            self.page.add(text)?;
        }
        self.page.flush()?;
        while self.page.is_read && self.screen.wait(POLL) {
            for follower in &mut followers {
                let mut new = Vec::new();
                follower.look(&mut self.complaints, &mut |entry, raw| new.push((entry, raw)));
                for (entry, raw) in new.iter().filter(|(entry, _)| self.filter.takes(entry)) {
                    let text = self.shown(entry, raw);
                    self.page.add(&text)?;
                }
            }
            self.page.flush()?;
        }
        Ok(())
    }

    fn shown(&self, entry: &Entry, raw: &[u8]) -> Vec<u8> {
        if !self.args.json {
            return in_words(entry, raw, self.of_many).into_bytes();
        }
        let text = match self.is_terminal {
            true => escaped(&String::from_utf8_lossy(raw)).into_bytes(),
            false => raw.to_vec(),
        };
        [text, b"\n".to_vec()].concat()
    }
}

/// The last texts of a row.
struct Last {
    size: usize,
    texts: VecDeque<(i64, Vec<u8>)>,
}

impl Last {
    fn new(size: Option<usize>) -> Option<Self> {
        size.map(|size| Self { size, texts: VecDeque::new() })
    }

    fn push(&mut self, time: i64, text: Vec<u8>) {
        self.texts.push_back((time, text));
        if self.texts.len() > self.size {
            self.texts.pop_front();
        }
    }

    fn end(self) -> impl Iterator<Item = Vec<u8>> {
        self.texts.into_iter().map(|(_, text)| text)
    }
}

/// What is written at once.
struct Page<'a> {
    screen: &'a Screen,
    raw: bool,
    text: Vec<u8>,
    is_read: bool,
}

impl Page<'_> {
    fn add(&mut self, text: &[u8]) -> io::Result<()> {
        self.text.extend_from_slice(text);
        if self.text.len() > PAGE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() || !self.is_read {
            return Ok(());
        }
        self.is_read = match self.raw {
            true => self.screen.put_raw(&text)?,
            false => self.screen.put(&String::from_utf8_lossy(&text))?,
        };
        Ok(())
    }
}

/// A line for people.
fn in_words(entry: &Entry, raw: &[u8], of_many: bool) -> String {
    let mut out = String::new();
    let time = styled(DIM, clock::local(entry.seconds()));
    if entry.dropped > 0 {
        let words = format!("{} decisions before this one were left out", entry.dropped);
        out.push_str(&format!("{time}  {}\n", styled(ODD, words)));
    }
    if entry.verdict.is_none() {
        out.push_str(&format!("{time}  {}\n", event(raw)));
        return out;
    }
    let facts = &entry.facts;
    let user = match (of_many, entry.uid) {
        (true, Some(uid)) => format!("  {uid:<5}"),
        _ => String::new(),
    };
    let program = printable(base_name(facts.program()));
    let protocol = printable(facts.protocol.as_deref().unwrap_or("-"));
    let peer = printable(&entry.peer());
    out.push_str(&format!(
        "{time}  {}{user}  {}  {protocol:<10}  {peer:<24}  {program:<12}  {}\n",
        styled(DIM, printable(&entry.id)),
        verdict(entry),
        printable(entry.why()),
    ));
    out
}

/// `accept`, `reject`, and what is to be said of it; padded.
fn verdict(entry: &Entry) -> String {
    let (style, words) = match (entry.verdict, entry.otherwise()) {
        (_, Some(Word::Reject)) => (ODD, "would reject"),
        (_, Some(Word::Accept)) => (ODD, "would accept"),
        (Some(Word::Reject), None) if entry.was_let_go() => (ODD, "reject (not held)"),
        (Some(Word::Reject), None) => (BAD, "reject"),
        (_, None) if entry.first => (GOOD, "accept (first)"),
        (_, None) => (GOOD, "accept"),
    };
    styled(style, format!("{words:<14}"))
}

/// Something else that was recorded: what it is, and all that is said of it.
fn event(raw: &[u8]) -> String {
    let Ok(Value::Object(members)) = serde_json::from_slice(raw) else { return String::new() };
    let name = members.get("event").and_then(Value::as_str).unwrap_or("event");
    let mut words = printable(name);
    for (name, value) in &members {
        if !matches!(name.as_str(), "event" | "id" | "time") {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            words.push_str(&format!(", {}: {}", printable(name), printable(&value)));
        }
    }
    words
}

/// JSON of which a terminal obeys nothing: such characters stand in texts only, and are escaped there.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if printable(c.encode_utf8(&mut [0; 4])).starts_with("\\u{") && c != '\\' {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_a_line() {
        let json = "{\"reason\":\"a\u{9b}2J\u{202e}\u{e0041}\\\\ö\"}";
        let shown = escaped(json);
        assert_eq!(shown, r#"{"reason":"a\u009b2J\u202e\udb40\udc41\\ö"}"#);
        assert_eq!(
            serde_json::from_str::<Value>(&shown).unwrap(),
            serde_json::from_str::<Value>(json).unwrap()
        );
    }

    #[test]
    fn an_event_is_shown_with_all_that_is_said() {
        let raw = br#"{"id":"x","time":1,"event":"off","until":5,"by":"root\u001b"}"#;
        assert_eq!(event(raw), "off, by: root\\u{1b}, until: 5");
    }
}
