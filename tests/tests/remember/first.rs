//! First uses, keys that come again, and other keys.

use peerkey_core::keys::State;
use peerkey_tests::program::{Client, fetch_shows_protocol};
use peerkey_tests::scene::{Must, Scene};
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::Peerkey;

use crate::{ROUTER, WORLD, accepted, file, known, policy, refused, router, scene, serve, visit};

#[test]
fn one_program_meets_it_and_all_know_it() {
    let mut clients = vec![Client::Curl, Client::Urllib, Client::SClient, Client::Asyncio];
    if fetch_shows_protocol() {
        clients.push(Client::NodeFetch);
    }
    let (real, other) = (serve(&WORLD.router), serve(&WORLD.other));
    for &first in &clients {
        let scene = scene("");
        scene.check(first, &router(&scene, &real), Must::BeOpened);
        let met = known(&scene);
        assert_eq!(met.len(), 1, "{first:?}");
        assert_eq!((met[0].key.to_string(), met[0].state), (WORLD.router.pin(), State::Remembered));
        for &client in &clients {
            accepted(&visit(&scene, &real, client));
            // Node shows a code only.
            let words: &[&str] = if client == Client::NodeFetch { &[] } else { &["changed"] };
            refused(&visit(&scene, &other, client), words);
        }
        assert_eq!(known(&scene), met, "{first:?}");
    }
}

#[test]
fn the_reason_tells_the_old_key_and_the_command() {
    let scene = scene("");
    let (real, other) = (serve(&WORLD.router), serve(&WORLD.other));
    accepted(&visit(&scene, &real, Client::SClient));
    let pin = WORLD.router.pin();
    let words = ["changed", &pin, "seen on 1 days", "peerkey keys accept router.lan"];
    refused(&visit(&scene, &other, Client::SClient), &words);
}

#[test]
fn a_held_key_waits_for_a_person() {
    let scene = scene("first-use = 'hold'");
    let real = serve(&WORLD.router);
    for client in [Client::Curl, Client::Urllib] {
        refused(&visit(&scene, &real, client), &["peerkey keys accept"]);
        let held = known(&scene);
        assert_eq!(held.len(), 1);
        assert_eq!((held[0].key.to_string(), held[0].state), (WORLD.router.pin(), State::Held));
    }
}

/// A peer that a CA always vouched for is no stranger.
#[test]
fn what_others_vouched_for_is_known_too() {
    let scene = scene("");
    let (vouched, other) = (serve(&WORLD.vouched), serve(&WORLD.other));
    accepted(&visit(&scene, &vouched, Client::Curl));
    let met = known(&scene);
    assert_eq!((met.len(), met[0].origin.as_str()), (1, "application"));
    refused(&visit(&scene, &other, Client::Curl), &["changed"]);
}

#[test]
fn another_port_is_no_second_first_use() {
    let scene = scene("");
    accepted(&visit(&scene, &serve(&WORLD.router), Client::SClient));
    let elsewhere = ServerDraft::new(Service::Https, &WORLD.other).start();
    // Neither where the port shows, nor where the protocol does not.
    let offers = router(&scene, &elsewhere).arguments(&["-alpn", "http/1.1"]);
    let known_for = Client::SClient.visit(&scene.site, Peerkey::On, &offers);
    refused(&known_for, &["is known for https only"]);
    refused(&visit(&scene, &elsewhere, Client::SClient), &["over what is not known"]);
    assert_eq!(known(&scene).len(), 1);
}

#[test]
fn nothing_is_written_where_the_policy_remembers_nothing() {
    let real = serve(&WORLD.router);
    let monitored = format!("mode = 'monitor'\n{}", policy(""));
    for policy in ["", "[[rule]]\naccept = 'application'\n", &monitored] {
        let scene = Scene::new(&[&WORLD.router]).policy(policy);
        accepted(&visit(&scene, &real, Client::Curl));
        assert!(!file(&scene).parent().unwrap().exists(), "{policy}");
    }
}

#[test]
fn the_rest_of_the_rule_has_to_hold() {
    let scene = Scene::new(&[&WORLD.root]);
    let pins = format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = '{ROUTER}'\nspki = ['{}']\n",
        WORLD.other.pin()
    );
    let both = policy("").replace("any = ['application', 'devices']", "all = ['pins', 'devices']");
    let scene = scene.policy(&format!("{pins}{both}"));
    refused(&visit(&scene, &serve(&WORLD.router), Client::Curl), &[]);
    assert_eq!(known(&scene), []);
}

/// Node's https offers no ALPN, and shows OpenSSL no socket.
#[test]
fn a_program_whose_protocol_does_not_show() {
    let (scene, real) = (scene(""), serve(&WORLD.router));
    refused(&visit(&scene, &real, Client::Node), &[]);
    assert_eq!(known(&scene), []);
    // Unless the policy says what it speaks.
    let node = std::fs::canonicalize("/usr/bin/node").unwrap();
    let says = format!("[application.'{}']\nprotocol = 'https'\n", node.display());
    let scene = scene.policy(&format!("{says}{}", policy("")));
    accepted(&visit(&scene, &real, Client::Node));
    accepted(&visit(&scene, &real, Client::Curl));
    assert_eq!(known(&scene).len(), 1);
}
