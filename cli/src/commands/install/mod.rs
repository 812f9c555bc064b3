//! `install` and `remove`: peerkey switched on and off where programs look for it.

mod all;
mod lean;
mod openssl;
mod p11kit;

use std::io;

use crate::args::{Global, InstallArgs, InstallCommand, RemoveArgs, RemoveCommand};
use crate::commands::{NO, fail};
use crate::screen::Screen;
use crate::trouble::Trouble;

pub use lean::{is_on as lean_trust_is_on, no_longer_fits as lean_trust_no_longer_fits};

/// Runs `install`.
pub fn install(global: &Global, args: &InstallArgs, screen: &Screen) -> io::Result<u8> {
    match &args.only {
        Some(InstallCommand::Openssl(args)) => openssl::install(global, args, screen),
        None if args.lean_trust => lean::install(global, &args.all, screen),
        None => all::install(global, args, screen),
    }
}

/// Runs `remove`.
pub fn remove(global: &Global, args: &RemoveArgs, screen: &Screen) -> io::Result<u8> {
    match &args.only {
        Some(RemoveCommand::Openssl(args)) => openssl::remove(args, screen),
        None if args.lean_trust => lean::remove(global, &args.all, screen),
        None => all::remove(global, args, screen),
    }
}

fn refused(screen: &Screen, trouble: &Trouble) -> u8 {
    fail(screen, trouble);
    NO
}
