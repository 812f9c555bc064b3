//! Names that are to get around a scope.

use peerkey_tests::pki::Draft;
use peerkey_tests::program::Client;
use peerkey_tests::scene::{Must, Scene};

use crate::{BANK, WORLD, https};

const CLIENTS: &[Client] = &[Client::Curl, Client::Urllib, Client::Node, Client::SClient];

#[test]
fn a_pin_is_for_its_peer_only() {
    let router = Draft::server("router.lan").dns(BANK).self_signed();
    let scene = Scene::new(&[&WORLD.web]).policy(&format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = 'router.lan'\n\
         spki = ['{}']\n[[rule]]\npeers = ['*']\naccept = {{ any = ['application', 'pins'] }}\n",
        router.pin()
    ));
    let server = https(&router);
    for client in CLIENTS {
        scene.check(*client, &scene.visit(server.address(), "router.lan"), Must::BeOpened);
        scene.check(*client, &scene.visit(server.address(), BANK), Must::StayClosed);
    }
}

/// The company's CA, which the program does not know, may vouch below its own domain.
const CORP: &str = "
[authority.corp]
kind = 'x509'
anchors = ['anchors/corp.pem']
peers = ['.corp.example']

[default]
accept = { any = ['application', 'corp'] }
";

#[test]
fn a_wildcard_gets_around_no_scope() {
    let scene = Scene::new(&[&WORLD.web]).anchor("corp", &WORLD.corp.pem()).policy(CORP);
    let leaf = Draft::server("*.corp.example").dns("*.example").dns("*.bank.example");
    let server = https(&leaf.signed_by(&WORLD.corp));
    for client in CLIENTS {
        scene.check(*client, &scene.visit(server.address(), "db.corp.example"), Must::BeOpened);
        scene.check(*client, &scene.visit(server.address(), "www.bank.example"), Must::StayClosed);
        scene.check(*client, &scene.visit(server.address(), BANK), Must::StayClosed);
    }
}

/// Below `.bank.example` only a pin counts, which nobody has.
const STRICT_BANK: &str = "
[authority.pins]
kind = 'pin'
[[authority.pins.key]]
peer = 'www.bank.example'
spki = ['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']

[[rule]]
peers = ['.bank.example']
accept = { any = ['pins'] }
";

/// curl tells OpenSSL nothing of an address, so all names in the certificate are claims.
#[test]
fn an_address_among_the_names_gets_around_no_rule() {
    let scene = Scene::new(&[&WORLD.web]).policy(STRICT_BANK);
    let address = || Draft::server("127.0.0.1");
    for (draft, must) in [
        (address(), Must::StayOpen),
        (address().dns("shop.example"), Must::StayOpen),
        (address().dns("www.bank.example"), Must::BeClosed("peerkey: ")),
        (address().dns("*.bank.example"), Must::BeClosed("peerkey: ")),
        (address().dns("*.example"), Must::BeClosed("peerkey: ")),
    ] {
        let server = https(&draft.signed_by(&WORLD.web_ca));
        let visit = scene.visit(server.address(), "127.0.0.1");
        scene.check(Client::CurlAddress, &visit, must);
    }
}

/// A name that the program expects is what counts, not what else the certificate names.
#[test]
fn another_name_in_the_certificate_opens_nothing() {
    let scene = Scene::new(&[&WORLD.web]).policy(STRICT_BANK);
    let both = Draft::server("shop.example").dns("www.bank.example").ip("127.0.0.1");
    let server = https(&both.signed_by(&WORLD.web_ca));
    for client in CLIENTS {
        let closed = if *client == Client::Node { "application verification" } else { "peerkey: " };
        let visit = scene.visit(server.address(), "www.bank.example");
        scene.check(*client, &visit, Must::BeClosed(closed));
        scene.check(*client, &scene.visit(server.address(), "shop.example"), Must::StayOpen);
    }
}
