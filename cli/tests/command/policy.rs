//! `policy show` and `policy rollback`.

use crate::lab::{Ca, Lab};

#[test]
fn the_policy_in_force_is_shown_as_it_was_compiled() {
    let ca = Ca::root("Corp").pem;
    let key = format!("sha256/{}=", "A".repeat(43));
    let policy = format!(
        "version = 1\nmode = \"monitor\"\nenforce = \"always\"\n\
         [authority.corp]\nkind = \"x509\"\nanchors = [\"ca.pem\"]\npeers = [\".corp.example\"]\n\
         [[constraint]]\nca = [\"ca.pem\"]\npeers = [\".example\"]\n\
         [[deny]]\nspki = \"{key}\"\nreason = \"it leaked\"\n\
         [[rule]]\nprotocols = [\"ldap\"]\nuntil = 2035-01-01\naccept = {{ any = [\"corp\", \"application\"] }}\n"
    );
    let lab = Lab::with(&policy, &[("conf/ca.pem", &ca)]);
    lab.peerkey("policy show")
        .is(0)
        .says("mode         monitor")
        .says("enforce      always")
        .says("any of corp, application")
        .says("1 anchor")
        .says("it leaked")
        .says(&key)
        .says("2035-01-01")
        .says("built in");
    let shown = lab.peerkey("policy show --json").is(0).json();
    assert_eq!(shown["rules"][0]["protocols"][0], "ldap");
    assert_eq!(shown["authorities"][0]["name"], "application");
    assert_eq!(shown["authorities"][1]["anchors"], 1);
    assert_eq!(shown["constraints"][0]["peers"][0], ".example");
    assert_eq!(shown["denials"][0]["value"], key);
    assert_eq!(shown["default"], "any of application");
    assert!(shown["sources"].as_array().unwrap().len() >= 2);
}

#[test]
fn a_policy_that_is_not_there_or_damaged_is_said_to_be() {
    let lab = Lab::new();
    lab.peerkey("policy show").is(1).complains("no policy is in force");
    lab.peerkey("policy rollback").is(1).complains("The policy in force is unchanged.");
    lab.write("state/policy-1.db", "nonsense");
    lab.peerkey("policy show --json").is(1).complains("policy-1.db");
}

#[test]
fn rollback_brings_the_one_before_and_then_this_one() {
    let lab = Lab::with("version = 1\n", &[]);
    lab.peerkey("policy rollback").is(1).complains("no earlier policy");
    lab.write("conf/policy.toml", "version = 1\nmode = \"monitor\"\n");
    lab.peerkey("apply").is(0).says("peerkey policy rollback");
    let mode = || lab.peerkey("policy show --json").is(0).json()["mode"].clone();
    assert_eq!(mode(), "monitor");
    lab.peerkey("policy rollback").is(0).says("in force again");
    assert_eq!(mode(), "enforce");
    lab.peerkey("policy rollback").is(0);
    assert_eq!(mode(), "monitor");
}
