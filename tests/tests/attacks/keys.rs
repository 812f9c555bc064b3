//! A denied key or a limited CA in another guise.

use peerkey_tests::pki::{Draft, Issued, as_rsassa_pss, compressed, p256, pin_of, rsa};
use peerkey_tests::program::Client;
use peerkey_tests::scene::{Must, Scene};

use crate::{BANK, WORLD, https};

const CLIENTS: &[Client] = &[Client::Curl, Client::Urllib, Client::SClient];

fn deny(spki: &str) -> String {
    format!("[[deny]]\nspki = '{spki}'\nreason = 'the key leaked'\n")
}

#[track_caller]
fn every_client(scene: &Scene, identity: &Issued, must: Must) {
    let server = https(identity);
    for client in CLIENTS {
        scene.check(*client, &scene.visit(server.address(), BANK), must);
    }
}

#[test]
fn a_denied_ec_key_as_a_compressed_point() {
    let key = p256();
    let usual = Draft::server(BANK).key(&key).signed_by(&WORLD.web_ca);
    let squeezed = Draft::server(BANK).key(&key).spki(compressed(&key)).signed_by(&WORLD.web_ca);
    let another = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let squeezed_pin = pin_of(&compressed(&key).public_key_to_der().unwrap());
    assert_ne!(usual.pin(), squeezed_pin, "the attack has another hash");
    for denied in [usual.pin(), squeezed_pin] {
        let scene = Scene::new(&[&WORLD.web]).policy(&deny(&denied));
        every_client(&scene, &squeezed, Must::BeClosed("the key leaked"));
        every_client(&scene, &usual, Must::BeClosed("the key leaked"));
        every_client(&scene, &another, Must::StayOpen);
    }
}

#[test]
fn a_denied_rsa_key_as_rsassa_pss() {
    let key = rsa(2048);
    let pss = as_rsassa_pss(&key);
    let usual = Draft::server(BANK).key(&key).signed_by(&WORLD.web_ca);
    let disguised = Draft::server(BANK).key(&pss).signed_by(&WORLD.web_ca);
    let another = Draft::server(BANK).rsa(2048).signed_by(&WORLD.web_ca);
    assert_ne!(usual.pin(), disguised.pin(), "the attack has another hash");
    for denied in [usual.pin(), disguised.pin()] {
        let scene = Scene::new(&[&WORLD.web]).policy(&deny(&denied));
        every_client(&scene, &disguised, Must::BeClosed("the key leaked"));
        every_client(&scene, &usual, Must::BeClosed("the key leaked"));
        every_client(&scene, &another, Must::StayOpen);
    }
}

#[test]
fn a_limited_ca_renamed_with_the_same_key() {
    let key = p256();
    let gov = Draft::ca("Gov CA").key(&key).signed_by(&WORLD.web);
    let renamed = Draft::ca("Friendly CA").key(&key).signed_by(&WORLD.web);
    let squeezed = Draft::ca("Other CA").key(&key).spki(compressed(&key)).signed_by(&WORLD.web);
    let policy = "[[constraint]]\nca = ['anchors/gov.pem']\npeers = ['.br']\n";
    let scene = Scene::new(&[&WORLD.web]).anchor("gov", &gov.pem()).policy(policy);
    for (ca, name) in [(&gov, "Gov CA"), (&renamed, "Friendly CA"), (&squeezed, "Other CA")] {
        let leaf = Draft::server(BANK).signed_by(ca);
        every_client(&scene, &leaf, Must::BeClosed(name));
        let own = Draft::server("receita.br").signed_by(ca);
        let server = https(&own);
        for client in CLIENTS {
            scene.check(*client, &scene.visit(server.address(), "receita.br"), Must::StayOpen);
        }
    }
}

#[test]
fn a_denied_ca_renamed_with_the_same_key() {
    let key = p256();
    let fallen = Draft::ca("Fallen CA").key(&key).signed_by(&WORLD.web);
    let renamed = Draft::ca("Risen CA").key(&key).signed_by(&WORLD.web);
    let scene = Scene::new(&[&WORLD.web]).policy(&deny(&fallen.pin()));
    for ca in [&fallen, &renamed] {
        let leaf = Draft::server(BANK).signed_by(ca);
        every_client(&scene, &leaf, Must::BeClosed("the key leaked"));
    }
}
