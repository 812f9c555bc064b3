//! `explain`.

use std::fs;

use peerkey_core::decide::{Application, Fault};
use peerkey_core::verdict::Reason;
use serde_json::Value;

use super::{Deed, Scribe, TOWN, Town, key_of, town, town_under};

fn json(town: &Town, arguments: &str) -> Value {
    town.lab.peerkey(&format!("explain --json {arguments}")).is(0).json()
}

/// The sets of authorities, as `a+b c`.
fn sets(document: &Value) -> String {
    let change = &document["would-have-changed"];
    assert_eq!(change["complete"], true, "{document}");
    let set = |set: &Value| {
        let names = set.as_array().unwrap().iter().map(|one| one["authority"].as_str().unwrap());
        names.collect::<Vec<_>>().join("+")
    };
    change["authorities"].as_array().unwrap().iter().map(set).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_newest_refusal_is_explained_as_check_does_with_what_would_have_changed_it() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    scribe.write(&Deed::new("www.bank.example", &town.bank));
    scribe.write(&Deed::new("shop.example", &town.shop));
    let ran = town.lab.peerkey("explain").is(0);
    assert!(ran.out.starts_with("recorded id00000000000001, "), "{ran:?}");
    ran.says("  policy       the one in force\n")
        .says("asked again of the same policy: reject: rule 1 (policy.toml:15) does not accept")
        .says("www.bank.example over https\n  - rule 1 (policy.toml:15) does not accept\n")
        .says(
            "what would have changed the verdict\n  pins alone, had it vouched: it has another key",
        )
        .says(
            "  rule 2 (policy.toml:19) would have accepted, if it had come first: it matches too\n",
        );
    let accepted = town.lab.peerkey("explain id00000000000002").is(0).says("accept, by rule 2");
    assert!(!accepted.out.contains("what would have changed"), "{accepted:?}");
}

#[test]
fn the_smallest_sets_are_those_of_the_expression() {
    for (accept, expected) in [
        ("{ all = [\"web\", \"pins\"] }", "pins"),
        ("{ all = [\"pins\", \"application\"] }", "application+pins"),
        ("{ any = [\"pins\", { all = [\"web\", \"application\"] }] }", "application pins"),
        ("{ at-least = 2, of = [\"web\", \"pins\", \"application\"] }", "application pins"),
        ("{ at-least = 3, of = [\"web\", \"pins\", \"application\"] }", "application+pins"),
    ] {
        let town = town_under(&TOWN.replace("{ all = [\"web\", \"pins\"] }", accept));
        Scribe::new(&town.lab).write(&Deed::new("www.bank.example", &town.bank));
        assert_eq!(sets(&json(&town, "")), expected, "{accept}");
    }
}

#[test]
fn what_the_program_found_beyond_a_grant_leaves_its_own_word() {
    let town = town();
    let revoked = Application::Refuses {
        faults: vec![Fault::Other("certificate revoked".into())],
        why: "certificate revoked".into(),
    };
    Scribe::new(&town.lab).write(&Deed::new("shop.example", &town.shop).says(revoked));
    let document = json(&town, "");
    assert_eq!(sets(&document), "application");
    assert_eq!(document["again"]["program"]["faults"][0]["text"], "certificate revoked");
}

#[test]
fn of_denials_and_constraints_only_their_removal_helps() {
    let key = |pem: &str| key_of(pem).to_string();
    let Town { lab, ca, shop, .. } = town();
    let town = |more: &str| {
        lab.write("conf/policy.toml", format!("{TOWN}{more}"));
        lab.peerkey("apply").is(0);
    };
    let scribe = Scribe::new(&lab);
    town(&format!("[[deny]]\nspki = \"{}\"\nreason = \"leaked\"\n", key(&shop)));
    scribe.write(&Deed::new("shop.example", &shop));
    let denied = lab.peerkey("explain").is(0);
    let denied =
        denied.says("nobody outvotes this, and only its removal would help: the key sha256/");
    assert!(denied.out.contains("leaked") && !denied.out.contains("alone, had it"), "{denied:?}");
    town(&format!("[[constraint]]\nca = [\"{}\"]\npeers = [\".br\"]\n", key(&ca.pem)));
    // The CA is out of the policy's own paths, and out of the program's.
    let ran = lab.peerkey("explain").is(0);
    ran.says("only its removal would help: the CA \"CN=Web\" may not vouch for shop.example");
    let out = Reason::ConstraintBroken {
        certificate: "\"CN=Web\"".into(),
        peer: "else.example over ldap".into(),
        constraint: "the constraint at policy.toml:22 holds it to .br".into(),
    };
    let deed = Deed::new("else.example", &shop).over("ldap").known_by("CN=Web", &ca);
    scribe.write(&deed.says(Application::RuledOut(out)));
    let held = lab.peerkey("explain").is(0);
    held.says("only its removal would help: the CA \"CN=Web\" may not vouch for else.example")
        .says("asked again of the same policy: reject: the CA \"CN=Web\" may not vouch");
}

#[test]
fn the_policy_of_now_is_asked_and_said_to_be_another() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let id = scribe.write(&Deed::new("www.bank.example", &town.bank));
    town.lab.write("conf/policy.toml", TOWN.replace("\"web\", \"pins\"] }", "\"web\"] }"));
    town.lab.peerkey("apply").is(0);
    let ran = town.lab.peerkey(&format!("explain {}", &id[..16])).is(0);
    ran.says("  policy       another than the one in force now\n")
        .says("asked again of the policy in force now: accept, by rule 1");
    let document = json(&town, &id);
    assert_eq!(document["recorded"]["verdict"], "reject");
    assert_eq!(document["again"]["verdict"], "accept");
    assert_eq!(document["again"]["policy"]["is-recorded"], false);
    assert_eq!(document["would-have-changed"], Value::Null);
}

#[test]
fn without_its_certificates_what_was_recorded_is_shown() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    scribe.write(&Deed::new("www.bank.example", &town.bank));
    let chains = scribe.folder().join("chains");
    for entry in fs::read_dir(&chains).unwrap() {
        let path = entry.unwrap().path();
        fs::write(&path, fs::read(&path).unwrap().repeat(2)).unwrap();
    }
    let ran = town.lab.peerkey("explain").is(1);
    ran.says(
        "it cannot be asked again: what was kept is damaged: the kept certificates were changed",
    )
    .says("www.bank.example over https: rule 1 (policy.toml:15) does not accept\n")
    .says("    pins: it has another key for www.bank.example");
    fs::remove_dir_all(&chains).unwrap();
    let document = town.lab.peerkey("explain --json").is(1).json();
    assert_eq!(document["why-not"], "the certificates are not kept, or no longer");
    assert_eq!(document["recorded"]["code"], "not-vouched");
}

#[test]
fn a_line_can_name_no_file_elsewhere() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    fs::write(scribe.folder().join("secret"), &town.bank).unwrap();
    let line = r#"{"id":"x","time":1,"verdict":"reject","expected":["a.b"],"chain":"../secret"}"#;
    scribe.append("record.jsonl", format!("{line}\n"));
    town.lab.peerkey("explain x").is(1).says("have no name that they could have");
}

#[test]
fn an_id_must_be_one_decisions() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    town.lab.peerkey("explain").is(2);
    scribe.write(&Deed::new("shop.example", &town.shop));
    town.lab.peerkey("explain").is(2).complains("nothing in the record was refused");
    scribe.write(&Deed::new("shop.example", &town.shop));
    town.lab.peerkey("explain id").is(2).complains("2 decisions have ids that begin with \"id\"");
    town.lab.peerkey("explain nothing").is(2).complains("peerkey log shows those that are");
    town.lab.peerkey("explain id00000000000002").is(0);
}
