//! The server hides the protocol, so that a weaker rule might be taken.

use peerkey_tests::pki::Draft;
use peerkey_tests::program::Client;
use peerkey_tests::scene::{Must, Scene};
use peerkey_tests::server::{Alpn, ServerDraft, Service};

use crate::{BANK, WORLD};

/// The bank over https needs a pin that nobody has; everything else is left to the program.
const STRICT_BANK: &str = "
[authority.pins]
kind = 'pin'
[[authority.pins.key]]
peer = 'bank.example'
spki = ['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']

[[rule]]
peers = ['bank.example']
protocols = ['https']
accept = { all = ['application', 'pins'] }
";

const CLIENTS: &[Client] =
    &[Client::Curl, Client::Urllib, Client::Asyncio, Client::Node, Client::SClient];

fn closed(client: Client) -> Must {
    Must::BeClosed(if client == Client::Node { "application verification" } else { "peerkey: " })
}

#[test]
fn leaving_alpn_out_opens_no_weaker_rule() {
    let scene = Scene::new(&[&WORLD.web]).policy(STRICT_BANK);
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let other = Draft::server("shop.example").signed_by(&WORLD.web_ca);
    for alpn in [Alpn::Silent, Alpn::Http] {
        let server = ServerDraft::new(Service::Https, &bank).alpn(alpn).start();
        let shop = ServerDraft::new(Service::Https, &other).alpn(alpn).start();
        for client in CLIENTS {
            let visit = scene.visit(server.address(), BANK);
            scene.check(*client, &visit, closed(*client));
            let visit = scene.visit(shop.address(), "shop.example");
            scene.check(*client, &visit, Must::StayOpen);
        }
    }
}

#[test]
fn tls_1_2_is_no_way_around() {
    let scene = Scene::new(&[&WORLD.web]).policy(STRICT_BANK);
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let server = ServerDraft::new(Service::Https, &bank).alpn(Alpn::Silent).tls12().start();
    for client in CLIENTS {
        scene.check(*client, &scene.visit(server.address(), BANK), closed(*client));
    }
}

#[test]
fn an_odd_port_opens_no_weaker_rule() {
    let scene = Scene::new(&[&WORLD.web]).policy(STRICT_BANK);
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let client = Client::SClient;
    for port in [443, 0] {
        let server = ServerDraft::new(Service::Https, &bank).alpn(Alpn::Silent).port(port).start();
        scene.check(client, &scene.visit(server.address(), BANK), Must::BeClosed("peerkey: "));
    }
    // On the port of another service the rule for https is not the one that matches.
    let server = ServerDraft::new(Service::Https, &bank).alpn(Alpn::Silent).port(8883).start();
    scene.check(client, &scene.visit(server.address(), BANK), Must::StayOpen);
}
