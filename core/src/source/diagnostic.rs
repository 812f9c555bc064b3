//! What is wrong with a policy, where, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use crate::certificate::printable;
use crate::policy::Place;

/// An error or a warning about a policy's sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where. None where no file can be named.
    pub place: Option<Place>,
    /// What is wrong, as a sentence without its full stop.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The line of the policy that is meant.
    pub snippet: Option<Snippet>,
}

/// A line of a policy file, and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// The line, or the part of a long line, with nothing in it that a terminal obeys.
    pub line: String,
    /// Where the part begins, in characters from 0.
    pub start: usize,
    /// How many characters it has, at least 1.
    pub length: usize,
}

impl Diagnostic {
    /// A diagnostic about a whole file.
    pub(super) fn about_file(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        let place = Place { file: file.into(), line: 1, column: 1 };
        Self { place: Some(place), message: message.into(), hint: None, snippet: None }
    }

    /// The same with a hint.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a hint, if there is one.
    pub(super) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: what`, the line itself, and what to do, each on lines of their own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}: ", full(place))?;
        }
        f.write_str(&printable(&self.message))?;
        if let (Some(place), Some(snippet)) = (&self.place, &self.snippet) {
            let number = place.line.to_string();
            let (gap, marks) = (" ".repeat(snippet.start), "^".repeat(snippet.length));
            write!(f, "\n  {number} | {}", snippet.line)?;
            write!(f, "\n  {} | {gap}{marks}", " ".repeat(number.len()))?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  help: {}", printable(hint)),
            None => Ok(()),
        }
    }
}

/// A place with its whole path: `/etc/peerkey/policy.toml:14:9`.
pub(super) fn full(place: &Place) -> String {
    let file = printable(&place.file.to_string_lossy());
    format!("{file}:{}:{}", place.line, place.column)
}

/// How many diagnostics are kept: who has more mends these first.
pub(crate) const MOST: usize = 200;

/// Collects what is found.
#[derive(Debug, Default)]
pub(super) struct Sink {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    more_errors: usize,
    /// A file could not be read: what it defines is not known, so nothing is said to be missing.
    pub(super) incomplete: bool,
}

impl Sink {
    pub(super) fn error(&mut self, diagnostic: Diagnostic) {
        match self.errors.len() {
            MOST.. => self.more_errors += 1,
            _ => self.errors.push(diagnostic),
        }
    }

    pub(super) fn warn(&mut self, diagnostic: Diagnostic) {
        if self.warnings.len() < MOST {
            self.warnings.push(diagnostic);
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The warnings, or the errors if there are any; in the order of the files, then of the lines.
    pub(super) fn finish(mut self, files: &[PathBuf]) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let order = |d: &Diagnostic| match &d.place {
            Some(place) => {
                let file = files.iter().position(|f| *f == place.file).unwrap_or(files.len());
                (file, place.file.clone(), place.line, place.column)
            }
            None => (0, PathBuf::new(), 0, 0),
        };
        self.errors.sort_by_cached_key(order);
        self.warnings.sort_by_cached_key(order);
        if self.more_errors > 0 {
            let message = format!("{} more errors are not shown", self.more_errors);
            self.errors.push(Diagnostic { place: None, message, hint: None, snippet: None });
        }
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(self.errors) }
    }
}

/// The line around `span` of `line`, both in characters, cut to what a terminal shows.
pub(super) fn snippet(line: &str, span: Range<usize>) -> Snippet {
    const WIDTH: usize = 100;
    let from = if span.start > WIDTH / 2 { span.start - WIDTH / 4 } else { 0 };
    let shown = line.chars().skip(from).take(WIDTH).map(|c| match c {
        '\t' => ' ',
        c if printable(c.encode_utf8(&mut [0; 4])).chars().count() > 1 => '\u{fffd}',
        c => c,
    });
    let line: String = shown.collect();
    let start = span.start - from;
    let room = line.chars().count().saturating_sub(start);
    Snippet { line, start, length: span.len().min(room).max(1) }
}

/// The candidate that `word` is most likely a slip for.
pub(super) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('_', "-");
    // Words of a policy are short: beyond this length no edit distance is worth its time.
    if word.len() > 64 {
        return None;
    }
    let (distance, best) = candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&word, &c.to_ascii_lowercase()), c))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= (word.len() / 3).max(1) && distance < word.len()).then_some(best)
}

/// `did you mean "x"?`, or else what can be written at all.
pub(super) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) -> Option<String> {
    let candidates = candidates.into_iter();
    if let Some(best) = closest(word, candidates.clone()) {
        return Some(format!("did you mean \"{best}\"?"));
    }
    let few: Vec<_> = candidates.take(16).map(|c| format!("\"{c}\"")).collect();
    match few.len() {
        0 | 16 => None,
        1 => Some(format!("write {}", few[0])),
        _ => Some(format!("write one of {}", few.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_place_line_and_help() {
        let place = Place { file: "/etc/p.toml".into(), line: 12, column: 3 };
        let diagnostic = Diagnostic {
            place: Some(place),
            message: "unknown key \"x\u{1b}\"".into(),
            hint: Some("leave it".into()),
            snippet: Some(snippet("\t\tx\u{1b} = 1", 2..4)),
        };
        assert_eq!(
            diagnostic.to_string(),
            "/etc/p.toml:12:3: unknown key \"x\\u{1b}\"\n  12 |   x\u{fffd} = 1\n     |   ^^\n  help: leave it"
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let line = format!("{}here{}", "a".repeat(500), "b".repeat(500));
        let shown = snippet(&line, 500..504);
        let marked: String = shown.line.chars().skip(shown.start).take(shown.length).collect();
        assert_eq!(marked, "here");
        assert_eq!(shown.line.chars().count(), 100);
        assert_eq!(snippet("", 0..0).length, 1);
    }

    #[test]
    fn slips_find_their_word() {
        assert_eq!(closest("at_least", ["any", "all", "at-least"]), Some("at-least"));
        assert_eq!(closest("http", ["https", "imap"]), Some("https"));
        assert_eq!(closest("zzz", ["https", "imap"]), None);
        assert_eq!(closest("x", ["a"]), None);
        assert_eq!(did_you_mean("zzz", ["a", "b"]).unwrap(), "write one of \"a\", \"b\"");
    }
}
