//! Attacks that must fail, each with real programs. Every one has a control beside it: the same
//! thing without the attack's trick, which comes out the other way.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod certificates;
mod clients;
mod keys;
mod names;
mod protocol;

use std::sync::LazyLock;

use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::server::{Server, ServerDraft, Service};

const BANK: &str = "bank.example";

/// The CAs that all attacks are made with.
struct World {
    web: Issued,
    web_ca: Issued,
    corp: Issued,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let web = Draft::ca("Web Root").self_signed();
    let web_ca = Draft::ca("Web CA").signed_by(&web);
    let corp = Draft::ca("Corp Root").self_signed();
    World { web, web_ca, corp }
});

fn https(identity: &Issued) -> Server {
    ServerDraft::new(Service::Https, identity).start()
}
