//! `check`: asks the policy about one peer, and explains the answer.

mod asked;

use std::io;
use std::path::Path;

use peerkey_core::decide::{Application, Fault};
use peerkey_core::keys::Book;
use peerkey_core::store::Compiled;
use peerkey_core::verdict::{Outcome, Reason};
use serde_json::{Value, json};

use self::asked::{Asked, Connection, asked};
use super::{FINE, NO, NO_ANSWER, no_result};
use crate::args::{CheckArgs, Global, Stated};
use crate::book::Books;
use crate::clock;
use crate::crypto::System;
use crate::inquiry::{self, Answer, NoAnswer, NoTrial, Program, Trial};
use crate::native;
use crate::question::NoQuestion;
use crate::render::diagnostics::{self, Severity};
use crate::render::{explain, json};
use crate::screen::Screen;

/// Runs the command.
pub fn run(global: &Global, args: &CheckArgs, screen: &Screen) -> io::Result<u8> {
    match check(global, args, screen) {
        Ok(checked) => {
            screen.print(&match args.json {
                true => json::text(&checked.document()),
                false => explain::answer(&checked.explained(), screen.lines),
            })?;
            Ok(if checked.answer.verdict.is_accept() { FINE } else { NO })
        }
        Err(Stop::Refused(outcome)) => {
            screen.print(&match args.json {
                true => {
                    let mut document = json::outcome(&outcome);
                    document["version"] = json!(json::VERSION);
                    json::text(&document)
                }
                false => format!("{}\n", explain::one_line(&outcome)),
            })?;
            Ok(NO)
        }
        Err(Stop::NoAnswer(why)) => no_result(screen, args.json, why, NO_ANSWER),
    }
}

/// A question with its answer.
struct Checked {
    asked: Asked,
    answer: Answer,
    /// Who said what the program itself says.
    by: String,
    /// Of the policy that answered.
    digest: String,
}

/// Why there is no explained verdict.
enum Stop {
    /// There is none at all.
    NoAnswer(String),
    /// The key is refused before anything is looked up.
    Refused(Outcome),
}

fn check(global: &Global, args: &CheckArgs, screen: &Screen) -> Result<Checked, Stop> {
    let crypto = System::start();
    let policy = Policy::find(global, args, screen, &crypto).map_err(Stop::NoAnswer)?;
    let policy = policy.compiled();
    let asked = asked(args, &crypto).map_err(|why| match why {
        NoQuestion::UnusableKey(error) if !policy.is_transparent() => {
            Stop::Refused(Outcome::Reject(Reason::UnusableKey(error)))
        }
        why => Stop::NoAnswer(why.to_string()),
    })?;
    let (program, by) = program(args);
    let books = Books::open(&global.state_dir);
    let (query, book) = (&asked.query, Some(&books as &dyn Book));
    let answer = inquiry::ask(policy, query, &program, &crypto, book).map_err(|why| {
        Stop::NoAnswer(match why {
            NoAnswer::Store(error) => error.to_string(),
            NoAnswer::OpenSsl(error) => format!("OpenSSL failed: {error}"),
            NoAnswer::Unstated => "the answer hangs on the program's own verification".into(),
        })
    })?;
    let digest = policy.meta().digest.clone();
    Ok(Checked { asked, answer, by, digest })
}

/// The policy that is asked.
enum Policy {
    InForce(Box<Compiled>),
    Sources(Box<Trial>),
}

impl Policy {
    fn find(
        global: &Global,
        args: &CheckArgs,
        screen: &Screen,
        crypto: &System,
    ) -> Result<Self, String> {
        match &args.policy {
            None => in_force(global).map(|policy| Self::InForce(Box::new(policy))),
            Some(folder) => {
                sources(folder, screen, crypto).map(|trial| Self::Sources(Box::new(trial)))
            }
        }
    }

    fn compiled(&self) -> &Compiled {
        match self {
            Self::InForce(compiled) => compiled,
            Self::Sources(trial) => &trial.compiled,
        }
    }
}

/// The sources in a folder, compiled for this process; mistakes are shown.
pub(super) fn sources(folder: &Path, screen: &Screen, crypto: &System) -> Result<Trial, String> {
    inquiry::compile(folder, crypto, clock::now()).map_err(|why| match why {
        NoTrial::Failed(why) => why,
        NoTrial::Sources(errors) => {
            screen.complain(&diagnostics::all(Severity::Error, &errors));
            format!("the sources in {} are no policy", folder.display())
        }
    })
}

/// The policy in force.
pub(super) fn in_force(global: &Global) -> Result<Compiled, String> {
    let path = inquiry::in_force(&global.state_dir);
    if !path.exists() {
        return Err(format!(
            "no policy is in force: there is no {}; run peerkey apply, or ask the sources with \
             --policy {}",
            path.display(),
            global.config_dir.display()
        ));
    }
    inquiry::open_whole(&path).map_err(|why| why.to_string())
}

/// What the program itself says, or who is to be asked for it; and the same in words.
fn program(args: &CheckArgs) -> (Program, String) {
    let stated = |application| (Program::Stated(application), "stated on the command line".into());
    match args.application_verdict {
        Some(Stated::Accept) => stated(Application::Accepts),
        Some(Stated::Refuse) => stated(inquiry::refusal(vec![Fault::NoTrustedPath])),
        None => {
            let version = openssl::version::version();
            let version: Vec<_> = version.split(' ').take(2).collect();
            let by = format!(
                "asked of {} with {}; a program with settings of its own may say otherwise",
                version.join(" "),
                native::anchors_in_words()
            );
            (Program::OpenSsl, by)
        }
    }
}

impl Checked {
    fn explained(&self) -> explain::Explained<'_> {
        explain::Explained {
            query: &self.asked.query,
            remarks: &self.asked.remarks,
            connection: self.asked.connection.as_ref().map(Connection::in_words),
            answer: &self.answer,
            by: &self.by,
        }
    }

    fn document(&self) -> Value {
        let Asked { query, remarks, connection } = &self.asked;
        let mut document = json::verdict(&self.answer.verdict);
        document["version"] = json!(json::VERSION);
        document["query"] = json::query(query);
        document["program"] = json::application(&self.answer.application, &self.by);
        document["connection"] = connection.as_ref().map_or(Value::Null, Connection::document);
        document["remarks"] = json!(remarks);
        document["policy"] = json!({ "digest": self.digest });
        document
    }
}
