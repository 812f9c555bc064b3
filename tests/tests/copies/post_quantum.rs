//! Keys and certificates of ML-DSA (FIPS 204, RFC 9881), which came with OpenSSL 3.5.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use peerkey_core::certificate::Certificate;
use peerkey_core::key::KeyHash;
use peerkey_tests::pki::Draft;
use peerkey_tests::program::{Outcome, Visit, s_client};
use peerkey_tests::run::{Daemon, PATIENCE, run, run_with, until};
use peerkey_tests::scene::{Must, Scene};
use peerkey_tests::server::free_port;
use peerkey_tests::site::{Peerkey, Site};

use crate::{BANK, NEWER, SHIPPED};

/// A root and a server's certificate, in a scene whose programs trust another root.
struct World {
    newer: &'static Path,
    scene: Scene,
    own: PathBuf,
    pin: KeyHash,
    address: SocketAddr,
    _server: Daemon,
}

impl World {
    fn new(newer: &'static Path) -> Self {
        let scene = Scene::new(&[&Draft::ca("Web Root").self_signed()]);
        let site = &scene.site;
        let ca = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];
        for anchor in ["namesake", "root"] {
            certificate(newer, site, "ML-DSA-65", "root", &ca, &[]);
            let anchor = site.path(&format!("config/anchors/{anchor}.pem"));
            fs::copy(site.path("root.pem"), anchor).unwrap();
        }
        let (name, san) =
            ("basicConstraints=critical,CA:FALSE", format!("subjectAltName=DNS:{BANK}"));
        let leaf = [name, &san, "extendedKeyUsage=serverAuth", "keyUsage=digitalSignature"];
        let issuer = ["-CA", "root.pem", "-CAkey", "root.key"];
        certificate(newer, site, "ML-DSA-44", "bank", &leaf, &issuer);
        let pem = fs::read(site.path("bank.pem")).unwrap();
        let der = openssl::x509::X509::from_pem(&pem).unwrap().to_der().unwrap();
        let pin = KeyHash::of(Certificate::from_der(&der).unwrap().spki());
        let own = site.path("root.pem");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut server = openssl(newer, site, Peerkey::Off);
        server.args(["s_server", "-www", "-cert", "bank.pem", "-key", "bank.key", "-accept"]);
        let server = server.arg(address.to_string());
        let server = Daemon::start(server, "TERM", &site.path("s_server.log"));
        until("s_server listens", || std::net::TcpStream::connect(address).is_ok());
        Self { newer, own, pin, address, _server: server, scene }
    }

    fn visit(&self, peerkey: Peerkey, trust: &Path) -> Outcome {
        let visit = Visit::new(self.address, BANK, trust);
        let mut command = s_client(openssl(self.newer, &self.scene.site, peerkey), &visit);
        let run = run_with(&mut command, b"GET / HTTP/1.0\r\n\r\n", PATIENCE);
        Outcome { connected: run.stdout.contains(" 200 "), run, log: String::new() }
    }

    #[track_caller]
    fn holds(&self, policy: &str, trust: &Path, must: Must) {
        self.scene.site.apply(&format!("version = 1\n{policy}"));
        let [without, with] = [Peerkey::Off, Peerkey::On].map(|peerkey| self.visit(peerkey, trust));
        must.hold(&self.newer.to_string_lossy(), &without, &with);
    }
}

fn openssl(newer: &Path, site: &Site, peerkey: Peerkey) -> Command {
    let mut command = site.command(newer.join("openssl"), peerkey);
    command.current_dir(site.path(""));
    command
}

fn certificate(
    newer: &Path,
    site: &Site,
    key: &str,
    name: &str,
    extensions: &[&str],
    issuer: &[&str],
) {
    let config = site.write("req.cnf", "[req]\ndistinguished_name = dn\n[dn]\n");
    let mut req = openssl(newer, site, Peerkey::Off);
    req.args(["req", "-x509", "-noenc", "-days", "30", "-newkey", key, "-config"]).arg(config);
    req.args(["-subj", &format!("/CN={name}"), "-keyout", &format!("{name}.key")]);
    req.args(["-out", &format!("{name}.pem")]).args(issuer);
    extensions.iter().for_each(|extension| {
        req.args(["-addext", extension]);
    });
    run(&mut req).expect_ok(name);
}

#[test]
fn ml_dsa() {
    for newer in &*NEWER {
        let world = World::new(newer);
        let (own, foreign) = (&world.own, &world.scene.trust);
        world.holds(SHIPPED, own, Must::StayOpen);
        world.holds(SHIPPED, foreign, Must::StayClosed);
        let pin = |pin: KeyHash| {
            format!(
                "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = '{BANK}'\n\
                 spki = ['{pin}']\n[[rule]]\npeers = ['{BANK}']\naccept = {{ any = ['pins'] }}\n"
            )
        };
        world.holds(&pin(world.pin), foreign, Must::BeOpened);
        world.holds(&pin(KeyHash([7; 32])), own, Must::BeClosed("it has another key for"));
        let deny = format!("[[deny]]\nspki = '{}'\nreason = 'leaked'\n", world.pin);
        world.holds(&deny, own, Must::BeClosed("leaked"));
        let path = |name: &str| {
            format!(
                "[authority.own]\nkind = 'x509'\nanchors = ['anchors/{name}.pem']\n\
                 [default]\naccept = {{ any = ['own'] }}\n"
            )
        };
        world.holds(&path("root"), foreign, Must::BeOpened);
        world.holds(&path("root"), own, Must::StayOpen);
        // Another root of this name and kind has not signed it.
        world.holds(&path("namesake"), own, Must::BeClosed("signature"));
        let cabf = path("root").replace("kind =", "profile = 'cabf'\nkind =");
        world.holds(&cabf, own, Must::BeClosed("(cabf-"));
    }
}
