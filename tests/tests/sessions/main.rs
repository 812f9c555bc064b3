//! Resumed sessions bring no certificate. One that was accepted under the policy of now, for the same
//! question, is resumed; every other one is not, and a full handshake is judged.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod dtls;
mod panics;
mod replaced;
mod s_client;
mod same_question;
mod server;
mod threads;

use std::sync::LazyLock;

use peerkey_tests::pki::{Draft, Issued};

const BANK: &str = "bank.example";
const SHIPPED: &str = "[default]\naccept = { any = ['application'] }\n";

/// The CA of every server here, and its server.
struct World {
    root: Issued,
    bank: Issued,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).dns("shop.example").signed_by(&root);
    World { root, bank }
});

/// A policy that decides something, and accepts the bank.
fn accepting() -> String {
    format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = 'bank.example'\n\
         spki = ['{}']\n[[rule]]\npeers = ['bank.example']\n\
         accept = {{ all = ['application', 'pins'] }}\n",
        WORLD.bank.pin()
    )
}

/// A policy that denies the bank's key.
fn denying() -> String {
    format!("[[deny]]\nspki = '{}'\nreason = 'replaced'\n", WORLD.bank.pin())
}
