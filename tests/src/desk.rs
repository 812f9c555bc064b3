//! Verifications outside of TLS: signed files, OCSP answers and time stamps, made by `openssl` without
//! peerkey, and verified by the same program with and without it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pki::Issued;
use crate::run::{Run, run};
use crate::scene::{Must, Scene};
use crate::site::Peerkey;

/// What the verified file says.
pub const TEXT: &str = "firmware 7\n";

/// A desk with the files of one test.
#[derive(Debug)]
pub struct Desk {
    /// Its policy, and what its programs trust by themselves.
    pub scene: Scene,
    openssl: PathBuf,
}

impl Desk {
    /// A desk whose programs trust these CAs by themselves.
    pub fn new(trusted: &[&Issued]) -> Self {
        Self { scene: Scene::new(trusted), openssl: "openssl".into() }
    }

    /// Puts a policy into force, without its first line, and with `anchors/web.pem` for it to name.
    #[track_caller]
    pub fn policy(self, web: &Issued, text: &str) -> Self {
        self.anchor("web", web).scene(|scene| scene.policy(text))
    }

    /// A file for the policy to name: `anchors/NAME.pem`.
    pub fn anchor(self, name: &str, ca: &Issued) -> Self {
        self.scene(|scene| scene.anchor(name, &ca.pem()))
    }

    /// Another `openssl`.
    pub fn with(self, openssl: PathBuf) -> Self {
        Self { openssl, ..self }
    }

    fn scene(self, change: impl FnOnce(Scene) -> Scene) -> Self {
        Self { scene: change(self.scene), openssl: self.openssl }
    }

    /// The arguments that name the programs' own trust.
    fn trust(&self) -> [String; 2] {
        ["-CAfile".into(), self.scene.trust.display().to_string()]
    }

    /// `openssl` with these arguments.
    pub fn openssl(&self, peerkey: Peerkey, arguments: &[&str]) -> Run {
        run(self.command(&self.openssl, peerkey).args(arguments))
    }

    /// A program that is run at the desk.
    pub fn command(&self, program: impl AsRef<Path>, peerkey: Peerkey) -> Command {
        let mut command = self.scene.site.command(program, peerkey);
        command.current_dir(self.scene.site.path("home"));
        command
    }

    /// Makes something without peerkey.
    #[track_caller]
    fn make(&self, arguments: &[&str]) {
        self.openssl(Peerkey::Off, arguments).expect_ok("preparation");
    }

    /// Writes a file at the desk.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.scene.site.write(&format!("home/{name}"), content)
    }

    fn identity(&self, who: &Issued) {
        self.file("signer.pem", who.pem());
        self.file("signer.key", who.key_pem());
        let above: String = who.chain_pem().replacen(&who.pem(), "", 1);
        self.file("above.pem", if above.is_empty() { who.pem() } else { above });
    }

    /// Runs `openssl` without and with peerkey, and holds the exit codes to what must come out.
    #[track_caller]
    pub fn check(&self, arguments: &[&str], must: Must) -> [Run; 2] {
        let runs = [Peerkey::Off, Peerkey::On].map(|peerkey| self.openssl(peerkey, arguments));
        hold(&arguments.join(" "), must, &runs);
        runs
    }

    /// `openssl verify` of a certificate with what came with it.
    #[track_caller]
    pub fn verify(&self, who: &Issued, more: &[&str], must: Must) -> [Run; 2] {
        self.identity(who);
        let [flag, trust] = self.trust();
        let mut arguments = vec!["verify", &flag, &trust, "-untrusted", "above.pem"];
        arguments.extend(more);
        arguments.push("signer.pem");
        self.check(&arguments, must)
    }

    /// Signs the file with `cms` or `smime`.
    #[track_caller]
    pub fn sign(&self, tool: &str, who: &Issued) {
        self.identity(who);
        self.file("text", TEXT);
        let mut arguments = vec![tool, "-sign", "-in", "text", "-out", "signed"];
        arguments.extend(["-signer", "signer.pem", "-inkey", "signer.key"]);
        if !who.above.is_empty() {
            arguments.extend(["-certfile", "above.pem"]);
        }
        self.make(&arguments);
    }

    /// Verifies what was signed.
    #[track_caller]
    pub fn verify_signed(&self, tool: &str, more: &[&str], must: Must) -> [Run; 2] {
        let [flag, trust] = self.trust();
        let mut arguments = vec![tool, "-verify", "-in", "signed", &flag, &trust];
        arguments.extend(more);
        self.check(&arguments, must)
    }

    /// An OCSP answer about `subject`, signed by `responder`, and its verification.
    #[track_caller]
    pub fn ocsp(&self, ca: &Issued, subject: &Issued, responder: &Issued, must: Must) {
        self.identity(responder);
        self.file("ca.pem", ca.pem());
        self.file("subject.pem", subject.pem());
        let serial = subject.cert.serial_number().to_bn().unwrap().to_hex_str().unwrap();
        self.file("index.txt", format!("V\t350101000000Z\t\t{}\tunknown\t/CN=x\n", &*serial));
        let about = ["-issuer", "ca.pem", "-cert", "subject.pem", "-no_nonce"];
        self.make(&[&["ocsp"], &about[..], &["-reqout", "request"]].concat());
        self.make(&[
            "ocsp",
            "-index",
            "index.txt",
            "-CA",
            "ca.pem",
            "-rsigner",
            "signer.pem",
            "-rkey",
            "signer.key",
            "-reqin",
            "request",
            "-respout",
            "answer",
        ]);
        let [flag, trust] = self.trust();
        let arguments = [&["ocsp", "-respin", "answer", &flag, &trust], &about[..]].concat();
        let runs = [Peerkey::Off, Peerkey::On].map(|peerkey| {
            let mut run = self.openssl(peerkey, &arguments);
            // `openssl ocsp` exits with 0 whatever it finds.
            run.code = Some(i32::from(!run.text().contains("Response verify OK")));
            run
        });
        hold("ocsp", must, &runs);
    }

    /// A time stamp by `authority`, and its verification.
    #[track_caller]
    pub fn time_stamp(&self, authority: &Issued, must: Must) {
        self.identity(authority);
        self.file("text", TEXT);
        self.file("serial", "01\n");
        self.file("ts.cnf", TS_CNF);
        self.make(&["ts", "-query", "-data", "text", "-sha256", "-cert", "-out", "request"]);
        self.make(&[
            "ts",
            "-reply",
            "-config",
            "ts.cnf",
            "-queryfile",
            "request",
            "-signer",
            "signer.pem",
            "-inkey",
            "signer.key",
            "-chain",
            "above.pem",
            "-out",
            "stamp",
        ]);
        let [flag, trust] = self.trust();
        self.check(&["ts", "-verify", "-data", "text", "-in", "stamp", &flag, &trust], must);
    }
}

const TS_CNF: &str = "[tsa]\ndefault_tsa = own\n[own]\nserial = serial\nsigner_digest = sha256\n\
    default_policy = 1.2.3.4\ndigests = sha256\ness_cert_id_alg = sha256\n";

/// Fails the test unless the runs came out as they must, the first without peerkey.
#[track_caller]
pub fn hold(what: &str, must: Must, runs: &[Run; 2]) {
    let expected = match must {
        Must::StayOpen => [true, true],
        Must::StayClosed => [false, false],
        Must::BeOpened => [false, true],
        Must::BeClosed(_) => [true, false],
    };
    let outputs = format!("=== without peerkey: {}\n=== with peerkey: {}", runs[0], runs[1]);
    let measured = [runs[0].ok(), runs[1].ok()];
    assert!(measured == expected, "{what}: must {must:?}, but was {measured:?}\n{outputs}");
    if let Must::BeClosed(because) = must {
        assert!(runs[1].text().contains(because), "{what}: not {because:?}\n{outputs}");
    }
}
