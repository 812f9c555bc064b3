//! Denials and constraints hold everywhere.

use peerkey_tests::desk::Desk;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::scene::Must;

use crate::WORLD;

const DENIED: Must = Must::BeClosed("is denied by");
const LIMITED: Must = Must::BeClosed("may not vouch for");

fn desk(policy: &str) -> Desk {
    Desk::new(&[&WORLD.own]).anchor("own-ca", &WORLD.own_ca).policy(&WORLD.web, policy)
}

fn deny(who: &Issued) -> String {
    format!("[[deny]]\nspki = '{}'\n", who.pin())
}

fn limit(what: &str) -> String {
    format!("[[constraint]]\nca = ['anchors/own-ca.pem']\n{what}\n")
}

#[test]
fn a_denied_key_or_ca_is_refused_in_every_tool() {
    let signer = Draft::mail("alice@mail.example").signed_by(&WORLD.own_ca);
    let other = Draft::mail("alice@mail.example").signed_by(&WORLD.own_ca);
    for (denied, must) in
        [(&signer, DENIED), (&WORLD.own_ca, DENIED), (&WORLD.own, DENIED), (&other, Must::StayOpen)]
    {
        let desk = desk(&deny(denied));
        desk.verify(&signer, &[], must);
        for tool in ["cms", "smime"] {
            desk.sign(tool, &signer);
            desk.verify_signed(tool, &[], must);
        }
    }
}

#[test]
fn the_error_says_where_it_is() {
    let signer = Draft::mail("alice@mail.example").signed_by(&WORLD.own_ca);
    let [_, with] = desk(&deny(&WORLD.own_ca)).verify(&signer, &[], DENIED);
    assert!(with.text().contains("error 50 at 1 depth lookup"), "{with}");
}

#[test]
fn ocsp_and_time_stamps_obey_denials() {
    let subject = Draft::server("bank.example").signed_by(&WORLD.own);
    let responder = Draft::tool("Responder", "OCSPSigning").signed_by(&WORLD.own);
    desk(&deny(&responder)).ocsp(&WORLD.own, &subject, &responder, DENIED);
    let clock = Draft::tool("Clock", "timeStamping").signed_by(&WORLD.own_ca);
    desk(&deny(&clock)).time_stamp(&clock, DENIED);
}

#[test]
fn another_path_is_taken() {
    // The same CA key under another root, which is trusted too.
    let second = Draft::ca("Second Root").self_signed();
    let cross = Draft::ca("Own CA").key(&WORLD.own_ca.key).signed_by(&second);
    let signer = Draft::mail("alice@mail.example").signed_by(&WORLD.own_ca);
    let signer = signer.with_above(&[&WORLD.own_ca, &cross]);
    let desk = Desk::new(&[&WORLD.own, &second]).policy(&WORLD.web, &deny(&WORLD.own));
    desk.verify(&signer, &[], Must::StayOpen);
    let [_, with] = desk.verify(&signer, &["-show_chain"], Must::StayOpen);
    assert!(with.stdout.contains("Second Root") && !with.stdout.contains("Own Root"), "{with}");
    // Trusted by a stack of the program's, not by a store.
    desk.file("own.pem", WORLD.own.pem());
    let alone = ["verify", "-trusted", "own.pem", "-untrusted", "above.pem", "signer.pem"];
    desk.check(&alone, DENIED);
}

#[test]
fn a_constraint_holds_for_every_name_of_the_certificate() {
    let sign = |draft: Draft| draft.signed_by(&WORLD.own_ca);
    let brazil = desk(&limit("peers = ['.br']"));
    brazil.verify(&sign(Draft::server("bank.br")), &[], Must::StayOpen);
    brazil.verify(&sign(Draft::server("bank.br").dns("bank.example")), &[], LIMITED);
    brazil.verify(&sign(Draft::server("bank.example")), &[], LIMITED);
    brazil.verify(&sign(Draft::tool("bank.example", "serverAuth")), &[], LIMITED);
    brazil.verify(&sign(Draft::server("bank.br").uri("https://bank.example/")), &[], LIMITED);
    brazil.verify(&sign(Draft::mail("alice@mail.example")), &[], LIMITED);
    // Whom the program expects is known better than what is claimed.
    let both = sign(Draft::server("bank.br").dns("bank.example"));
    brazil.verify(&both, &["-verify_hostname", "bank.br"], Must::StayOpen);
    brazil.verify(&both, &["-verify_hostname", "bank.example"], LIMITED);
}

#[test]
fn a_constraint_leaves_alone_what_names_no_peer() {
    let brazil = desk(&limit("peers = ['.br']"));
    let code = Draft::tool("Acme Software", "codeSigning").signed_by(&WORLD.own_ca);
    brazil.verify(&code, &["-purpose", "any"], Must::StayOpen);
    brazil.verify(&WORLD.own_ca, &[], Must::StayOpen);
    let below = Draft::ca("Regional CA").signed_by(&WORLD.own_ca);
    brazil.verify(&below, &[], Must::StayOpen);
    // A CA that speaks of a host is held to it.
    let host = Draft::ca("Regional CA").dns("bank.example").signed_by(&WORLD.own_ca);
    brazil.verify(&host, &[], LIMITED);
}

#[test]
fn a_constraint_to_protocols_knows_mail_only() {
    let mail = Draft::mail("alice@mail.example").signed_by(&WORLD.own_ca);
    let code = Draft::tool("Acme Software", "codeSigning").signed_by(&WORLD.own_ca);
    let smime = desk(&limit("protocols = ['smime']"));
    smime.verify(&mail, &["-purpose", "smimesign"], Must::StayOpen);
    smime.verify(&mail, &["-purpose", "smimeencrypt"], Must::StayOpen);
    smime.verify(&mail, &[], LIMITED);
    smime.verify(&code, &[], LIMITED);
    let web = desk(&limit("protocols = ['https']"));
    web.verify(&mail, &["-purpose", "smimesign"], LIMITED);
    web.verify(&WORLD.own_ca, &[], Must::StayOpen);
}
