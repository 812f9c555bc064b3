//! The command `peerkey`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Before anything can start libcrypto with the machine's configuration, and with it our own hook.
    peerkey::library::start();
    ExitCode::from(peerkey::commands::run(&peerkey::args::Cli::parse()))
}
