//! Keys that are remembered: a router that nobody vouches for, met first by one program and then by
//! others; and what stands in the way.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod attacks;
mod confined;
mod files;
mod first;
mod killed;
mod processes;
mod worker;

use std::path::PathBuf;
use std::sync::LazyLock;

use peerkey_core::keys::{Book, Keys, KnownKey};
use peerkey_core::peer::Name;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, Outcome, Visit};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::site::Peerkey;

const ROUTER: &str = "router.lan";

/// The router, and who passes for it.
struct World {
    root: Issued,
    router: Issued,
    other: Issued,
    /// With the root's word.
    vouched: Issued,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let root = Draft::ca("Root").self_signed();
    let router = || Draft::server(ROUTER);
    World {
        router: router().self_signed(),
        other: router().self_signed(),
        vouched: router().signed_by(&root),
        root,
    }
});

/// A policy with one authority that trusts on first use, with these settings.
fn policy(settings: &str) -> String {
    format!(
        "[authority.devices]\nkind = 'tofu'\npeers = ['.lan']\n{settings}\n\
         [[rule]]\npeers = ['.lan']\naccept = {{ any = ['application', 'devices'] }}\n"
    )
}

/// A site under that policy.
fn scene(settings: &str) -> Scene {
    Scene::new(&[&WORLD.root]).policy(&policy(settings))
}

/// A server on the port of https.
fn serve(identity: &Issued) -> Server {
    ServerDraft::new(Service::Https, identity).port(443).start()
}

fn visit(scene: &Scene, server: &Server, client: Client) -> Outcome {
    client.visit(&scene.site, Peerkey::On, &router(scene, server))
}

fn router(scene: &Scene, server: &Server) -> Visit {
    scene.visit(server.address(), ROUTER)
}

/// Where root's keys are.
fn file(scene: &Scene) -> PathBuf {
    scene.site.path("state/uid/0/keys.db")
}

/// What is known of the router.
fn known(scene: &Scene) -> Vec<KnownKey> {
    let file = file(scene);
    if !file.exists() {
        return Vec::new();
    }
    let keys = Keys::open_read_only(file.to_str().unwrap()).unwrap();
    keys.keys_of(&Name::parse(ROUTER).unwrap()).unwrap()
}

#[track_caller]
fn accepted(outcome: &Outcome) {
    assert!(outcome.connected, "{outcome}");
}

#[track_caller]
fn refused(outcome: &Outcome, because: &[&str]) {
    assert!(!outcome.connected, "{outcome}");
    for because in because {
        assert!(outcome.text().contains(because), "{because}: {outcome}");
    }
}
