//! Certificates with something wrong: what an x509 grant overrules, what a pin does, and what
//! nothing does.

use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::Client;
use peerkey_tests::scene::{Must, Scene};

use crate::{BANK, WORLD, https};

/// The program trusts the company only; the policy lets the web vouch.
const GRANT: &str = "
[authority.web]
kind = 'x509'
anchors = ['anchors/web.pem']

[[rule]]
peers = ['bank.example']
accept = { any = ['application', 'web'] }
";

fn by_grant() -> Scene {
    Scene::new(&[&WORLD.corp]).anchor("web", &WORLD.web.pem()).policy(GRANT)
}

fn by_pin(identity: &Issued) -> Scene {
    Scene::new(&[&WORLD.corp]).policy(&format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = 'bank.example'\n\
         spki = ['{}']\n[[rule]]\npeers = ['bank.example']\n\
         accept = {{ any = ['application', 'pins'] }}\n",
        identity.pin()
    ))
}

/// What a grant by the web's CA and a pin of the very key make of a certificate.
#[track_caller]
fn judged(identity: &Issued, grant: Must, pin: Must) {
    let server = https(identity);
    for (scene, must) in [(by_grant(), grant), (by_pin(identity), pin)] {
        for client in [Client::SClient, Client::Curl, Client::Urllib] {
            scene.check(client, &scene.visit(server.address(), BANK), must);
        }
    }
}

#[test]
fn nothing_wrong() {
    let good = Draft::server(BANK).signed_by(&WORLD.web_ca);
    judged(&good, Must::BeOpened, Must::BeOpened);
}

#[test]
fn expired() {
    let stale = Draft::server(BANK).expired().signed_by(&WORLD.web_ca);
    judged(&stale, Must::StayClosed, Must::BeOpened);
}

#[test]
fn for_mail_only() {
    let mail = Draft::server(BANK).usages(&["emailProtection"]).signed_by(&WORLD.web_ca);
    judged(&mail, Must::StayClosed, Must::StayClosed);
}

#[test]
fn for_clients_only() {
    let client = Draft::server(BANK).usages(&["clientAuth"]).signed_by(&WORLD.web_ca);
    judged(&client, Must::StayClosed, Must::StayClosed);
}

#[test]
fn a_weak_key() {
    let weak = Draft::server(BANK).rsa(1024).signed_by(&WORLD.web_ca);
    judged(&weak, Must::StayClosed, Must::StayClosed);
}

#[test]
fn a_ca_that_is_none() {
    let leaf = Draft::server("shop.example").signed_by(&WORLD.web_ca);
    let forged = Draft::server(BANK).signed_by(&leaf);
    judged(&forged, Must::StayClosed, Must::StayClosed);
}

/// With a CRL of its issuer the program itself checks revocation.
#[test]
fn revoked() {
    let good = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let revoked = Draft::server(BANK).signed_by(&WORLD.web_ca);
    for (identity, must) in [(&good, Must::BeOpened), (&revoked, Must::StayClosed)] {
        let server = https(identity);
        for scene in [by_grant(), by_pin(identity)] {
            let crl = scene.site.write("web.crl", WORLD.web_ca.crl(&[&revoked]));
            let visit = scene.visit(server.address(), BANK);
            let visit = visit.arguments(&["-crl_check", "-CRL", crl.to_str().unwrap()]);
            scene.check(Client::SClient, &visit, must);
        }
    }
}

/// With a CRL in the policy the authority itself checks revocation.
#[test]
fn revoked_by_the_authoritys_crl() {
    let good = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let revoked = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let scene = Scene::new(&[&WORLD.corp])
        .anchor("web", &WORLD.web.pem())
        .anchor("crl", &WORLD.web_ca.crl(&[&revoked]))
        .policy(&GRANT.replace("\n\n[[rule]]", "\ncrls = ['anchors/crl.pem']\n\n[[rule]]"));
    for (identity, must) in [(&good, Must::BeOpened), (&revoked, Must::StayClosed)] {
        let server = https(identity);
        for client in [Client::SClient, Client::Curl, Client::Urllib, Client::Node] {
            scene.check(client, &scene.visit(server.address(), BANK), must);
        }
    }
}

#[test]
fn a_trusted_certificate_that_rejects_servers() {
    let good = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let server = https(&good);
    let rejecting = WORLD.web.trusted_pem_rejecting_servers();
    for (anchor, must) in [(WORLD.web.pem(), Must::BeOpened), (rejecting, Must::StayClosed)] {
        let scene = Scene::new(&[&WORLD.corp]).anchor("web", &anchor).policy(GRANT);
        for client in [Client::SClient, Client::Curl, Client::Urllib] {
            scene.check(client, &scene.visit(server.address(), BANK), must);
        }
    }
}
