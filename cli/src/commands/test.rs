//! `test`: asks a policy's sources what its tests ask, and shows what differs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use peerkey_core::source::Diagnostic;
use peerkey_core::store::Compiled;
use peerkey_core::verdict::{Outcome, Reason};
use serde_json::{Value, json};

use super::{FINE, NO, NO_ANSWER, no_result};
use crate::args::{Global, TestArgs};
use crate::clock;
use crate::crypto::System;
use crate::inquiry::{self, NoAnswer, NoTrial};
use crate::render::diagnostics::{self, Severity};
use crate::render::{self, count, explain, json, styled, table};
use crate::screen::Screen;
use crate::testfile::{self, Expected, Test};

/// Runs the command.
pub fn run(global: &Global, args: &TestArgs, screen: &Screen) -> io::Result<u8> {
    let outcomes = match outcomes(global, args, screen) {
        Ok(outcomes) => outcomes,
        Err(why) => return no_result(screen, args.json, why, NO_ANSWER),
    };
    let differ: Vec<_> = outcomes.iter().filter(|outcome| outcome.differs.is_some()).collect();
    match args.json {
        true => screen.print(&json::text(&document(&outcomes)))?,
        false if differ.is_empty() => {
            let words = format!("{}: all as expected", count(outcomes.len(), "test"));
            screen.print(&format!("{}\n", styled(render::GOOD, words)))?;
        }
        false => {
            let rows = differ.iter().map(|outcome| outcome.row()).collect();
            let headings = ["test", "expected", "the policy says"];
            let table = table::table(screen.lines, &headings, rows);
            let words = format!("{} of {} differ", differ.len(), count(outcomes.len(), "test"));
            screen.print(&format!("{table}{}\n", styled(render::BAD, words)))?;
        }
    }
    Ok(if differ.is_empty() { FINE } else { NO })
}

/// A test and what came of it.
struct Ran {
    test: Test,
    /// What the policy says, in words.
    says: String,
    accepts: Option<bool>,
    reason: Option<&'static str>,
    /// How it differs from what is expected.
    differs: Option<&'static str>,
}

fn outcomes(global: &Global, args: &TestArgs, screen: &Screen) -> Result<Vec<Ran>, String> {
    let (crypto, now) = (System::start(), clock::now());
    let files = if args.files.is_empty() { found(global)? } else { args.files.clone() };
    let (mut tests, mut wrong) = (Vec::new(), Vec::new());
    for file in &files {
        match testfile::read(file, &crypto, now) {
            Ok(read) => tests.extend(read),
            Err(diagnostics) => wrong.extend(diagnostics),
        }
    }
    if !wrong.is_empty() {
        return Err(complain(screen, &wrong, "in the tests"));
    }
    let trial = inquiry::compile(&global.config_dir, &crypto, now).map_err(|why| match why {
        NoTrial::Failed(why) => why,
        NoTrial::Sources(errors) => complain(screen, &errors, "in the policy"),
    })?;
    Ok(tests.into_iter().map(|test| ask(&trial.compiled, test, &crypto)).collect())
}

fn complain(screen: &Screen, errors: &[Diagnostic], whose: &str) -> String {
    screen.complain(&diagnostics::all(Severity::Error, errors));
    format!("{} {whose}; no test was run", count(errors.len(), "error"))
}

/// The test files of the configuration folder.
fn found(global: &Global) -> Result<Vec<PathBuf>, String> {
    let folder = global.config_dir.join("tests");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_test = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let mut files: Vec<_> = entries.filter(is_test).collect();
    files.sort();
    match files.is_empty() {
        true => Err(no_tests(&folder)),
        false => Ok(files),
    }
}

fn no_tests(folder: &Path) -> String {
    format!(
        "there are no tests: no {}/*.toml; peerkey test --help shows how to write some",
        folder.display()
    )
}

fn ask(policy: &Compiled, test: Test, crypto: &System) -> Ran {
    let outcome = match &test.query {
        Err(error) => Ok(Outcome::Reject(Reason::UnusableKey(*error))),
        Ok(query) => inquiry::ask(policy, query, &test.program, crypto, None)
            .map(|answer| answer.verdict.outcome().clone()),
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(why) => {
            let says = match why {
                NoAnswer::Unstated => {
                    "it hangs on the program's own verification: write application-verdict".into()
                }
                NoAnswer::Store(error) => error.to_string(),
                NoAnswer::OpenSsl(error) => error,
            };
            return Ran { test, says, accepts: None, reason: None, differs: Some("no answer") };
        }
    };
    let says = explain::plain(&outcome);
    let (accepts, reason) = match &outcome {
        Outcome::Accept(_) => (true, None),
        Outcome::Reject(reason) => (false, Some(reason.code())),
    };
    let differs = differs(&test.expect, accepts, reason, &says);
    Ran { test, says, accepts: Some(accepts), reason, differs }
}

fn differs(
    expect: &Expected,
    accepts: bool,
    reason: Option<&str>,
    says: &str,
) -> Option<&'static str> {
    if expect.accept != accepts {
        return Some("verdict");
    }
    if expect.reason.is_some() && expect.reason.as_deref() != reason {
        return Some("reason");
    }
    let is_said = expect.says.as_ref().is_none_or(|part| says.contains(part));
    (!is_said).then_some("says")
}

impl Ran {
    fn row(&self) -> Vec<String> {
        let name = format!("{}\n({})", self.test.name, self.test.place);
        let says = match self.reason {
            Some(code) if self.differs == Some("reason") => format!("{} ({code})", self.says),
            _ => self.says.clone(),
        };
        vec![name, in_words(&self.test.expect), says]
    }
}

fn in_words(expect: &Expected) -> String {
    let mut words = if expect.accept { "accept" } else { "reject" }.to_owned();
    if let Some(reason) = &expect.reason {
        words.push_str(&format!(" ({reason})"));
    }
    if let Some(part) = &expect.says {
        words.push_str(&format!(", saying \"{part}\""));
    }
    words
}

fn document(outcomes: &[Ran]) -> Value {
    let one = |ran: &Ran| {
        let Ran { test, says, accepts, reason, differs } = ran;
        json!({
            "name": test.name,
            "place": { "file": test.place.file, "line": test.place.line },
            "expected": {
                "verdict": if test.expect.accept { "accept" } else { "reject" },
                "reason": test.expect.reason,
                "says": test.expect.says,
            },
            "verdict": accepts.map(|accepts| if accepts { "accept" } else { "reject" }),
            "reason": reason,
            "says": says,
            "differs": differs,
        })
    };
    let failed = outcomes.iter().filter(|ran| ran.differs.is_some()).count();
    json!({
        "version": json::VERSION,
        "passed": outcomes.len() - failed,
        "failed": failed,
        "tests": outcomes.iter().map(one).collect::<Vec<_>>(),
    })
}
