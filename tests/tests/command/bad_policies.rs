//! Mistakes in a policy: said with file, line and column, and the policy in force stays as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use peerkey_tests::pki::Draft;
use peerkey_tests::run::run;
use peerkey_tests::site::{SHIPPED, Site};

use crate::WORLD;

/// A policy, where its mistake is, and words that the message must have.
type Case = (&'static str, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    ("version = 1\n[default\n", "policy.toml:2:", &[]),
    ("version = 1\nversion = 1\n", "policy.toml:2:1", &["version"]),
    ("version = 1\nmoode = 'monitor'\n", "policy.toml:2:1", &["moode", "mode"]),
    ("version = 1\nmode = 'watch'\n", "policy.toml:2:8", &["watch", "monitor"]),
    ("version = 1\nmode = 3\n", "policy.toml:2:8", &["mode"]),
    ("version = 2\n", "policy.toml:1:11", &["2"]),
    ("[default]\naccept = { any = ['application'] }\n", "policy.toml:1:", &["version"]),
    (
        "version = 1\n[default]\naccept = { any = ['aplication'] }\n",
        "policy.toml:3:19",
        &["aplication", "application"],
    ),
    ("version = 1\n[default]\naccept = { any = [] }\n", "policy.toml:3:", &["any"]),
    (
        "version = 1\n[default]\naccept = { at-least = 3, of = ['application'] }\n",
        "policy.toml:3:",
        &["3"],
    ),
    (
        "version = 1\n[[rule]]\npeers = ['*.x.example']\naccept = 'application'\n",
        PEER,
        &[".x.example"],
    ),
    (
        "version = 1\n[[rule]]\npeers = ['bücher.example']\naccept = 'application'\n",
        PEER,
        &["xn--"],
    ),
    (
        "version = 1\n[[rule]]\npeers = ['10.0.0.1/8']\naccept = 'application'\n",
        PEER,
        &["10.0.0.0/8"],
    ),
    (
        "version = 1\n[[rule]]\npeers = ['x.example.']\naccept = 'application'\n",
        PEER,
        &["x.example"],
    ),
    ("version = 1\n[[rule]]\npeers = ['@banks']\naccept = 'application'\n", PEER, &["banks"]),
    (
        "version = 1\n[authority.a]\nkind = 'pin'\nkey = []\n[authority.a]\nkind = 'pin'\n",
        "policy.toml:5:",
        &["a"],
    ),
    ("version = 1\n[authority.a]\nkind = 'x905'\n", "policy.toml:3:8", &["x905", "x509"]),
    (
        "version = 1\n[authority.a]\nkind = 'x509'\nanchors = ['anchors/nowhere.pem']\n",
        "policy.toml:4:12",
        &["nowhere.pem"],
    ),
    (
        "version = 1\n[authority.a]\nkind = 'x509'\nanchors = ['anchors/text.pem']\n",
        "text.pem",
        &["certificate"],
    ),
    (
        "version = 1\n[authority.a]\nkind = 'x509'\nanchors = ['anchors/mixed.pem']\n",
        "mixed.pem",
        &["second|2"],
    ),
    (
        "version = 1\n[authority.a]\nkind = 'x509'\nanchors = ['anchors/fifo']\n",
        "policy.toml:4:12",
        &["fifo"],
    ),
    (
        "version = 1\n[authority.a]\nkind = 'x509'\nanchors = ['anchors/huge.pem']\n",
        "policy.toml:4:12",
        &["huge.pem"],
    ),
    ("version = 1\n[[deny]]\nspki = 'sha256/AAAA'\n", "policy.toml:3:8", &["sha256"]),
    (
        "version = 1\n[[rule]]\nuntil = 'soon'\naccept = 'application'\n",
        "policy.toml:3:9",
        &["until"],
    ),
];

const PEER: &str = "policy.toml:3:10";

/// A site with files that cannot be used, and a policy in force.
fn site() -> Site {
    let site = Site::new();
    site.write("config/anchors/text.pem", "no certificate\n");
    let good = [WORLD.web.pem(), WORLD.corp.pem(), Draft::ca("Third").self_signed().pem()];
    let bad = good[1].replacen("MII", "AAA", 1);
    site.write("config/anchors/mixed.pem", [good[0].clone(), bad, good[2].clone()].concat());
    let fifo = site.path("config/anchors/fifo");
    run(Command::new("mkfifo").arg(fifo)).expect_ok("mkfifo");
    fs::File::create(site.path("config/anchors/huge.pem")).unwrap().set_len(100 << 20).unwrap();
    site.apply(SHIPPED);
    site
}

#[track_caller]
fn refused(site: &Site, policy: &str, place: &str, words: &[&str]) {
    let file = site.path("state/policy-1.db");
    let before = fs::read(&file).unwrap();
    let applied = site.try_apply(policy);
    assert_eq!(applied.code, Some(1), "{policy}\n{applied}");
    assert!(applied.stdout.is_empty(), "{applied}");
    let said = &applied.stderr;
    assert!(said.contains(place), "no {place:?} for:\n{policy}\n{said}");
    for word in words {
        assert!(
            word.split('|').any(|one| said.contains(one)),
            "no {word:?} for:\n{policy}\n{said}"
        );
    }
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), before, "the policy in force is unchanged");
    let checked = run(site.peerkey().args(["apply", "--check"]));
    assert_eq!((checked.code, &checked.stderr), (Some(1), said), "--check says the same");
}

#[test]
fn every_mistake_has_a_place_and_leaves_the_policy_alone() {
    let site = site();
    for (policy, place, words) in CASES {
        refused(&site, policy, place, words);
    }
}

#[test]
fn files_of_policy_d_are_read_and_named() {
    let site = site();
    site.write("config/policy.d/10-more.toml", "[default]\naccept = 'application'\n");
    refused(&site, SHIPPED, "10-more.toml:1:", &["default", "policy.toml:3"]);
    site.write("config/policy.d/10-more.toml", "[[rule]]\npeer = ['x.example']\n");
    refused(&site, SHIPPED, "10-more.toml:2:1", &["peers"]);
}

#[test]
fn a_policy_file_that_is_none() {
    let site = site();
    let policy = site.path("config/policy.toml");
    let apply = |needle: &str| {
        let applied = run(site.peerkey().arg("apply"));
        assert_eq!(applied.code, Some(1), "{applied}");
        assert!(applied.stderr.contains(needle), "no {needle:?}: {applied}");
        assert!(applied.stderr.contains("policy.toml"), "{applied}");
    };
    fs::remove_file(&policy).unwrap();
    apply("policy.toml");
    run(Command::new("mkfifo").arg(&policy)).expect_ok("mkfifo");
    apply("policy.toml");
    fs::remove_file(&policy).unwrap();
    fs::File::create(&policy).unwrap().set_len(100 << 20).unwrap();
    apply("policy.toml");
    fs::write(&policy, b"version = 1\n# \xff\n").unwrap();
    apply("UTF-8");
    fs::remove_file(&policy).unwrap();
    fs::create_dir(&policy).unwrap();
    apply("policy.toml");
}

/// Root may read everything, so somebody else asks.
#[test]
fn a_file_without_permission() {
    let site = site();
    fs::write(site.path("config/anchors/web.pem"), WORLD.web.pem()).unwrap();
    lock(&site.path("config/anchors/web.pem"));
    let policy = "version = 1\n[authority.a]\nkind = 'x509'\nanchors = ['anchors/web.pem']\n";
    site.write("config/policy.toml", policy);
    let mut apply = Command::new("/usr/bin/setpriv");
    apply.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    apply.arg(site.public_command()).args(["apply", "--check"]);
    apply.env("PEERKEY_CONFIG_DIR", site.path("config"));
    let applied = run(&mut apply);
    assert_eq!(applied.code, Some(1), "{applied}");
    assert!(applied.stderr.contains("policy.toml:4:12"), "{applied}");
    assert!(applied.stderr.contains("permission"), "{applied}");
}

fn lock(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
