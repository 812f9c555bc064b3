//! `log`, `explain`, `replay` and `learn`, on records whose lines are core's own.

mod explain;
mod files;
mod follow;
mod learn;
mod log;
mod replay;

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use openssl::hash::{MessageDigest, hash};
use openssl::x509::X509;
use peerkey::book::own_uid;
use peerkey::crypto::System;
use peerkey::inquiry::{self, Program};
use peerkey::question::{self, Presented};
use peerkey_core::decide::{Application, Fault};
use peerkey_core::key::KeyHash;
use peerkey_core::query::{Fact, Query, Role};
use peerkey_core::record::{Anchor, Circumstances, Level, Stamp, Told};

use crate::lab::{Ca, Lab};

/// When the first decision of each test was made.
pub(crate) const START: i64 = 1_790_000_000;

/// Writes a record as programs do.
pub(crate) struct Scribe<'l> {
    lab: &'l Lab,
    written: Cell<i64>,
}

/// A decision to be made.
#[derive(Clone)]
pub(crate) struct Deed<'a> {
    pub(crate) peer: &'a str,
    pub(crate) protocol: &'a str,
    pub(crate) pem: &'a str,
    pub(crate) program: &'a str,
    pub(crate) native: Application,
    pub(crate) anchor: Option<(&'a str, &'a str)>,
    pub(crate) keeps_chain: bool,
    pub(crate) seconds: Option<i64>,
}

impl<'a> Deed<'a> {
    /// curl meets this server, whose CA it does not know.
    pub(crate) fn new(peer: &'a str, pem: &'a str) -> Self {
        let why = "self-signed certificate in certificate chain".into();
        Self {
            peer,
            protocol: "https",
            pem,
            program: "/usr/bin/curl",
            native: Application::Refuses { faults: vec![Fault::NoTrustedPath], why },
            anchor: None,
            keeps_chain: true,
            seconds: None,
        }
    }

    pub(crate) fn over(mut self, protocol: &'a str) -> Self {
        self.protocol = protocol;
        self
    }

    pub(crate) fn by(mut self, program: &'a str) -> Self {
        self.program = program;
        self
    }

    pub(crate) fn at(mut self, seconds: i64) -> Self {
        self.seconds = Some(seconds);
        self
    }

    pub(crate) fn says(mut self, native: Application) -> Self {
        self.native = native;
        self
    }

    /// curl knows this CA.
    pub(crate) fn known_by(mut self, subject: &'a str, ca: &'a Ca) -> Self {
        self.native = Application::Accepts;
        self.anchor = Some((subject, &ca.pem));
        self
    }

    pub(crate) fn without_chain(mut self) -> Self {
        self.keeps_chain = false;
        self
    }
}

impl<'l> Scribe<'l> {
    pub(crate) fn new(lab: &'l Lab) -> Self {
        let scribe = Self { lab, written: Cell::new(0) };
        fs::create_dir_all(scribe.folder().join("chains")).unwrap();
        scribe
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.lab.path("state/uid").join(own_uid().to_string())
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join("record.jsonl")
    }

    /// As programs append.
    pub(crate) fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.folder().join(name);
        let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_ref()).unwrap();
    }

    /// As programs do when a file is full.
    pub(crate) fn rotate(&self) {
        let name = |number: u32| self.folder().join(format!("record.jsonl.{number}"));
        for number in (1..4).rev() {
            let _ = fs::rename(name(number), name(number + 1));
        }
        fs::rename(self.file(), name(1)).unwrap();
    }

    /// Decides, and records it; the id of the line.
    pub(crate) fn write(&self, deed: &Deed<'_>) -> String {
        let id = format!("id{:014}", self.written.get() + 1);
        self.append("record.jsonl", self.line(deed));
        id
    }

    /// The line of a decision under the policy in force.
    pub(crate) fn line(&self, deed: &Deed<'_>) -> String {
        let number = self.written.get() + 1;
        self.written.set(number);
        let seconds = deed.seconds.unwrap_or(START + number);
        let crypto = System::start();
        let policy = inquiry::open(&inquiry::in_force(&self.lab.path("state"))).unwrap();
        let ders: Vec<_> = X509::stack_from_pem(deed.pem.as_bytes()).unwrap();
        let ders: Vec<_> = ders.iter().map(|one| one.to_der().unwrap()).collect();
        let presented = Presented::chain(&ders, &crypto).unwrap();
        let (peer, locator) = question::subject(Some(deed.peer), false, Role::Server).unwrap();
        let query = Query {
            role: Role::Server,
            peer,
            locator,
            protocol: question::protocol(deed.protocol).unwrap(),
            port: Some(443),
            application: Fact::Known(deed.program.into()),
            key: presented.key,
            evidence: presented.evidence,
            time: seconds,
        };
        let program = Program::Stated(deed.native.clone());
        let answer = inquiry::ask(&policy, &query, &program, &crypto, None).unwrap();
        let chain = deed.keeps_chain.then(|| self.keep(&ders));
        let key = deed.anchor.map(|(_, pem)| key_of(pem));
        let circumstances = Circumstances {
            pid: 4711,
            uid: own_uid(),
            enforced: answer.verdict.would().is_none(),
            policy: Some(&policy.meta().digest),
            level: Level::Handshake,
            native: &deed.native,
            anchor: deed.anchor.zip(key).map(|((subject, _), key)| Anchor { subject, key }),
        };
        let stamp = Stamp {
            id: &format!("id{number:014}"),
            millis: seconds * 1000,
            chain: chain.as_deref(),
            ..Stamp::default()
        };
        let question = (&query).into();
        let told = Told::Now(Some(&question), &circumstances);
        told.line(&answer.verdict, &stamp, String::new())
    }

    fn keep(&self, ders: &[Vec<u8>]) -> String {
        let digest = hash(MessageDigest::sha256(), &ders.concat()).unwrap();
        let name = digest.iter().fold(String::new(), |mut name, byte| {
            write!(name, "{byte:02x}").unwrap();
            name
        });
        let pem: Vec<_> =
            ders.iter().flat_map(|der| X509::from_der(der).unwrap().to_pem().unwrap()).collect();
        fs::write(self.folder().join("chains").join(&name), pem).unwrap();
        name
    }
}

/// The hash of a certificate's key.
pub(crate) fn key_of(pem: &str) -> KeyHash {
    let certificate = X509::from_pem(pem.as_bytes()).unwrap();
    KeyHash::of(&certificate.public_key().unwrap().public_key_to_der().unwrap())
}

/// A web CA that the policy knows, a bank that needs its pin too, and a shop that the CA vouches for.
pub(crate) struct Town {
    pub(crate) lab: Lab,
    pub(crate) ca: Ca,
    pub(crate) bank: String,
    pub(crate) shop: String,
}

/// Of the town: rule 1 is the bank's, rule 2 everybody's.
pub(crate) const TOWN: &str = r#"version = 1
log = "all"

[authority.web]
kind = "x509"
anchors = ["web.pem"]

[authority.pins]
kind = "pin"

[[authority.pins.key]]
peer = "www.bank.example"
spki = ["sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]

[[rule]]
peers = [".bank.example"]
accept = { all = ["web", "pins"] }

[[rule]]
protocols = ["https", "imap"]
accept = { any = ["web"] }
"#;

pub(crate) fn town() -> Town {
    town_under(TOWN)
}

pub(crate) fn town_under(policy: &str) -> Town {
    let ca = Ca::root("Web");
    let (bank, shop) = (ca.server(&["www.bank.example"]), ca.server(&["shop.example"]));
    let lab = Lab::with(policy, &[("conf/web.pem", &ca.pem)]);
    Town { lab, ca, bank, shop }
}
