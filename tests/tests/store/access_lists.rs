//! A store as an access list: what it does not hold, no rule for connections lets in.

use peerkey_tests::desk::Desk;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::scene::Must;

use crate::{FOR_MAIL, FOR_TLS, WORLD};

fn desk(policy: &str) -> Desk {
    Desk::new(&[&WORLD.own]).policy(&WORLD.web, policy)
}

/// The same kind of signer from the private CA and from a public one.
fn both(draft: &Draft) -> [(Issued, Must); 2] {
    [
        (draft.clone().signed_by(&WORLD.own_ca), Must::StayOpen),
        (draft.clone().signed_by(&WORLD.web_ca), Must::StayClosed),
    ]
}

#[test]
fn a_signed_firmware_is_not_opened_by_rules_for_connections() {
    for draft in [Draft::mail("build@mail.example"), Draft::tool("Builder", "emailProtection")] {
        for (signer, must) in both(&draft) {
            for tool in ["cms", "smime"] {
                let desk = desk(FOR_TLS);
                desk.sign(tool, &signer);
                desk.verify_signed(tool, &[], must);
            }
        }
    }
}

#[test]
fn a_rule_for_mail_opens_no_other_purpose() {
    let draft = Draft::mail("build@mail.example").usages(&["emailProtection", "codeSigning"]);
    let signer = draft.signed_by(&WORLD.web_ca);
    let desk = desk(FOR_MAIL);
    desk.sign("cms", &signer);
    desk.verify_signed("cms", &[], Must::BeOpened);
    desk.verify_signed("cms", &["-purpose", "any"], Must::StayClosed);
    desk.verify(&signer, &["-purpose", "smimesign"], Must::BeOpened);
    desk.verify(&signer, &[], Must::StayClosed);
    for purpose in ["any", "sslclient", "sslserver", "crlsign", "ocsphelper", "timestampsign"] {
        desk.verify(&signer, &["-purpose", purpose], Must::StayClosed);
    }
}

#[test]
fn an_ocsp_responder_is_not_opened() {
    let subject = Draft::server("bank.example").signed_by(&WORLD.own);
    for policy in [FOR_TLS, FOR_MAIL] {
        let delegated = Draft::tool("Responder", "OCSPSigning").signed_by(&WORLD.own);
        desk(policy).ocsp(&WORLD.own, &subject, &delegated, Must::StayOpen);
        let foreign = Draft::tool("Responder", "OCSPSigning").signed_by(&WORLD.web);
        desk(policy).ocsp(&WORLD.own, &subject, &foreign, Must::StayClosed);
    }
}

#[test]
fn a_time_stamp_is_not_opened() {
    for policy in [FOR_TLS, FOR_MAIL] {
        for (authority, must) in both(&Draft::tool("Clock", "timeStamping")) {
            desk(policy).time_stamp(&authority, must);
        }
    }
}
