//! Real programs against real TLS servers on loopback, the same command with and without peerkey.
//!
//! A throw-away [`pki`], TLS servers in this process ([`server`]) and real ones ([`daemon`]), the
//! client [`program`]s of Debian's packages, and a [`site`]: one installation of peerkey of its own,
//! with an openssl.cnf that loads it and one that does not.
// Of `call!`: a test passes C whatever it wants to see refused.
#![allow(clippy::macro_metavars_in_unsafe)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

pub mod artifacts;
pub mod daemon;
pub mod der;
pub mod desk;
pub mod firefox;
pub mod fresh;
pub mod nss;
pub mod pkcs11;
pub mod pki;
pub mod program;
pub mod readme;
pub mod run;
pub mod scene;
pub mod server;
pub mod site;
pub mod world;
