//! Attacks that must fail, each with real programs. Every one has a control beside it: the same
//! thing without the attack's trick, which comes out the other way.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod certificates;
mod clients;
mod keys;
mod names;
mod protocol;

use peerkey_tests::pki::Issued;
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::world::WORLD;

const BANK: &str = "bank.example";

fn https(identity: &Issued) -> Server {
    ServerDraft::new(Service::Https, identity).start()
}
