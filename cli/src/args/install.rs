//! `install` and `remove`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Of `install`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct InstallArgs {
    /// One thing alone.
    #[command(subcommand)]
    pub only: Option<InstallCommand>,
    /// What holds for all.
    #[command(flatten)]
    pub all: All,
    /// The provider; left out: the installed one, or the one that was built beside this command
    #[arg(long, value_name = "FILE")]
    pub module: Option<PathBuf>,
    /// The module for NSS, likewise
    #[arg(long, value_name = "FILE")]
    pub nss_module: Option<PathBuf>,
    /// Only this: have programs of new sessions load one certificate that vouches for nobody, and not all
    /// of the system's. For a policy that decides everything, and whose anchors include the system's
    #[arg(long)]
    pub lean_trust: bool,
}

/// Of `remove`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RemoveArgs {
    /// One thing alone.
    #[command(subcommand)]
    pub only: Option<RemoveCommand>,
    /// What holds for all.
    #[command(flatten)]
    pub all: All,
    /// Only this: programs of new sessions load the system's anchors again
    #[arg(long)]
    pub lean_trust: bool,
}

/// Of `install` and `remove` as a whole.
#[derive(Args, Clone, Debug)]
pub struct All {
    /// Do it all, and ask nothing
    #[arg(long, short)]
    pub yes: bool,
    /// The openssl.cnf; left out: the system's
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The root of the system
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// The parts of `install`.
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

/// The parts of `remove`.
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
