//! Remembered keys: look-ups beside GnuTLS's, first uses, imports, and files with millions of them.

mod gnutls;
mod large;
mod lookups;

pub(crate) use lookups::look_up;

use std::fmt::Write;
use std::time::Instant;

use data_encoding::BASE64;
use peerkey_core::key::KeyHash;
use peerkey_tests::run::run;
use peerkey_tests::site::{Peerkey, Site};

use crate::figure::{Figure, Limit, Sample, Unit};
use crate::tls::{Chain, Kind};
use crate::turns::in_turns;
use crate::worker::{Task, Worker};
use gnutls::Gnutls;
use lookups::Reader;

const FEW: usize = 100;
const SOME: usize = 10_000;
const MANY: usize = 1_000_000;
const ROUNDS: usize = 200;

pub(crate) fn measure() -> Vec<Figure> {
    let chain = Chain::new(Kind::Ec);
    let (few, _) = imported(FEW, &chain);
    let (some, _) = imported(SOME, &chain);
    let (many, seconds) = imported(MANY, &chain);
    let mut figures = Vec::new();
    let lookups = by_turns(Reader::start(&few, FEW), Reader::start(&many, MANY));
    let what = format!("a look-up: {MANY} peers, and {FEW}");
    figures.push(ratio(&what, &lookups).limit(Limit::Most(1.5)));
    figures.push(beside_gnutls(&some, &chain));
    figures.push(first_use(&chain));
    let rate = MANY as f64 / seconds;
    let sides = [String::new(), format!("{seconds:.1} s")];
    let what = format!("keys import, {MANY} lines");
    let import = Figure::new(what, sides, rate, Unit::PerSecond);
    figures.push(import.limit(Limit::Least(30_000.0)));
    drop((some, many));
    figures.extend(large::measure(&few));
    figures
}

/// The name of a peer.
fn peer(number: usize) -> String {
    format!("host-{number:08}.lan")
}

/// A site with so many keys, which the command read from a table in so many seconds. Each is another
/// one, but for those of GnuTLS's file: they are the bank's.
fn imported(count: usize, chain: &Chain) -> (Site, f64) {
    let site = Site::new();
    let spki = chain.leaf.cert.public_key().unwrap().public_key_to_der().unwrap();
    let mut text = "peer,protocol,spki\n".to_owned();
    for number in 0..count {
        let mut own = spki.clone();
        if count != SOME {
            // Any bytes are an Ed25519 key.
            own = [&ED25519[..], &KeyHash::of(&number.to_be_bytes()).0].concat();
        }
        let _ = writeln!(text, "{},https,{}", peer(number), BASE64.encode(&own));
    }
    let table = site.write("table.csv", text);
    let start = Instant::now();
    run(site.peerkey().args(["keys", "import"]).arg(table)).expect_ok("keys import");
    (site, start.elapsed().as_secs_f64())
}

/// What stands before a key of 32 octets in a SubjectPublicKeyInfo (RFC 8410).
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Microseconds of both, by turns.
fn by_turns(mut one: impl Measured, mut other: impl Measured) -> Vec<[f64; 2]> {
    in_turns(ROUNDS, |turn| if turn == 0 { one.microseconds() } else { other.microseconds() })
}

/// Something that takes time.
trait Measured {
    fn microseconds(&mut self) -> f64;
}

fn ratio(what: &str, rounds: &[[f64; 2]]) -> Figure {
    let ratios = Sample::of(rounds.iter().map(|[one, other]| other / one));
    Figure::new(what, sides(rounds), ratios.median(), Unit::Ratio).spread(ratios.quartiles())
}

fn sides(rounds: &[[f64; 2]]) -> [String; 2] {
    [0, 1].map(|index: usize| {
        format!("{:.1} µs", Sample::of(rounds.iter().map(|round| round[index])).median())
    })
}

/// The same question to both: is the key of this certificate this host's?
fn beside_gnutls(site: &Site, chain: &Chain) -> Figure {
    let gnutls = Gnutls::new(site, &chain.leaf.cert, SOME);
    let rounds = by_turns(Reader::start(site, SOME), gnutls);
    let times = Sample::of(rounds.iter().map(|[ours, theirs]| theirs / ours));
    let [ours, theirs] = sides(&rounds);
    let what = format!("gnutls_verify_stored_pubkey, {SOME} entries: so many times slower");
    Figure::new(what, [theirs, ours], times.median(), Unit::Ratio)
        .spread(times.quartiles())
        .limit(Limit::Least(20.0))
}

/// A whole handshake, with a peer that is known, and with one that is not yet.
fn first_use(chain: &Chain) -> Figure {
    let site = Site::new();
    chain.write(&site);
    site.apply(
        "version = 1\n[authority.devices]\nkind = 'tofu'\n\
         [[rule]]\npeers = ['.lan']\naccept = { any = ['devices'] }\n",
    );
    let worker = |first| Worker::start(&site, Kind::Ec, Peerkey::On, Task::Meetings(first, 10));
    let rounds = by_turns(worker(false), worker(true));
    let dearer = Sample::of(rounds.iter().map(|[known, first]| (first - known) / 1e3));
    Figure::new(
        "a handshake with a known peer, and a first one",
        sides(&rounds),
        dearer.median(),
        Unit::MoreMilliseconds,
    )
    .spread(dearer.quartiles())
    .limit(Limit::Most(1.0))
}

impl Measured for Worker {
    fn microseconds(&mut self) -> f64 {
        self.ask()
    }
}
