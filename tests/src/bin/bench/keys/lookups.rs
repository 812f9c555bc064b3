//! Look-ups as a program makes them, in a process of their own: SQLite's files are opened there in
//! peerkey's way.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use peerkey_core::certificate::Certificate;
use peerkey_core::crypto::NoCrypto;
use peerkey_core::keys::Book;
use peerkey_core::peer::Name;
use peerkey_guest::keys::{Books, Surroundings};
use peerkey_guest::policy::Policies;
use peerkey_tests::pki::Draft;
use peerkey_tests::site::Site;

use super::{Measured, peer};

/// In a round.
const ASKED: usize = 200;

/// A process that looks keys up.
pub(super) struct Reader {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Reader {
    /// For the keys of a site.
    pub(super) fn start(site: &Site, peers: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("keys").arg(site.path("state")).arg(peers.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }
}

impl Measured for Reader {
    fn microseconds(&mut self) -> f64 {
        self.to.as_mut().unwrap().write_all(b"go\n").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim().parse().expect("a reader ended")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

/// In the process. A certificate is parsed in each question too, as GnuTLS does it.
pub(crate) fn look_up(state: &str, peers: usize) {
    let policies = Policies::<()>::new(Path::new(state));
    let books = Books::new(policies.folder(), Surroundings::of_now());
    let der = Draft::server("host.lan").self_signed().cert.to_der().unwrap();
    // The same ones in each process, whatever their number: spread over all of them.
    let mut number = 0_usize;
    for _ in io::stdin().lines() {
        let start = Instant::now();
        for _ in 0..ASKED {
            number = (number + 7_919_753) % peers;
            let name = Name::parse(&peer(number)).unwrap();
            let key = Certificate::from_der(&der).unwrap().key(&NoCrypto).unwrap();
            let known = books.reader().keys_of(&name).unwrap();
            assert_eq!(known.len(), 1, "{name}");
            std::hint::black_box(known[0].key == key.hash());
        }
        println!("{}", start.elapsed().as_secs_f64() * 1e6 / ASKED as f64);
    }
}
