//! Pinned certificates.

use super::*;
use rcgen::{Certificate as Made, SanType};

fn made(params: CertificateParams) -> (Made, Certificate) {
    let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let own = Certificate::from_der(made.der()).unwrap();
    (made, own)
}

/// What NSS is told of a certificate whose key is pinned for these peers.
fn pinned(params: CertificateParams, peers: &[&str], more: &str) -> Option<TrustRow> {
    let (made, own) = made(params);
    let mut text = "[authority.pins]\nkind = \"pin\"\n".to_owned();
    for peer in peers {
        text += &format!("[[authority.pins.key]]\npeer = \"{peer}\"\nspki = [\"leaf.pem\"]\n");
    }
    text += more;
    if !more.contains("[default]") {
        text += "[default]\naccept = { any = [\"pins\"] }";
    }
    let objects = objects(&policy(&text, &[("leaf.pem", &made.pem())]));
    let found = objects.trust(&own);
    let is_found = objects.certificates.iter().any(|c| c.row.der == own.der());
    assert_eq!(found.is_some(), is_found);
    found
}

fn leaf(names: &[&str]) -> CertificateParams {
    let mut leaf = params("", names);
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf
}

#[test]
fn a_safe_certificate_is_trusted_itself() {
    let trust = pinned(leaf(&["router.lan"]), &["router.lan"], "").unwrap();
    assert_eq!(three(&trust), [TD, T, MV]);
    assert!(trust.sha1.is_some(), "without its hash it would be void");
    let both = pinned(leaf(&["router.lan", "10.0.0.1"]), &["router.lan", "10.0.0.1"], "");
    assert_eq!(three(&both.unwrap()), [TD, T, MV]);
}

#[test]
fn one_that_could_be_a_cas_anchors_nothing() {
    let silent = params("", &["router.lan"]);
    assert_eq!(three(&pinned(silent, &["router.lan"], "").unwrap()), [T, MV, MV]);
    let mut ca = leaf(&["router.lan"]);
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(three(&pinned(ca, &["router.lan"], "").unwrap()), [T, MV, MV]);
}

#[test]
fn one_that_speaks_of_others_is_not_trusted() {
    for names in [&["router.lan", "bank.example"][..], &["*.lan"], &["other.lan"], &[]] {
        assert_eq!(pinned(leaf(names), &["router.lan"], ""), None, "{names:?}");
    }
    let mut common = params("bank.example", &["10.0.0.1"]);
    common.is_ca = IsCa::ExplicitNoCa;
    assert_eq!(pinned(common, &["10.0.0.1"], ""), None, "older code takes the common name");
    let mut other = leaf(&["router.lan"]);
    other.subject_alt_names.push(SanType::URI("https://bank.example".try_into().unwrap()));
    assert_eq!(pinned(other, &["router.lan"], ""), None);
}

#[test]
fn a_pin_that_is_not_enough_is_none() {
    let more = "[[rule]]\npeers = [\".lan\"]\naccept = { all = [\"application\", \"pins\"] }\n";
    assert_eq!(pinned(leaf(&["router.lan"]), &["router.lan"], more), None);
    let more = "[[deny]]\ncertificate = \"leaf.pem\"\n";
    let (made, own) = made(leaf(&["router.lan"]));
    let text = format!(
        "[authority.pins]\nkind = \"pin\"\n[[authority.pins.key]]\npeer = \"router.lan\"\n\
         spki = [\"leaf.pem\"]\n{more}[default]\naccept = {{ any = [\"pins\"] }}"
    );
    let objects = objects(&policy(&text, &[("leaf.pem", &made.pem())]));
    assert_eq!(three(&objects.trust(&own).unwrap()), [NT, NT, NT]);
    assert!(objects.certificates.is_empty());
}

#[test]
fn an_expired_certificate_is_not_trusted() {
    let mut old = leaf(&["router.lan"]);
    old.not_after = date_time_ymd(2025, 1, 1);
    assert_eq!(pinned(old, &["router.lan"], ""), None);
}

#[test]
fn an_anchor_that_is_no_cas_is_trusted_as_itself() {
    let (made, own) = made(leaf(&["router.lan"]));
    let text = "[authority.devices]\nkind = \"x509\"\nanchors = [\"leaf.pem\"]\n\
                [default]\naccept = { any = [\"devices\"] }";
    let whole = objects(&policy(text, &[("leaf.pem", &made.pem())]));
    assert_eq!(three(&whole.trust(&own).unwrap()), [TD, T, MV]);
    let scoped = text.replace("[default]", "peers = [\".corp\"]\n[default]");
    let scoped = objects(&policy(&scoped, &[("leaf.pem", &made.pem())]));
    assert_eq!(scoped.trust(&own), None);
}
