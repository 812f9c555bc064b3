//! A policy file as text: its places, and its TOML.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, Error};

use super::diagnostic::{Diagnostic, Sink, full, snippet};
use crate::policy::Place;

/// A policy file that was read.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) path: PathBuf,
    pub(super) content: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

/// A part of a policy file.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub(super) text: &'a Text,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl At<'_> {
    pub(super) fn place(&self) -> Place {
        self.text.place(self.start)
    }

    /// A diagnostic about this part.
    pub(super) fn says(&self, message: impl Into<String>) -> Diagnostic {
        let place = self.place();
        let line = self.text.line(place.line);
        let column = place.column as usize - 1;
        // What goes over the line is marked to its end.
        let part = self.text.content.get(self.start..self.end).unwrap_or("");
        let length = part.lines().next().unwrap_or("").chars().count();
        Diagnostic {
            snippet: Some(snippet(line, column..column + length)),
            place: Some(place),
            message: message.into(),
            hint: None,
        }
    }
}

impl Text {
    /// Takes a file's content; its first bytes may be a byte order mark.
    pub(super) fn new(path: &Path, bytes: Vec<u8>) -> Result<Self, Diagnostic> {
        let content = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let good = Self::from_content(path, String::from_utf8_lossy(good).into_owned());
            let place = good.place(good.content.len());
            let byte = error.as_bytes().get(error.utf8_error().valid_up_to()).unwrap_or(&0);
            Diagnostic {
                place: Some(place),
                message: format!("the byte {byte:#04x} here is not UTF-8"),
                hint: Some("a policy is UTF-8 text; save the file in that encoding".into()),
                snippet: None,
            }
        })?;
        Ok(Self::from_content(path, content))
    }

    fn from_content(path: &Path, mut content: String) -> Self {
        if content.starts_with('\u{feff}') {
            content.drain(..'\u{feff}'.len_utf8());
        }
        let breaks = content.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        Self { path: path.to_owned(), content, lines }
    }

    /// Line and column, both from 1, of the byte at `offset`.
    pub(super) fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.content.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let column = self.content.get(start..offset).map_or(offset - start, |t| t.chars().count());
        Place { file: self.path.clone(), line: line as u32, column: column as u32 + 1 }
    }

    fn line(&self, number: u32) -> &str {
        let start = self.lines.get(number as usize - 1).copied().unwrap_or(0);
        let rest = self.content.get(start..).unwrap_or("");
        rest.lines().next().unwrap_or("")
    }

    pub(super) fn at(&self, span: Range<usize>) -> At<'_> {
        At { text: self, start: span.start, end: span.end }
    }

    /// The file as TOML; None, with everything that is no TOML reported, if it is not.
    pub(super) fn parse<'a>(&'a self, sink: &mut Sink) -> Option<DeTable<'a>> {
        // Going on after an error costs memory for each; nobody reads so many of a large file.
        const RECOVER_BELOW: usize = 1 << 20;
        let (table, errors) = if self.content.len() < RECOVER_BELOW {
            let (table, errors) = DeTable::parse_recoverable(&self.content);
            (Some(table), errors)
        } else {
            match DeTable::parse(&self.content) {
                Ok(table) => (Some(table), Vec::new()),
                Err(error) => (None, vec![error]),
            }
        };
        let mut last_line = 0;
        for error in &errors {
            let at = self.at(error.span().unwrap_or(0..0));
            // A second error of one line mostly follows from the first.
            let line = at.place().line;
            if line != last_line {
                sink.error(self.syntax(error, at));
            }
            last_line = line;
        }
        if errors.is_empty() { table.map(toml::Spanned::into_inner) } else { None }
    }

    fn syntax(&self, error: &Error, at: At<'_>) -> Diagnostic {
        match error.message() {
            "duplicate key" => self.twice(at),
            message if message.contains("recurs") => at.says("this is nested too deeply"),
            message => at.says(format!("this is no TOML: {message}")),
        }
    }

    /// Names the first place too, where the line reads the same there.
    fn twice(&self, at: At<'_>) -> Diagnostic {
        let key = |line: &str| {
            let line = line.trim();
            let end = if line.starts_with('[') { line.rfind(']') } else { line.find('=') };
            line[..end.unwrap_or(line.len())].trim().to_owned()
        };
        let (number, own) = (at.place().line, key(self.line(at.place().line)));
        let header = own.starts_with('[');
        let before =
            (1..number).rev().take_while(|n| header || !self.line(*n).trim().starts_with('['));
        let first = before.filter(|n| key(self.line(*n)) == own).last();
        let name = self.content.get(at.start..at.end).unwrap_or("").trim_matches('"');
        let what = format!("\"{name}\" is written twice");
        match first {
            Some(line) => {
                let place = Place { file: self.path.clone(), line, column: 1 };
                at.says(format!("{what}: here, and at {}", full(&place)))
            }
            None => at.says(what),
        }
        .hint("keep one of them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &str) -> Text {
        Text::new(Path::new("/p.toml"), content.into()).unwrap()
    }

    #[test]
    fn places_count_lines_and_characters() {
        let text = text("\u{feff}a = 1\r\n\u{e4}\u{f6}b = 2\n");
        let at = text.content.find('b').unwrap();
        let place = text.place(at);
        assert_eq!((place.line, place.column), (2, 3));
        let start = text.place(text.content.find('a').unwrap());
        assert_eq!((start.line, start.column), (1, 1), "the mark is no character of the line");
        let end = text.place(usize::MAX);
        assert_eq!((end.line, end.column), (3, 1));
    }

    #[test]
    fn every_syntax_error_is_reported() {
        let mut sink = Sink::default();
        let text = text("a = \"x\nb = 1\nc = \n\nd == 2\n");
        assert!(text.parse(&mut sink).is_none());
        let lines: Vec<_> =
            sink.finish(&[]).unwrap_err().iter().map(|d| d.place.clone().unwrap().line).collect();
        assert_eq!(lines, [1, 3, 5]);
    }
}
