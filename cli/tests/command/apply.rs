//! `apply`.

use std::fs;

use crate::lab::{Ca, Lab};

#[test]
fn a_right_policy_is_put_in_force_and_counted() {
    let lab = Lab::new();
    lab.write("conf/ca.pem", Ca::root("One").pem);
    lab.write(
        "conf/policy.toml",
        "version = 1\n[authority.corp]\nkind = \"x509\"\nanchors = [\"ca.pem\"]\n\
         [[rule]]\npeers = [\".corp.example\"]\naccept = { any = [\"corp\"] }\n",
    );
    let checked = lab.peerkey("apply --check").is(0);
    assert!(checked.says("1 rule, 1 authority (1 anchor), from 1 file").err.is_empty());
    assert!(fs::read_dir(lab.path("state")).unwrap().next().is_none(), "--check changes nothing");
    lab.peerkey("apply").is(0).says("in force");
    assert!(lab.path("state/policy-1.db").exists());
    let again = lab.peerkey("apply --json").is(0).json();
    assert_eq!(again["applied"], true);
    assert_eq!(again["counts"]["anchors"], 1);
    assert_eq!(again["version"], 1);
}

#[test]
fn a_mistake_is_shown_with_its_place_and_changes_nothing() {
    let lab = Lab::with("version = 1\n", &[]);
    let before = fs::read(lab.path("state/policy-1.db")).unwrap();
    lab.write(
        "conf/policy.toml",
        "version = 1\n[[rule]]\npeers = [\"*.x\"]\naccept = { any = [\"wep\"] }\n",
    );
    for line in ["apply", "apply --check"] {
        let ran = lab
            .peerkey(line)
            .is(1)
            .complains("conf/policy.toml:3:10\n")
            .complains("3 | peers = [\"*.x\"]\n")
            .complains("  |          ^^^^^\n")
            .complains("= help: ")
            .complains("2 errors in the policy; the policy in force is unchanged");
        assert!(ran.out.is_empty() && !ran.err.contains('\x1b'), "{ran:#?}");
    }
    let refused = lab.peerkey("apply --json").is(1).json();
    assert_eq!(refused["applied"], false);
    assert_eq!(refused["errors"][0]["place"]["line"], 3);
    assert_eq!(fs::read(lab.path("state/policy-1.db")).unwrap(), before);
}

#[test]
fn warnings_do_not_keep_a_policy_from_being_applied() {
    let lab = Lab::new();
    lab.write("conf/ca.pem", Ca::root("One").pem);
    lab.write(
        "conf/policy.toml",
        "version = 1\n[authority.idle]\nkind = \"x509\"\nanchors = [\"ca.pem\"]\n",
    );
    lab.peerkey("apply").is(0).complains("warning: ").complains("policy.toml:2:");
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let lab = Lab::new();
    lab.peerkey("apply").is(1).complains("policy.toml").complains("help: ");
    lab.write("conf/policy.toml", "version = 1\n");
    let nowhere = lab.named("not/here");
    lab.run(["apply", "--state-dir", &nowhere])
        .is(1)
        .complains("help: run: install -d -m 755")
        .complains("The policy in force is unchanged.");
    let refused = lab.run(["apply", "--json", "--state-dir", "/proc/peerkey"]).is(1).json();
    assert!(refused["error"].as_str().unwrap().contains("/proc/peerkey"), "{refused}");
}

#[test]
fn colour_is_for_terminals_or_who_asks_for_it() {
    let lab = Lab::with("version = 1\n", &[]);
    assert!(!lab.peerkey("apply").out.contains('\x1b'));
    assert!(lab.peerkey("apply --color always").out.contains('\x1b'));
    lab.peerkey("apply --color sometimes").is(2).complains("sometimes");
}
