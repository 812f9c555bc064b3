//! What is denied is refused, whoever vouches for it.

use peerkey_tests::pki::{Draft, Issued};

use crate::stage::{Stage, UNTRUSTED_CERT, UNTRUSTED_ISSUER, everyone, site, with_root};

const BANK: &str = "bank.example";

#[test]
fn a_leaf_an_intermediate_and_a_root() {
    let root = Draft::ca("Root").self_signed();
    let ca = Draft::ca("CA").signed_by(&root);
    let (bank, other) = (Draft::server(BANK).signed_by(&ca), Draft::server(BANK).signed_by(&ca));
    let cases: [(&str, &Issued, &'static str, bool); 3] = [
        ("leaf", &bank, UNTRUSTED_CERT, true),
        ("intermediate", &ca, UNTRUSTED_ISSUER, false),
        ("root", &root, UNTRUSTED_ISSUER, false),
    ];
    for (what, denied, error, alone) in cases {
        let policy = "
[authority.web]
kind = 'x509'
anchors = ['anchors/root.pem']
[[deny]]
certificate = 'anchors/denied.pem'
[default]
accept = { any = ['application', 'web'] }
";
        let site = site(&[("denied", denied.pem()), ("root", root.pem())], policy);
        let stage = Stage::new(&site);
        // The user trusts the root too.
        stage.profile.database.import("root", &root.cert, "CT,C,C");
        let mut browser = stage.profile.start();
        for (how, identity) in [("", bank.clone()), (", root sent", with_root(&bank, &root))] {
            let what = format!("{what} denied{how}");
            everyone(&stage, &mut browser, &what, BANK, &identity, Some(&[error]));
        }
        let must: Option<&[&str]> = if alone { None } else { Some(&[error]) };
        everyone(&stage, &mut browser, &format!("beside a {what}"), BANK, &other, must);
    }
}

/// A denied key, of which the policy knows a certificate.
#[test]
fn the_known_certificate_of_a_denied_key() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let policy = "
[[deny]]
spki = 'anchors/bank.pem'
[default]
accept = { any = ['application'] }
";
    let site = site(&[("bank", bank.pem())], policy);
    let stage = Stage::new(&site);
    stage.profile.database.import("root", &root.cert, "CT,C,C");
    let mut browser = stage.profile.start();
    everyone(&stage, &mut browser, "denied key", BANK, &bank, Some(&[UNTRUSTED_CERT]));
}

/// By issuer and serial number the certificate itself need not be known.
#[test]
fn by_issuer_and_serial_number() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let serial = bank.cert.serial_number().to_bn().unwrap().to_hex_str().unwrap().to_string();
    let policy = format!(
        "[[deny]]\nissuer = 'anchors/root.pem'\nserial = '{serial}'\n\
         [default]\naccept = {{ any = ['application'] }}\n"
    );
    let site = site(&[("root", root.pem())], &policy);
    let stage = Stage::new(&site);
    stage.profile.database.import("root", &root.cert, "CT,C,C");
    let mut browser = stage.profile.start();
    everyone(&stage, &mut browser, "denied by serial", BANK, &bank, Some(&[UNTRUSTED_CERT]));
    let other = Draft::server(BANK).signed_by(&root);
    everyone(&stage, &mut browser, "another serial", BANK, &other, None);
}
