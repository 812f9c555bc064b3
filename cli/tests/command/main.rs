//! The command as people and programs run it.

// Everything here is a test, also the helpers that the lint does not take for one.
#![allow(clippy::unwrap_used)]

mod apply;
mod check;
mod connect;
mod keys;
mod lab;
mod nss;
mod policy;
mod record;
mod starttls;
mod status;
mod test;
mod transfer;
