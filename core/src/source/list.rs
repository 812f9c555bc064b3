//! Named lists of peers: `[peers] banks = […]`, written `@banks` where peers are written.

use std::collections::{BTreeMap, HashSet};

use super::diagnostic::{Diagnostic, Sink, did_you_mean, full};
use super::field::{Table, Value};
use super::text::At;
use crate::pattern::Pattern;

/// How deep lists may name lists.
const DEPTH: usize = 32;

/// The named lists, with what is in them. A list that is wrong is there, has been reported, and is
/// empty.
#[derive(Debug, Default)]
pub(super) struct Lists {
    lists: BTreeMap<String, Vec<Pattern>>,
}

/// Reads the lists of all files.
pub(super) fn read<'a>(roots: &[Table<'a>], sink: &mut Sink) -> Lists {
    let mut reader = Reader { written: BTreeMap::new(), lists: Lists::default(), path: Vec::new() };
    for root in roots {
        let Some(value) = root.get("peers") else { continue };
        let Some(table) = value.table(sink, "[peers]") else { continue };
        for (name, at, value) in table.entries() {
            reader.define(name, at, value, sink);
        }
    }
    let names: Vec<_> = reader.written.keys().copied().collect();
    for name in names {
        reader.resolve(name, sink);
    }
    reader.lists
}

struct Reader<'a> {
    written: BTreeMap<&'a str, (At<'a>, Value<'a>)>,
    lists: Lists,
    /// The lists that are being read, each named by the one before.
    path: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    fn define(&mut self, name: &'a str, at: At<'a>, value: Value<'a>, sink: &mut Sink) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            let hint = "use letters, digits, '-' and '_', so that no list looks like a mail host";
            sink.error(at.says(format!("\"{name}\" cannot name a list")).hint(hint));
        } else if let Some((first, _)) = self.written.get(name) {
            let first = full(&first.place());
            let message = format!("two lists of peers are named \"{name}\": here, and at {first}");
            sink.error(at.says(message).hint("rename one, or write one list"));
        } else {
            self.written.insert(name, (at, value));
        }
    }

    fn resolve(&mut self, name: &'a str, sink: &mut Sink) {
        if self.lists.lists.contains_key(name) {
            return;
        }
        let Some((at, value)) = self.written.get(name).copied() else { return };
        if let Some(wrong) = self.circle(name, at) {
            sink.error(wrong);
            self.lists.lists.insert(name.to_owned(), Vec::new());
            return;
        }
        self.path.push(name);
        let items = value.strings(sink, &format!("the list \"{name}\"")).unwrap_or_default();
        for (text, _) in &items {
            let inner = text.strip_prefix('@');
            if let Some((inner, _)) = inner.and_then(|i| self.written.get_key_value(i)) {
                let inner = *inner;
                self.resolve(inner, sink);
            }
        }
        self.path.pop();
        // A circle has filled the list in already.
        if !self.lists.lists.contains_key(name) {
            let patterns = self.lists.expand(&items, sink);
            self.lists.lists.insert(name.to_owned(), patterns);
        }
    }

    fn circle(&self, name: &str, at: At<'a>) -> Option<Diagnostic> {
        let message = if let Some(start) = self.path.iter().position(|n| *n == name) {
            let round: Vec<_> = self.path[start..].iter().map(|n| format!("@{n}")).collect();
            format!("the list \"{name}\" is in itself: {} → @{name}", round.join(" → "))
        } else if self.path.len() >= DEPTH {
            format!("lists name lists more than {DEPTH} deep")
        } else {
            return None;
        };
        Some(at.says(message).hint("write the peers themselves"))
    }
}

impl Lists {
    /// The patterns that are written, those of named lists among them, each once.
    pub(super) fn expand(&self, items: &[(&str, At<'_>)], sink: &mut Sink) -> Vec<Pattern> {
        let (mut seen, mut out) = (HashSet::new(), Vec::new());
        let mut add = |pattern: Pattern| {
            if seen.insert(pattern.clone()) {
                out.push(pattern);
            }
        };
        for (text, at) in items {
            match text.strip_prefix('@') {
                Some(name) if self.lists.contains_key(name) => {
                    self.lists[name].iter().cloned().for_each(&mut add);
                }
                Some(name) if !name.contains('.') => self.unknown(name, *at, sink),
                _ => match Pattern::parse(text) {
                    Ok(pattern) => add(pattern),
                    Err(error) => sink.error(explain(&error.to_string(), *at)),
                },
            }
        }
        out
    }

    fn unknown(&self, name: &str, at: At<'_>, sink: &mut Sink) {
        if sink.incomplete {
            return;
        }
        let names: Vec<_> = self.lists.keys().map(|name| format!("@{name}")).collect();
        let hint = did_you_mean(&format!("@{name}"), names.iter().map(String::as_str))
            .unwrap_or_else(|| format!("define it under [peers]: {name} = [\"…\"]"));
        let message = format!("there is no list of peers named \"{name}\"");
        sink.error(at.says(message).hint(hint));
    }

    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }
}

/// A pattern's error says what is wrong, then what to write.
pub(super) fn explain(error: &str, at: At<'_>) -> Diagnostic {
    match error.rsplit_once("; ") {
        Some((what, hint)) => at.says(what).hint(hint),
        None => at.says(error),
    }
}
