//! A server with a private CA for its clients: that CA is its access list. Nothing that was written
//! about servers may open it, and a rule for clients opens it for the clients that it names only.

use std::net::SocketAddr;

use peerkey_tests::daemon::{Nginx, Postgres, Redis};
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, Outcome};
use peerkey_tests::scene::{Must, Scene};
use peerkey_tests::server::{free_port, own_loopback};
use peerkey_tests::site::Peerkey;

use crate::{BANK, WORLD};

/// Public CAs may vouch for every server. Not a word about clients.
const FOR_SERVERS: &str = "
[authority.web]
kind = 'x509'
anchors = ['anchors/web.pem']

[[rule]]
peers = ['*']
accept = { any = ['application', 'web'] }

[default]
accept = { any = ['application', 'web'] }
";

/// One client may come with a certificate of a public CA.
const FOR_ALICE: &str = "
[authority.web]
kind = 'x509'
anchors = ['anchors/web.pem']

[[rule]]
role = 'client'
peers = ['alice.example']
accept = { any = ['application', 'web'] }
";

/// A private CA that the servers trust for clients, and a scene with this policy.
fn scene(policy: &str) -> (Scene, Issued) {
    let private = Draft::ca("Private CA").self_signed();
    let scene = Scene::new(&[&private]).anchor("web", &WORLD.web.pem()).policy(policy);
    (scene, private)
}

fn bank() -> Issued {
    Draft::server(BANK).signed_by(&WORLD.web_ca)
}

/// curl with a client certificate against nginx, which is what peerkey is loaded into.
fn nginx(scene: &Scene, client: &Issued, port: u16, curl: &[&str]) -> [Outcome; 2] {
    [Peerkey::Off, Peerkey::On].map(|peerkey| {
        let port = if port == 0 { free_port() } else { port };
        let address = SocketAddr::new(own_loopback(), port);
        let site = &scene.site;
        let _nginx = Nginx::server(site, peerkey, address, &bank(), &scene.trust, "on");
        let visit = scene.visit(address, BANK).insecure().identity(site, client).arguments(curl);
        Client::Curl.visit(site, Peerkey::Off, &visit)
    })
}

#[track_caller]
fn at_nginx(policy: &str, client: &Issued, must: Must) {
    let (scene, _) = scene(policy);
    let [without, with] = nginx(&scene, client, 443, &[]);
    must.hold("nginx", &without, &with);
}

#[test]
fn a_public_ca_is_no_way_into_nginx() {
    let foreign = Draft::client("alice.example").signed_by(&WORLD.web_ca);
    at_nginx(FOR_SERVERS, &foreign, Must::StayClosed);
    at_nginx(FOR_ALICE, &foreign, Must::BeOpened);
}

#[test]
fn a_server_certificate_is_no_way_into_nginx() {
    at_nginx(FOR_SERVERS, &bank(), Must::StayClosed);
    let both = Draft::client("alice.example").usages(&["serverAuth"]).signed_by(&WORLD.web_ca);
    at_nginx(FOR_ALICE, &both, Must::StayClosed);
}

#[test]
fn a_public_ca_is_no_way_into_redis() {
    let (scene, private) = scene(FOR_SERVERS);
    let foreign = Draft::client("alice.example").signed_by(&WORLD.web_ca);
    let member = Draft::client("alice.example").signed_by(&private);
    let redis = Redis::start(&scene.site, Peerkey::On, &bank(), Some(&private));
    for (client, enters) in [(&foreign, false), (&member, true)] {
        let visit = scene.visit(redis.address(), BANK).insecure().identity(&scene.site, client);
        let outcome = Client::RedisCli.visit(&scene.site, Peerkey::Off, &visit);
        assert_eq!(outcome.connected, enters, "{outcome}");
    }
}

#[test]
fn a_public_ca_is_no_way_into_postgresql() {
    let (scene, private) = scene(FOR_SERVERS);
    let foreign = Draft::client("alice.example").signed_by(&WORLD.web_ca);
    let member = Draft::client("alice.example").signed_by(&private);
    let postgres = Postgres::start(&scene.site, Peerkey::On, &bank(), Some(&private));
    for (client, enters) in [(&foreign, false), (&member, true)] {
        let visit = scene.visit(postgres.address(), BANK).insecure();
        let visit = visit.identity(&scene.site, client);
        let outcome = Client::Psql.visit(&scene.site, Peerkey::Off, &visit);
        assert_eq!(outcome.connected, enters, "{outcome}");
    }
}

#[test]
fn a_second_name_spoils_the_claim() {
    let alice = || Draft::client("alice.example");
    let sign = |draft: Draft| draft.signed_by(&WORLD.web_ca);
    at_nginx(FOR_ALICE, &sign(alice()), Must::BeOpened);
    at_nginx(FOR_ALICE, &sign(alice().dns("mallory.example")), Must::StayClosed);
    at_nginx(FOR_ALICE, &sign(alice().dns("*.example")), Must::StayClosed);
    at_nginx(FOR_ALICE, &sign(alice().email("mallory@example.org")), Must::StayClosed);
    at_nginx(FOR_ALICE, &sign(alice().ip("192.0.2.1")), Must::StayClosed);
    at_nginx(FOR_ALICE, &sign(alice().uri("spiffe://example.org/root")), Must::StayClosed);
}

#[test]
fn a_common_name_that_is_no_alternative_name_spoils_the_claim() {
    let mallory = Draft::client("alice.example").cn("admin").signed_by(&WORLD.web_ca);
    at_nginx(FOR_ALICE, &mallory, Must::StayClosed);
}

#[test]
fn the_name_that_a_client_asks_for_is_not_its_own() {
    let mallory = Draft::client("mallory.example").signed_by(&WORLD.web_ca);
    let (scene, private) = scene(FOR_ALICE);
    for (client, expected) in [
        (mallory, Must::StayClosed),
        (Draft::client("mallory.example").signed_by(&private), Must::StayOpen),
    ] {
        let outcomes = [Peerkey::Off, Peerkey::On].map(|peerkey| {
            let address = SocketAddr::new(own_loopback(), 443);
            let site = &scene.site;
            let _nginx = Nginx::server(site, peerkey, address, &bank(), &scene.trust, "on");
            // The SNI is alice's name.
            let visit = scene.visit(address, "alice.example").insecure().identity(site, &client);
            Client::Curl.visit(site, Peerkey::Off, &visit)
        });
        expected.hold("nginx", &outcomes[0], &outcomes[1]);
    }
}

/// Only over https may alice come with a public CA's certificate.
const FOR_ALICE_OVER_HTTPS: &str = "
[authority.web]
kind = 'x509'
anchors = ['anchors/web.pem']

[[rule]]
role = 'client'
peers = ['alice.example']
protocols = ['https']
accept = { any = ['application', 'web'] }
";

#[test]
fn the_port_that_a_client_comes_from_is_no_protocol() {
    let alice = Draft::client("alice.example").signed_by(&WORLD.web_ca);
    let (scene, _) = scene(FOR_ALICE_OVER_HTTPS);
    let own = own_loopback().to_string();
    let from_443 = ["--no-alpn", "--local-port", "443", "--interface", own.as_str()];
    let [without, with] = nginx(&scene, &alice, 0, &from_443);
    Must::StayClosed.hold("from port 443 to an odd port", &without, &with);
    let (scene, _) = self::scene(FOR_ALICE_OVER_HTTPS);
    let [without, with] = nginx(&scene, &alice, 443, &["--no-alpn"]);
    Must::BeOpened.hold("to port 443", &without, &with);
}

#[test]
fn a_pin_of_a_server_lets_no_client_in() {
    let router = Draft::client("alice.example").self_signed();
    let pins = format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = 'alice.example'\n\
         spki = ['{}']\n",
        router.pin()
    );
    let servers = format!("{pins}[[rule]]\naccept = {{ any = ['application', 'pins'] }}\n");
    at_nginx(&servers, &router, Must::StayClosed);
    let clients =
        format!("{pins}[[rule]]\nrole = 'client'\naccept = {{ any = ['application', 'pins'] }}\n");
    at_nginx(&clients, &router, Must::BeOpened);
}

/// The other way round: what is demanded of servers locks no client out.
#[test]
fn a_rule_for_servers_is_not_for_clients() {
    let nobody = "
[authority.pins]
kind = 'pin'
[[authority.pins.key]]
peer = 'bank.example'
spki = ['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']

[[rule]]
peers = ['*']
accept = 'pins'
";
    let (scene, private) = scene(nobody);
    let member = Draft::client("alice.example").signed_by(&private);
    let [without, with] = nginx(&scene, &member, 443, &[]);
    Must::StayOpen.hold("nginx", &without, &with);
}
