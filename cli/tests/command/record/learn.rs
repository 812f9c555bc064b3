//! `learn`.

use super::{Deed, Scribe, TOWN, Town, key_of, town, town_under};
use crate::lab::Ca;

/// The town's policy with what was learnt in place of its own section.
fn with(lesson: &str, policy: &str) -> String {
    let own = "[authority.web]\nkind = \"x509\"\nanchors = [\"web.pem\"]\n";
    assert!(policy.contains(own));
    policy.replace(own, lesson)
}

fn learn(town: &Town, arguments: &str) -> String {
    let ran = town.lab.peerkey(&format!("learn {arguments}")).is(0);
    assert_eq!(ran.err, "");
    ran.out
}

#[test]
fn a_scope_is_what_was_seen_and_the_policy_takes_it() {
    let mut town = town();
    let more = town.ca.server(&["a.corp.example.org", "b.corp.example.org", "*.wild.example.org"]);
    let scribe = Scribe::new(&town.lab);
    for peer in ["a.corp.example.org", "b.corp.example.org", "x.wild.example.org"] {
        scribe.write(&Deed::new(peer, &more));
    }
    scribe.write(&Deed::new("shop.example", &town.shop).over("imap"));
    scribe.write(&Deed::new("www.bank.example", &town.bank));
    let before = std::fs::read(town.lab.path("conf/policy.toml")).unwrap();
    let lesson = learn(&town, "");
    assert!(lesson.contains("# From 4 accepted decisions of uid "), "{lesson}");
    assert!(
        lesson.contains("# \".corp.example.org\" would hold a.corp.example.org, b."),
        "{lesson}"
    );
    assert!(!lesson.contains("www.bank.example"), "it was refused: {lesson}");
    assert_eq!(std::fs::read(town.lab.path("conf/policy.toml")).unwrap(), before);
    town.lab.write("conf/policy.toml", with(&lesson, TOWN));
    town.lab.peerkey("apply").is(0);
    let shown = town.lab.peerkey("policy show --json").is(0).json();
    let web = &shown["authorities"][1];
    assert_eq!(web["name"], "web", "{shown}");
    let peers = ["a.corp.example.org", "b.corp.example.org", "shop.example", "x.wild.example.org"];
    assert_eq!(web["peers"], serde_json::json!(peers), "{shown}");
    assert_eq!(web["protocols"], serde_json::json!(["https", "imap"]));
    // What was accepted still is, and nothing else.
    town.lab.peerkey("replay").is(0);
    town.bank = town.ca.server(&["new.example"]);
    let new = town.lab.write("new.pem", &town.bank);
    let check = ["check", "https", "new.example", "--application-verdict", "refuse", "--chain"];
    town.lab.run(check.into_iter().chain(new.to_str())).is(1).says("may vouch for");
}

#[test]
fn the_cas_of_programs_are_limited_by_their_keys() {
    let policy = TOWN.replace("any = [\"web\"]", "any = [\"application\"]");
    let town = town_under(&policy);
    let other = Ca::root("Other");
    let scribe = Scribe::new(&town.lab);
    let shop =
        Deed::new("shop.example", &town.shop).known_by("C=AT, O=\"W\"\n[x], CN=Web", &town.ca);
    scribe.write(&shop);
    scribe.write(&shop.clone().over("imap"));
    let mine = other.server(&["git.corp.example"]);
    let git = Deed::new("git.corp.example", &mine).known_by("CN=Other", &other);
    scribe.write(&git);
    scribe.write(&Deed { anchor: None, ..git });
    let lesson = learn(&town, "");
    assert!(
        lesson.contains("# The CA \"C=AT, O=\"W\"\\u{a}[x], CN=Web\" was at the top"),
        "{lesson}"
    );
    assert!(lesson.contains("# Of 1 decision it is not recorded which CA"), "{lesson}");
    assert_eq!(lesson.matches("\n[[constraint]]\n").count(), 2, "{lesson}");
    // It is a file of policy.d as it stands.
    town.lab.write("conf/policy.d/learnt.toml", &lesson);
    town.lab.peerkey("apply").is(0);
    town.lab.peerkey("replay").is(0).says("of 4 replayed");
    let shown = town.lab.peerkey("policy show --json").is(0).json();
    let limits = shown["constraints"].as_array().unwrap();
    let web = limits.iter().find(|limit| limit["keys"][0] == key_of(&town.ca.pem).to_string());
    let web = web.unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(web["peers"], serde_json::json!(["shop.example"]));
    assert_eq!(web["protocols"], serde_json::json!(["https", "imap"]));
}

#[test]
fn pins_and_what_stands_there_no_longer_get_no_scope() {
    let town = town();
    let key = key_of(&town.bank);
    let pinned =
        TOWN.replace("sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &key.to_string());
    town.lab.write("conf/policy.toml", &pinned);
    town.lab.peerkey("apply").is(0);
    Scribe::new(&town.lab).write(&Deed::new("www.bank.example", &town.bank));
    let lesson = learn(&town, "");
    assert!(
        lesson.contains("# pins vouched 1 time, for 1 name over https.\n# Each of its pins"),
        "{lesson}"
    );
    town.lab.write("conf/policy.toml", "version = 1\n");
    let lesson = learn(&town, "");
    assert!(lesson.contains("# It stands in the policy's sources no longer"), "{lesson}");
    assert!(lesson.lines().all(|line| line.is_empty() || line.starts_with('#')), "{lesson}");
}

#[test]
fn nothing_accepted_teaches_nothing() {
    let town = town();
    Scribe::new(&town.lab).write(&Deed::new("www.bank.example", &town.bank));
    town.lab.peerkey("learn").is(2).complains("log = \"all\"");
    town.lab.peerkey("learn --since 1h").is(2);
}

#[test]
fn a_record_of_refusals_alone_has_a_gap_that_is_said() {
    let town = town_under(&TOWN.replace("log = \"all\"\n", ""));
    Scribe::new(&town.lab).write(&Deed::new("shop.example", &town.shop));
    let gap = "the policy in force records refusals and first uses of keys only";
    let lesson = town.lab.peerkey("learn").is(0).complains(gap);
    let lesson = lesson.says(&format!("# Much may be missing: {gap}."));
    town.lab.write("conf/policy.toml", with(&lesson.out, &TOWN.replace("log = \"all\"\n", "")));
    town.lab.peerkey("apply").is(0);
    town.lab.peerkey("replay").is(0).says(gap);
    assert_eq!(town.lab.peerkey("replay --json").is(0).json()["gap"], gap);
}
