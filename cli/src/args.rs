//! What can be typed: options, commands, and the help that explains them.

pub mod doctor;
pub mod install;
pub mod interim;
pub mod keys;
pub mod record;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use doctor::DoctorArgs;
pub use install::{
    All, InstallArgs, InstallCommand, InstallOpenssl, RemoveArgs, RemoveCommand, RemoveOpenssl,
};
pub use interim::{OffArgs, WatchArgs};

/// One trust policy for all TLS programs on this machine.
///
/// People write the policy in /etc/peerkey/policy.toml. `peerkey apply` checks and compiles it, and
/// from then on the programs whose TLS library loads peerkey accept and refuse peers by it.
#[derive(Debug, Parser)]
#[command(name = "peerkey", version, max_term_width = 100, after_long_help = FIRST_STEPS)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  peerkey apply --check                          is the policy right?
  peerkey apply                                  put it in force
  peerkey check https www.example.org --connect  what does it say of that server, and why?
  peerkey status                                 is it in force, and does OpenSSL follow it?";

/// Where guests look for the compiled policy if they are told nothing else.
pub const USUAL_STATE_DIR: &str = "/var/lib/peerkey";

/// Options of every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The folder of policy.toml, policy.d/ and tests/
    #[arg(long, env = "PEERKEY_CONFIG_DIR", value_name = "DIR", default_value = "/etc/peerkey")]
    #[arg(global = true, hide_env_values = true)]
    pub config_dir: PathBuf,
    /// The folder of the compiled policy
    #[arg(long, env = "PEERKEY_STATE_DIR", value_name = "DIR", default_value = USUAL_STATE_DIR)]
    #[arg(global = true, hide_env_values = true)]
    pub state_dir: PathBuf,
    /// Colour and drawn lines: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", global = true)]
    #[arg(hide_possible_values = true)]
    pub color: Color,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Also into a pipe or a file.
    Always,
    /// Nowhere.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the policy and put it in force
    ///
    /// Reads policy.toml, policy.d/*.toml and all that they name. A mistake is shown with its file,
    /// line and column, and the policy in force stays as it is. Exit status: 0 applied (with --check:
    /// nothing is wrong), 1 not.
    Apply(ApplyArgs),
    /// Ask the policy about one peer, and explain the answer
    ///
    /// Exit status: 0 accept, 1 reject, 2 the question could not be asked.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(Box<CheckArgs>),
    /// Keep the policy that apply --confirm put in force
    ///
    /// Exit status: 0 it stays, 1 there is none that waits, or it came too late.
    Confirm,
    /// Switch peerkey off for a while: no rule and no denial holds
    ///
    /// It ends by itself, at a restart at the latest. Programs that run follow at once, but for those with
    /// NSS, which remember what they were told. It is recorded. Exit status: 0 it is off, 1 not.
    Off(OffArgs),
    /// End what peerkey off began
    On,
    /// Ends what is over: at the start of the system.
    #[command(hide = true)]
    Settle,
    /// Ends what is for a while when its time is over.
    #[command(hide = true)]
    Watch(WatchArgs),
    /// Run the tests of a policy against its sources, without applying it
    ///
    /// Exit status: 0 all verdicts are as expected, 1 some differ, 2 the tests could not be run.
    #[command(after_long_help = TEST_EXAMPLE)]
    Test(TestArgs),
    /// Show the policy in force, or go back to the one before
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Show whether a policy is in force, whether it is up to date, and whether OpenSSL follows it
    ///
    /// Exit status: 0 all is well, 1 something wants a look.
    Status(StatusArgs),
    /// Find every way in which this machine looks protected by peerkey and is not
    ///
    /// A server of its own is refused or not, running processes and installed programs are looked at, and
    /// so are files, settings and profiles; each fault comes with what to do. Run it as root: other users'
    /// processes are hidden otherwise. Exit status: 0 all is well, 1 something wants a look, 2 something is
    /// not protected.
    Doctor(DoctorArgs),
    /// See, accept, deny and move the keys that are remembered for peers
    ///
    /// An authority of kind "tofu" remembers keys. What people decide here counts for it.
    #[command(after_long_help = keys::EXAMPLES)]
    Keys(keys::KeysArgs),
    /// Show what was decided, for which program, and why
    ///
    /// Reads the record that the programs of a user write as the policy's `log` says: refusals and first
    /// uses of keys, all, or nothing. Damaged lines are reported by file and number, and left out.
    #[command(after_long_help = record::LOG_EXAMPLES)]
    Log(record::LogArgs),
    /// Explain a recorded decision, and what would have changed it
    ///
    /// Asks the policy in force again, from what was recorded, and says which authorities would have had
    /// to vouch, or which rule would have had to match. Exit status: 0 explained,
    /// 1 it can only be shown as it was recorded, 2 there is no such decision.
    #[command(after_long_help = record::EXPLAIN_EXAMPLES)]
    Explain(record::ExplainArgs),
    /// Ask another policy what was asked before, and show what would change
    ///
    /// Nothing is applied. What cannot be asked again is counted, with the reason. Exit status: 0 nothing
    /// would change, 1 something would, 2 nothing could be replayed.
    #[command(after_long_help = record::REPLAY_EXAMPLES)]
    Replay(record::ReplayArgs),
    /// Propose scopes from what was accepted, as TOML; nothing is applied
    ///
    /// For each authority that vouched, and for each CA at the top of a chain that programs accepted by
    /// themselves: the names and protocols for which it was really used.
    #[command(after_long_help = record::LEARN_EXAMPLES)]
    Learn(record::LearnArgs),
    /// Switch peerkey on where programs look for it
    ///
    /// Alone, for all: openssl.cnf, the system's database of NSS, the policies.json of Firefox and
    /// Thunderbird, and p11-kit; it asks before each. Exit status: 0 done, 1 something was not.
    Install(InstallArgs),
    /// Switch peerkey off, and leave everything as it was
    ///
    /// Alone, for all that peerkey install switches on; it asks before each. Exit status: 0 done, 1
    /// something was not.
    Remove(RemoveArgs),
    /// Firefox, Thunderbird and other NSS programs: what they can be told, and telling them
    #[command(subcommand)]
    Nss(NssCommand),
}

/// Of `apply`.
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// Check only; change nothing
    #[arg(long)]
    pub check: bool,
    /// Go back to the policy before after this time (30s, 5m, 1h), unless peerkey confirm comes first;
    /// also if this connection is lost, and at a restart
    #[arg(long, value_name = "TIME", conflicts_with = "check", value_parser = crate::clock::a_while)]
    pub confirm: Option<Duration>,
    /// For units and hooks: refuse a policy that went back because nobody confirmed it, until its sources
    /// are changed or somebody applies it by hand
    #[arg(long, conflicts_with = "confirm")]
    pub unattended: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  peerkey check https www.example.org --connect
  peerkey check imap mail.example.org --connect            (STARTTLS, port 143)
  peerkey check https www.example.org --connect 192.0.2.7:8443
  peerkey check postgresql db1.corp.example --chain db1.pem --application /usr/bin/psql
  peerkey check ldaps --role client --chain client.pem
  peerkey check unknown www.example.org --chain www.pem    (whatever the protocol may be)";

/// Of `check`.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("evidence").required(true).args(["chain", "key", "connect"]))]
pub struct CheckArgs {
    /// The protocol as its IANA service name (https, imap, postgresql, …), or "unknown"
    pub protocol: String,
    /// Whom the program expects: a host name, an address or an e-mail address; left out with --claimed
    /// and --role client
    pub peer: Option<String>,
    /// Certificates, the peer's own first: a PEM or DER file, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub chain: Option<PathBuf>,
    /// A bare public key: a PEM or DER file, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Connect and ask about the key found there; by default PEER at the protocol's own port
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = "")]
    pub connect: Option<String>,
    /// Seconds that --connect may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
    /// The peer's side of the connection
    #[arg(long, value_enum, value_name = "SIDE", default_value = "server")]
    pub role: Side,
    /// The path of the program that asks; left out: whatever program it may be
    #[arg(long, value_name = "PATH")]
    pub application: Option<String>,
    /// The program expects nobody in particular: ask about the names that the certificate claims.
    /// PEER can then be the address that the program is connected to
    #[arg(long)]
    pub claimed: bool,
    /// The moment to ask about, as 2027-01-31T12:00:00Z or 2027-01-31; left out: now
    #[arg(long, value_name = "TIME", value_parser = crate::clock::parse)]
    pub time: Option<i64>,
    /// What the program's own verification says, instead of asking OpenSSL with this system's anchors
    #[arg(long, value_enum, value_name = "VERDICT")]
    pub application_verdict: Option<Stated>,
    /// Ask the sources in this folder instead of the policy in force
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// The peer is the server.
    Server,
    /// The peer is the client.
    Client,
}

/// A stated verdict of the program's own verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stated {
    /// It accepts.
    Accept,
    /// It finds no path to an anchor that it trusts.
    Refuse,
}

const TEST_EXAMPLE: &str = "\
A test file:
  [[test]]
  name = \"the bank needs the web and its pin\"
  protocol = \"https\"
  peer = \"www.bank.example\"           # or: claimed = true
  chain = \"certs/bank.pem\"            # or: key = \"certs/bank.pub\"; relative to this file
  expect = \"accept\"                   # or \"reject\"
  # optional:
  role = \"server\"                     # or \"client\"
  application = \"/usr/bin/curl\"
  application-verdict = \"refuse\"      # what the program itself says; \"accept\" or \"refuse\"
  application-faults = [\"expired\"]    # or no-trusted-path (default), name-mismatch, other
  time = 2027-01-31T12:00:00Z
  reason = \"not-vouched\"              # the code of the reason, as in check --json
  says = \"pins\"                       # a part of the sentence";

/// Of `test`.
#[derive(Args, Clone, Debug)]
pub struct TestArgs {
    /// Test files; left out: tests/*.toml in the configuration folder
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Of `policy`.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show the policy in force as it was compiled
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Put the policy in force that was there before the last apply
    Rollback,
    /// List the files that the policy in force was made of, one a line
    ///
    /// For scripts: a CA may be renewed by others than whoever writes the policy. Exit status: 0 listed,
    /// 1 no policy is in force.
    Sources {
        /// Only those that are not as they were
        #[arg(long)]
        changed: bool,
    },
}

/// Of `status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Of `nss`.
#[derive(Clone, Debug, Subcommand)]
pub enum NssCommand {
    /// Show how NSS will see each thing that the policy says
    ///
    /// NSS asks about certificates, never about a peer, so that not all can be said to it. EXACT: as the
    /// policy says. STRICTER: NSS accepts less. LAXER: NSS accepts more. Exit status: 0 nothing is laxer,
    /// 1 something is.
    Plan {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add peerkey's module to Firefox, Thunderbird and NSS databases
    ///
    /// Without a place: every profile of Firefox and Thunderbird, and ~/.pki/nssdb. A place whose program
    /// runs is not touched. Exit status: 0 done, 1 some place was not.
    Install {
        /// Where
        #[command(flatten)]
        place: NssPlace,
        /// The root of the system
        #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
        root: PathBuf,
        /// The module; left out: the installed one, or the one that was built beside this command
        #[arg(long, value_name = "FILE")]
        module: Option<PathBuf>,
    },
    /// Take peerkey's module out, and put back what was there before
    Remove {
        /// Where
        #[command(flatten)]
        place: NssPlace,
        /// The root of the system
        #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
        root: PathBuf,
    },
    /// List the places, and which have peerkey's module
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The root of the system
        #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
        root: PathBuf,
    },
    /// Print, or put into a profile, the exceptions for pins that Firefox takes no other way
    ///
    /// These are lines of cert_override.txt: one certificate for one host and port. With --profile they
    /// are put in, those of before are taken out, and everything else stays.
    Overrides {
        /// The profile's folder
        #[arg(long, value_name = "DIR")]
        profile: Option<PathBuf>,
        /// The ports of the pinned servers
        #[arg(long, value_name = "PORT", default_values_t = [443])]
        port: Vec<u16>,
    },
}

/// Places with databases of NSS.
#[derive(Args, Clone, Debug, Default)]
#[group(multiple = false)]
pub struct NssPlace {
    /// The folder of a profile, or of a database
    #[arg(long, value_name = "DIR")]
    pub profile: Option<PathBuf>,
    /// Every profile of Firefox and Thunderbird, and ~/.pki/nssdb
    #[arg(long)]
    pub all_profiles: bool,
    /// /etc/pki/nssdb, and the policies.json of Firefox and Thunderbird for every user
    #[arg(long)]
    pub system: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn connect_stands_with_and_without_a_value() {
        let connect = |line| match parse(line).unwrap().command {
            Command::Check(args) => args.connect.clone(),
            _ => None,
        };
        assert_eq!(connect("peerkey check https a.b --connect"), Some(String::new()));
        assert_eq!(connect("peerkey check https a.b --connect c:1 --json"), Some("c:1".into()));
        assert_eq!(connect("peerkey check https a.b --key k"), None);
    }

    #[test]
    fn a_check_wants_exactly_one_kind_of_evidence() {
        assert!(parse("peerkey check https a.b").is_err());
        assert!(parse("peerkey check https a.b --key k --chain c").is_err());
        assert!(parse("peerkey check https a.b --chain c --time yesterday").is_err());
    }

    #[test]
    fn global_options_stand_anywhere() {
        for line in ["peerkey --state-dir x status", "peerkey status --state-dir x"] {
            assert_eq!(parse(line).unwrap().global.state_dir, PathBuf::from("x"));
        }
    }
}
