//! The programs and servers by themselves, without peerkey: what the other tests build on.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

use std::net::SocketAddr;
use std::sync::LazyLock;

use peerkey_tests::daemon::{Nginx, Postgres, Redis};
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, Visit};
use peerkey_tests::server::{Server, ServerDraft, Service, free_port, own_loopback};
use peerkey_tests::site::{Peerkey, Site};

struct World {
    root: Issued,
    good: Issued,
    alone: Issued,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let root = Draft::ca("Root").self_signed();
    let ca = Draft::ca("CA").signed_by(&root);
    let draft = Draft::server("bank.example").ip("127.0.0.1");
    World { good: draft.clone().signed_by(&ca), alone: draft.self_signed(), root }
});

/// Each program reaches a server that it trusts, refuses another, and has a switch against that.
fn tells_servers_apart(client: Client, start: impl Fn(&Site, &Issued) -> (SocketAddr, Keep)) {
    let expected =
        [(&WORLD.good, false, true), (&WORLD.alone, false, false), (&WORLD.alone, true, true)];
    for (identity, insecure, connects) in expected {
        let site = Site::new();
        let trust = site.write("trust.pem", WORLD.root.pem());
        let (address, _server) = start(&site, identity);
        let peer = if client == Client::CurlAddress { "127.0.0.1" } else { "bank.example" };
        let visit = Visit { insecure, ..Visit::new(address, peer, &trust) };
        let first = client.visit(&site, Peerkey::Off, &visit);
        assert_eq!(first.connected, connects, "{}: {}", client.name(), first.run);
        let second = client.visit(&site, Peerkey::Off, &visit);
        assert_eq!(first.noticed(), second.noticed(), "two runs of one program look the same");
    }
}

#[allow(dead_code, reason = "it keeps a server running")]
enum Keep {
    Server(Server),
    Postgres(Postgres),
    Redis(Redis),
}

fn in_process(service: Service) -> impl Fn(&Site, &Issued) -> (SocketAddr, Keep) {
    move |_, identity| {
        let server = ServerDraft::new(service, identity).start();
        (server.address(), Keep::Server(server))
    }
}

#[test]
fn curl() {
    tells_servers_apart(Client::Curl, in_process(Service::Https));
    tells_servers_apart(Client::CurlAddress, in_process(Service::Https));
}

#[test]
fn curl_over_other_protocols() {
    tells_servers_apart(Client::CurlImaps, in_process(Service::Imaps));
    tells_servers_apart(Client::CurlSmtp, in_process(Service::Smtp));
}

#[test]
fn s_client() {
    tells_servers_apart(Client::SClient, in_process(Service::Https));
}

#[test]
fn python() {
    tells_servers_apart(Client::Urllib, in_process(Service::Https));
    tells_servers_apart(Client::Asyncio, in_process(Service::Https));
}

#[test]
fn node() {
    tells_servers_apart(Client::Node, in_process(Service::Https));
    tells_servers_apart(Client::NodeFetch, in_process(Service::Https));
}

#[test]
fn redis() {
    tells_servers_apart(Client::RedisCli, |site, identity| {
        let redis = Redis::start(site, Peerkey::Off, identity, None);
        (redis.address(), Keep::Redis(redis))
    });
}

#[test]
fn psql() {
    tells_servers_apart(Client::Psql, |site, identity| {
        let postgres = Postgres::start(site, Peerkey::Off, identity, None);
        (postgres.address(), Keep::Postgres(postgres))
    });
}

#[test]
fn postgres_changes_its_certificate() {
    let site = Site::new();
    let trust = site.write("trust.pem", WORLD.root.pem());
    let postgres = Postgres::start(&site, Peerkey::Off, &WORLD.good, None);
    let visit = Visit::new(postgres.address(), "bank.example", &trust);
    assert!(Client::Psql.visit(&site, Peerkey::Off, &visit).connected);
    postgres.present(&WORLD.alone);
    assert!(!Client::Psql.visit(&site, Peerkey::Off, &visit).connected);
}

#[test]
fn nginx_as_a_proxy() {
    for (identity, connects) in [(&WORLD.good, true), (&WORLD.alone, false)] {
        let site = Site::new();
        let trust = site.write("trust.pem", WORLD.root.pem());
        let server = ServerDraft::new(Service::Https, identity).start();
        let (upstream, off) = (server.address(), Peerkey::Off);
        let nginx = Nginx::proxy(&site, off, upstream, "bank.example", Some(&trust));
        let front = nginx.ask(&site);
        assert_eq!(front.connected, connects, "{front}\n{}", nginx.finish());
    }
}

#[test]
fn nginx_as_a_server() {
    let foreign = Draft::client("alice.example").self_signed();
    let known = Draft::client("alice.example").signed_by(&WORLD.root);
    for (client, connects) in [(&known, true), (&foreign, false)] {
        let site = Site::new();
        let trust = site.write("trust.pem", WORLD.root.pem());
        let address = SocketAddr::new(own_loopback(), free_port());
        let off = Peerkey::Off;
        let _nginx = Nginx::server(&site, off, address, &WORLD.good, &trust, "on");
        let visit = Visit::new(address, "bank.example", &trust).identity(&site, client);
        let outcome = Client::Curl.visit(&site, off, &visit);
        assert_eq!(outcome.connected, connects, "{}", outcome.run);
    }
}
