//! A policy is adopted without breaking anything: what it would refuse is recorded by real programs,
//! read, replayed against a better one, and learnt from.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use peerkey_tests::pki::Draft;
use peerkey_tests::program::{Client, Outcome};
use peerkey_tests::run::{Run, run};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::site::Peerkey;
use serde_json::Value;

use crate::{BANK, WORLD};

const SHOP: &str = "shop.example";

/// Everybody is the web CA's; the bank needs a pin too, and `pin` is what is written down.
fn policy(head: &str, pin: &str) -> String {
    format!(
        "version = 1\nlog = 'all'\n{head}\n[authority.pins]\nkind = 'pin'\n\
         [[authority.pins.key]]\npeer = '{BANK}'\nspki = ['{pin}']\n\
         [[rule]]\npeers = ['{BANK}']\naccept = {{ all = ['application', 'pins'] }}\n"
    )
}

fn peerkey(scene: &Scene, line: &str) -> Run {
    run(scene.site.peerkey().args(line.split_whitespace()))
}

#[track_caller]
fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
}

fn curl(scene: &Scene, server: &Server, peer: &str) -> Outcome {
    Client::Curl.visit(&scene.site, Peerkey::On, &scene.visit(server.address(), peer))
}

#[test]
fn monitor_log_explain_replay_learn_enforce() {
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let shop = Draft::server(SHOP).signed_by(&WORLD.web_ca);
    let [bank_server, shop_server] =
        [&bank, &shop].map(|identity| ServerDraft::new(Service::Https, identity).start());
    let scene = Scene::new(&[&WORLD.web]);
    let config = |text: &str| scene.site.write("config/policy.toml", text);
    // A wrong pin: enforced, it would have shut the bank out.
    let wrong = Draft::server(BANK).self_signed().pin();
    scene.site.apply(&policy("mode = 'monitor'", &wrong));
    let visit = |server, peer| curl(&scene, server, peer);
    assert!(visit(&bank_server, BANK).connected, "nothing changes");
    assert!(visit(&shop_server, SHOP).connected);

    let would = peerkey(&scene, "log --would --json").expect_ok("log");
    let line = json(&would);
    assert_eq!(line["expected"][0], BANK, "{would}");
    assert_eq!((&line["verdict"], &line["would"]), (&"accept".into(), &"reject".into()));
    let shown = peerkey(&scene, "log --would").expect_ok("log");
    assert!(shown.stdout.contains("would reject") && shown.stdout.contains("curl"), "{shown}");
    assert_eq!(peerkey(&scene, "log").stdout.lines().count(), 2);

    let explained = peerkey(&scene, "explain").expect_ok("explain");
    assert!(explained.stdout.contains("pins alone, had it vouched"), "{explained}");
    assert!(explained.stdout.contains("the one in force"), "{explained}");
    let id = line["id"].as_str().unwrap();
    let explained = json(&peerkey(&scene, &format!("explain {id} --json")));
    let sets = &explained["would-have-changed"]["authorities"];
    assert_eq!(sets[0][0]["authority"], "pins", "{explained}");

    // The same sources change nothing; enforced they would refuse the bank; with the right pin not.
    let replay = |status: i32| {
        let ran = peerkey(&scene, "replay --json");
        assert_eq!(ran.code, Some(status), "{ran}");
        json(&ran)
    };
    assert_eq!(replay(0)["replayed"], 2);
    config(&policy("", &wrong));
    let broken = replay(1);
    assert_eq!(broken["changes"][0]["peer"], BANK, "{broken}");
    assert_eq!(broken["changes"][0]["to"], "reject", "{broken}");
    assert_eq!(broken["not-replayed"], Value::Array(Vec::new()), "{broken}");
    config(&policy("", &bank.pin()));
    let right = replay(1);
    assert_eq!(right["changes"][0]["from"], "accept, would reject", "{right}");
    assert_eq!(right["changes"][0]["to"], "accept", "{right}");

    // What curl accepted by itself becomes the limit of the CA at the top of its chain.
    let learnt = peerkey(&scene, "learn").expect_ok("learn");
    assert!(learnt.stdout.contains(&WORLD.web.pin()), "{learnt}");
    scene.site.write("config/policy.d/learnt.toml", &learnt.stdout);
    assert_eq!(replay(1)["changed"], 1, "only what was better before");
    peerkey(&scene, "apply").expect_ok("apply");
    assert!(visit(&bank_server, BANK).connected && visit(&shop_server, SHOP).connected);
    let new = Draft::server("new.example").signed_by(&WORLD.web_ca);
    let new = ServerDraft::new(Service::Https, &new).start();
    let refused = visit(&new, "new.example");
    assert!(!refused.connected && refused.text().contains("may not vouch"), "{refused}");
    let explained = peerkey(&scene, "explain").expect_ok("explain");
    assert!(explained.stdout.contains("only its removal would help"), "{explained}");
    assert_eq!(replay(1)["changed"], 1, "what was refused is refused again");
}

#[test]
fn log_follows_a_program_at_work() {
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let server = ServerDraft::new(Service::Https, &bank).start();
    let scene = Scene::new(&[&WORLD.corp]).policy("log = 'all'");
    let mut command = scene.site.peerkey();
    command.args(["log", "--follow", "--refused"]).stdout(Stdio::piped());
    let mut following = command.spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    assert!(!curl(&scene, &server, BANK).connected);
    let line = lines.next().unwrap().unwrap();
    following.kill().unwrap();
    following.wait().unwrap();
    assert!(line.contains("reject") && line.contains(BANK), "{line}");
}
