//! A policy that changes while a program runs.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use peerkey_tests::firefox::Firefox;
use peerkey_tests::nss::Nss;
use peerkey_tests::pki::Draft;
use peerkey_tests::run::until;
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::site::{SHIPPED, Site};

use crate::stage::{Stage, https, site};

const GRANT: &str = "
[authority.corp]
kind = 'x509'
anchors = ['anchors/corp.pem']
[default]
accept = { any = ['application', 'corp'] }
";

/// A server with a certificate that nobody has judged yet.
fn fresh(issuer: &peerkey_tests::pki::Issued) -> Server {
    https(&Draft::server("bank.example").signed_by(issuer))
}

fn accepts(browser: &mut Firefox, server: &Server) -> bool {
    browser.visit("bank.example", server.address()).accepted()
}

/// NSS looks for another token every second at most.
#[test]
fn firefox_learns_of_a_grant_and_of_its_end() {
    let corp = Draft::ca("Corp Root").self_signed();
    let site = site(&[("corp", corp.pem())], "[default]\naccept = { any = ['application'] }\n");
    let stage = Stage::new(&site);
    let mut browser = stage.profile.start();
    assert!(!accepts(&mut browser, &fresh(&corp)), "before");
    site.apply(&format!("version = 1\n{GRANT}"));
    until("the grant is noticed", || accepts(&mut browser, &fresh(&corp)));
    site.apply(SHIPPED);
    until("its end is noticed", || !accepts(&mut browser, &fresh(&corp)));
}

#[test]
fn firefox_learns_of_a_denial() {
    let corp = Draft::ca("Corp Root").self_signed();
    let bank = Draft::server("bank.example").signed_by(&corp);
    let site = site(&[("corp", corp.pem()), ("bank", bank.pem())], GRANT);
    let stage = Stage::new(&site);
    let mut browser = stage.profile.start();
    assert!(accepts(&mut browser, &fresh(&corp)), "before");
    let denial = "[[deny]]\ncertificate = 'anchors/bank.pem'\n";
    site.apply(&format!("version = 1\n{denial}{GRANT}"));
    // A certificate that it had judged before stays accepted until it restarts: docs/nss.md.
    let denied = https(&bank);
    let judged = browser.visit("bank.example", denied.address());
    assert_eq!(judged.error.as_deref(), Some("SEC_ERROR_UNTRUSTED_CERT"), "{judged:?}");
    assert!(accepts(&mut browser, &fresh(&corp)), "others go on");
}

/// tstclnt connects twice, and the policy that vouches for the server ends in between. (It keeps the server's
/// certificate, and with it what NSS said of that alone.)
#[test]
fn a_tool_learns_of_the_end_of_a_grant_at_its_next_connection() {
    let corp = Draft::ca("Corp Root").self_signed();
    let bank = Draft::server("bank.example").signed_by(&corp);
    for nss in [Nss::Debian, Nss::Firefox] {
        for ends in [false, true] {
            let site = Arc::new(site(&[("corp", corp.pem())], GRANT));
            let stage = Stage::new(&site);
            let inside = Arc::clone(&site);
            let asked = move |_: &str| {
                if ends {
                    inside.apply(SHIPPED);
                }
                // NSS looks for another token every second.
                thread::sleep(Duration::from_millis(1200));
            };
            let server =
                ServerDraft::new(Service::Https, &bank).tls12().forgetful().asked(asked).start();
            let twice = ["-L", "2", "-V", "tls1.2:tls1.2"];
            let database = &stage.profile.database;
            let verdict = database.visit_with(nss, "bank.example", server.address(), &twice);
            let answers = verdict.said.matches("hello").count();
            assert_eq!(answers, if ends { 1 } else { 2 }, "{nss:?}: {}", verdict.said);
        }
    }
}

/// Nothing is asked at a session's end: a policy that is gone changes nothing in one that is open.
#[test]
fn a_policy_that_vanishes_refuses_what_comes_next() {
    let corp = Draft::ca("Corp Root").self_signed();
    let site: Site = site(&[("corp", corp.pem())], GRANT);
    let stage = Stage::new(&site);
    let mut browser = stage.profile.start();
    assert!(accepts(&mut browser, &fresh(&corp)), "before");
    std::fs::rename(site.path("state"), site.path("gone")).unwrap();
    until("it is noticed", || !accepts(&mut browser, &fresh(&corp)));
    std::fs::rename(site.path("gone"), site.path("state")).unwrap();
    until("it is back", || accepts(&mut browser, &fresh(&corp)));
}
