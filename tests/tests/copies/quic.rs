//! QUIC (RFC 9001): its handshake is that of TLS 1.3, with the same callbacks. OpenSSL serves it since 3.5.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::run::{Daemon, run, until, wait};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::free_port;
use peerkey_tests::site::Peerkey;

use crate::{BANK, NEWER, SHIPPED};

/// `quic.c` with a newer OpenSSL, and a port for it.
struct Quic {
    scene: Scene,
    program: PathBuf,
    port: String,
}

impl Quic {
    fn new(index: usize, trusted: &Issued) -> Self {
        let sources = [openssl_src_3::source_dir, openssl_src_4::source_dir][index]();
        let (newer, scene) = (&NEWER[index], Scene::new(&[trusted]).policy(SHIPPED));
        let program = scene.site.path("quic");
        let library = |name: &str| {
            let mut all = newer.read_dir().unwrap().map(|entry| entry.unwrap().path());
            let is_it = |path: &PathBuf| path.to_string_lossy().contains(&format!("/{name}.so."));
            all.find(is_it).unwrap()
        };
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program);
        cc.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/copies/quic.c"));
        cc.arg("-I").arg(newer.join("include")).arg("-I").arg(sources.join("include"));
        cc.args(["libssl", "libcrypto"].map(library));
        cc.arg(format!("-Wl,-rpath,{}", newer.display()));
        run(&mut cc).expect_ok("cc");
        Self { scene, program, port: free_port().to_string() }
    }

    fn command(&self, peerkey: Peerkey, what: &str) -> Command {
        let mut command = self.scene.site.command(&self.program, peerkey);
        command.args([what, &self.port]);
        command
    }

    fn identity(&self, command: &mut Command, name: &str, identity: &Issued) {
        command.arg(self.scene.site.write(&format!("{name}.crt"), identity.chain_pem()));
        command.arg(self.scene.site.write(&format!("{name}.key"), identity.key_pem()));
    }

    fn serve(&self, peerkey: Peerkey, identity: &Issued, verifies: bool) -> Daemon {
        let mut server = self.command(peerkey, "serve");
        self.identity(&mut server, "server", identity);
        server.args(verifies.then_some(&self.scene.trust));
        let log = self.scene.site.path("quic.log");
        let daemon = Daemon::start(&server, "KILL", &log);
        until("it listens", || {
            std::fs::read_to_string(&log).is_ok_and(|log| log.contains("ready"))
        });
        daemon
    }

    fn client(&self, peerkey: Peerkey, identity: Option<&Issued>) -> Client {
        let mut client = self.command(peerkey, "visit");
        client.arg(&self.scene.trust);
        if let Some(identity) = identity {
            self.identity(&mut client, "client", identity);
        }
        let mut child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Client { child, to, from }
    }

    fn apply(&self, policy: &str) {
        self.scene.site.apply(&format!("version = 1\n{policy}"));
    }
}

/// One process, whose every visit offers the session of the one before.
struct Client {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Client {
    fn visit(&mut self) -> String {
        let mut line = String::new();
        self.to.as_mut().unwrap().write_all(b"go\n").unwrap();
        self.from.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.to.take());
        wait(&mut self.child, Duration::from_secs(5));
    }
}

fn pinned(role: &str, peer: &str, identity: &Issued) -> String {
    format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = '{peer}'\nspki = ['{}']\n\
         [[rule]]\nrole = '{role}'\npeers = ['{peer}']\naccept = {{ any = ['pins'] }}\n",
        identity.pin()
    )
}

fn denied(identity: &Issued) -> String {
    format!("[[deny]]\nspki = '{}'\nreason = 'replaced'\n", identity.pin())
}

#[test]
fn a_client() {
    let root = Draft::ca("Root").self_signed();
    let [bank, other] = [(); 2].map(|()| Draft::server(BANK).signed_by(&root));
    for index in 0..NEWER.len() {
        let quic = Quic::new(index, &root);
        let _server = quic.serve(Peerkey::Off, &bank, false);
        let mut without = quic.client(Peerkey::Off, None);
        let mut with = quic.client(Peerkey::On, None);
        for client in [&mut without, &mut with] {
            assert_eq!([(); 2].map(|()| client.visit()), ["hello", "hello again"], "{index}");
        }
        // A session is resumed under the policy that it was accepted under, and under no other.
        for policy in [pinned("server", BANK, &bank), denied(&other)] {
            quic.apply(&policy);
            assert_eq!(
                [(); 2].map(|()| with.visit()),
                ["hello", "hello again"],
                "{index} {policy}"
            );
        }
        quic.apply(&denied(&bank));
        let refused = with.visit();
        assert!(refused.starts_with("refused") && refused.contains("replaced"), "{refused}");
        assert_eq!(without.visit(), "hello again");
    }
}

#[test]
fn a_client_whose_policy_knows_the_key() {
    let bank = Draft::server(BANK).self_signed();
    for index in 0..NEWER.len() {
        let quic = Quic::new(index, &Draft::ca("Root").self_signed());
        let _server = quic.serve(Peerkey::Off, &bank, false);
        quic.apply(&pinned("server", BANK, &bank));
        assert!(quic.client(Peerkey::Off, None).visit().starts_with("refused"));
        assert_eq!(quic.client(Peerkey::On, None).visit(), "hello");
    }
}

#[test]
fn a_server() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let alice = Draft::client("alice.example").signed_by(&root);
    for index in 0..NEWER.len() {
        let quic = Quic::new(index, &root);
        let _server = quic.serve(Peerkey::On, &bank, true);
        let mut client = quic.client(Peerkey::Off, Some(&alice));
        assert_eq!([(); 2].map(|()| client.visit()), ["hello", "hello again"], "{index}");
        // Under a policy that decides, no session is resumed at all (openssl.md).
        quic.apply(&pinned("client", "alice.example", &alice));
        assert_eq!([(); 2].map(|()| client.visit()), ["hello", "hello"], "{index}");
        quic.apply(&denied(&alice));
        let refused = client.visit();
        assert!(refused.starts_with("refused"), "{index}: {refused}");
    }
}

/// First uses are remembered when QUIC's handshake is done, too.
#[test]
fn a_client_that_remembers_keys() {
    let [bank, other] = [(); 2].map(|()| Draft::server(BANK).self_signed());
    for index in 0..NEWER.len() {
        let quic = Quic::new(index, &Draft::ca("Root").self_signed());
        quic.apply(&format!(
            "[authority.devices]\nkind = 'tofu'\n\
             [[rule]]\npeers = ['{BANK}']\naccept = {{ any = ['devices'] }}\n"
        ));
        let list = || {
            let mut keys = quic.scene.site.peerkey();
            run(keys.args(["keys", "list", "--json"])).expect_ok("keys list").stdout
        };
        {
            let _server = quic.serve(Peerkey::Off, &bank, false);
            assert!(!list().contains(&bank.pin()));
            assert_eq!(quic.client(Peerkey::On, None).visit(), "hello", "{index}");
            assert!(list().contains(&bank.pin()), "{index}: {}", list());
            assert_eq!(quic.client(Peerkey::On, None).visit(), "hello", "{index}");
        }
        let _server = quic.serve(Peerkey::Off, &other, false);
        let refused = quic.client(Peerkey::On, None).visit();
        assert!(refused.starts_with("refused") && refused.contains("changed"), "{refused}");
        assert!(!list().contains(&other.pin()));
    }
}
