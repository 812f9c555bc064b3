//! `policy show` and `policy rollback`: the policy in force, and the one before.

use std::io;

use peerkey_core::source;

use super::{FINE, NO, fail};
use crate::args::Global;
use crate::render::{self, styled};
use crate::screen::Screen;

/// Shows the policy in force.
pub fn show(_: &Global, _: bool, _: &Screen) -> io::Result<u8> {
    Ok(NO)
}

/// Puts the one before in force.
pub fn rollback(global: &Global, screen: &Screen) -> io::Result<u8> {
    match source::rollback(&global.state_dir) {
        Ok(published) => {
            let words =
                format!("the policy before is in force again: {}", published.path.display());
            screen.print(&format!("{}\n", styled(render::GOOD, words)))?;
            Ok(FINE)
        }
        Err(error) => {
            fail(screen, &error);
            screen.complain("The policy in force is unchanged.\n");
            Ok(NO)
        }
    }
}
