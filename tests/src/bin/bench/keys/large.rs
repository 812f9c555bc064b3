//! A file with ten million keys: it is answered from as if it were small.

use std::process::Command;
use std::time::Instant;

use peerkey_tests::run::run;
use peerkey_tests::site::Site;

use super::lookups::Reader;
use super::{FEW, by_turns, peer, ratio};
use crate::figure::{Figure, Limit, Unit};

const MILLIONS: usize = 10;

/// As programs write them, but in one go.
const SQL: &str = "
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.executescript('PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA cache_size = -200000')
c.execute('''WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
  INSERT INTO key SELECT NULL, printf('host-%08d.lan', i), 'https', 0, randomblob(32), x'', NULL,
  'remembered', 'test', 1800000000, 1800000000, 1, NULL FROM n''', (int(sys.argv[2]),))
c.commit()
c.close()
os.sync()
";

pub(super) fn measure(few: &Site) -> Vec<Figure> {
    let site = Site::new();
    let peers = MILLIONS * 1_000_000;
    let keys = |words: &[&str]| {
        let start = Instant::now();
        let said = run(site.peerkey().arg("keys").args(words)).expect_ok("keys");
        (said.stdout, start.elapsed().as_secs_f64())
    };
    let pin = format!("sha256/{}=", "A".repeat(43));
    keys(&["add", "first.lan", "--protocol", "https", "--spki", &pin]);
    let file = site.path("state/uid/0/keys.db");
    let mut python = Command::new("/usr/bin/python3");
    run(python.args(["-c", SQL]).arg(file).arg(peers.to_string())).expect_ok("SQL");
    let lookups = by_turns(Reader::start(few, FEW), Reader::start(&site, peers));
    let what = format!("a look-up: {MILLIONS} million peers, and {FEW}");
    let mut figures = vec![ratio(&what, &lookups).limit(Limit::Most(2.0))];
    let last = peer(peers - 1);
    for words in [
        &["show", &last][..],
        &["list", "--peer", &last],
        &["list", "--limit", "20"],
        &["forget", &last],
        &["undo"],
    ] {
        let (said, seconds) = keys(words);
        assert!(said.contains("host-"), "{said}");
        let what = format!("keys {}, {MILLIONS} million keys", words.join(" "));
        let sides = || [String::new(), String::new()];
        figures.push(Figure::new(what, sides(), seconds, Unit::Seconds).limit(Limit::Most(1.0)));
    }
    figures
}
