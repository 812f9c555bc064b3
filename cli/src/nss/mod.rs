//! Programs that use NSS: where they keep their databases, and peerkey's module in them.

pub mod database;
pub mod exceptions;
pub mod place;
pub mod policies;
pub mod running;

/// The name of peerkey's module in databases and policies.
pub const MODULE: &str = "peerkey";
