//! The command `peerkey`: puts a policy in force, asks it, and explains its answers.

pub mod args;
pub mod clock;
pub mod connect;
pub mod crypto;
pub mod library;
