//! `replay`.

use peerkey_core::decide::Application;
use serde_json::Value;

use super::{Deed, START, Scribe, TOWN, Town, key_of, town};

fn json(town: &Town, arguments: &str, status: i32) -> Value {
    town.lab.peerkey(&format!("replay --json {arguments}")).is(status).json()
}

fn edit(town: &Town, from: &str, to: &str) {
    assert!(TOWN.contains(from));
    town.lab.write("conf/policy.toml", TOWN.replace(from, to));
}

#[test]
fn the_same_policy_changes_nothing_and_another_what_it_changes() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    for _ in 0..3 {
        scribe.write(&Deed::new("www.bank.example", &town.bank));
        scribe.write(&Deed::new("shop.example", &town.shop));
    }
    scribe.write(&Deed::new("shop.example", &town.shop).by("/usr/bin/git"));
    town.lab.peerkey("replay").is(0).says("nothing would change under ").says("of 7 replayed\n");
    let before = std::fs::read(town.lab.path("state/policy-1.db")).unwrap();
    edit(&town, "\"web\", \"pins\"]", "\"web\"]");
    let opened = json(&town, "", 1);
    assert_eq!((&opened["changed"], &opened["replayed"]), (&3.into(), &7.into()));
    let change = &opened["changes"][0];
    assert_eq!(change["peer"], "www.bank.example");
    assert_eq!(change["program"], "/usr/bin/curl");
    assert_eq!((&change["from"], &change["to"]), (&"reject".into(), &"accept".into()));
    assert_eq!(change["last"], "id00000000000005");
    edit(&town, "any = [\"web\"]", "any = [\"pins\"]");
    let ran = town.lab.peerkey("replay").is(1).says("4 decisions would change");
    ran.says("rule 2 (policy.toml:19) does not accept the key of shop.example over https");
    assert_eq!(json(&town, "", 1)["changes"].as_array().unwrap().len(), 2, "by program");
    assert_eq!(json(&town, "--program git", 1)["changed"], 1);
    assert_eq!(
        std::fs::read(town.lab.path("state/policy-1.db")).unwrap(),
        before,
        "applies nothing"
    );
    town.lab.write("draft/policy.toml", TOWN);
    town.lab.write("draft/web.pem", &town.ca.pem);
    json(&town, &format!("--policy {}", town.lab.named("draft")), 0);
    town.lab.write("draft/policy.toml", "nonsense");
    town.lab
        .peerkey(&format!("replay --policy {}", town.lab.named("draft")))
        .is(2)
        .complains("draft");
}

#[test]
fn what_is_monitored_and_what_holds_are_different_states() {
    let town = town();
    edit(&town, "version = 1", "version = 1\nmode = \"monitor\"");
    town.lab.peerkey("apply").is(0);
    let scribe = Scribe::new(&town.lab);
    scribe.write(&Deed::new("www.bank.example", &town.bank).known_by("CN=Web", &town.ca));
    json(&town, "", 0);
    edit(&town, "version = 1", "version = 1");
    let enforced = json(&town, "", 1);
    assert_eq!(enforced["changes"][0]["from"], "accept, would reject");
    assert_eq!(enforced["changes"][0]["to"], "reject");
    // Nothing changes for the program, and what would hold does.
    let better = TOWN.replace("version = 1", "version = 1\nmode = \"monitor\"");
    town.lab.write("conf/policy.toml", better.replace("\"web\", \"pins\"]", "\"web\"]"));
    let better = json(&town, "", 1);
    assert_eq!(better["changes"][0]["from"], "accept, would reject");
    assert_eq!(better["changes"][0]["to"], "accept");
}

#[test]
fn what_cannot_be_replayed_is_counted_with_the_reason() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let (bank, shop) =
        (Deed::new("www.bank.example", &town.bank), Deed::new("shop.example", &town.shop));
    scribe.write(&bank.clone().without_chain());
    scribe.write(&bank.clone().without_chain());
    scribe.write(&bank.says(Application::NotAsked));
    let line = scribe.line(&shop).replacen('{', "{\"dropped\":17,", 1);
    scribe.append("record.jsonl", line + "{\"event\":\"off\"}\nnonsense\n");
    // The bank is refused, whatever curl says: that can be told without asking it.
    let same = json(&town, "", 0);
    assert_eq!(same["replayed"], 2);
    assert_eq!(same["not-replayed"][0]["count"], 2);
    assert_eq!(same["not-replayed"][0]["why"], "the certificates are not kept, or no longer");
    assert_eq!(same["damaged"], 1);
    // Now it hangs on curl.
    edit(&town, "\"web\", \"pins\"]", "\"web\"]");
    let ran = town.lab.peerkey("replay").is(0).says("of 1 replayed\n");
    ran.says("not replayed: 1 decision, what the program itself says was not asked then")
        .says("not replayed: 2 decisions, the certificates are not kept")
        .says("17 decisions were left out of the record")
        .says("damaged and left out: 1 lines");
    std::fs::remove_dir_all(scribe.folder().join("chains")).unwrap();
    town.lab.peerkey("replay").is(2).says("nothing could be replayed");
}

#[test]
fn a_ca_that_is_held_to_others_is_seen_at_the_top_of_the_programs_chain() {
    let town = town();
    edit(&town, "any = [\"web\"]", "any = [\"application\"]");
    town.lab.peerkey("apply").is(0);
    let scribe = Scribe::new(&town.lab);
    scribe.write(&Deed::new("shop.example", &town.shop).known_by("CN=Web", &town.ca));
    json(&town, "", 0);
    let key = key_of(&town.ca.pem);
    let limit = |peers: &str| {
        format!(
            "any = [\"application\"] }}\n[[constraint]]\nca = [\"{key}\"]\npeers = [\"{peers}\"]\n#"
        )
    };
    edit(&town, "any = [\"web\"]", &limit("shop.example"));
    json(&town, "", 0);
    edit(&town, "any = [\"web\"]", &limit(".br"));
    let held = json(&town, "", 1);
    assert_eq!(held["other-path"], 1);
    assert!(held["changes"][0]["why"].as_str().unwrap().contains("may not vouch"), "{held}");
}

/// Where only the time makes a difference, each line has the answer of its own second.
#[test]
fn each_decision_is_asked_for_its_own_time() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let shop = Deed::new("shop.example", &town.shop);
    for day in 0..40 {
        scribe.write(&shop.clone().at(START + day * 86_400));
    }
    let until = |day: i64| peerkey::clock::rfc3339(START + day * 86_400 + 5);
    let rule = format!("protocols = [\"https\", \"imap\"]\nuntil = {}\n", until(25));
    edit(&town, "protocols = [\"https\", \"imap\"]\n", &rule);
    let changed = json(&town, "", 1);
    assert_eq!((&changed["changed"], &changed["replayed"]), (&14.into(), &40.into()), "{changed}");
}

#[test]
fn many_decisions_are_replayed() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let lines = [
        scribe.line(&Deed::new("www.bank.example", &town.bank)),
        scribe.line(&Deed::new("shop.example", &town.shop)),
    ]
    .concat();
    scribe.append("record.jsonl", lines.repeat(10_000));
    edit(&town, "\"web\", \"pins\"]", "\"web\"]");
    let document = json(&town, "", 1);
    assert_eq!((&document["changed"], &document["replayed"]), (&10_000.into(), &20_000.into()));
}
