//! Clients that come back to a server with a session: in a ticket, or in the server's own cache.

use std::net::SocketAddr;

use peerkey_tests::daemon::Nginx;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::s_client;
use peerkey_tests::run::{Daemon, PATIENCE, Run, run_with, until};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{free_port, own_loopback};
use peerkey_tests::site::Peerkey;

use crate::{BANK, SHIPPED, WORLD};

/// A policy that decides something about clients, and accepts this one.
pub(crate) fn accepting(alice: &Issued) -> String {
    format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = 'alice.example'\n\
         spki = ['{}']\n[[rule]]\nrole = 'client'\npeers = ['alice.example']\n\
         accept = {{ all = ['application', 'pins'] }}\n",
        alice.pin()
    )
}

/// Comes twice, the second time with the session of the first one.
struct Client<'a> {
    alice: &'a Issued,
    address: SocketAddr,
    extra: &'a [&'a str],
}

impl Client<'_> {
    fn come(&self, scene: &Scene, session: &str) -> Run {
        let visit = scene.visit(self.address, BANK).identity(&scene.site, self.alice);
        let mut command = s_client(scene.site.command("/usr/bin/openssl", Peerkey::Off), &visit);
        command.args(self.extra).args([session, scene.site.path("session.pem").to_str().unwrap()]);
        run_with(&mut command, b"GET / HTTP/1.0\r\n\r\n", PATIENCE)
    }

    #[track_caller]
    fn comes_back(&self, scene: Scene) {
        let reused = |run: &Run| run.stdout.contains("\nReused, TLSv1");
        let served = |run: &Run| run.stdout.contains("HTTP/1.") && run.stdout.contains(" 200 ");
        let deny = format!("[[deny]]\nspki = '{}'\nreason = 'replaced'\n", self.alice.pin());
        for (first, then, must) in [
            (SHIPPED, None, (true, true)),
            (&accepting(self.alice), None, (true, true)),
            (SHIPPED, Some(&accepting(self.alice)), (false, true)),
            (&accepting(self.alice), Some(&accepting(self.alice)), (false, true)),
            (SHIPPED, Some(&deny), (false, false)),
            (&accepting(self.alice), Some(&deny), (false, false)),
        ] {
            scene.site.apply(&format!("version = 1\n{first}"));
            let new = self.come(&scene, "-sess_out");
            assert!(served(&new) && !reused(&new), "{:?}: {new}", self.extra);
            if let Some(then) = then {
                scene.site.apply(&format!("version = 1\n{then}"));
            }
            let again = self.come(&scene, "-sess_in");
            let measured = (reused(&again), served(&again));
            assert_eq!(measured, must, "{:?} {first}\nthen {then:?}: {again}", self.extra);
        }
    }
}

#[test]
fn with_a_ticket_of_nginx() {
    let alice = Draft::client("alice.example").signed_by(&WORLD.root);
    for extra in [["-tls1_2"], ["-tls1_3"]] {
        let scene = Scene::new(&[&WORLD.root]).policy(SHIPPED);
        let address = SocketAddr::new(own_loopback(), free_port());
        let (site, on) = (&scene.site, Peerkey::On);
        // Debian's nginx speaks TLS 1.2 by itself.
        let verify = "on; ssl_protocols TLSv1.2 TLSv1.3";
        let _nginx = Nginx::server(site, on, address, &WORLD.bank, &scene.trust, verify);
        Client { alice: &alice, address, extra: &extra }.comes_back(scene);
    }
}

#[test]
fn in_the_cache_of_s_server() {
    let alice = Draft::client("alice.example").signed_by(&WORLD.root);
    for extra in [["-tls1_2"], ["-tls1_3"]] {
        let scene = Scene::new(&[&WORLD.root]).policy(SHIPPED);
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut server = scene.site.command("/usr/bin/openssl", Peerkey::On);
        server.args(["s_server", "-www", "-no_ticket", "-Verify", "3", "-verify_return_error"]);
        server.arg("-accept").arg(address.to_string()).arg("-CAfile").arg(&scene.trust);
        server.arg("-cert").arg(scene.site.write("bank.crt", WORLD.bank.pem()));
        server.arg("-key").arg(scene.site.write("bank.key", WORLD.bank.key_pem()));
        let log = scene.site.path("s_server.log");
        let _daemon = Daemon::start(&server, "KILL", &log);
        until("it listens", || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("ACC")));
        Client { alice: &alice, address, extra: &extra }.comes_back(scene);
    }
}
