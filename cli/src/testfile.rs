//! Test files: queries, and what a policy should say to them.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use peerkey_core::certificate::printable;
use peerkey_core::crypto::Crypto;
use peerkey_core::decide::{Application, Fault};
use peerkey_core::key::KeyError;
use peerkey_core::policy::Place;
use peerkey_core::query::{Fact, Query, Role};
use peerkey_core::source::{Diagnostic, Snippet};
use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use crate::inquiry::{self, Program};
use crate::question::{self, NoQuestion, Presented, Subject};
use crate::{clock, native};

/// One test, ready to run.
#[derive(Debug)]
pub struct Test {
    /// Its name, or what it asks.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// The question; an error where the key cannot be compared.
    pub query: Result<Query, KeyError>,
    /// What the program itself says.
    pub program: Program,
    /// The expected verdict.
    pub expect: Expected,
}

/// What a verdict should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Whether to accept.
    pub accept: bool,
    /// The code of the reason.
    pub reason: Option<String>,
    /// A part of the sentence.
    pub says: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    test: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    name: Option<String>,
    protocol: Spanned<String>,
    peer: Option<Spanned<String>>,
    #[serde(default)]
    claimed: bool,
    #[serde(default)]
    role: Side,
    chain: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
    application: Option<String>,
    application_verdict: Option<Says>,
    application_faults: Option<Spanned<Vec<Why>>>,
    time: Option<Spanned<Datetime>>,
    expect: Says,
    reason: Option<Spanned<String>>,
    says: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Side {
    #[default]
    Server,
    Client,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
enum Says {
    #[serde(rename = "accept")]
    Accept,
    #[serde(rename = "reject", alias = "refuse")]
    Reject,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Why {
    NoTrustedPath,
    Expired,
    NameMismatch,
    Other,
}

/// The codes of reasons, as in [`peerkey_core::verdict::Reason::code`].
const REASONS: [&str; 9] = [
    "cannot-decide",
    "key-denied",
    "certificate-denied",
    "unusable-key",
    "unusable-certificate",
    "constraint-broken",
    "no-usable-claim",
    "not-vouched",
    "application",
];

/// The most that a test file may have.
const LARGEST_FILE: u64 = 16 << 20;

/// Reads a test file, and the certificates and keys that it names.
pub fn read(path: &Path, crypto: &dyn Crypto, now: i64) -> Result<Vec<Test>, Vec<Diagnostic>> {
    let whole = |message: String| {
        let place = Place { file: path.to_owned(), line: 1, column: 1 };
        vec![Diagnostic { place: Some(place), message, hint: None, snippet: None }]
    };
    let content = match fs::metadata(path) {
        Ok(meta) if meta.len() > LARGEST_FILE => return Err(whole("the file is too large".into())),
        _ => question::read(path).map_err(|why| whole(format!("it cannot be read: {why}")))?,
    };
    let content = String::from_utf8(content).map_err(|_| whole("it is not UTF-8".into()))?;
    let text = Text { path, content: &content };
    let written: Written = toml::from_str(&content).map_err(|error| {
        vec![text.says(error.span().unwrap_or(0..0), error.message().to_owned())]
    })?;
    if written.test.is_empty() {
        let mut nothing = text.says(0..0, "there are no tests in it".into());
        nothing.hint = Some("write [[test]] above each".into());
        return Err(vec![nothing]);
    }
    let (mut tests, mut wrong) = (Vec::new(), Vec::new());
    for entry in written.test {
        let span = entry.span();
        match test(&text, span, entry.into_inner(), crypto, now) {
            Ok(test) => tests.push(test),
            Err(diagnostic) => wrong.push(*diagnostic),
        }
    }
    if wrong.is_empty() { Ok(tests) } else { Err(wrong) }
}

type Wrong = Box<Diagnostic>;

fn test(
    text: &Text<'_>,
    span: Range<usize>,
    entry: Entry,
    crypto: &dyn Crypto,
    now: i64,
) -> Result<Test, Wrong> {
    let at = |span, why: NoQuestion| Box::new(text.says(span, why.to_string()));
    let role = match entry.role {
        Side::Server => Role::Server,
        Side::Client => Role::Client,
    };
    let protocol = question::protocol(entry.protocol.get_ref())
        .map_err(|why| at(entry.protocol.span(), why))?;
    let (peer, locator) = subject(&entry, role)
        .map_err(|why| at(entry.peer.as_ref().map_or(span.clone(), Spanned::span), why))?;
    let program = program(text, &entry)?;
    let presented = present(text, &span, &entry, crypto)?;
    let time = time(text, entry.time.as_ref())?.unwrap_or(now);
    let expect = expect(text, &entry)?;
    let asked = entry.peer.as_ref().map_or("a claim", |peer| peer.get_ref().as_str());
    Ok(Test {
        name: entry.name.unwrap_or_else(|| format!("{asked} over {}", entry.protocol.get_ref())),
        place: text.place(span.start),
        query: presented.map(|presented| Query {
            role,
            peer,
            locator,
            protocol,
            port: None,
            application: Fact::from(entry.application),
            key: presented.key,
            evidence: presented.evidence,
            time,
        }),
        program,
        expect,
    })
}

fn subject(entry: &Entry, role: Role) -> Result<Subject, NoQuestion> {
    let peer = entry.peer.as_ref().map(|peer| peer.get_ref().as_str());
    if peer.is_none() && !entry.claimed && role == Role::Server {
        return Err(NoQuestion::Because("write peer = \"…\", or claimed = true".into()));
    }
    question::subject(peer, entry.claimed, role)
}

fn present(
    text: &Text<'_>,
    span: &Range<usize>,
    entry: &Entry,
    crypto: &dyn Crypto,
) -> Result<Result<Presented, KeyError>, Wrong> {
    let beside = |file: &Path| text.path.parent().unwrap_or(Path::new("")).join(file);
    let (file, presented) = match (&entry.chain, &entry.key) {
        (Some(file), None) => (file, Presented::chain_file(&beside(file.get_ref()), crypto)),
        (None, Some(file)) => (file, Presented::key_file(&beside(file.get_ref()), crypto)),
        _ => {
            let why = "write what the peer presents: chain = FILE, or key = FILE".into();
            return Err(Box::new(text.says(span.clone(), why)));
        }
    };
    match presented {
        Ok(presented) => Ok(Ok(presented)),
        Err(NoQuestion::UnusableKey(error)) => Ok(Err(error)),
        Err(NoQuestion::Because(why)) => Err(Box::new(text.says(file.span(), why))),
    }
}

fn program(text: &Text<'_>, entry: &Entry) -> Result<Program, Wrong> {
    let faults = entry.application_faults.as_ref();
    match (entry.application_verdict, faults) {
        (None, None) => Ok(Program::Unstated),
        (Some(Says::Accept), None) => Ok(Program::Stated(Application::Accepts)),
        (Some(Says::Reject), None) => {
            Ok(Program::Stated(inquiry::refusal(vec![Fault::NoTrustedPath])))
        }
        (Some(Says::Reject), Some(faults)) if !faults.get_ref().is_empty() => {
            let faults = faults.get_ref().iter().map(|why| fault(*why)).collect();
            Ok(Program::Stated(inquiry::refusal(faults)))
        }
        (_, Some(faults)) => {
            let why = "faults go with application-verdict = \"refuse\", and there is at least one";
            Err(Box::new(text.says(faults.span(), why.into())))
        }
    }
}

fn fault(why: Why) -> Fault {
    match why {
        Why::NoTrustedPath => Fault::NoTrustedPath,
        Why::Expired => Fault::Expired,
        Why::NameMismatch => Fault::NameMismatch,
        // Any code that no grant overrules; 26 is X509_V_ERR_INVALID_PURPOSE.
        Why::Other => native::fault(26),
    }
}

fn time(text: &Text<'_>, time: Option<&Spanned<Datetime>>) -> Result<Option<i64>, Wrong> {
    let read = |time: &Spanned<Datetime>| {
        clock::parse(&time.get_ref().to_string())
            .map_err(|why| Box::new(text.says(time.span(), format!("{}: {why}", time.get_ref()))))
    };
    time.map(read).transpose()
}

fn expect(text: &Text<'_>, entry: &Entry) -> Result<Expected, Wrong> {
    let accept = entry.expect == Says::Accept;
    if let Some(reason) = &entry.reason {
        let wrong = match (accept, REASONS.contains(&reason.get_ref().as_str())) {
            (true, _) => Some("there is no reason where the verdict is accept".to_owned()),
            (_, false) => Some(format!("reasons are {}", REASONS.join(", "))),
            _ => None,
        };
        if let Some(why) = wrong {
            return Err(Box::new(text.says(reason.span(), why)));
        }
    }
    let reason = entry.reason.clone().map(Spanned::into_inner);
    Ok(Expected { accept, reason, says: entry.says.clone() })
}

/// A test file as text.
struct Text<'a> {
    path: &'a Path,
    content: &'a str,
}

impl Text<'_> {
    fn place(&self, offset: usize) -> Place {
        let before = self.content.get(..offset).unwrap_or(self.content);
        let line = before.bytes().filter(|b| *b == b'\n').count() as u32 + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
        Place { file: self.path.to_owned(), line, column }
    }

    fn says(&self, span: Range<usize>, message: String) -> Diagnostic {
        let place = self.place(span.start);
        let line = self.content.lines().nth(place.line as usize - 1).unwrap_or("");
        let start = place.column as usize - 1;
        let marked = self.content.get(span).unwrap_or("").lines().next().unwrap_or("");
        let snippet = Snippet {
            // Each odd character stays one, so that the marks stand below what they mark.
            line: line.chars().map(|c| if is_plain(c) { c } else { '\u{fffd}' }).collect(),
            start,
            length: marked.chars().count().max(1),
        };
        Diagnostic { place: Some(place), message, hint: None, snippet: Some(snippet) }
    }
}

fn is_plain(c: char) -> bool {
    printable(c.encode_utf8(&mut [0; 4])).chars().count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::System;

    const FILE: &str = "[[test]]\nname = \"\u{e4}\u{1b}\"\nprotocol = \"https\"\npeer = \"a.b\"\n\
                        chain = \"none.pem\"\ntime = 2027-01-31\nexpect = \"reject\"\n\
                        reason = \"not-vouched\"\napplication-verdict = \"refuse\"\n";

    #[test]
    fn a_file_that_ends_anywhere_is_refused_with_a_place() {
        let crypto = System::start();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.toml");
        for end in 0..FILE.len() {
            fs::write(&path, &FILE.as_bytes()[..end]).unwrap();
            let wrong = read(&path, &crypto, 0).unwrap_err();
            for diagnostic in wrong {
                let place = diagnostic.place.unwrap();
                assert!(place.line as usize <= FILE.lines().count() + 1 && place.column > 0);
                if let Some(snippet) = diagnostic.snippet {
                    assert!(!snippet.line.contains('\u{1b}'));
                    assert!(snippet.start <= snippet.line.chars().count());
                }
            }
        }
    }

    #[test]
    fn places_count_characters() {
        let text = Text { path: Path::new("t"), content: "a\n\u{e4}\u{f6}b = 1\n" };
        let place = text.place(6);
        assert_eq!((place.line, place.column), (2, 3));
        assert_eq!(text.place(usize::MAX).line, 3);
    }
}
