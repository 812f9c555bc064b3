//! Without a policy that can be used, and without the module.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use peerkey_tests::artifacts;
use peerkey_tests::firefox::Profile;
use peerkey_tests::nss::{Database, Usage, VERIFIERS, sent};
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::site::{SHIPPED, Site};

use crate::stage::{Stage, UNTRUSTED_CERT, UNTRUSTED_ISSUER, everyone, https};

const BANK: &str = "bank.example";

struct World {
    root: Issued,
    bank: Issued,
}

fn world() -> World {
    let root = Draft::ca("Root").self_signed();
    World { bank: Draft::server(BANK).signed_by(&Draft::ca("CA").signed_by(&root)), root }
}

type Spoiler = (&'static str, fn(&Site));

/// Ways in which a policy is of no use.
const SPOILERS: [Spoiler; 4] = [
    ("no policy", |site| fs::remove_dir_all(site.path("state")).unwrap()),
    ("a corrupt one", |site| {
        fs::write(site.path("state/policy-1.db"), b"SQLite format 3\0 and nothing").unwrap();
    }),
    ("one cut off", |site| {
        let path = site.path("state/policy-1.db");
        let whole = fs::read(&path).unwrap();
        fs::write(path, &whole[..whole.len() / 2]).unwrap();
    }),
    ("one that others may write", |site| {
        let mode = fs::Permissions::from_mode(0o666);
        fs::set_permissions(site.path("state/policy-1.db"), mode).unwrap();
    }),
];

#[test]
fn everything_is_refused() {
    let world = world();
    for (what, spoil) in SPOILERS {
        let site = Site::with_policy(SHIPPED);
        spoil(&site);
        let stage = Stage::new(&site);
        stage.profile.database.import("root", &world.root.cert, "CT,C,C");
        let mut browser = stage.profile.start();
        let distrusted = Some(&[UNTRUSTED_CERT, UNTRUSTED_ISSUER][..]);
        everyone(&stage, &mut browser, what, BANK, &world.bank, distrusted);
    }
}

#[test]
fn or_what_the_program_says() {
    let world = world();
    for (what, spoil) in SPOILERS {
        let site = Site::with_policy(SHIPPED);
        spoil(&site);
        let profile = Profile::new(&site, "profile");
        profile.database.add_peerkey("on-error=application");
        profile.database.import("root", &world.root.cert, "CT,C,C");
        let stage = Stage { profile };
        let mut browser = stage.profile.start();
        everyone(&stage, &mut browser, what, BANK, &world.bank, None);
    }
}

/// It loads into everything that adds or lists modules, and says so.
#[test]
fn modutil_adds_lists_and_deletes_it() {
    let site = Site::new();
    let database = Database::with_module(&site, "database");
    let said = database.modutil(&["-list", "peerkey"]).expect_ok("modutil -list").stdout;
    assert!(said.contains("Token Name: peerkey policy"), "{said}");
    assert!(said.contains("Manufacturer: peerkey"), "{said}");
    let said = database.modutil(&["-delete", "peerkey", "-force"]).expect_ok("modutil").text();
    assert!(said.contains("deleted"), "{said}");
    assert!(!database.modutil(&["-list"]).stdout.contains("peerkey"));
}

/// What NSS does about a library that is missing, which only `peerkey doctor` can find: nothing.
#[test]
fn a_module_that_is_missing_goes_unnoticed() {
    let world = world();
    let site = Site::new();
    let library = site.path("libpeerkey_nss.so");
    fs::copy(artifacts::nss_module(), &library).unwrap();
    let profile = Profile::new(&site, "profile");
    let database = &profile.database;
    database.import("root", &world.root.cert, "CT,C,C");
    let parameters = format!("state-dir={}", site.path("state").display());
    database.add_module("peerkey", &library, &["-string", &parameters]);
    let accepted = || {
        VERIFIERS.map(|verifier| {
            database.verify(verifier, Usage::Server, &sent(&world.bank), None).accepted()
        })
    };
    assert_eq!(accepted(), [false; 3], "there is no policy");
    fs::remove_file(library).unwrap();
    assert_eq!(accepted(), [true; 3]);
    let server = https(&world.bank);
    assert!(profile.start().visit(BANK, server.address()).accepted());
}

/// Another way to lose it: Firefox can be told to keep modules in a process of their own.
#[test]
fn a_process_for_modules_never_loads_it() {
    let world = world();
    let site = Site::new();
    let profile = Profile::with_module(&site, "profile");
    profile.database.import("root", &world.root.cert, "CT,C,C");
    let server = https(&world.bank);
    assert!(!profile.start().visit(BANK, server.address()).accepted(), "there is no policy");
    profile.set("security.utility_pkcs11_module_process.enabled", "true");
    assert!(profile.start().visit(BANK, server.address()).accepted());
}
