//! Evidence that is hostile, with real programs: nothing crashes, nothing is accepted that should not be,
//! and nothing that a certificate says reaches a terminal or a log raw.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod encodings;
mod forge;
mod keys;
mod names;
mod sizes;
mod terminal;

use std::path::PathBuf;

use peerkey_tests::pki::Issued;
use peerkey_tests::run::{Run, run};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::world::WORLD;

/// Whom the programs expect.
const PEER: &str = "db.corp.example";

/// The company's CA vouches below its own domain.
const CORP: &str = "
[authority.corp]
kind = 'x509'
anchors = ['anchors/corp.pem']
peers = ['.corp.example', '10.0.0.0/8', '2001:db8::/32']

[default]
accept = { any = ['application', 'corp'] }
";

/// A scene under that policy.
fn corp() -> Scene {
    Scene::new(&[&WORLD.web]).anchor("corp", &WORLD.corp.pem()).policy(CORP)
}

fn https(identity: &Issued) -> Server {
    ServerDraft::new(Service::Https, identity).start()
}

/// Asks the command about a chain, for a program that does not know the CA.
fn check(scene: &Scene, peer: &str, chain: &PathBuf, more: &[&str]) -> Run {
    let mut command = scene.site.peerkey();
    command.args(["check", "https", peer, "--chain"]).arg(chain).args(more);
    run(&mut command)
}
