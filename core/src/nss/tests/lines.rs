//! What is said of how NSS sees a policy.

use super::super::{About, How, Line};
use super::*;

fn lines(policy: &Policy) -> Vec<Line> {
    plan(policy, NOW).lines
}

fn one(lines: &[Line], about: About) -> &Line {
    let mut found = lines.iter().filter(|line| line.about == about);
    let line = found.next().unwrap();
    assert!(found.next().is_none(), "{lines:#?}");
    line
}

const BANK: &str = "[[rule]]\npeers = [\".bank.example\"]\naccept = { any = [\"corp\"] }\n";
const CORP: &str = "[authority.corp]\nkind = \"x509\"\nanchors = [\"corp.pem\"]\n";

#[test]
fn the_policy_that_changes_nothing_is_exact() {
    let plan = plan(&policy("", &[]), NOW);
    assert_eq!(plan.lines.len(), 1);
    assert_eq!(plan.lines[0].how(), How::Exact);
    assert!(!plan.monitored);
    assert!(super::plan(&policy("mode = \"monitor\"", &[]), NOW).monitored);
}

#[test]
fn a_rule_that_leaves_programs_out_is_laxer_until_the_default_does_too() {
    let root = Issuer::root("Corp Root");
    let files = [("corp.pem", root.pem())];
    let files = files.each_ref().map(|(name, pem)| (*name, pem.as_str()));
    let mut open = policy(&format!("{CORP}{BANK}"), &files);
    let found = lines(&open);
    let rule = one(&found, About::Rule);
    assert_eq!((rule.how(), one(&found, About::Default).how()), (How::Laxer, How::Exact));
    assert!(rule.laxer[0].remedy.contains("[authority.web]"), "{rule:?}");
    open.system = vec![root.certificate()];
    let found = lines(&open);
    let remedy = &one(&found, About::Rule).laxer[0].remedy;
    assert_eq!(remedy, "write \"corp\" in place of \"application\" in [default]");
    let closed = format!("{CORP}{BANK}[default]\naccept = {{ any = [\"corp\"] }}");
    let found = lines(&policy(&closed, &files));
    assert!(found.iter().all(|line| line.how() == How::Exact), "{found:#?}");
}

#[test]
fn what_is_scoped_refuses_certificates_for_others_and_loses_in_firefox() {
    let root = Issuer::root("Builtin");
    let text =
        format!("{CORP}peers = [\".corp.example\"]\n[default]\naccept = {{ any = [\"corp\"] }}");
    let mut policy = policy(&text, &[("corp.pem", &root.pem())]);
    let found = lines(&policy);
    let authority = one(&found, About::Authority);
    assert_eq!(authority.how(), How::Stricter);
    assert_eq!(authority.lost_in_firefox, None);
    policy.system = vec![root.certificate()];
    let found = lines(&policy);
    let lost = one(&found, About::Authority).lost_in_firefox.clone().unwrap();
    assert!(lost.ends_with("1 of 1 roots"), "{lost}");
}

#[test]
fn what_adds_up_is_never_met() {
    let root = Issuer::root("Corp Root");
    let pin = "A".repeat(43) + "=";
    let text = format!(
        "{CORP}[authority.pins]\nkind = \"pin\"\n[[authority.pins.key]]\npeer = \"a.bank.example\"\n\
         spki = [\"sha256/{pin}\"]\n[[rule]]\npeers = [\".bank.example\"]\n\
         accept = {{ all = [\"corp\", \"pins\"] }}\n[default]\naccept = {{ any = [\"corp\"] }}"
    );
    let found = lines(&policy(&text, &[("corp.pem", &root.pem())]));
    assert_eq!(
        one(&found, About::Rule).stricter,
        ["corp, pins together are never met: NSS adds nothing up"]
    );
    let pin = one(&found, About::Pin);
    assert!(pin.stricter[0].contains("not known: name its file"), "{pin:?}");
}

#[test]
fn a_denied_or_limited_key_is_laxer() {
    let key = "sha256/".to_owned() + &"A".repeat(43) + "=";
    let text = format!(
        "[[deny]]\nspki = \"{key}\"\n[[constraint]]\nca = [\"{key}\"]\npeers = [\".br\"]\n"
    );
    let found = lines(&policy(&text, &[]));
    assert_eq!(one(&found, About::Denial).how(), How::Laxer);
    assert_eq!(one(&found, About::Constraint).how(), How::Laxer);
}

#[test]
fn rules_about_what_nss_never_says() {
    let root = Issuer::root("Corp Root");
    let rule = |protocols: &str| {
        format!(
            "[[rule]]\npeers = [\".corp.example\"]\nprotocols = [{protocols}]\naccept = {{ any = [\"corp\"] }}\n"
        )
    };
    let how = |protocols: &str| {
        let text = format!(
            "{CORP}{}[default]\naccept = {{ any = [\"application\", \"corp\"] }}",
            rule(protocols)
        );
        let found = lines(&policy(&text, &[("corp.pem", &root.pem())]));
        one(&found, About::Rule).how()
    };
    assert_eq!(how("\"postgresql\""), How::Exact);
    assert_eq!(how("\"imaps\""), How::Laxer, "Thunderbird's");
    assert_eq!(how("\"imaps\", \"https\""), How::Laxer, "programs' own roots");
}

#[test]
fn a_pin_that_firefox_does_not_take_is_an_exception_there() {
    let key = KeyPair::generate().unwrap();
    let made = params("", &["router.lan", "other.lan"]).self_signed(&key).unwrap();
    let text = "[authority.pins]\nkind = \"pin\"\n[[authority.pins.key]]\npeer = \"router.lan\"\n\
                spki = [\"leaf.pem\"]\n[default]\naccept = { any = [\"pins\"] }";
    let plan = plan(&policy(text, &[("leaf.pem", &made.pem())]), NOW);
    let own = Certificate::from_der(made.der()).unwrap();
    let [only] = plan.overrides.as_slice() else { panic!("{:?}", plan.overrides) };
    assert_eq!((only.peer.to_string().as_str(), only.sha256), ("router.lan", own.fingerprint()));
    let pin = one(&plan.lines, About::Pin);
    assert!(pin.stricter[0].contains("also trust it for other.lan"), "{pin:?}");
}

/// A policy that remembers keys, with this rule.
fn remembering(settings: &str, accept: &str) -> Vec<Line> {
    let root = Issuer::root("Corp Root");
    let text = format!(
        "{CORP}[authority.pins]\nkind = \"pin\"\n[[authority.pins.key]]\npeer = \"router.lan\"\n\
         spki = [\"sha256/{}=\"]\n[authority.devices]\nkind = \"tofu\"\n{settings}\n[[rule]]\n\
         peers = [\".lan\"]\naccept = {accept}\n[default]\naccept = {{ any = [\"corp\"] }}",
        "A".repeat(43)
    );
    lines(&policy(&text, &[("corp.pem", &root.pem())]))
}

fn devices(lines: &[Line]) -> &Line {
    lines.iter().find(|line| line.what == "devices").unwrap()
}

#[test]
fn what_remembers_keys_is_stricter_as_far_as_a_rule_hangs_on_it() {
    let alone = remembering("", "{ any = [\"corp\", \"devices\"] }");
    assert_eq!((devices(&alone).how(), devices(&alone).stricter.len()), (How::Stricter, 3));
    assert_eq!(one(&alone, About::Rule).how(), How::Exact);
    let held = remembering("first-use = \"hold\"", "{ any = [\"corp\", \"devices\"] }");
    assert!(!devices(&held).stricter.iter().any(|what| what.contains("first time")), "{held:#?}");
    let unused = remembering("", "{ any = [\"corp\"] }");
    assert_eq!(devices(&unused).how(), How::Exact);
    let mail = remembering("protocols = [\"imaps\"]", "{ any = [\"corp\", \"devices\"] }");
    assert!(devices(&mail).stricter[0].contains("anything but https"), "{mail:#?}");
}

#[test]
fn keys_add_up_with_keys_and_not_with_a_ca() {
    let with_ca = remembering("", "{ all = [\"corp\", \"devices\"] }");
    let words = ["corp, devices together are never met: NSS adds nothing up"];
    assert_eq!(one(&with_ca, About::Rule).stricter, words);
    assert!(devices(&with_ca).stricter[0].contains("without a CA's"), "{with_ca:#?}");
    let keys = remembering("", "{ all = [\"pins\", \"devices\"] }");
    assert_eq!(one(&keys, About::Rule).how(), How::Exact, "{keys:#?}");
}
