//! NSS's tools and Firefox load the module and go on.

use peerkey_tests::firefox::Profile;
use peerkey_tests::nss::{Nss, Usage, VERIFIERS, sent};
use peerkey_tests::pki::Draft;
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::{SHIPPED, Site};

const BANK: &str = "bank.example";

#[test]
fn the_shipped_policy_changes_nothing() {
    let root = Draft::ca("Root").self_signed();
    let other = Draft::ca("Other Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&Draft::ca("CA").signed_by(&root));
    let stranger = Draft::server(BANK).signed_by(&other);
    let site = Site::with_policy(SHIPPED);
    let profile = Profile::with_module(&site, "profile");
    let database = &profile.database;
    database.import("root", &root.cert, "CT,C,C");
    for verifier in VERIFIERS {
        let verdict = database.verify(verifier, Usage::Server, &sent(&bank), None);
        assert!(verdict.accepted(), "{verifier:?}: {}", verdict.said);
        let verdict = database.verify(verifier, Usage::Server, &sent(&stranger), None);
        assert_eq!(verdict.error.as_deref(), Some("SEC_ERROR_UNKNOWN_ISSUER"), "{}", verdict.said);
    }
    let server = ServerDraft::new(Service::Https, &bank).start();
    for nss in [Nss::Debian, Nss::Firefox] {
        let verdict = database.visit(nss, BANK, server.address());
        assert!(verdict.accepted(), "{}", verdict.said);
    }
    let mut firefox = profile.start();
    let judged = firefox.visit(BANK, server.address());
    assert!(judged.accepted(), "{judged:?}");
    let strange = ServerDraft::new(Service::Https, &stranger).start();
    let judged = firefox.visit(BANK, strange.address());
    assert_eq!(judged.error.as_deref(), Some("SEC_ERROR_UNKNOWN_ISSUER"), "{judged:?}");
}
