//! Signed mail: the one thing that a rule can open here.

use peerkey_tests::desk::{Desk, TEXT};
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::run::{Run, run};
use peerkey_tests::scene::Must;

use crate::{FOR_MAIL, WORLD};

fn alice() -> Draft {
    Draft::mail("alice@mail.example")
}

#[track_caller]
fn mail(policy: &str, signer: &Issued, must: Must) {
    for tool in ["cms", "smime"] {
        let desk = Desk::new(&[&WORLD.own]).policy(&WORLD.web, policy);
        desk.sign(tool, signer);
        let [_, with] = desk.verify_signed(tool, &[], must);
        let opened = matches!(must, Must::BeOpened | Must::StayOpen);
        assert_eq!(with.stdout.replace('\r', "").contains(TEXT), opened, "{with}");
        explained(&desk, signer, &with);
    }
}

/// `peerkey check smime` says what the program did, and why.
#[track_caller]
fn explained(desk: &Desk, signer: &Issued, did: &Run) {
    let chain = desk.file("chain.pem", signer.chain_pem());
    let mut check = desk.scene.site.peerkey();
    check.env("SSL_CERT_FILE", &desk.scene.trust).env("SSL_CERT_DIR", "/nowhere");
    check.args(["check", "smime", "--claimed", "--application", "/usr/bin/openssl", "--json"]);
    let check = run(check.arg("--chain").arg(chain));
    assert_eq!(check.ok(), did.ok(), "{check}\n{did}");
    if let Some((_, sentence)) = did.stderr.split_once("peerkey: ") {
        let sentence = sentence.split(':').next().unwrap().trim_end_matches("...");
        let answer: serde_json::Value = serde_json::from_str(&check.stdout).unwrap();
        let reason = answer["reason"]["text"].as_str().unwrap();
        assert!(reason.contains(sentence), "{sentence}\n{reason}");
    }
}

#[test]
fn denials_and_constraints_are_explained() {
    let signer = alice().signed_by(&WORLD.own_ca);
    mail(&format!("[[deny]]\nspki = '{}'\n", signer.pin()), &signer, Must::BeClosed("is denied"));
    let limit = "[[constraint]]\nca = ['anchors/web.pem']\nprotocols = ['https']\n";
    let foreign = alice().signed_by(&WORLD.web_ca);
    mail(&format!("{limit}{FOR_MAIL}"), &foreign, Must::StayClosed);
    mail(limit, &signer, Must::StayOpen);
}

#[test]
fn a_rule_for_mail_accepts_its_signers() {
    mail(FOR_MAIL, &alice().signed_by(&WORLD.web_ca), Must::BeOpened);
    mail(FOR_MAIL, &alice().signed_by(&WORLD.own_ca), Must::StayOpen);
}

#[test]
fn every_address_must_be_the_rule_s() {
    let sign = |draft: Draft| draft.signed_by(&WORLD.web_ca);
    mail(FOR_MAIL, &sign(Draft::mail("alice@other.example")), Must::StayClosed);
    mail(FOR_MAIL, &sign(alice().email("boss@other.example")), Must::StayClosed);
    mail(FOR_MAIL, &sign(alice().cn("boss@other.example")), Must::StayClosed);
    mail(FOR_MAIL, &sign(alice().uri("https://other.example/")), Must::StayClosed);
    mail(FOR_MAIL, &sign(alice().email("bob@mail.example")), Must::BeOpened);
    mail(FOR_MAIL, &sign(Draft::tool("Alice", "emailProtection")), Must::StayClosed);
}

#[test]
fn a_rule_must_be_written_for_it() {
    let signer = alice().signed_by(&WORLD.web_ca);
    let without = |what: &str| FOR_MAIL.replace(what, "");
    mail(&without("applications = ['/usr/bin/openssl']\n"), &signer, Must::StayClosed);
    mail(&without("protocols = ['smime']\n"), &signer, Must::StayClosed);
    let instead = |what: &str, other: &str| FOR_MAIL.replace(what, other);
    mail(&instead("['smime']", "['smime', 'https']"), &signer, Must::StayClosed);
    mail(&instead("/usr/bin/openssl", "/usr/bin/true"), &signer, Must::StayClosed);
    mail(&instead("peers =", "role = 'server'\npeers ="), &signer, Must::StayClosed);
    mail(&instead("peers =", "role = 'client'\npeers ="), &signer, Must::BeOpened);
}

#[test]
fn a_grant_overrules_the_missing_path_only() {
    mail(FOR_MAIL, &alice().expired().signed_by(&WORLD.web_ca), Must::StayClosed);
    mail(FOR_MAIL, &alice().usages(&["serverAuth"]).signed_by(&WORLD.web_ca), Must::StayClosed);
    mail(FOR_MAIL, &alice().self_signed(), Must::StayClosed);
    let desk = Desk::new(&[&WORLD.own]).policy(&WORLD.web, FOR_MAIL);
    desk.sign("cms", &alice().signed_by(&WORLD.web_ca));
    let signed = std::fs::read_to_string(desk.scene.site.path("home/signed")).unwrap();
    desk.file("signed", signed.replace("firmware 7", "firmware 8"));
    desk.verify_signed("cms", &[], Must::StayClosed);
}

#[test]
fn a_revoked_signer_stays_out() {
    let signer = alice().signed_by(&WORLD.web);
    let desk = Desk::new(&[&WORLD.own]).policy(&WORLD.web, FOR_MAIL);
    for (revoked, must) in [(&[][..], Must::BeOpened), (&[&signer][..], Must::StayClosed)] {
        let crl = desk.file("crl.pem", WORLD.web.crl(revoked));
        let trust = desk.file("web.pem", WORLD.web.pem());
        let (crl, trust) = (crl.display().to_string(), trust.display().to_string());
        // The CRL's issuer is known, and trusted for nothing.
        let more = ["-purpose", "smimesign", "-crl_check", "-CRLfile", &crl];
        let more = [&more[..], &["-untrusted", &trust]].concat();
        desk.verify(&signer, &more, must);
    }
}

#[test]
fn a_pinned_key_is_accepted_whatever_wraps_it() {
    let signer = alice().self_signed();
    let policy = format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = 'alice@mail.example'\n\
         spki = ['{}']\n[[rule]]\napplications = ['/usr/bin/openssl']\nprotocols = ['smime']\n\
         peers = ['@mail.example']\naccept = {{ any = ['pins'] }}\n",
        signer.pin()
    );
    mail(&policy, &signer, Must::BeOpened);
    mail(&policy, &alice().expired().key(&signer.key).self_signed(), Must::BeOpened);
    mail(&policy, &alice().self_signed(), Must::StayClosed);
    // The rule is for mail of these people, so it is held to as any rule is.
    mail(&policy, &alice().signed_by(&WORLD.own_ca), Must::BeClosed("it has another key for"));
    mail(&policy, &Draft::mail("bob@other.example").signed_by(&WORLD.own_ca), Must::StayOpen);
}
