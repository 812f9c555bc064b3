//! A policy that is replaced while programs run: the next connection follows the new one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use peerkey_tests::daemon::{Nginx, Postgres, Redis};
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, PYTHON_LOOP, Visit, python};
use peerkey_tests::run::{run, wait};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{ServerDraft, Service, own_loopback};
use peerkey_tests::site::Peerkey;

const BANK: &str = "bank.example";
const SHIPPED: &str = "[default]\naccept = { any = ['application'] }\n";

fn deny(identity: &Issued) -> String {
    format!("[[deny]]\nspki = '{}'\nreason = 'replaced'\n", identity.pin())
}

/// Turns the policy again and again; the outcome must follow at once.
fn follows(scene: Scene, judged: &Issued, connects: impl Fn(&Scene) -> bool) {
    let mut scene = scene;
    for round in 0..3 {
        scene = scene.policy(&deny(judged));
        assert!(!connects(&scene), "round {round}: denied");
        scene = scene.policy(SHIPPED);
        assert!(connects(&scene), "round {round}: allowed again");
    }
    scene = scene.policy(&deny(judged));
    run(scene.site.peerkey().args(["policy", "rollback"])).expect_ok("rollback");
    assert!(connects(&scene), "rolled back");
}

#[test]
fn nginx_as_a_proxy() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let scene = Scene::new(&[&root]).policy(SHIPPED);
    let server = ServerDraft::new(Service::Https, &bank).start();
    let (site, upstream) = (&scene.site, server.address());
    let nginx = Nginx::proxy(site, Peerkey::On, upstream, BANK, Some(&scene.trust));
    follows(scene, &bank, |scene| nginx.ask(&scene.site).connected);
}

#[test]
fn nginx_as_a_server() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let alice = Draft::client("alice.example").signed_by(&root);
    let scene = Scene::new(&[&root]).policy(SHIPPED);
    let address = SocketAddr::new(own_loopback(), 443);
    let _nginx = Nginx::server(&scene.site, Peerkey::On, address, &bank, &scene.trust, "on");
    let visit = scene.visit(address, BANK).identity(&scene.site, &alice);
    follows(scene, &alice, |scene| visited(scene, Client::Curl, &visit));
}

#[test]
fn redis_server() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let alice = Draft::client("alice.example").signed_by(&root);
    let scene = Scene::new(&[&root]).policy(SHIPPED);
    let redis = Redis::start(&scene.site, Peerkey::On, &bank, Some(&root));
    let visit = scene.visit(redis.address(), BANK).identity(&scene.site, &alice);
    follows(scene, &alice, |scene| visited(scene, Client::RedisCli, &visit));
}

#[test]
fn postgresql() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let alice = Draft::client("alice.example").signed_by(&root);
    let scene = Scene::new(&[&root]).policy(SHIPPED);
    // It runs as a user of its own.
    scene.site.public_provider();
    let postgres = Postgres::start(&scene.site, Peerkey::On, &bank, Some(&root));
    let visit = scene.visit(postgres.address(), BANK).identity(&scene.site, &alice);
    follows(scene, &alice, |scene| visited(scene, Client::Psql, &visit));
}

/// The program that visits is not what is judged here.
fn visited(scene: &Scene, client: Client, visit: &Visit) -> bool {
    client.visit(&scene.site, Peerkey::Off, visit).connected
}

#[test]
fn a_client_that_stays() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let scene = Scene::new(&[&root]).policy(SHIPPED);
    let server = ServerDraft::new(Service::Https, &bank).start();
    let visit = scene.visit(server.address(), BANK);
    let mut command = python(&scene.site, Peerkey::On, &visit, PYTHON_LOOP);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let talk = std::sync::Mutex::new(Talk::new(child));
    follows(scene, &bank, |_| talk.lock().unwrap().ask() == "connected\n");
}

struct Talk {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Talk {
    fn new(mut child: Child) -> Self {
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    fn ask(&mut self) -> String {
        let mut line = String::new();
        self.to.as_mut().unwrap().write_all(b"go\n").unwrap();
        self.from.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        drop(self.to.take());
        wait(&mut self.child, Duration::from_secs(5));
    }
}
