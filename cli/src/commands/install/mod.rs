//! `install` and `remove`: peerkey switched on and off where programs look for it.

mod openssl;

use std::io;
use std::path::Path;

use crate::args::{Global, InstallCommand, RemoveCommand};
use crate::commands::{NO, fail};
use crate::screen::Screen;
use crate::trouble::Trouble;

/// Runs `install`.
pub fn install(global: &Global, command: &InstallCommand, screen: &Screen) -> io::Result<u8> {
    match command {
        InstallCommand::Openssl(args) => openssl::install(global, args, screen),
    }
}

/// Runs `remove`.
pub fn remove(command: &RemoveCommand, screen: &Screen) -> io::Result<u8> {
    match command {
        RemoveCommand::Openssl(args) => openssl::remove(args, screen),
    }
}

fn refused(screen: &Screen, trouble: &Trouble) -> u8 {
    fail(screen, trouble);
    NO
}

fn shown(path: &Path) -> String {
    peerkey_core::certificate::printable(&path.to_string_lossy())
}
