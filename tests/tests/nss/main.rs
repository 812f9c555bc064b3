//! The NSS module: with NSS's own tools, with Firefox, with p11-kit's programs, and called by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod builtin;
mod certutil;
mod changes;
mod denials;
mod p11kit;
mod panics;
mod parity;
mod pins;
mod remembered;
mod scopes;
mod stage;
mod surface;
mod tools;
mod undecided;
mod usages;
