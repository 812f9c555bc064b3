//! `nss overrides`: exceptions for pins that Firefox takes no other way.

use std::io;
use std::path::Path;

use super::planned;
use crate::args::Global;
use crate::commands::{FINE, NO, fail};
use crate::nss::exceptions;
use crate::render::{ODD, count, styled};
use crate::screen::Screen;

/// Runs the command.
pub(super) fn run(
    global: &Global,
    profile: Option<&Path>,
    ports: &[u16],
    screen: &Screen,
) -> io::Result<u8> {
    let plan = match planned(global, screen) {
        Ok(plan) => plan,
        Err(why) => return Ok(super::no_plan(screen, &why)),
    };
    let mut fresh = Vec::new();
    for (peer, line) in exceptions::lines(&plan.overrides, ports) {
        match line {
            Some(line) => fresh.push(line),
            None => screen.complain(&format!(
                "{}: an exception for {peer} cannot be written: an address with colons\n",
                styled(ODD.bold(), "warning")
            )),
        }
    }
    let Some(profile) = profile else {
        screen.print(&fresh.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        return Ok(FINE);
    };
    match exceptions::merge(profile, &fresh) {
        Ok(()) => {
            screen.print(&format!(
                "{} in {}\n",
                count(fresh.len(), "exception"),
                profile.display()
            ))?;
            Ok(FINE)
        }
        Err(trouble) => {
            fail(screen, &trouble.what);
            trouble.hint.iter().for_each(|hint| screen.complain(&format!("  help: {hint}\n")));
            Ok(NO)
        }
    }
}
