//! Policies that somebody else could have written, or that this program may not read.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use peerkey_tests::run::run;
use peerkey_tests::site::Peerkey;

use crate::{Bank, OnError};

const POLICY: &str = "state/policy-1.db";

/// 65534 is what root shows as in a user namespace. Here it is just somebody.
#[test]
fn it_belongs_to_somebody() {
    let bank = Bank::new();
    for uid in [12_345, 65_534] {
        for path in [POLICY, "state"] {
            let because = format!("its owner is user {uid}, who is not trusted");
            bank.broken(path, &because, |site| {
                chown(site.path(path), Some(uid), None).unwrap();
            });
        }
    }
}

#[test]
fn others_may_write_it() {
    let bank = Bank::new();
    for (path, mode) in [(POLICY, 0o666), (POLICY, 0o664), ("state", 0o777), ("state", 0o775)] {
        let because = format!("others may write it (mode {mode:o})");
        bank.broken(path, &because, |site| {
            fs::set_permissions(site.path(path), Permissions::from_mode(mode)).unwrap();
        });
    }
}

#[test]
fn it_cannot_be_read() {
    let bank = Bank::new();
    let module = bank.site.public_provider();
    for (path, mode) in [(POLICY, 0o600), ("state", 0o700)] {
        for on_error in [OnError::Reject, OnError::Application] {
            bank.apply_afresh();
            let word = format!("{on_error:?}").to_lowercase();
            bank.site.provider_module_with(&module, &format!("on-error = {word}"));
            let curl = || {
                let mut command = bank.site.command("/usr/bin/setpriv", Peerkey::On);
                command.args(["--reuid", "12345", "--regid", "12345", "--clear-groups", "curl"]);
                run(&mut bank.as_program(command))
            };
            assert!(curl().ok(), "before");
            fs::set_permissions(bank.site.path(path), Permissions::from_mode(mode)).unwrap();
            bank.must(path, on_error, "Permission denied", &curl());
        }
    }
}
