//! Pinned certificates of every kind, and what must not come with them.

use peerkey_tests::nss::{Usage, sent};
use peerkey_tests::pki::{Draft, Issued};

use crate::stage::{Stage, everyone, firefox, https, site};

const BANK: &str = "bank.example";

const POLICY: &str = "
[authority.pins]
kind = 'pin'
[[authority.pins.key]]
peer = 'bank.example'
spki = ['anchors/bank.pem']
[[rule]]
peers = ['bank.example']
accept = { any = ['pins'] }
[default]
accept = { any = ['application'] }
";

/// Whatever it is refused with.
pub(crate) const REFUSED: &[&str] = &[
    "SEC_ERROR_UNKNOWN_ISSUER",
    "SEC_ERROR_UNTRUSTED_ISSUER",
    "SEC_ERROR_UNTRUSTED_CERT",
    "SEC_ERROR_CA_CERT_INVALID",
    "SEC_ERROR_EXPIRED_CERTIFICATE",
    "SEC_ERROR_INADEQUATE_KEY_USAGE",
    "SEC_ERROR_INADEQUATE_CERT_TYPE",
    "SEC_ERROR_CERT_NOT_IN_NAME_SPACE",
    "SEC_ERROR_EXTENSION_VALUE_INVALID",
    "MOZILLA_PKIX_ERROR_SELF_SIGNED_CERT",
    "MOZILLA_PKIX_ERROR_V1_CERT_USED_AS_CA",
    "MOZILLA_PKIX_ERROR_CA_CERT_USED_AS_END_ENTITY",
    "SSL_ERROR_BAD_CERT_DOMAIN",
    "?",
];

/// Pins it, and holds the tools and Firefox to accepting or refusing it.
#[track_caller]
fn pinned(what: &str, identity: &Issued, in_tools: bool, in_firefox: bool) {
    let site = site(&[("bank", identity.pem())], POLICY);
    let stage = Stage::new(&site);
    let must = |accepted: bool| if accepted { None } else { Some(REFUSED) };
    stage.tools(what, Usage::Server, &sent(identity), must(in_tools));
    let server = https(identity);
    stage.tstclnt(what, BANK, server.address(), in_tools);
    let mut browser = stage.profile.start();
    firefox(&mut browser, what, BANK, &server, must(in_firefox));
    // Its key signs for nobody: not for another name, and for no other key of its own name.
    for name in ["other.example", BANK] {
        let forged = Draft::server(name).signed_by(identity).with_above(&[identity]);
        let what = format!("{what}: {name} forged with its key");
        everyone(&stage, &mut browser, &what, name, &forged, Some(REFUSED));
    }
}

#[test]
fn an_end_entitys() {
    pinned("CA:FALSE", &Draft::server(BANK).self_signed(), true, true);
}

#[test]
fn below_a_ca_that_nobody_knows() {
    let ca = Draft::ca("Private CA").self_signed();
    pinned("below a private CA", &Draft::server(BANK).signed_by(&ca), true, true);
}

#[test]
fn without_basic_constraints() {
    pinned("no basicConstraints", &Draft::server(BANK).silent().self_signed(), true, false);
}

/// It names nobody in a subjectAltName: NSS is told nothing of it.
#[test]
fn of_version_1() {
    pinned("version 1", &Draft::server(BANK).version1().self_signed(), false, false);
}

#[test]
fn a_cas() {
    pinned("CA:TRUE", &Draft::server(BANK).as_ca().usages(&[]).self_signed(), true, false);
}

/// The pin would hold for the other name too.
#[test]
fn with_names_beyond_the_pinned_peer() {
    let wide = Draft::server(BANK).dns("other.example").self_signed();
    let star = Draft::server(BANK).dns("*.example").self_signed();
    for (what, identity) in [("two names", &wide), ("a wildcard", &star)] {
        pinned(what, identity, false, false);
    }
}

/// Another key for the peer, that the user's own root vouches for.
#[test]
fn another_key_for_the_pinned_peer() {
    let root = Draft::ca("Root").self_signed();
    let pinned = Draft::server(BANK).self_signed();
    let policy = POLICY.to_owned()
        + "[authority.web]\nkind = 'x509'\nanchors = ['anchors/root.pem']\n\
           [[rule]]\npeers = ['*']\naccept = { any = ['web'] }\n";
    let site = site(&[("bank", pinned.pem()), ("root", root.pem())], &policy);
    let stage = Stage::new(&site);
    let mut browser = stage.profile.start();
    everyone(&stage, &mut browser, "the pinned key", BANK, &pinned, None);
    let other = Draft::server(BANK).signed_by(&root);
    everyone(&stage, &mut browser, "another key", BANK, &other, Some(REFUSED));
    let elsewhere = Draft::server("shop.example").signed_by(&root);
    everyone(&stage, &mut browser, "another peer", "shop.example", &elsewhere, None);
}
