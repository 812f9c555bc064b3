//! The command `peerkey`, end to end: its answers are those of the programs that it speaks for.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod bad_policies;
mod publishing;
mod questions;
mod readme;

use std::sync::LazyLock;

use peerkey_tests::pki::{Draft, Issued};

const BANK: &str = "bank.example";

struct World {
    web: Issued,
    web_ca: Issued,
    corp: Issued,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let web = Draft::ca("Web Root").self_signed();
    let web_ca = Draft::ca("Web CA").signed_by(&web);
    World { web_ca, web, corp: Draft::ca("Corp Root").self_signed() }
});
