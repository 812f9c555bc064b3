//! The same provider under newer versions of OpenSSL: raw public keys (RFC 7250), which came with
//! OpenSSL 3.2, and the basics again.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use peerkey_tests::desk::Desk;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, Outcome, Visit, s_client};
use peerkey_tests::run::{Daemon, PATIENCE, run_with, until};
use peerkey_tests::scene::{Must, Scene};
use peerkey_tests::server::{ServerDraft, Service, free_port};
use peerkey_tests::site::Peerkey;

use crate::{BANK, NEWER};

fn openssl(newer: &Path, scene: &Scene, peerkey: Peerkey) -> Command {
    scene.site.command(newer.join("openssl"), peerkey)
}

/// `s_server` that proves its key as it is, without a certificate around it.
struct RawServer {
    address: SocketAddr,
    _daemon: Daemon,
}

impl RawServer {
    fn start(newer: &Path, scene: &Scene, identity: &Issued) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut server = openssl(newer, scene, Peerkey::Off);
        server.args(["s_server", "-www", "-enable_server_rpk", "-accept"]).arg(address.to_string());
        server.arg("-cert").arg(scene.site.write("raw.crt", identity.pem()));
        server.arg("-key").arg(scene.site.write("raw.key", identity.key_pem()));
        let daemon = Daemon::start(&server, "TERM", &scene.site.path("s_server.log"));
        until("s_server listens", || std::net::TcpStream::connect(address).is_ok());
        Self { address, _daemon: daemon }
    }
}

fn visit(newer: &Path, scene: &Scene, peerkey: Peerkey, visit: &Visit) -> Outcome {
    let mut command = s_client(openssl(newer, scene, peerkey), visit);
    command.args(&visit.extra);
    let run = run_with(&mut command, b"GET / HTTP/1.0\r\n\r\n", PATIENCE);
    Outcome { connected: run.stdout.contains(" 200 "), run, log: String::new() }
}

/// A raw key, with and without peerkey.
#[track_caller]
fn raw(policy: &str, identity: &Issued, extra: &[&str], must: Must) {
    let web = Draft::ca("Web Root").self_signed();
    for newer in NEWER.iter() {
        let scene = Scene::new(&[&web]).anchor("itself", &identity.pem()).policy(policy);
        let server = RawServer::start(newer, &scene, identity);
        let there = scene.visit(server.address, BANK).arguments(&["-enable_server_rpk"]);
        let there = there.arguments(extra);
        let [without, with] =
            [Peerkey::Off, Peerkey::On].map(|peerkey| visit(newer, &scene, peerkey, &there));
        for outcome in [&without, &with] {
            let said = outcome.text();
            assert!(said.contains("Server raw public key"), "no raw key: {said}");
        }
        must.hold(&newer.to_string_lossy(), &without, &with);
    }
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
    let web = Draft::ca("Web Root").self_signed();
    let corp = Draft::ca("Corp Root").self_signed();
    let good = Draft::server(BANK).signed_by(&web);
    let alone = Draft::server(BANK).self_signed();
    let deny = format!("[[deny]]\nspki = '{}'\nreason = 'leaked'\n", good.pin());
    let shipped = "[default]\naccept = 'application'\n";
    let grant = "[authority.corp]\nkind = 'x509'\nanchors = ['anchors/corp.pem']\n\
                 [default]\naccept = { any = ['application', 'corp'] }\n";
    for (policy, identity, must) in [
        (shipped, &good, Must::StayOpen),
        (shipped, &alone, Must::StayClosed),
        (deny.as_str(), &good, Must::BeClosed("leaked")),
        (pinned(&alone).as_str(), &alone, Must::BeOpened),
        (grant, &Draft::server(BANK).signed_by(&corp), Must::BeOpened),
    ] {
        let scene = Scene::new(&[&web]).anchor("corp", &corp.pem()).policy(policy);
        let server = ServerDraft::new(Service::Https, identity).start();
        let there = scene.visit(server.address(), BANK);
        for newer in NEWER.iter() {
            let [without, with] =
                [Peerkey::Off, Peerkey::On].map(|peerkey| visit(newer, &scene, peerkey, &there));
            must.hold(&newer.to_string_lossy(), &without, &with);
        }
        python(&scene, &there, must);
    }
}

/// Debian's Python on the newer libraries of the version that it was made for.
fn python(scene: &Scene, there: &Visit, must: Must) {
    let [without, with] = [Peerkey::Off, Peerkey::On].map(|peerkey| {
        let there = there.clone().environment("LD_LIBRARY_PATH", NEWER[0].to_str().unwrap());
        Client::Urllib.visit(&scene.site, peerkey, &there)
    });
    must.hold("Python on the newer OpenSSL", &without, &with);
}

#[test]
fn a_verification_outside_of_tls_is_judged_too() {
    let (own, web) = (Draft::ca("Own Root").self_signed(), Draft::ca("Web Root").self_signed());
    let [member, foreign] = [&own, &web].map(|ca| Draft::mail("a@mail.example").signed_by(ca));
    for newer in &*NEWER {
        let program = newer.join("openssl");
        let desk = |policy: &str| Desk::new(&[&own]).policy(&web, policy).with(program.clone());
        let denied = desk(&format!("[[deny]]\nspki = '{}'\n", member.pin()));
        denied.verify(&member, &[], Must::BeClosed("is denied by"));
        let mail = desk(&format!(
            "[authority.web]\nkind = 'x509'\nanchors = ['anchors/web.pem']\n[[rule]]\n\
             applications = ['{}']\nprotocols = ['smime']\npeers = ['@mail.example']\n\
             accept = {{ any = ['application', 'web'] }}\n",
            std::fs::canonicalize(&program).unwrap().display()
        ));
        for (purpose, must) in [
            ("smimesign", Must::BeOpened),
            ("smimeencrypt", Must::BeOpened),
            ("any", Must::StayClosed),
            ("codesign", Must::StayClosed),
            ("ocsphelper", Must::StayClosed),
        ] {
            mail.verify(&foreign, &["-purpose", purpose], must);
        }
        for tool in ["cms", "smime"] {
            mail.sign(tool, &foreign);
            mail.verify_signed(tool, &[], Must::BeOpened);
            mail.verify_signed(tool, &["-purpose", "any"], Must::StayClosed);
        }
    }
}
