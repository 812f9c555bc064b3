//! What can be typed behind `peerkey keys`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

/// Examples, below the help.
pub(super) const EXAMPLES: &str = "\
Examples:
  peerkey keys list --peer .lan                        what is known below lan?
  peerkey keys accept router.lan                       its held or changed key, old and new shown
  peerkey keys add router.lan --protocol https --connect
  peerkey keys deny router.lan --key sha256/BASE64
  peerkey keys import ~/.gnutls/known_hosts2
  peerkey keys undo                                    takes the last change back";

/// Of `keys`.
#[derive(Args, Debug)]
pub struct KeysArgs {
    /// The machine's keys, which count for every user and before the user's own
    #[arg(long, global = true)]
    pub system: bool,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// What can be done with remembered keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the keys that are remembered, held or denied
    List(ListArgs),
    /// Show all that is known of a peer's keys, with their pictures
    Show(ShowArgs),
    /// Accept a peer's held key, or the one that it shows now
    ///
    /// Shows the old key and the new one, and asks. The new key takes the old one's place, unless
    /// --beside or --for says otherwise. Exit status: 0 accepted, 1 not accepted, 2 there is nothing to
    /// accept.
    Accept(AcceptArgs),
    /// Remember a key for a peer
    Add(Box<AddArgs>),
    /// Say that a key is not the peer's: it vouches for nothing any more
    Deny(ForgetArgs),
    /// Forget keys of a peer; the next one counts as a first use if none is left
    Forget(ForgetArgs),
    /// Take over keys from a file of another program
    ///
    /// Reads OpenSSH's known_hosts, GnuTLS's known_hosts2, Firefox's cert_override.txt, and tables of
    /// peer, protocol and spki as CSV or JSON. A line that cannot be read is reported by its number, and
    /// the rest is taken. Names that known_hosts keeps hashed are found if they are among --names, in
    /// clear in the same file, or known already. Exit status: 0 all was taken, 1 some lines were not, 2 none was.
    Import(ImportArgs),
    /// Write keys as another program reads them
    Export(ExportArgs),
    /// Take a change back
    Undo(UndoArgs),
    /// Give a user of the system a folder for remembered keys
    ///
    /// For users without a home, such as those of services. Only root can.
    EnableUser {
        /// The user, by name or number
        user: String,
    },
    /// Set a damaged file aside, and save what can still be read of it
    Repair,
}

/// Which of a peer's keys.
#[derive(Args, Clone, Debug, Default)]
pub struct Which {
    /// Over this protocol only
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<String>,
    /// On this port only
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// This key only: sha256/BASE64 or hex digits, or the first eight or more signs of either
    #[arg(long, value_name = "FINGERPRINT")]
    pub key: Option<String>,
}

/// Of `keys list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// A peer, or .DOMAIN for that and all below it
    #[arg(long)]
    pub peer: Option<String>,
    /// Over this protocol
    #[arg(long)]
    pub protocol: Option<String>,
    /// Vouched for by this authority, or by other words of the origin
    #[arg(long, value_name = "NAME")]
    pub authority: Option<String>,
    /// What holds for them
    #[arg(long, value_enum)]
    pub state: Option<StateArg>,
    /// Not seen for so long, such as 90days
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub unseen_for: Option<Duration>,
    /// First seen within this time, such as 1day
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub newer_than: Option<Duration>,
    /// At most so many
    #[arg(long, value_name = "NUMBER")]
    pub limit: Option<u64>,
}

/// A state, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateArg {
    /// It is the peer's.
    Remembered,
    /// It waits for a person's word.
    Held,
    /// It is not the peer's.
    Denied,
}

/// Of `keys show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The peer
    pub peer: String,
    /// Which of its keys.
    #[command(flatten)]
    pub which: Which,
}

/// Where a server is, and how sure one must be.
#[derive(Args, Clone, Debug)]
pub struct Sure {
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Do not ask, but accept only a key with this fingerprint: sha256/BASE64 or hex
    #[arg(long, value_name = "FINGERPRINT")]
    pub expect: Option<String>,
    /// For so long only, such as 1h or 7days
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub for_: Option<Duration>,
    /// Seconds that a connection may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
}

/// Of `keys accept`.
#[derive(Args, Clone, Debug)]
pub struct AcceptArgs {
    /// The peer
    pub peer: String,
    /// Which of its keys.
    #[command(flatten)]
    pub which: Which,
    /// Keep the keys that it had
    #[arg(long)]
    pub beside: bool,
    /// Where to find the key that it has now, if none is held; by default PEER at its usual port
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = "")]
    pub connect: Option<String>,
    /// How sure.
    #[command(flatten)]
    pub sure: Sure,
}

/// Of `keys add`.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["chain", "key", "connect", "spki"]))]
pub struct AddArgs {
    /// The peer: a host name, an address or an e-mail address
    pub peer: String,
    /// Over which protocol
    #[arg(long)]
    pub protocol: String,
    /// On which port, if not the protocol's own
    #[arg(long)]
    pub port: Option<u16>,
    /// The key that a server shows; by default PEER at the protocol's own port
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = "")]
    pub connect: Option<String>,
    /// The key of the first certificate in a file, PEM or DER, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub chain: Option<PathBuf>,
    /// The public key in a file, PEM or DER, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The key with this hash: sha256/BASE64 or 64 hex digits
    #[arg(long, value_name = "HASH")]
    pub spki: Option<String>,
    /// How sure.
    #[command(flatten)]
    pub sure: Sure,
}

/// Of `keys deny` and `keys forget`.
#[derive(Args, Clone, Debug)]
pub struct ForgetArgs {
    /// The peer
    pub peer: String,
    /// Which of its keys.
    #[command(flatten)]
    pub which: Which,
    /// All that are left of them, where there are several
    #[arg(long)]
    pub all: bool,
}

/// A file of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// OpenSSH's known_hosts.
    KnownHosts,
    /// GnuTLS's known_hosts2.
    Gnutls,
    /// Firefox's cert_override.txt.
    Firefox,
    /// A table with a line of headings.
    Csv,
    /// As `keys list --json` prints, a list of such keys, or one on each line.
    Json,
}

/// Of `keys import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The file, or - for standard input
    pub file: PathBuf,
    /// What it is, where that cannot be seen
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Over which protocol, where the file does not say it
    #[arg(long)]
    pub protocol: Option<String>,
    /// A file with names, one on a line, that hashed lines may stand for: HOST or [HOST]:PORT
    #[arg(long, value_name = "FILE")]
    pub names: Option<PathBuf>,
    /// Certificates, PEM: cert_override.txt holds hashes of such only
    #[arg(long, value_name = "FILE")]
    pub certificates: Vec<PathBuf>,
    /// Change nothing; only say what would be taken
    #[arg(long)]
    pub dry_run: bool,
    /// For so long only, such as 1h or 7days
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub for_: Option<Duration>,
}

/// Of `keys export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// In which format
    #[arg(value_enum)]
    pub format: Format,
    /// The file; left out or -: standard output
    pub file: Option<PathBuf>,
    /// A peer, or .DOMAIN for that and all below it
    #[arg(long)]
    pub peer: Option<String>,
    /// Over this protocol
    #[arg(long)]
    pub protocol: Option<String>,
}

/// Of `keys undo`.
#[derive(Args, Clone, Debug)]
pub struct UndoArgs {
    /// The change, by its number; left out: the last one
    pub change: Option<i64>,
    /// List the changes that can be taken back
    #[arg(long)]
    pub list: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let length = humantime::parse_duration(text).ok().filter(|length| !length.is_zero());
    // As many seconds as a moment can have: some ten thousand years.
    let length = length.filter(|length| length.as_secs() < 1 << 38);
    length.ok_or_else(|| "write it as 30min, 12h or 90days".into())
}
