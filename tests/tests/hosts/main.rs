//! Life in a host: programs that fork, confine themselves, close what they do not know, and worse.
//!
//! Most hosts are small C programs beside this file. Each makes the same three visits, in memory; it
//! prints `GOOD` where the policy is read and followed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod confinement;
mod contexts;
mod descriptors;
mod host;
mod memory;
mod panics;
mod processes;
mod signatures;
mod surroundings;
mod valgrind;
