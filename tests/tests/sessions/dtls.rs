//! DTLS (RFC 6347): a handshake in datagrams, with the same callbacks.

use std::net::SocketAddr;

use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::s_client;
use peerkey_tests::run::{Run, run};
use peerkey_tests::scene::Scene;
use peerkey_tests::site::Peerkey;

use crate::s_client::{SServer, is_reused};
use crate::{BANK, SHIPPED, WORLD, accepting, denying};

fn server(scene: &Scene, peerkey: Peerkey, extra: &[&str]) -> SServer {
    let certificate = scene.site.write("bank.crt", WORLD.bank.pem());
    let key = scene.site.write("bank.key", WORLD.bank.key_pem());
    let [certificate, key] = [&certificate, &key].map(|path| path.to_str().unwrap());
    let own = ["-dtls", "-cert", certificate, "-key", key];
    SServer::start_with(scene, peerkey, &[&own[..], extra].concat())
}

fn client(
    scene: &Scene,
    peerkey: Peerkey,
    address: SocketAddr,
    identity: Option<&Issued>,
    extra: &[&str],
) -> Run {
    let mut visit = scene.visit(address, BANK);
    if let Some(identity) = identity {
        visit = visit.identity(&scene.site, identity);
    }
    let mut command = s_client(scene.site.command("/usr/bin/openssl", peerkey), &visit);
    run(command.args(["-dtls", "-no_ign_eof"]).args(extra))
}

/// Whether the handshake came to its end.
fn is_connected(run: &Run) -> bool {
    run.ok() && run.stdout.contains(", TLSv1.2, Cipher is ")
}

#[test]
fn a_client() {
    let scene = Scene::new(&[&WORLD.root]).policy(SHIPPED);
    let server = server(&scene, Peerkey::Off, &[]);
    let file = scene.site.path("session.pem");
    let (file, on) = (file.to_str().unwrap(), Peerkey::On);
    let visit = |scene: &Scene, peerkey, extra: &[&str]| {
        client(scene, peerkey, server.address, None, extra)
    };
    let first = visit(&scene, Peerkey::Off, &["-sess_out", file]);
    assert!(is_connected(&first) && !is_reused(&first), "{first}");
    let resume = ["-sess_in", file];
    let shipped = visit(&scene, on, &resume);
    assert!(is_reused(&shipped), "{shipped}");

    let scene = scene.policy(&accepting());
    let accepted = visit(&scene, on, &resume);
    assert!(is_connected(&accepted) && !is_reused(&accepted), "{accepted}");
    for offer in [&[][..], &["-alpn", "h2"]] {
        let again = visit(&scene, on, &[&["-reconnect"], offer].concat());
        let count = |what: &str| again.stdout.matches(what).count();
        assert_eq!((count("\nNew, TLSv1.2"), count("\nReused, TLSv1.2")), (1, 5), "{again}");
    }

    let scene = scene.policy(&denying());
    for extra in [&[][..], &resume] {
        let refused = visit(&scene, on, extra);
        assert!(!is_connected(&refused) && refused.text().contains("replaced"), "{refused}");
    }
    let without = visit(&scene, Peerkey::Off, &resume);
    assert!(is_reused(&without), "{without}");
}

#[test]
fn a_server() {
    let alice = Draft::client("alice.example").signed_by(&WORLD.root);
    let accepting = crate::server::accepting(&alice);
    let deny = format!("[[deny]]\nspki = '{}'\nreason = 'replaced'\n", alice.pin());
    for kept in [&[][..], &["-no_ticket"]] {
        let scene = Scene::new(&[&WORLD.root]).policy(SHIPPED);
        let trust = scene.trust.to_str().unwrap();
        let verifies = ["-Verify", "3", "-verify_return_error", "-CAfile", trust];
        let server = server(&scene, Peerkey::On, &[&verifies[..], kept].concat());
        let file = scene.site.path("session.pem");
        let come = |session| {
            let extra = [session, file.to_str().unwrap()];
            client(&scene, Peerkey::Off, server.address, Some(&alice), &extra)
        };
        for (first, then, must) in [
            (SHIPPED, None, (true, true)),
            (&accepting, None, (true, true)),
            (SHIPPED, Some(&accepting), (true, false)),
            (&accepting, Some(&accepting), (true, false)),
            (&accepting, Some(&deny), (false, false)),
        ] {
            scene.site.apply(&format!("version = 1\n{first}"));
            let new = come("-sess_out");
            assert!(is_connected(&new) && !is_reused(&new), "{kept:?}: {new}\n{}", server.log());
            if let Some(then) = then {
                scene.site.apply(&format!("version = 1\n{then}"));
            }
            let again = come("-sess_in");
            let measured = (is_connected(&again), is_reused(&again));
            assert_eq!(
                measured,
                must,
                "{kept:?} {first}\nthen {then:?}: {again}\n{}",
                server.log()
            );
        }
    }
}

/// First uses are remembered when the handshake in datagrams is done, too.
#[test]
fn a_client_that_remembers_keys() {
    let own = Draft::server(BANK).self_signed();
    let policy = format!(
        "[authority.devices]\nkind = 'tofu'\n\
         [[rule]]\npeers = ['{BANK}']\naccept = {{ any = ['devices'] }}\n"
    );
    let scene = Scene::new(&[&WORLD.root]).policy(&policy);
    let list = || {
        let said = run(scene.site.peerkey().args(["keys", "list", "--json"]));
        said.expect_ok("keys list").stdout
    };
    let server = server(&scene, Peerkey::Off, &["-alpn", "http/1.1"]);
    let alpn = ["-alpn", "http/1.1"];
    // Not one that does not come to its end.
    let broken =
        client(&scene, Peerkey::On, server.address, None, &["-alpn", "http/1.1", "-no_tls1_2"]);
    assert!(!is_connected(&broken) && !list().contains(&WORLD.bank.pin()), "{broken}");
    for _ in 0..2 {
        let met = client(&scene, Peerkey::On, server.address, None, &alpn);
        assert!(is_connected(&met) && list().contains(&WORLD.bank.pin()), "{met}");
    }
    // Another key, on another port: it is no second first use.
    drop(server);
    let certificate = scene.site.write("own.crt", own.pem());
    let key = scene.site.write("own.key", own.key_pem());
    let [certificate, key] = [&certificate, &key].map(|path| path.to_str().unwrap());
    let own_server = ["-dtls", "-cert", certificate, "-key", key, "-alpn", "http/1.1"];
    let other = SServer::start_with(&scene, Peerkey::Off, &own_server);
    let refused = client(&scene, Peerkey::On, other.address, None, &alpn);
    assert!(!is_connected(&refused) && refused.text().contains("is known for"), "{refused}");
    assert!(!list().contains(&own.pin()));
}
