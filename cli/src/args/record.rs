//! What can be typed behind `peerkey log`, `explain`, `replay` and `learn`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use peerkey_core::pattern::Pattern;
use peerkey_core::protocol::Protocol;

use crate::clock::{self, Moment};

/// Whose record.
#[derive(Args, Clone, Debug, Default)]
#[group(multiple = false)]
pub struct Whose {
    /// The record of this user, by name or number; other users' records are read by root alone
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// The records of all users of this system
    #[arg(long)]
    pub all_users: bool,
}

/// Which decisions.
#[derive(Args, Clone, Debug, Default)]
pub struct Which {
    /// For this peer, written as in a policy: HOST, .DOMAIN, an address, a network or a mailbox
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub peer: Vec<Pattern>,
    /// Over this protocol, with and without STARTTLS
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol)]
    pub protocol: Option<Protocol>,
    /// Of this program: its path, or the last part of it
    #[arg(long, value_name = "PROGRAM")]
    pub program: Option<String>,
    /// Since then: 1h or 2d ago, 2027-01-31 or 2027-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = clock::moment)]
    pub since: Option<Moment>,
    /// Until then
    #[arg(long, value_name = "TIME", value_parser = clock::moment)]
    pub until: Option<Moment>,
}

pub(super) const LOG_EXAMPLES: &str = "\
Examples:
  peerkey log --last 20                          the newest
  peerkey log --refused --since 1h               what was refused within an hour
  peerkey log --would --peer .corp.example       what monitored rules would refuse
  peerkey log --follow                           as it happens
  peerkey log --all-users --json | jq .reason    root: everybody's, for programs

Behind each time stands the id with which peerkey explain says more.";

/// Of `log`.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Whose record.
    #[command(flatten)]
    pub whose: Whose,
    /// Which decisions.
    #[command(flatten)]
    pub which: Which,
    /// What was refused
    #[arg(long)]
    pub refused: bool,
    /// What was accepted
    #[arg(long)]
    pub accepted: bool,
    /// What would have gone otherwise if it were not only monitored
    #[arg(long)]
    pub would: bool,
    /// Refused for this reason, such as not-vouched, key-denied or constraint-broken
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// The last so many only
    #[arg(long, short = 'n', value_name = "NUMBER")]
    pub last: Option<usize>,
    /// Go on with what is recorded from now on; first the last 10, or as many as --last says
    #[arg(long, short)]
    pub follow: bool,
    /// Print the lines of the record as they are
    #[arg(long)]
    pub json: bool,
}

pub(super) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  peerkey explain                      the newest refusal
  peerkey explain k3j9abcdefgh2345     the decision with this id, as peerkey log shows it
  peerkey explain --user www-data      as root: the newest refusal of that user's";

/// Of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The decision, by its id or the first signs of it; left out: the newest refusal
    pub id: Option<String>,
    /// Whose record.
    #[command(flatten)]
    pub whose: Whose,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

pub(super) const REPLAY_EXAMPLES: &str = "\
Examples:
  peerkey replay                                 the sources in /etc/peerkey, before apply
  peerkey replay --policy ./draft --since 7d     another folder, and the last week
  peerkey replay --peer .corp.example --json

With log = \"all\" in the policy every decision is recorded, and can be replayed.";

/// Of `replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// The folder of the other policy's sources; left out: the configuration folder
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// Whose record.
    #[command(flatten)]
    pub whose: Whose,
    /// Which decisions.
    #[command(flatten)]
    pub which: Which,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

pub(super) const LEARN_EXAMPLES: &str = "\
Examples:
  peerkey learn --since 30d              as this user
  peerkey learn --all-users > scopes.toml    as root: what this machine's programs used

The policy must have recorded what was accepted: log = \"all\".";

/// Of `learn`.
#[derive(Args, Clone, Debug)]
pub struct LearnArgs {
    /// Whose record.
    #[command(flatten)]
    pub whose: Whose,
    /// Which decisions.
    #[command(flatten)]
    pub which: Which,
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(|error| error.to_string())
}

fn protocol(text: &str) -> Result<Protocol, String> {
    Protocol::parse(text).ok_or_else(|| "write a service name such as https or imap".into())
}

/// How often `log --follow` looks.
pub(crate) const POLL: Duration = Duration::from_millis(200);
