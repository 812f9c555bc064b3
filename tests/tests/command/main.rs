//! The command `peerkey`, end to end: its answers are those of the programs that it speaks for.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod adopting;
mod bad_policies;
mod publishing;
mod questions;
mod readme;

use peerkey_tests::world::WORLD;

const BANK: &str = "bank.example";
