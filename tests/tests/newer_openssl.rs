//! The same provider under a newer OpenSSL, built once from the sources that the crate openssl-src
//! carries: raw public keys (RFC 7250), which came with OpenSSL 3.2, and the basics again.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use peerkey_tests::artifacts;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, Outcome, Visit, s_client};
use peerkey_tests::run::{Daemon, PATIENCE, run, run_with, until};
use peerkey_tests::scene::{Must, Scene};
use peerkey_tests::server::{ServerDraft, Service, free_port};
use peerkey_tests::site::Peerkey;

const BANK: &str = "bank.example";

/// The folder of the newer OpenSSL.
static NEWER: LazyLock<PathBuf> = LazyLock::new(|| {
    let version = openssl_src::version().rsplit('+').next().unwrap();
    let folder = artifacts::target_folder().join(format!("openssl-{version}"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("newer-openssl.sh");
    let mut build = Command::new(script);
    build.arg(openssl_src::source_dir()).arg(&folder);
    run_with(&mut build, b"", Duration::from_secs(1200)).expect_ok("building OpenSSL");
    folder
});

fn openssl(scene: &Scene, peerkey: Peerkey) -> Command {
    scene.site.command(NEWER.join("openssl"), peerkey)
}

/// `s_server` that proves its key as it is, without a certificate around it.
struct RawServer {
    address: SocketAddr,
    _daemon: Daemon,
}

impl RawServer {
    fn start(scene: &Scene, identity: &Issued) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut server = openssl(scene, Peerkey::Off);
        server.args(["s_server", "-www", "-enable_server_rpk", "-accept"]).arg(address.to_string());
        server.arg("-cert").arg(scene.site.write("raw.crt", identity.pem()));
        server.arg("-key").arg(scene.site.write("raw.key", identity.key_pem()));
        let daemon = Daemon::start(&server, "TERM", &scene.site.path("s_server.log"));
        until("s_server listens", || std::net::TcpStream::connect(address).is_ok());
        Self { address, _daemon: daemon }
    }
}

fn visit(scene: &Scene, peerkey: Peerkey, visit: &Visit) -> Outcome {
    let mut command = s_client(openssl(scene, peerkey), visit);
    command.args(&visit.extra);
    let run = run_with(&mut command, b"GET / HTTP/1.0\r\n\r\n", PATIENCE);
    Outcome { connected: run.stdout.contains("200 ok"), run, log: String::new() }
}

/// A raw key, with and without peerkey.
#[track_caller]
fn raw(policy: &str, identity: &Issued, extra: &[&str], must: Must) {
    let web = Draft::ca("Web Root").self_signed();
    let scene = Scene::new(&[&web]).anchor("web", &web.pem());
    scene.site.write("config/anchors/itself.pem", identity.pem());
    scene.site.write("expected.pem", identity.pem());
    let scene = scene.policy(policy);
    let server = RawServer::start(&scene, identity);
    let there = scene.visit(server.address, BANK).arguments(&["-enable_server_rpk"]);
    let there = there.arguments(extra);
    let [without, with] = [Peerkey::Off, Peerkey::On].map(|peerkey| visit(&scene, peerkey, &there));
    for outcome in [&without, &with] {
        let said = outcome.text();
        let raw = said.contains("Server raw public key") || said.contains("RPK");
        assert!(raw, "no raw key: {said}");
    }
    must.hold("s_client", &without, &with);
}

fn pinned(identity: &Issued) -> String {
    format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = '{BANK}'\n\
         spki = ['{}']\n[[rule]]\npeers = ['{BANK}']\naccept = {{ any = ['application', 'pins'] }}\n",
        identity.pin()
    )
}

#[test]
fn a_raw_key_is_accepted_by_its_pin() {
    let raw_key = Draft::server(BANK).self_signed();
    raw(&pinned(&raw_key), &raw_key, &[], Must::BeOpened);
    raw(&pinned(&Draft::server(BANK).self_signed()), &raw_key, &[], Must::StayClosed);
}

#[test]
fn a_raw_key_is_no_certificate() {
    let raw_key = Draft::server(BANK).self_signed();
    let policy = "[authority.own]\nkind = 'x509'\nanchors = ['anchors/itself.pem']\n\
                  [default]\naccept = { any = ['application', 'own'] }\n";
    raw(policy, &raw_key, &[], Must::StayClosed);
}

/// With DANE (RFC 7671 section 3.1) the program itself expects the key.
#[test]
fn a_raw_key_that_the_program_expects() {
    let key = Draft::server(BANK).self_signed();
    let record = format!("3 1 1 {}", key.spki_hex());
    let dane = ["-dane_tlsa_domain", BANK, "-dane_tlsa_rrdata", record.as_str()];
    raw("[default]\naccept = { any = ['application'] }\n", &key, &dane, Must::StayOpen);
    let deny = format!("[[deny]]\nspki = '{}'\nreason = 'leaked'\n", key.pin());
    raw(&deny, &key, &dane, Must::BeClosed("leaked"));
    let other = Draft::server(BANK).self_signed();
    raw(&pinned(&other).replace("'application', ", ""), &key, &dane, Must::BeClosed("peerkey: "));
}

#[test]
fn the_basics() {
    let version = run(Command::new(NEWER.join("openssl")).arg("version")).stdout;
    let web = Draft::ca("Web Root").self_signed();
    let corp = Draft::ca("Corp Root").self_signed();
    let good = Draft::server(BANK).signed_by(&web);
    let alone = Draft::server(BANK).self_signed();
    let deny = format!("[[deny]]\nspki = '{}'\nreason = 'leaked'\n", good.pin());
    let grant = "[authority.corp]\nkind = 'x509'\nanchors = ['anchors/corp.pem']\n\
                 [default]\naccept = { any = ['application', 'corp'] }\n";
    for (policy, identity, must) in [
        ("[default]\naccept = { any = ['application'] }", &good, Must::StayOpen),
        ("[default]\naccept = { any = ['application'] }", &alone, Must::StayClosed),
        (deny.as_str(), &good, Must::BeClosed("leaked")),
        (pinned(&alone).as_str(), &alone, Must::BeOpened),
        (grant, &Draft::server(BANK).signed_by(&corp), Must::BeOpened),
    ] {
        let scene = Scene::new(&[&web]).anchor("corp", &corp.pem()).policy(policy);
        let server = ServerDraft::new(Service::Https, identity).start();
        let there = scene.visit(server.address(), BANK);
        let [without, with] = [Peerkey::Off, Peerkey::On].map(|peerkey| {
            let mut command = s_client(openssl(&scene, peerkey), &there);
            let run = run_with(&mut command, b"GET / HTTP/1.0\r\n\r\n", PATIENCE);
            Outcome { connected: run.stdout.contains("hello"), run, log: String::new() }
        });
        must.hold(&version, &without, &with);
        python(&scene, &there, must);
    }
}

/// Debian's Python on the newer libraries.
fn python(scene: &Scene, there: &Visit, must: Must) {
    let [without, with] = [Peerkey::Off, Peerkey::On].map(|peerkey| {
        let there = there.clone().environment("LD_LIBRARY_PATH", NEWER.to_str().unwrap());
        Client::Urllib.visit(&scene.site, peerkey, &there)
    });
    must.hold("Python on the newer OpenSSL", &without, &with);
}
