//! `doctor`.

use std::path::PathBuf;

use clap::Args;

/// Of `doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The openssl.cnf to look at; left out: the system's
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The root of the system
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}
