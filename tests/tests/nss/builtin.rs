//! Roots that come with NSS and Firefox, and a real chain below one of them.

use std::fs;
use std::path::Path;

use openssl::x509::X509;
use peerkey_tests::firefox::Profile;
use peerkey_tests::nss::{Database, Usage};
use peerkey_tests::site::{SHIPPED, Site};

use crate::stage::{OUT_OF_SCOPE, Stage, UNKNOWN_ISSUER, UNTRUSTED_ISSUER};

const HOST: &str = "docs.python.org";
/// 2026-02-01, as vfychain takes it, and in seconds since 1970.
const AT: (&str, i64) = ("2602010000Z", 1_769_904_000);

/// The certificate of docs.python.org and its intermediate, and their root.
fn kept() -> (Vec<X509>, X509) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/docs.python.org.pem");
    let mut chain = X509::stack_from_pem(&fs::read(path).unwrap()).unwrap();
    let root = chain.pop().unwrap();
    (chain, root)
}

/// Everybody knows the builtin roots, and verifies the kept chain.
#[track_caller]
fn must(policy: &str, must: Option<&[&'static str]>) {
    let (chain, root) = kept();
    let site = Site::new();
    site.write("config/anchors/root.pem", root.to_pem().unwrap());
    site.apply(&format!("version = 1\n{policy}\n"));
    let stage = Stage::new(&site);
    stage.profile.database.add_builtin_roots();
    stage.tools_at(policy, Usage::Server, &chain, Some(AT.0), must);
    // Firefox brings its own.
    let profile = Profile::with_module(&site, "firefox");
    let mut browser = profile.start();
    let judged = browser.verify(Usage::Server, Some(HOST), &chain, AT.1);
    let as_it_must = match (must, judged.error.as_deref()) {
        (None, error) => error.is_none(),
        (Some(errors), error) => error.is_some_and(|error| errors.contains(&error)),
    };
    assert!(as_it_must, "{policy}, Firefox: must {must:?}: {judged:?}");
}

const DEFAULT: &str = "[default]\naccept = { any = ['application'] }\n";
const NO_ANCHOR: &[&str] = &[UNKNOWN_ISSUER, UNTRUSTED_ISSUER];

#[test]
fn without_the_module_the_chain_is_good() {
    let (chain, _) = kept();
    let site = Site::with_policy(SHIPPED);
    let database = Database::new(&site, "database");
    database.add_builtin_roots();
    for verifier in peerkey_tests::nss::VERIFIERS {
        let verdict = database.verify(verifier, Usage::Server, &chain, Some(AT.0));
        assert!(verdict.accepted(), "{verifier:?}: {}", verdict.said);
    }
    let mut browser = Profile::new(&site, "firefox").start();
    let judged = browser.verify(Usage::Server, Some(HOST), &chain, AT.1);
    assert!(judged.accepted(), "{judged:?}");
}

#[test]
fn a_policy_that_trusts_the_program_leaves_builtin_roots_be() {
    must(DEFAULT, None);
    // One that says something, of others.
    must(
        &format!(
            "[[constraint]]\nca = ['sha256/{}']\npeers = ['.x']\n{DEFAULT}",
            "A".repeat(43) + "="
        ),
        None,
    );
}

#[test]
fn a_limit_on_a_builtin_root() {
    let limit = |peer: &str| {
        format!("[[constraint]]\nca = ['anchors/root.pem']\npeers = ['{peer}']\n{DEFAULT}")
    };
    must(&limit(".python.org"), None);
    must(&limit(".example"), Some(&[OUT_OF_SCOPE]));
}

#[test]
fn a_closed_default_takes_trust_from_roots_that_no_authority_names() {
    let authority = |name: &str, more: &str| {
        format!(
            "[authority.{name}]\nkind = 'x509'\nanchors = ['anchors/{name}.pem']\n{more}\n\
             [default]\naccept = {{ any = ['{name}'] }}\n"
        )
    };
    must(&authority("root", ""), None);
    must(&authority("root", "peers = ['.python.org']"), None);
    must(&authority("root", "peers = ['.example']"), Some(&[OUT_OF_SCOPE]));
    let pins = "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = 'x.example'\n\
                spki = ['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']\n\
                [default]\naccept = { any = ['pins'] }\n";
    must(pins, Some(NO_ANCHOR));
}
