//! Stored sessions under newer OpenSSLs (tests/sessions has the whole of it, under the system's).

use peerkey_tests::pki::Draft;
use peerkey_tests::program::s_client;
use peerkey_tests::run::{PATIENCE, Run, run_with};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::Peerkey;

use crate::{BANK, NEWER, SHIPPED};

#[test]
fn a_stored_session_is_judged_again() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let deny = format!("[[deny]]\nspki = '{}'\nreason = 'replaced'\n", bank.pin());
    let server = ServerDraft::new(Service::Https, &bank).start();
    for newer in &*NEWER {
        for tls in ["-tls1_2", "-tls1_3"] {
            let scene = Scene::new(&[&root]).policy(SHIPPED);
            let file = scene.site.path("session.pem");
            let visit = |scene: &Scene, extra: &[&str]| -> Run {
                let openssl = scene.site.command(newer.join("openssl"), Peerkey::On);
                let mut command = s_client(openssl, &scene.visit(server.address(), BANK));
                command.arg(tls).args(extra);
                run_with(&mut command, b"GET / HTTP/1.0\r\n\r\n", PATIENCE)
            };
            let file = file.to_str().unwrap();
            visit(&scene, &["-sess_out", file]);
            let resume = ["-sess_in", file];
            let reused = visit(&scene, &resume);
            assert!(reused.stdout.contains("\nReused, TLSv1"), "{newer:?} {tls}: {reused}");
            let scene = scene.policy(&deny);
            let refused = visit(&scene, &resume);
            let said = refused.text();
            assert!(said.contains("replaced") && !said.contains("hello"), "{newer:?}: {refused}");

            // Within one process it is resumed.
            let pin = format!(
                "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = '{BANK}'\n\
                 spki = ['{}']\n[[rule]]\npeers = ['{BANK}']\naccept = {{ any = ['pins'] }}\n",
                bank.pin()
            );
            let scene = scene.policy(&pin);
            if tls == "-tls1_2" {
                let run = visit(&scene, &["-reconnect"]);
                assert_eq!(run.stdout.matches("\nReused, TLSv1.2").count(), 5, "{newer:?}: {run}");
            }
        }
    }
}
