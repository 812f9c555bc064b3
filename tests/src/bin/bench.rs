//! `make bench`: what a full TLS 1.3 handshake costs with peerkey, in proportion to one without.
//!
//! Two processes of this program make handshakes with themselves in memory, both sides, ECDSA P-256,
//! a chain of three. One loads peerkey, the other does not. They take turns in many short rounds, so
//! that whatever else the machine does hits both; CPU time is compared, and the median counts.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark stops where it stands")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::rc::Rc;

use comfy_table::{Table, presets};
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslStream,
    SslVerifyMode, SslVersion,
};
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::site::{Peerkey, SHIPPED, Site};

const ROUNDS: usize = 150;
const HANDSHAKES: usize = 30;
const LIMIT: f64 = 1.03;
const BANK: &str = "bank.example";

fn main() {
    match std::env::args().nth(1) {
        Some(folder) => work(Path::new(&folder)),
        None => compare(),
    }
}

fn compare() {
    let root = Draft::ca("Root").self_signed();
    let leaf = Draft::server(BANK).signed_by(&Draft::ca("CA").signed_by(&root));
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["policy", "without", "with", "ratio", "middle half", "wanted"]);
    let mut shipped = 0.0;
    for (name, policy) in policies(&leaf) {
        let site = Site::new();
        site.write("config/anchors/root.pem", root.pem());
        site.write("root.pem", root.pem());
        site.write("leaf.pem", leaf.chain_pem());
        site.write("leaf.key", leaf.key_pem());
        site.apply(&policy);
        let measured = Measured::take(&site);
        let is_shipped = policy == SHIPPED;
        if is_shipped {
            shipped = measured.ratio;
        }
        table.add_row([
            name.to_owned(),
            format!("{:.0} µs", measured.without),
            format!("{:.0} µs", measured.with),
            format!("{:.3}", measured.ratio),
            format!("{:.3} to {:.3}", measured.quarter, measured.three_quarters),
            if is_shipped { format!("at most {LIMIT}") } else { String::new() },
        ]);
    }
    println!(
        "Full TLS 1.3 handshakes, both sides, ECDSA P-256, chain of 3; CPU time of one:\n{table}"
    );
    let verdict = if shipped <= LIMIT { "within the limit" } else { "ABOVE THE LIMIT" };
    println!(
        "\nThe shipped policy: {shipped:.3} of a handshake without peerkey, {verdict} ({LIMIT})."
    );
}

fn policies(leaf: &Issued) -> Vec<(&'static str, String)> {
    let pin = leaf.pin();
    vec![
        ("shipped", SHIPPED.to_owned()),
        (
            "a pin",
            format!(
                "version = 1\n[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\n\
                 peer = '{BANK}'\nspki = ['{pin}']\n[[rule]]\npeers = ['{BANK}']\n\
                 accept = {{ all = ['application', 'pins'] }}\n"
            ),
        ),
        (
            "a path of our own",
            format!(
                "version = 1\n[authority.web]\nkind = 'x509'\nanchors = ['anchors/root.pem']\n\
                 [[rule]]\npeers = ['{BANK}']\naccept = {{ any = ['web'] }}\n"
            ),
        ),
    ]
}

/// Microseconds a handshake, and their ratio: the median of all rounds, and the quartiles.
struct Measured {
    without: f64,
    with: f64,
    ratio: f64,
    quarter: f64,
    three_quarters: f64,
}

impl Measured {
    fn take(site: &Site) -> Self {
        let mut workers = [Peerkey::Off, Peerkey::On].map(|peerkey| Worker::start(site, peerkey));
        workers.iter_mut().for_each(|worker| {
            worker.round();
        });
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let mut times = [0.0; 2];
            // Who goes first changes.
            for turn in [round % 2, 1 - round % 2] {
                times[turn] = workers[turn].round();
            }
            rounds.push(times);
        }
        let sorted = |value: &dyn Fn(&[f64; 2]) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let ratios = sorted(&|times| times[1] / times[0]);
        Self {
            without: sorted(&|times| times[0])[ROUNDS / 2],
            with: sorted(&|times| times[1])[ROUNDS / 2],
            ratio: ratios[ROUNDS / 2],
            quarter: ratios[ROUNDS / 4],
            three_quarters: ratios[ROUNDS * 3 / 4],
        }
    }
}

/// A process of this program that makes handshakes when it is told to.
struct Worker {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Worker {
    fn start(site: &Site, peerkey: Peerkey) -> Self {
        let mut command = site.command(std::env::current_exe().unwrap(), peerkey);
        command.arg(site.path("")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    /// Microseconds a handshake.
    fn round(&mut self) -> f64 {
        self.to.as_mut().unwrap().write_all(b"go\n").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim().parse().expect("a worker ended")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

/// In a worker: for each line that comes, a round of handshakes and its time.
fn work(folder: &Path) {
    let (client, server) = contexts(folder);
    for _ in io::stdin().lines() {
        let start = cpu_time();
        for _ in 0..HANDSHAKES {
            handshake(&client, &server);
        }
        println!("{}", (cpu_time() - start) / HANDSHAKES as f64);
    }
}

fn contexts(folder: &Path) -> (SslContext, SslContext) {
    let mut client = SslContextBuilder::new(SslMethod::tls_client()).unwrap();
    client.set_ca_file(folder.join("root.pem")).unwrap();
    client.set_verify(SslVerifyMode::PEER);
    let mut server = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
    server.set_certificate_chain_file(folder.join("leaf.pem")).unwrap();
    server.set_private_key_file(folder.join("leaf.key"), SslFiletype::PEM).unwrap();
    for context in [&mut client, &mut server] {
        context.set_min_proto_version(Some(SslVersion::TLS1_3)).unwrap();
    }
    (client.build(), server.build())
}

fn handshake(client: &SslContext, server: &SslContext) {
    let mut ssl = Ssl::new(client).unwrap();
    ssl.set_hostname(BANK).unwrap();
    ssl.param_mut().set_host(BANK).unwrap();
    let (one, other) = Pipe::pair();
    let mut client = SslStream::new(ssl, one).unwrap();
    let mut server = SslStream::new(Ssl::new(server).unwrap(), other).unwrap();
    while !(done(client.connect()) & done(server.accept())) {}
}

/// Whether a side is through; it may also wait for the other one.
fn done(result: Result<(), openssl::ssl::Error>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) if error.code() == ErrorCode::WANT_READ => false,
        Err(error) => panic!("{error}"),
    }
}

/// CPU time of this process in microseconds.
fn cpu_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of our own.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// One end of a connection in memory.
struct Pipe {
    from: Rc<RefCell<VecDeque<u8>>>,
    to: Rc<RefCell<VecDeque<u8>>>,
}

impl Pipe {
    fn pair() -> (Self, Self) {
        let (one, other) = (Rc::new(RefCell::default()), Rc::new(RefCell::default()));
        (Self { from: Rc::clone(&one), to: Rc::clone(&other) }, Self { from: other, to: one })
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.from.borrow_mut().read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
