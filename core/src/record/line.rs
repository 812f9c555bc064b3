//! JSON (RFC 8259), as far as lines of the record need it: this goes into other people's processes.

use std::fmt::Write;

use crate::certificate::is_shown;

/// No text in a list takes more octets.
const MAX_ITEM: usize = 600;

/// An object that is being written, without its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Object(String);

impl Object {
    /// For as much as most lines hold beside their beginning, and no more than malloc has at hand: glibc
    /// tidies up whenever it is asked for 1024 bytes or more.
    pub(super) fn with_room() -> Self {
        Self(String::with_capacity(1000))
    }

    /// In place of what is in this text.
    pub(super) fn within(mut text: String) -> Self {
        text.clear();
        text.push('{');
        Self(text)
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.text_within(name, value, usize::MAX);
    }

    /// The same, cut where it would take more octets.
    pub(super) fn text_within(&mut self, name: &str, value: &str, most: usize) {
        self.name(name);
        quote(value, most, &mut self.0);
    }

    pub(super) fn number(&mut self, name: &str, value: i64) {
        self.name(name);
        self.0.push_str(&value.to_string());
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.0.push_str(if value { "true" } else { "false" });
    }

    pub(super) fn texts(&mut self, name: &str, values: impl Iterator<Item = String>) {
        self.name(name);
        self.list(values, |value, out| quote(&value, MAX_ITEM, out));
    }

    pub(super) fn object(&mut self, name: &str, members: impl FnOnce(&mut Self)) {
        self.name(name);
        self.braces(members);
    }

    /// A list of objects; `items` writes each with [`Object::item`].
    pub(super) fn objects(&mut self, name: &str, items: impl FnOnce(&mut Self)) {
        self.name(name);
        self.0.push('[');
        items(self);
        self.0.push(']');
    }

    pub(super) fn item(&mut self, members: impl FnOnce(&mut Self)) {
        if !self.0.ends_with('[') {
            self.0.push(',');
        }
        self.braces(members);
    }

    fn braces(&mut self, members: impl FnOnce(&mut Self)) {
        self.0.push('{');
        members(self);
        self.0.push('}');
    }

    /// Its octets so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The members of one that was begun [`Object::within`] a text, and of another, as one line.
    pub(super) fn line_with(mut self, others: &Self) -> String {
        if !self.0.ends_with('{') && !others.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&others.0);
        self.0.push_str("}\n");
        self.0
    }

    fn name(&mut self, name: &str) {
        // No value ends so.
        if !self.0.is_empty() && !self.0.ends_with('{') {
            self.0.push(',');
        }
        // Names are ours, and plain.
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn list<T>(&mut self, values: impl Iterator<Item = T>, write: impl Fn(T, &mut String)) {
        self.0.push('[');
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            write(value, &mut self.0);
        }
        self.0.push(']');
    }
}

/// A string (RFC 8259 section 7). What a terminal would obey, or not show, is escaped too.
fn quote(text: &str, most: usize, out: &mut String) {
    let end = out.len().saturating_add(most);
    out.push('"');
    // Nearly every text is plain; to look at all of it is quick, because nothing is branched on.
    let is_plain = text.bytes().fold(true, |plain, byte| plain & is_plain(byte));
    if is_plain && text.len() <= end.saturating_sub(out.len()) {
        out.push_str(text);
    } else {
        quote_slowly(text, end, out);
    }
    out.push('"');
}

fn is_plain(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\')
}

fn quote_slowly(text: &str, end: usize, out: &mut String) {
    let mut rest = text;
    while !rest.is_empty() {
        let plain = rest.bytes().take_while(|byte| is_plain(*byte)).count();
        let fits = plain.min(end.saturating_sub(out.len()));
        let (copied, more) = rest.split_at(fits);
        out.push_str(copied);
        rest = more;
        let Some(c) = rest.chars().next() else { break };
        let before = out.len();
        escape(c, out);
        if out.len() > end {
            out.truncate(before);
            out.push_str("...");
            break;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
}

fn escape(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        c if is_shown(c) => out.push(c),
        c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
            let _ = write!(out, "\\u{unit:04x}");
        }),
    }
}
