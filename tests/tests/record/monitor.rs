//! A policy that only monitors: decided and recorded, and nothing changes for the program.

use std::fs;

use peerkey_tests::pki::Draft;
use peerkey_tests::program::{Client, Outcome};
use peerkey_tests::run::run;
use peerkey_tests::scene::Scene;
use peerkey_tests::server::Server;
use peerkey_tests::site::Peerkey;
use serde_json::{Value, json};

use crate::worker::worker;
use crate::{BANK, ROUTER, WORLD, folder, lines, must, policy, scene, serve};

const EACH: [Client; 5] =
    [Client::Curl, Client::SClient, Client::Urllib, Client::Asyncio, Client::Node];

/// What a program said, without what is another each time.
fn said(outcome: &Outcome) -> (Option<i32>, Vec<String>) {
    const ODD: [&str; 7] = [
        "Session-ID",
        "Master-Key",
        "Resumption PSK",
        "Start Time",
        "    0",
        "TLS session",
        "SSL handshake has read",
    ];
    let text = outcome.run.text();
    let lines = text.lines().filter(|line| !ODD.iter().any(|odd| line.contains(odd)));
    // The number of the thread comes before an error.
    let after = |line: &str| line.find(":error:").map_or(line, |at| &line[at..]).to_owned();
    (outcome.run.code, lines.map(after).collect())
}

/// The same with and without a policy that would have something to say. Each line of the record is the
/// program's own verdict.
#[track_caller]
fn same(scene: &Scene, server: &Server, peer: &str, insecure: bool) {
    for client in EACH {
        let mut visit = scene.visit(server.address(), peer);
        if insecure {
            visit = visit.insecure();
        }
        let without = said(&client.visit(&scene.site, Peerkey::Off, &visit));
        let with = said(&client.visit(&scene.site, Peerkey::On, &visit));
        assert_eq!(without, with, "{} to {peer}", client.name());
    }
}

#[test]
fn no_program_sees_anything_of_it() {
    for log in ["refused", "all"] {
        let scene = scene(&format!("mode = 'monitor'\nlog = '{log}'"));
        same(&scene, &serve(&WORLD.bank), BANK, false);
        assert_eq!(lines(&scene).len(), if log == "all" { EACH.len() } else { 0 });
        same(&scene, &serve(&WORLD.denied), BANK, false);
        same(&scene, &serve(&WORLD.denied), BANK, true);
        same(&scene, &serve(&WORLD.router), ROUTER, false);
        same(&scene, &serve(&WORLD.router), ROUTER, true);
        same(&scene, &serve(&WORLD.bank), "other.example", false);
        for line in lines(&scene) {
            must(&line, &[("enforced", json!(false))]);
        }
        assert!(!folder(&scene).join("keys.db").exists(), "nothing is remembered");
    }
}

#[test]
fn what_would_hold_is_recorded() {
    let scene = scene("mode = 'monitor'");
    same(&scene, &serve(&WORLD.denied), BANK, false);
    let lines = lines(&scene);
    assert_eq!(lines.len(), EACH.len());
    for line in &lines {
        must(
            line,
            &[
                ("verdict", json!("accept")),
                ("enforced", json!(false)),
                ("would", json!("reject")),
                ("would-code", json!("key-denied")),
                ("native/says", json!("accepts")),
                ("anchor/key", json!(WORLD.root.pin())),
            ],
        );
    }
}

/// The second of two connections resumes the session of the first one, as it does without us.
#[test]
fn sessions_cost_what_they_cost() {
    let scene = scene("mode = 'monitor'\nlog = 'all'");
    let server = serve(&WORLD.denied);
    for peerkey in [Peerkey::Off, Peerkey::On] {
        let session = scene.site.path("session");
        let _ = fs::remove_file(&session);
        let mut said = Vec::new();
        for option in ["-sess_out", "-sess_in"] {
            let visit = scene.visit(server.address(), BANK);
            let visit = visit.arguments(&[option, session.to_str().unwrap()]);
            said.push(Client::SClient.visit(&scene.site, peerkey, &visit).run.stdout);
        }
        assert!(said[0].contains("\nNew, TLSv1.3"), "{}", said[0]);
        assert!(said[1].contains("\nReused, TLSv1.3"), "{}", said[1]);
    }
    assert_eq!(lines(&scene).len(), 1);
}

#[test]
fn the_error_queue_is_left_as_it_was() {
    let scene = scene("mode = 'monitor'\nlog = 'all'");
    let server = serve(&WORLD.denied);
    let said = run(&mut worker(&scene, &server, &["queue bank.example"])).expect_ok("worker");
    assert!(said.stdout.contains("\nbank.example left 0 errors: met\n"), "{said}");
    assert_eq!(lines(&scene).len(), 1);
}

/// A rule of its own is only monitored: the others hold.
#[test]
fn a_single_rule() {
    let pins = format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = 'other.example'\n\
         spki = ['{}']\n[[rule]]\npeers = ['bank.example']\nmode = 'monitor'\n\
         accept = {{ all = ['application', 'pins'] }}\n",
        WORLD.router.pin()
    );
    let scene = Scene::new(&[&WORLD.root]).policy(&format!("{}{pins}", policy("")));
    same(&scene, &serve(&WORLD.bank), BANK, false);
    let lines = lines(&scene);
    assert_eq!(lines.len(), EACH.len());
    for line in &lines {
        must(
            line,
            &[
                ("verdict", json!("accept")),
                ("enforced", json!(false)),
                ("would-code", json!("not-vouched")),
                ("cases/0/monitored", json!(true)),
            ],
        );
    }
}

/// What would be accepted although the program refuses, stays refused, and is no refusal of the policy.
#[test]
fn a_grant_that_is_only_monitored() {
    let pin = format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = '{ROUTER}'\nspki = ['{}']\n\
         [default]\naccept = {{ any = ['application', 'pins'] }}\n",
        WORLD.router.pin()
    );
    let scene = Scene::new(&[&WORLD.root]).policy(&format!("mode = 'monitor'\n{pin}"));
    same(&scene, &serve(&WORLD.router), ROUTER, false);
    let line = lines(&scene).pop().unwrap();
    must(
        &line,
        &[("verdict", json!("reject")), ("would", json!("accept")), ("would-code", Value::Null)],
    );
}

/// The program found a way through a CA that the policy limits, and there is another: it is looked for, and
/// neither the program's callback nor its chain hears of it.
#[test]
fn another_way_is_looked_for_unseen() {
    let [one, other] = ["One", "Other"].map(|name| Draft::ca(name).self_signed());
    let ca = Draft::ca("CA").signed_by(&one);
    let again = Draft::ca("CA").key(&ca.key).signed_by(&other);
    let bank = Draft::server(BANK).signed_by(&ca).with_above(&[&ca, &again]);
    for (trusted, would) in [(vec![&one, &other], Value::Null), (vec![&one], json!("reject"))] {
        let scene = Scene::new(&trusted).anchor("one", &one.pem()).policy(
            "mode = 'monitor'\nlog = 'all'\n\
             [[constraint]]\nca = ['anchors/one.pem']\npeers = ['.other']",
        );
        same(&scene, &serve(&bank), BANK, false);
        must(&lines(&scene)[0], &[("verdict", json!("accept")), ("would", would)]);
    }
}
