//! A panic of ours ends at the boundary: NSS goes on, and where it asks for trust, it gets none.
//!
//! The panics are planted in a library that only tests build (peerkey-nss-planted).

use peerkey_tests::artifacts;
use peerkey_tests::nss::{Database, Nss, sent};
use peerkey_tests::pki::Draft;
use peerkey_tests::run::run;
use peerkey_tests::site::{SHIPPED, Site};

/// Whether a server's certificate is accepted that the user's own database vouches for, under a policy that
/// leaves programs alone, with a panic in one entry.
fn accepted(entry: &str) -> bool {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server("bank.example").signed_by(&root);
    let site = Site::with_policy(SHIPPED);
    let database = Database::new(&site, "database");
    database.import("root", &root.cert, "CT,C,C");
    let parameters = format!("state-dir={}", site.path("state").display());
    let library = artifacts::planted_nss_module();
    database.add_module("peerkey", &library, &["-string", &parameters]);
    let mut vfychain = database.tool("vfychain", Nss::Debian);
    vfychain.args(["-u", "1", "-a"]).env("PEERKEY_PLANTED_PANIC", entry);
    vfychain.arg(site.write("bank.pem", sent(&bank)[0].to_pem().unwrap()));
    let run = run(&mut vfychain);
    assert!(run.code.is_some(), "{entry}: {run}");
    assert!(!run.text().contains("panic") && !run.text().contains("planted"), "{entry}: {run}");
    run.text().contains("Chain is good!")
}

#[test]
fn without_one() {
    assert!(accepted("nowhere"));
}

#[test]
fn where_trust_is_looked_up() {
    assert!(!accepted("trust"));
}

#[test]
fn while_it_is_initialised() {
    assert!(!accepted("C_Initialize"));
}

/// What is left goes on without us.
#[test]
fn elsewhere() {
    for entry in [
        "certificates",
        "sqlite",
        "C_GetInfo",
        "C_GetSlotList",
        "C_GetSlotInfo",
        "C_GetTokenInfo",
        "C_OpenSession",
        "C_GetSessionInfo",
        "C_FindObjectsInit",
        "C_FindObjects",
        "C_GetAttributeValue",
        "C_CloseSession",
        "C_Finalize",
    ] {
        accepted(entry);
    }
}
