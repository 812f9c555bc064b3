//! `keys`: what is remembered, and what people decide about it.

mod accept;
mod add;
mod choose;
mod enable;
mod export;
mod found;
mod import;
mod list;
mod notice;
mod picture;
mod report;
mod show;
mod undo;
mod withdraw;

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use peerkey_core::certificate::printable;
use peerkey_core::keys::place::machine_file;
use peerkey_core::keys::{
    Done, Edit, EditResult, Keys, KeysError, KnownKey, SCHEMA, publish_machine,
};
use peerkey_core::peer::Name;
use peerkey_core::protocol::Protocol;

use super::{NO_ANSWER, no_result};
use crate::args::Global;
use crate::args::keys::{KeysArgs, KeysCommand};
use crate::screen::Screen;
use crate::{book, clock};

/// Runs the command.
pub fn run(global: &Global, args: &KeysArgs, screen: &Screen) -> io::Result<u8> {
    let desk = Desk { global, screen, json: args.json, system: args.system, now: clock::now() };
    let done = match &args.command {
        KeysCommand::List(args) => list::run(&desk, args),
        KeysCommand::Show(args) => show::run(&desk, args),
        KeysCommand::Accept(args) => accept::run(&desk, args),
        KeysCommand::Add(args) => add::run(&desk, args),
        KeysCommand::Deny(args) => withdraw::deny(&desk, args),
        KeysCommand::Forget(args) => withdraw::forget(&desk, args),
        KeysCommand::Import(args) => import::run(&desk, args),
        KeysCommand::Export(args) => export::run(&desk, args),
        KeysCommand::Undo(args) => undo::run(&desk, args),
        KeysCommand::EnableUser { user } => enable::run(&desk, user),
        KeysCommand::Repair => undo::repair(&desk),
    };
    match done {
        Ok(status) => Ok(status),
        Err(Stop::Output(error)) => Err(error),
        Err(Stop::Because(why)) => no_result(screen, args.json, why, NO_ANSWER),
    }
}

/// What every subcommand works with.
struct Desk<'a> {
    global: &'a Global,
    screen: &'a Screen,
    json: bool,
    system: bool,
    now: i64,
}

/// Why a command ends early.
enum Stop {
    /// The answer cannot be written.
    Output(io::Error),
    /// This is why, and what to do.
    Because(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<KeysError> for Stop {
    fn from(error: KeysError) -> Self {
        let said = error.to_string();
        let hint = match () {
            () if error.is_damage() => {
                "; set it aside, and save what can be read of it, with: peerkey keys repair (with \
                 --system if it is the machine's)"
            }
            () if said.contains("database is locked") => {
                "; another program has been writing there for long: try again"
            }
            () if said.contains("disk is full") => "; make room on that disk, and try again",
            () if said.contains("readonly database") => {
                "; it cannot be written by this user, or lies on a disk that is read-only"
            }
            () => "",
        };
        Self::Because(said + hint)
    }
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self::Because(why)
    }
}

fn no<T>(why: impl Display) -> Result<T, Stop> {
    Err(Stop::Because(why.to_string()))
}

impl Desk<'_> {
    /// The file that is changed.
    fn path(&self) -> Result<PathBuf, Stop> {
        match self.system {
            true => Ok(self.global.state_dir.join(book::MACHINE_SOURCE)),
            false => Ok(book::user_file(&self.global.state_dir)?),
        }
    }

    /// The file as programs read it.
    fn published(&self) -> Result<PathBuf, Stop> {
        match self.system {
            true => Ok(self.global.state_dir.join(machine_file())),
            false => self.path(),
        }
    }

    /// The keys, for reading; None if there are none yet.
    fn read(&self) -> Result<Option<Keys>, Stop> {
        let path = self.published()?;
        Ok(if self.system { book::read_machine(&path)? } else { book::read(&path)? })
    }

    /// The keys, for writing.
    fn write(&self) -> Result<Keys, Stop> {
        let path = self.path()?;
        let is_new = self.system && !book::look(&path)?;
        let mut keys = book::write(&path)?;
        if let Some(backup) = keys.backup() {
            let words = format!(
                "{} was brought up to schema {SCHEMA}; as it was before it is in {backup}\n",
                path.display()
            );
            self.screen.complain(&words);
        }
        // The file that root changes was lost: what is published is taken up again.
        if is_new && let Some(published) = self.read()? {
            keys.salvage(&published)?;
        }
        Ok(keys)
    }

    /// Makes a change, and publishes it if it is the machine's.
    fn edit<T>(
        &self,
        keys: &mut Keys,
        what: &str,
        make: impl FnOnce(&mut Edit<'_>) -> EditResult<T>,
    ) -> Result<Done<T>, Stop> {
        let done = keys.edit(what, self.now, None, make)?;
        if done.change.is_some() {
            self.publish(keys)?;
        }
        Ok(done)
    }

    fn publish(&self, keys: &Keys) -> Result<(), Stop> {
        if self.system {
            publish_machine(keys, &self.global.state_dir)?;
        }
        Ok(())
    }

    /// The command behind `peerkey keys` for the same keys.
    fn command(&self, rest: &str) -> String {
        let system = if self.system { " --system" } else { "" };
        format!("peerkey keys{system} {rest}")
    }

    fn until(&self, length: Option<Duration>) -> Option<i64> {
        let seconds = i64::try_from(length?.as_secs()).unwrap_or(i64::MAX);
        Some(self.now.saturating_add(seconds))
    }
}

/// Reads a peer; also an international name.
fn peer(text: &str) -> Result<Name, Stop> {
    let ascii = match text.is_ascii() {
        true => Some(text.to_owned()),
        false => idna::domain_to_ascii(text).ok(),
    };
    match ascii.as_deref().and_then(Name::parse) {
        Some(name) => Ok(name),
        None => no(format!("\"{}\" is no host name, address or e-mail address", printable(text))),
    }
}

fn protocol(text: &str) -> Result<Protocol, Stop> {
    match Protocol::parse(text) {
        Some(protocol) => Ok(protocol),
        None => no(format!(
            "\"{}\" is no protocol; write a service name such as https or imap",
            printable(text)
        )),
    }
}

/// A peer's key in words: `router.lan, https`.
fn named(known: &KnownKey) -> String {
    format!("{}, {}", known.peer, known.service)
}
