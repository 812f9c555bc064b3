//! `nss`: what NSS programs can be told, and telling them.

mod overrides;
mod places;
mod plan;

use std::io;

use peerkey_core::nss::Plan;
use peerkey_core::source;

use super::{NO_ANSWER, fail};
use crate::args::{Global, NssCommand};
use crate::clock;
use crate::crypto::System;
use crate::render::count;
use crate::render::diagnostics::{self, Severity};
use crate::screen::Screen;

/// Runs the command.
pub fn run(global: &Global, command: &NssCommand, screen: &Screen) -> io::Result<u8> {
    match command {
        NssCommand::Plan { json } => plan::run(global, *json, screen),
        NssCommand::Install { place, root, module } => {
            places::install(global, place, root, module.as_deref(), screen)
        }
        NssCommand::Remove { place, root } => places::remove(place, root, screen),
        NssCommand::List { json, root } => places::list(root, *json, screen),
        NssCommand::Overrides { profile, port } => {
            overrides::run(global, profile.as_deref(), port, screen)
        }
    }
}

/// The plan of the policy as its sources are now; else why there is none.
fn planned(global: &Global, screen: &Screen) -> Result<Plan, String> {
    let (crypto, now) = (System::start(), clock::now());
    match source::load(&global.config_dir, &crypto, now) {
        Ok(mut loaded) => {
            source::complete(&mut loaded.policy, &crypto);
            Ok(peerkey_core::nss::plan(&loaded.policy, now))
        }
        Err(errors) => {
            screen.complain(&diagnostics::all(Severity::Error, &errors));
            Err(format!("{} in the policy; there is no plan", count(errors.len(), "error")))
        }
    }
}

fn no_plan(screen: &Screen, why: &str) -> u8 {
    fail(screen, why);
    NO_ANSWER
}
