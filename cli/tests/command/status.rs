//! `status`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::lab::{Lab, Ran, run};

/// With a program `openssl` that lists these providers.
fn with_openssl(lab: &Lab, script: &str) -> Ran {
    let path = lab.write("bin/openssl", format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    let cnf = lab.write(
        "openssl.cnf",
        format!("[p]\nmodule = peerkey.so\nstate-dir = {}\n", lab.named("state")),
    );
    let path = format!("{}:/usr/bin:/bin", lab.named("bin"));
    run(lab.command().env("PATH", path).env("OPENSSL_CONF", cnf).args(["status", "--json"]))
}

const ACTIVE: &str = "printf 'Providers:\\n  default\\n    status: active\\n  peerkey\\n    \
                      version: 0.1.0\\n    status: active\\n'";

#[test]
fn all_is_well_where_the_policy_is_current_and_followed() {
    let lab = Lab::with("version = 1\n", &[]);
    let fine = with_openssl(&lab, ACTIVE).is(0).json();
    assert_eq!(fine["fine"], true);
    assert_eq!(fine["openssl"]["loaded"], true);
    assert_eq!(fine["openssl"]["by-environment"], true);
    assert_eq!(fine["policy"]["transparent"], true);
}

#[test]
fn a_provider_that_is_not_loaded_wants_a_look() {
    let lab = Lab::with("version = 1\n", &[]);
    for (script, wrong) in [
        ("printf 'Providers:\\n  default\\n    status: active\\n'", "do not load peerkey"),
        ("echo broken >&2; exit 1", "openssl list -providers failed: broken"),
        ("head -c 3000000 /dev/zero", "openssl list -providers failed"),
    ] {
        let status = with_openssl(&lab, script).is(1).json();
        let found = status["wrong"].to_string();
        assert!(found.contains(wrong), "{script}: {status}");
    }
    let nowhere = run(lab.command().env("PATH", "/nowhere").arg("status")).is(1);
    nowhere.says("the program openssl cannot be run");
}

#[test]
fn the_real_openssl_does_not_load_what_no_configuration_names() {
    let lab = Lab::with("version = 1\n", &[]);
    let cnf = lab.write("empty.cnf", "");
    let status = run(lab.command().env("OPENSSL_CONF", cnf).arg("status")).is(1);
    status.says("it does not name peerkey's module").says("no, as openssl list -providers shows");
}

#[test]
fn sources_that_changed_are_named() {
    let lab = Lab::with("version = 1\n", &[("conf/policy.d/a.toml", "# more")]);
    lab.write("conf/policy.toml", "version = 1 # changed\n");
    let changed = lab.peerkey("status").is(1);
    changed.says("conf/policy.toml has changed").says("1 source differs").says("run peerkey apply");
    fs::remove_file(lab.path("conf/policy.d/a.toml")).unwrap();
    lab.peerkey("status").is(1).says("a.toml is gone").says("conf/policy.d has changed");
}

#[test]
fn a_policy_that_no_program_takes_is_said_to_be_so() {
    let lab = Lab::new();
    lab.peerkey("status").is(1).says("no policy is in force: run peerkey apply");
    let lab = Lab::with("version = 1\n", &[]);
    let policy = lab.path("state/policy-1.db");
    fs::set_permissions(&policy, PermissionsExt::from_mode(0o666)).unwrap();
    lab.peerkey("status").is(1).says("chmod go-w");
    fs::write(policy, "nonsense").unwrap();
    lab.peerkey("status").is(1).says("it is not readable");
}

/// A byte that SQLite never looks at.
#[test]
fn a_policy_that_is_damaged_wants_a_look() {
    let lab = Lab::with("version = 1\n", &[]);
    let policy = lab.path("state/policy-1.db");
    lab.peerkey("status").says("as published");
    let mut bytes = fs::read(&policy).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&policy, bytes).unwrap();
    lab.peerkey("status").is(1).says("the compiled policy is damaged: run peerkey apply");
    lab.peerkey("apply").is(0);
    lab.peerkey("status").says("as published");
    fs::remove_file(lab.path("state/policy-1.db.sha256")).unwrap();
    lab.peerkey("status").is(1).says("no digest of the policy is recorded");
}

#[test]
fn another_state_folder_in_openssl_cnf_wants_a_look() {
    let lab = Lab::with("version = 1\n", &[]);
    let cnf = lab.write("openssl.cnf", "[p]\nmodule = /not/here/peerkey.so\nstate-dir = /other\n");
    run(lab.command().env("OPENSSL_CONF", cnf).arg("status"))
        .is(1)
        .says("read the policy in /other")
        .says("/not/here/peerkey.so does not exist");
}
