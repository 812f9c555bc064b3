//! The command `peerkey`: puts a policy in force, asks it, and explains its answers.

pub mod args;
pub mod book;
pub mod clock;
pub mod commands;
pub mod connect;
pub mod crypto;
pub mod events;
pub mod file;
pub mod inquiry;
pub mod library;
pub mod modules;
pub mod native;
pub mod nss;
pub mod openssl_cnf;
pub mod question;
pub mod record;
pub mod render;
pub mod screen;
pub mod self_signed;
pub mod testfile;
pub mod transfer;
pub mod trouble;
