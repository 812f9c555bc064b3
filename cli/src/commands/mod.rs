//! What each command does.

pub mod apply;
pub mod check;
pub mod doctor;
pub mod explain;
pub mod install;
pub mod interim;
pub mod keys;
pub mod learn;
pub mod log;
pub mod nss;
pub mod policy;
pub mod replay;
pub mod status;
pub mod test;
pub mod watch;

use std::fmt::Display;
use std::io;

use peerkey_core::record::Log;

use crate::args::{Cli, Command, Global, PolicyCommand};
use crate::inquiry;
use crate::render::{self, json, styled};
use crate::screen::Screen;

/// Exit statuses.
pub const FINE: u8 = 0;
/// The answer is no, or something wants a look.
pub const NO: u8 = 1;
/// There is no answer.
pub const NO_ANSWER: u8 = 2;

/// Does what was asked for, and says with which status to exit.
pub fn run(cli: &Cli) -> u8 {
    let screen = Screen::new(cli.global.color);
    if !matches!(cli.command, Command::Watch(_) | Command::Confirm) {
        interim::settle(&cli.global, &screen);
    }
    let done = match &cli.command {
        Command::Apply(args) => apply::run(&cli.global, args, &screen),
        Command::Confirm => interim::confirm(&cli.global, &screen),
        Command::Off(args) => interim::off(&cli.global, args.lasts, &screen),
        Command::On => interim::on(&cli.global, &screen),
        Command::Settle => Ok(interim::settled(&cli.global)),
        Command::Watch(args) => Ok(watch::run(&cli.global, args)),
        Command::Check(args) => check::run(&cli.global, args, &screen),
        Command::Test(args) => test::run(&cli.global, args, &screen),
        Command::Policy(PolicyCommand::Show { json }) => policy::show(&cli.global, *json, &screen),
        Command::Policy(PolicyCommand::Rollback) => policy::rollback(&cli.global, &screen),
        Command::Policy(PolicyCommand::Sources { changed }) => {
            policy::sources(&cli.global, *changed, &screen)
        }
        Command::Nss(command) => nss::run(&cli.global, command, &screen),
        Command::Install(args) => install::install(&cli.global, args, &screen),
        Command::Remove(args) => install::remove(&cli.global, args, &screen),
        Command::Doctor(args) => doctor::run(&cli.global, args, &screen),
        Command::Status(args) => status::run(&cli.global, args, &screen),
        Command::Log(args) => log::run(&cli.global, args, &screen),
        Command::Explain(args) => explain::run(&cli.global, args, &screen),
        Command::Replay(args) => replay::run(&cli.global, args, &screen),
        Command::Learn(args) => learn::run(&cli.global, args, &screen),
        Command::Keys(args) => keys::run(&cli.global, args, &screen),
    };
    done.unwrap_or_else(|error| {
        fail(&screen, format_args!("cannot write the answer: {error}"));
        NO_ANSWER
    })
}

/// What the policy in force records, where that is not everything: then a record has a gap, which is to
/// be said.
fn gap(global: &Global) -> Option<&'static str> {
    let policy = inquiry::open(&inquiry::in_force(&global.state_dir)).ok()?;
    match policy.meta().log {
        Log::All => None,
        Log::Refused => Some("the policy in force records refusals and first uses of keys only"),
        Log::None => Some("the policy in force records nothing"),
    }
}

fn fail(screen: &Screen, why: impl Display) {
    screen.complain(&format!("{}: {why}\n", styled(render::BAD.bold(), "error")));
}

/// Says why there is no result: to people on standard error, to programs also as JSON.
fn no_result(screen: &Screen, as_json: bool, why: impl Display, status: u8) -> io::Result<u8> {
    let why = why.to_string();
    fail(screen, &why);
    if as_json {
        screen.print(&json::text(&json::error(&why)))?;
    }
    Ok(status)
}
