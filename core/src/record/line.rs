//! JSON (RFC 8259), as far as lines of the record need it: this goes into other people's processes.

use std::fmt::{self, Display, Write};

use crate::certificate::is_shown;

/// No text in a list takes more octets.
const MAX_ITEM: usize = 600;

/// What lines hold beside long reasons: with so much at hand, most are written without asking for more.
const ROOM: usize = 2000;

/// An object that is being written, without its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Object(String);

impl Object {
    /// In place of what is in this text.
    pub(super) fn within(mut text: String) -> Self {
        text.clear();
        text.reserve(ROOM);
        text.push('{');
        Self(text)
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.text_within(name, value, usize::MAX);
    }

    /// The same, cut where it would take more octets.
    pub(super) fn text_within(&mut self, name: &str, value: &str, most: usize) {
        self.name(name);
        Quoted::new(&mut self.0, most).text(value);
    }

    /// The same of what something displays.
    pub(super) fn shown(&mut self, name: &str, value: &dyn Display, most: usize) {
        self.name(name);
        Quoted::new(&mut self.0, most).shown(value);
    }

    pub(super) fn number(&mut self, name: &str, value: i64) {
        self.name(name);
        self.0.push_str(&value.to_string());
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.0.push_str(if value { "true" } else { "false" });
    }

    pub(super) fn object(&mut self, name: &str, members: impl FnOnce(&mut Self)) {
        self.name(name);
        self.braces(members);
    }

    /// A list; `items` writes each with [`Object::item`] or [`Object::item_text`].
    pub(super) fn list(&mut self, name: &str, items: impl FnOnce(&mut Self)) {
        self.name(name);
        self.0.push('[');
        items(self);
        self.0.push(']');
    }

    /// In a list, an object.
    pub(super) fn item(&mut self, members: impl FnOnce(&mut Self)) {
        self.comma('[');
        self.braces(members);
    }

    /// In a list, a text.
    pub(super) fn item_text(&mut self, value: &dyn Display) {
        self.comma('[');
        Quoted::new(&mut self.0, MAX_ITEM).shown(value);
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

    /// Takes away what came after so many octets.
    pub(super) fn truncate(&mut self, octets: usize) {
        self.0.truncate(octets);
    }

    /// The members of another one, which was not begun [`Object::within`] a text.
    pub(super) fn members(&mut self, others: &Self) {
        if !others.0.is_empty() {
            self.comma('{');
            self.0.push_str(&others.0);
        }
    }

    /// As a line.
    pub(super) fn line(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }

    fn name(&mut self, name: &str) {
        self.comma('{');
        // Names are ours, and plain.
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    /// Unless this is the first one: no value ends as what it stands in begins.
    fn comma(&mut self, begin: char) {
        if !self.0.is_empty() && !self.0.ends_with(begin) {
            self.0.push(',');
        }
    }
}

/// A string (RFC 8259 section 7). What a terminal would obey, or not show, is escaped too.
struct Quoted<'a> {
    out: &'a mut String,
    /// There it is cut.
    end: usize,
    is_cut: bool,
}

impl<'a> Quoted<'a> {
    fn new(out: &'a mut String, most: usize) -> Self {
        out.push('"');
        let end = out.len().saturating_add(most);
        Self { out, end, is_cut: false }
    }

    fn text(mut self, text: &str) {
        self.add(text);
        self.out.push('"');
    }

    fn shown(mut self, value: &dyn Display) {
        // Nothing is lost: to add cannot fail, and a value that says it failed has said what it could.
        let _ = write!(self, "{value}");
        self.out.push('"');
    }

    fn add(&mut self, text: &str) {
        // Nearly every text is plain; to look at all of it is quick, because nothing is branched on.
        let is_plain = text.bytes().fold(true, |plain, byte| plain & is_plain(byte));
        if is_plain && !self.is_cut && text.len() <= self.end.saturating_sub(self.out.len()) {
            self.out.push_str(text);
        } else {
            self.add_slowly(text);
        }
    }

    fn add_slowly(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() && !self.is_cut {
            let plain = rest.bytes().take_while(|byte| is_plain(*byte)).count();
            let fits = plain.min(self.end.saturating_sub(self.out.len()));
            let (copied, more) = rest.split_at(fits);
            self.out.push_str(copied);
            rest = more;
            let Some(c) = rest.chars().next() else { break };
            let before = self.out.len();
            escape(c, self.out);
            if self.out.len() > self.end {
                self.out.truncate(before);
                self.out.push_str("...");
                self.is_cut = true;
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
}

impl Write for Quoted<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text);
        Ok(())
    }
}

fn is_plain(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\')
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
