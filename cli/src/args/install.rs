//! `install` and `remove`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Of `install`.
#[derive(Clone, Debug, Subcommand)]
pub enum InstallCommand {
    /// Put the provider into openssl.cnf, which OpenSSL's programs read
    ///
    /// The new file is tried with the real program openssl (its providers, a hash, and handshakes of which one
    /// must be refused) before it takes the place of the old one. Nothing else in the file changes. Exit
    /// status: 0 switched on, 1 not, and the file is as it was.
    Openssl(InstallOpenssl),
}

/// Of `install openssl`.
#[derive(Args, Clone, Debug)]
pub struct InstallOpenssl {
    /// The file; left out: the system's
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The provider; left out: the installed one, or the one that was built beside this command
    #[arg(long, value_name = "FILE")]
    pub module: Option<PathBuf>,
    /// Show what would be written, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Of `remove`.
#[derive(Clone, Debug, Subcommand)]
pub enum RemoveCommand {
    /// Take the provider out of openssl.cnf
    Openssl(RemoveOpenssl),
}

/// Of `remove openssl`.
#[derive(Args, Clone, Debug)]
pub struct RemoveOpenssl {
    /// The file; left out: the system's
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Show what would be written, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}
