//! The record: what programs leave in it, that it changes nothing for them, and what stands in its way.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod files;
mod monitor;
mod processes;
mod programs;
// Two suites need a program with many peers.
#[path = "../remember/worker.rs"]
mod worker;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, Outcome};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::site::Peerkey;
use serde_json::Value;

const BANK: &str = "bank.example";
const ROUTER: &str = "router.lan";

/// A bank that the programs' own CA vouches for, a key of it that is denied, and a router that nobody
/// vouches for.
struct World {
    root: Issued,
    bank: Issued,
    denied: Issued,
    router: Issued,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let root = Draft::ca("Root").self_signed();
    World {
        bank: Draft::server(BANK).signed_by(&root),
        denied: Draft::server(BANK).signed_by(&root),
        router: Draft::server(ROUTER).self_signed(),
        root,
    }
});

/// A policy that denies a key, remembers devices, and leaves the rest to the programs.
fn policy(settings: &str) -> String {
    format!(
        "{settings}\n[authority.devices]\nkind = 'tofu'\npeers = ['.lan']\n\
         [[deny]]\nspki = '{}'\nreason = 'as tests want it'\n\
         [[rule]]\npeers = ['.lan']\naccept = {{ any = ['application', 'devices'] }}\n",
        WORLD.denied.pin()
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

fn visit(scene: &Scene, server: &Server, peer: &str, client: Client) -> Outcome {
    client.visit(&scene.site, Peerkey::On, &scene.visit(server.address(), peer))
}

/// Where root's record is.
fn folder(scene: &Scene) -> PathBuf {
    scene.site.path("state/uid/0")
}

fn file(scene: &Scene) -> PathBuf {
    folder(scene).join("record.jsonl")
}

/// The lines of a file: each a whole JSON object, and nothing in it that a terminal would obey.
#[track_caller]
fn lines_of(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "{}", path.display());
    let read = |line: &str| {
        assert!(line.len() < 16 << 10 && !line.chars().any(char::is_control), "{line:?}");
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    text.lines().map(read).collect()
}

#[track_caller]
fn lines(scene: &Scene) -> Vec<Value> {
    lines_of(&file(scene))
}

/// The only line.
#[track_caller]
fn only(scene: &Scene) -> Value {
    let lines = lines(scene);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines[0].clone()
}

/// Holds members of a line to what they must be; null is absent.
#[track_caller]
fn must(line: &Value, members: &[(&str, Value)]) {
    for (pointer, value) in members {
        let found = line.pointer(&format!("/{pointer}")).unwrap_or(&Value::Null);
        assert_eq!(found, value, "{pointer} in {line:#}");
    }
}
