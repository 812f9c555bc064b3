//! What looks protected and is not: each fault planted on a machine, and found by its words. And what is in
//! force for a while only, in real programs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod configuration;
mod interim;
mod running;
mod whole;

use std::fs;
use std::path::Path;
use std::process::Command;

use peerkey_tests::run::{Run, run};
use peerkey_tests::site::Site;

/// A policy that says something.
pub(crate) const STRICT: &str = "version = 1\n[[deny]]\nspki = \
     'sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='\nreason = 'a test'\n";

/// `peerkey doctor` about this openssl.cnf, on a machine with nothing else on it.
pub(crate) fn doctor(site: &Site, config: &Path) -> Run {
    let root = site.path("root");
    fs::create_dir_all(&root).unwrap();
    run(&mut command(site, config, &root))
}

pub(crate) fn command(site: &Site, config: &Path, root: &Path) -> Command {
    let mut command = site.peerkey();
    command.arg("doctor").arg("--config").arg(config).arg("--root").arg(root);
    command
}

#[track_caller]
pub(crate) fn says(said: &Run, code: i32, words: &[&str]) {
    for word in words {
        assert!(said.stdout.contains(word), "{word}: {said}");
    }
    assert_eq!(said.code, Some(code), "{said}");
}
