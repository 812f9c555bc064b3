//! Sessions that are stored on disk, early data, and keys that need no session.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use peerkey_tests::program::s_client as command;
use peerkey_tests::run::{Daemon, PATIENCE, Run, run, run_with, until};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{ServerDraft, Service, free_port};
use peerkey_tests::site::Peerkey;

use crate::{BANK, SHIPPED, WORLD, accepting, denying};

const SYSTEM: &str = "/usr/bin/openssl";
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

fn s_client(scene: &Scene, peerkey: Peerkey, address: SocketAddr, extra: &[&str]) -> Run {
    let openssl = scene.site.command(SYSTEM, peerkey);
    let mut command = command(openssl, &scene.visit(address, BANK));
    run_with(command.args(extra), REQUEST, PATIENCE)
}

pub(crate) fn is_reused(run: &Run) -> bool {
    run.stdout.contains("\nReused, TLSv1")
}

#[test]
fn a_stored_session_is_judged_again() {
    for tls in ["-tls1_2", "-tls1_3"] {
        let scene = Scene::new(&[&WORLD.root]).policy(SHIPPED);
        let server = ServerDraft::new(Service::Https, &WORLD.bank).start();
        let (address, on) = (server.address(), Peerkey::On);
        let file = scene.site.path("session.pem");
        let file = file.to_str().unwrap();
        let out = s_client(&scene, Peerkey::Off, address, &[tls, "-sess_out", file]);
        assert!(Path::new(file).exists(), "{out}");
        let resume = [tls, "-sess_in", file];

        assert!(is_reused(&s_client(&scene, Peerkey::Off, address, &resume)), "{tls} without");
        assert!(is_reused(&s_client(&scene, on, address, &resume)), "{tls}: shipped");
        let scene = scene.policy(&accepting());
        let run = s_client(&scene, on, address, &resume);
        assert!(!is_reused(&run) && run.stdout.contains("hello"), "{tls}: accepted: {run}");
        let scene = scene.policy(&denying());
        for extra in [&[][..], &["-security_debug"]] {
            let run = s_client(&scene, on, address, &[&resume[..], extra].concat());
            let refused = !run.stdout.contains("hello") && run.text().contains("replaced");
            assert!(refused && !is_reused(&run), "{tls} {extra:?}: denied: {run}");
        }
    }
}

#[test]
fn where_no_decision_is_possible_openssl_cnf_decides() {
    let scene = Scene::new(&[&WORLD.root]).policy(SHIPPED);
    let server = ServerDraft::new(Service::Https, &WORLD.bank).start();
    let file = scene.site.path("session.pem");
    let file = file.to_str().unwrap();
    s_client(&scene, Peerkey::Off, server.address(), &["-sess_out", file]);
    std::fs::remove_file(scene.site.path("state/policy-1.db")).unwrap();
    for (setting, resumes) in [("on-error = reject", false), ("on-error = application", true)] {
        scene.site.provider_settings(setting);
        let run = s_client(&scene, Peerkey::On, server.address(), &["-sess_in", file]);
        assert_eq!(is_reused(&run), resumes, "{setting}: {run}");
        assert_eq!(run.stdout.contains("hello"), resumes, "{setting}: {run}");
        assert!(resumes || run.text().contains("policy-1.db"), "{setting}: {run}");
    }
}

#[test]
fn a_session_within_one_process_is_resumed_as_often_as_it_likes() {
    let scene = Scene::new(&[&WORLD.root]).policy(&accepting());
    let server = ServerDraft::new(Service::Https, &WORLD.bank).start();
    let run = s_client(&scene, Peerkey::On, server.address(), &["-tls1_2", "-reconnect"]);
    let count = |what: &str| run.stdout.matches(what).count();
    assert_eq!((count("\nNew, TLSv1.2"), count("\nReused, TLSv1.2")), (1, 5), "{run}");
    assert!(run.stdout.contains("hello"), "{run}");
}

/// `openssl s_server`, of the system's OpenSSL; without peerkey unless said otherwise.
pub(crate) struct SServer {
    pub(crate) address: SocketAddr,
    log: std::path::PathBuf,
    _daemon: Daemon,
}

impl SServer {
    pub(crate) fn start(scene: &Scene, extra: &[&str]) -> Self {
        Self::start_with(scene, Peerkey::Off, extra)
    }

    pub(crate) fn start_with(scene: &Scene, peerkey: Peerkey, extra: &[&str]) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        // It ends where its input ends.
        let mut server: Command = scene.site.command("/bin/sh", peerkey);
        server.args(["-c", "sleep 300 | \"$@\"", "sh", SYSTEM, "s_server", "-accept"]);
        server.arg(address.to_string()).args(extra);
        let log = scene.site.path("s_server.log");
        let daemon = Daemon::start(&server, "KILL", &log);
        until("s_server listens", || {
            std::fs::read_to_string(&log).unwrap_or_default().contains("ACCEPT")
        });
        Self { address, log, _daemon: daemon }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

#[test]
fn no_early_data_is_sent_on_a_session_that_was_not_accepted() {
    let scene = Scene::new(&[&WORLD.root]).policy(SHIPPED);
    let certificate = scene.site.write("bank.crt", WORLD.bank.pem());
    let key = scene.site.write("bank.key", WORLD.bank.key_pem());
    let [certificate, key] = [&certificate, &key].map(|path| path.to_str().unwrap());
    let server = ["-early_data", "-no_anti_replay", "-cert", certificate, "-key", key];
    let early = scene.site.write("early", "this comes early\n");
    let (early, file) = (early.to_str().unwrap(), scene.site.path("session.pem"));
    let (file, server) = (file.to_str().unwrap(), SServer::start(&scene, &server));
    let visit = |scene: &Scene, extra: &[&str]| {
        let openssl = scene.site.command(SYSTEM, Peerkey::On);
        let s_client = command(openssl, &scene.visit(server.address, BANK));
        let mut quits = scene.site.command("/bin/sh", Peerkey::On);
        quits.args(["-c", "(sleep 1; echo Q) | \"$@\"", "sh", SYSTEM]);
        run(quits.args(s_client.get_args()).args(extra).arg("-no_ign_eof"))
    };
    let stored = visit(&scene, &["-sess_out", file]);
    assert!(Path::new(file).exists(), "{stored}");
    let with_early_data = ["-sess_in", file, "-early_data", early];

    let sent = visit(&scene, &with_early_data);
    let before = server.log();
    assert!(sent.stdout.contains("Early data was accepted"), "{sent}");
    assert!(before.contains("this comes early"), "{before}");
    let scene = scene.policy(&accepting());
    let refused = visit(&scene, &with_early_data);
    assert!(refused.stderr.contains("early data"), "{refused}");
    until("the server hears of it", || server.log().len() > before.len());
    let after = server.log().split_off(before.len());
    assert!(!after.contains("this comes early") && !after.contains("Reused"), "{after}");
}

/// A key that both sides have needs no certificate: there is nobody to ask about.
#[test]
fn external_keys_are_left_alone() {
    for tls in ["-tls1_2", "-tls1_3"] {
        let scene = Scene::new(&[&WORLD.root]).policy(&denying());
        let psk = ["-psk", "0123456789abcdef0123456789abcdef", "-psk_identity", "me"];
        let server = SServer::start(&scene, &[&["-nocert", "-www", tls][..], &psk].concat());
        let extra = [&[tls][..], &psk].concat();
        let [without, with] = [Peerkey::Off, Peerkey::On]
            .map(|peerkey| s_client(&scene, peerkey, server.address, &extra));
        for run in [without, with] {
            assert!(run.stdout.contains("200 ok"), "{tls}: {run}\n{}", server.log());
        }
    }
}
