//! Switching peerkey on and off: openssl.cnf of every shape, and everything that can be wrong with it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod bad;
mod shapes;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use peerkey_tests::artifacts;
use peerkey_tests::run::{Run, run};
use peerkey_tests::site::{SHIPPED, Site};

/// A site with an openssl.cnf that `peerkey install` is to change.
pub(crate) struct Machine {
    pub(crate) site: Site,
    pub(crate) file: PathBuf,
}

impl Machine {
    pub(crate) fn new(text: impl AsRef<[u8]>) -> Self {
        let site = Site::with_policy(SHIPPED);
        fs::create_dir(site.path("etc")).unwrap();
        let file = site.write("etc/openssl.cnf", text);
        Self { site, file }
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    /// `peerkey install openssl`, or `remove`.
    pub(crate) fn command(&self, verb: &str, more: &[&str]) -> Command {
        let mut command = self.site.peerkey();
        command.args([verb, "openssl", "--config"]).arg(&self.file);
        if verb == "install" {
            command.arg("--module").arg(artifacts::provider());
        }
        command.args(more);
        command
    }

    pub(crate) fn install(&self) -> Run {
        run(&mut self.command("install", &[]))
    }

    pub(crate) fn remove(&self) -> Run {
        run(&mut self.command("remove", &[]))
    }

    /// A program of OpenSSL's that reads the file.
    pub(crate) fn openssl(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new("openssl");
        command.env_clear().env("PATH", "/usr/bin:/bin").env("OPENSSL_CONF", &self.file);
        run(command.args(arguments))
    }

    /// What is in the folder.
    pub(crate) fn listing(&self) -> Vec<String> {
        let entries = fs::read_dir(self.site.path("etc")).unwrap().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Nothing has changed, and nothing is left behind.
    #[track_caller]
    pub(crate) fn unchanged(&self, before: &[u8], said: &Run, words: &[&str]) {
        assert_eq!(said.code, Some(1), "{said}");
        for word in words {
            assert!(said.stderr.contains(word), "{word}: {said}");
        }
        assert_eq!(fs::read(&self.file).unwrap(), before, "{said}");
        assert_eq!(self.listing(), ["openssl.cnf"], "{said}");
    }
}
