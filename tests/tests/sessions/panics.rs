//! A panic where sessions are looked at: nothing is resumed that was not looked at.
//!
//! (tests/hosts/panics.rs has the other entries.)

use std::net::SocketAddr;

use peerkey_tests::artifacts;
use peerkey_tests::pki::Draft;
use peerkey_tests::program::s_client;
use peerkey_tests::run::{Daemon, PATIENCE, Run, run_with, until};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{ServerDraft, Service, free_port};
use peerkey_tests::site::Peerkey;

use crate::{BANK, SHIPPED, WORLD, accepting};

const REASON: &str = "something failed inside peerkey";
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// `s_client -reconnect`, which comes five times more with the session of the first time.
fn comes_back(entry: &str) -> Run {
    let scene = Scene::new(&[&WORLD.root]).policy(&accepting());
    scene.site.provider_module(&artifacts::planted_provider());
    let server = ServerDraft::new(Service::Https, &WORLD.bank).start();
    let openssl = scene.site.command("/usr/bin/openssl", Peerkey::On);
    let mut client = s_client(openssl, &scene.visit(server.address(), BANK));
    client.args(["-tls1_2", "-reconnect"]).env("PEERKEY_PLANTED_PANIC", entry);
    run_with(&mut client, REQUEST, PATIENCE)
}

#[test]
fn at_a_client() {
    let count = |run: &Run| {
        ["\nNew, TLSv1.2", "\nReused, TLSv1.2"].map(|what| run.stdout.matches(what).count())
    };
    let run = comes_back("");
    assert_eq!(count(&run), [1, 5], "{run}");
    // A full handshake is judged each time.
    let run = comes_back("may_resume");
    assert_eq!(count(&run), [6, 0], "{run}");
    // Nobody knows over what protocol the session would be resumed.
    let run = comes_back("on_message");
    assert_eq!(count(&run)[1], 0, "{run}");
    assert!(run.text().contains(REASON), "{run}");
}

/// A server that verifies clients, and keeps their sessions itself or in tickets.
struct Kept {
    scene: Scene,
    address: SocketAddr,
    log: std::path::PathBuf,
    _daemon: Daemon,
}

impl Kept {
    fn start(entry: &str, settings: &str, ticket: &[&str]) -> Self {
        let scene = Scene::new(&[&WORLD.root]).policy(SHIPPED);
        scene.site.provider_module_with(&artifacts::planted_provider(), settings);
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut server = scene.site.command("/usr/bin/openssl", Peerkey::On);
        server.args(["s_server", "-www", "-Verify", "3", "-verify_return_error"]).args(ticket);
        server.arg("-accept").arg(address.to_string()).arg("-CAfile").arg(&scene.trust);
        server.arg("-cert").arg(scene.site.write("bank.crt", WORLD.bank.pem()));
        server.arg("-key").arg(scene.site.write("bank.key", WORLD.bank.key_pem()));
        server.env("PEERKEY_PLANTED_PANIC", entry);
        let log = scene.site.path("s_server.log");
        let daemon = Daemon::start(&server, "KILL", &log);
        until("it listens", || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("ACC")));
        Self { scene, address, log, _daemon: daemon }
    }

    fn visit(&self, session: &str) -> Run {
        let alice = Draft::client("alice.example").signed_by(&WORLD.root);
        let site = &self.scene.site;
        let visit = self.scene.visit(self.address, BANK).identity(site, &alice);
        let mut client = s_client(site.command("/usr/bin/openssl", Peerkey::Off), &visit);
        client.args(["-tls1_2", session, site.path("session.pem").to_str().unwrap()]);
        run_with(&mut client, REQUEST, PATIENCE)
    }
}

fn served(run: &Run) -> bool {
    run.stdout.contains(" 200 ")
}

fn reused(run: &Run) -> bool {
    run.stdout.contains("\nReused, TLSv1")
}

#[test]
fn at_a_server_with_tickets() {
    let deny = |server: &Kept| {
        server.scene.site.apply(
            "version = 1\n[[deny]]\nspki = 'sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='\n",
        )
    };
    let server = Kept::start("ticket", "", &[]);
    assert!(served(&server.visit("-sess_out")));
    deny(&server);
    let again = server.visit("-sess_in");
    assert!(served(&again) && !reused(&again), "{again}");
}

#[test]
fn at_a_server_that_keeps_sessions() {
    let refused = Kept::start("before_handshake", "", &["-no_ticket"]);
    let run = refused.visit("-sess_out");
    assert!(!served(&run), "{run}");
    let log = std::fs::read_to_string(&refused.log).unwrap();
    assert!(log.contains(REASON), "{log}");
    let lenient = Kept::start("before_handshake", "on-error = application", &["-no_ticket"]);
    assert!(served(&lenient.visit("-sess_out")));
    assert!(reused(&lenient.visit("-sess_in")));
}

/// A session that a server keeps is not resumed where no decision is possible.
#[test]
fn a_server_without_a_policy() {
    for (settings, resumes) in [("", false), ("on-error = application", true)] {
        let server = Kept::start("", settings, &["-no_ticket"]);
        assert!(served(&server.visit("-sess_out")));
        std::fs::remove_file(server.scene.site.path("state/policy-1.db")).unwrap();
        peerkey_tests::site::Site::settle();
        let again = server.visit("-sess_in");
        assert_eq!((reused(&again), served(&again)), (resumes, resumes), "{settings}: {again}");
    }
}
