//! When it cannot decide: each way in which a policy can be missing or wrong, with a real program, with
//! `on-error` both ways. It is a refusal with a reason, or the program's own verification; never what a
//! broken policy happens to say.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod damage;
mod folder;
#[path = "../hosts/host.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod host;
mod owner;
mod schema;

use std::fs;
use std::process::Command;

use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::run::{Run, run};
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::site::{Peerkey, Site};

const PEER: &str = "bank.example";

/// A bank that curl accepts by itself, and a policy that denies something else.
struct Bank {
    site: Site,
    server: Server,
    denied: Issued,
}

/// What curl does where no decision is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnError {
    Reject,
    Application,
}

impl Bank {
    fn new() -> Self {
        let root = Draft::ca("Root").self_signed();
        let bank = Draft::server(PEER).signed_by(&root);
        let server = ServerDraft::new(Service::Https, &bank).start();
        let denied = Draft::server("other.example").signed_by(&root);
        let site = Site::new();
        site.write("trust.pem", root.pem());
        Self { site, server, denied }
    }

    fn apply(&self) {
        self.site.apply(&format!("version = 1\n[[deny]]\nspki = '{}'\n", self.denied.pin()));
    }

    /// A policy in a new state folder.
    fn apply_afresh(&self) {
        let state = self.site.path("state");
        let _ = fs::remove_dir_all(&state).or_else(|_| fs::remove_file(&state));
        self.apply();
    }

    fn on_error(&self, on_error: OnError) {
        self.site.provider_settings(match on_error {
            OnError::Reject => "on-error = reject",
            OnError::Application => "on-error = application",
        });
    }

    /// `curl`, as it is started here.
    fn curl(&self) -> Command {
        self.as_program(self.site.command("/usr/bin/curl", Peerkey::On))
    }

    fn as_program(&self, mut command: Command) -> Command {
        let (address, port) = (self.server.address().ip(), self.server.address().port());
        command.args(["--silent", "--show-error", "--max-time", "20", "--cacert"]);
        command.arg(self.site.path("trust.pem"));
        command.arg("--resolve").arg(format!("{PEER}:{port}:{address}"));
        command.arg(format!("https://{PEER}:{port}/"));
        command
    }

    /// Breaks the policy, and holds curl to what must come of it, for each `on-error`.
    #[track_caller]
    fn broken(&self, what: &str, because: &str, spoil: impl Fn(&Site)) {
        for on_error in [OnError::Reject, OnError::Application] {
            self.apply_afresh();
            self.on_error(on_error);
            assert!(run(&mut self.curl()).ok(), "{what}: before");
            spoil(&self.site);
            let said = run(&mut self.curl());
            self.must(what, on_error, because, &said);
        }
    }

    #[track_caller]
    fn must(&self, what: &str, on_error: OnError, because: &str, said: &Run) {
        match on_error {
            OnError::Application => assert!(said.ok(), "{what}: {said}"),
            OnError::Reject => {
                assert_eq!(said.code, Some(35), "{what}: {said}");
                let state = self.site.path("state");
                let names = "peerkey: no decision was possible: ";
                assert!(said.stderr.contains(names), "{what}: {said}");
                assert!(said.stderr.contains(state.to_str().unwrap()), "{what}: {said}");
                assert!(said.stderr.contains(because), "{what}: {because}: {said}");
            }
        }
    }
}
