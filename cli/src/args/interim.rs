//! `off`, and the process that ends it.

use std::time::Duration;

use clap::Args;

/// Of `off`.
#[derive(Args, Clone, Debug)]
pub struct OffArgs {
    /// For how long: 30s, 10m, 1h, at most 7d
    #[arg(long = "for", value_name = "TIME", value_parser = crate::clock::a_while)]
    pub lasts: Duration,
}

/// Of `watch`.
#[derive(Args, Clone, Debug)]
pub struct WatchArgs {
    /// Which
    pub id: String,
    /// Whether to leave the session of who began it first
    #[arg(long)]
    pub detach: bool,
}
