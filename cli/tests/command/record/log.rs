//! `log`.

use serde_json::Value;

use super::{Deed, START, Scribe, town, town_under};
use crate::lab::{Ran, run};

/// The ids of the lines that are shown, by their last digits.
fn ids(ran: &Ran) -> String {
    let id = |line: &str| {
        let id = line.split_whitespace().find(|word| word.starts_with("id0000")).unwrap_or("");
        id.trim_start_matches("id").trim_start_matches('0').to_owned()
    };
    ran.out.lines().map(id).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_line_says_when_what_whom_who_and_why() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    scribe.write(&Deed::new("www.bank.example", &town.bank));
    let ran = run(town.lab.command().env("TZ", "UTC").arg("log")).is(0);
    assert_eq!(ran.err, "");
    assert_eq!(ran.out.lines().count(), 1);
    let start =
        "2026-09-21 14:13:21  id00000000000001  reject          https       www.bank.example";
    assert!(ran.out.starts_with(start), "{ran:?}");
    ran.says("curl").says("rule 1 (policy.toml:15) does not accept the key of www.bank.example");
    let far = run(town.lab.command().env("TZ", "XXX-5:30").arg("log")).is(0);
    assert!(far.out.starts_with("2026-09-21 19:43:21  "), "{far:?}");
}

#[test]
fn filters_leave_what_is_asked_for() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let (bank, shop) =
        (Deed::new("www.bank.example", &town.bank), Deed::new("shop.example", &town.shop));
    scribe.write(&bank);
    scribe.write(&shop);
    scribe.write(&shop.clone().over("imap").by("/opt/mail/reader"));
    scribe.write(&bank.clone().by("/usr/bin/psql").over("postgresql"));
    scribe.write(&shop.at(START + 86_400));
    let log = |line: &str| ids(&town.lab.peerkey(&format!("log {line}")).is(0));
    assert_eq!(log(""), "1 2 3 4 5");
    assert_eq!(log("--refused"), "1 4");
    assert_eq!(log("--accepted"), "2 3 5");
    assert_eq!(log("--would"), "");
    assert_eq!(log("--refused --accepted"), "1 2 3 4 5");
    assert_eq!(log("--peer .bank.example"), "1 4");
    assert_eq!(log("--peer bank.example"), "");
    assert_eq!(log("--peer shop.example --protocol imaps"), "3");
    assert_eq!(log("--program reader"), "3");
    assert_eq!(log("--program /usr/bin/psql"), "4");
    assert_eq!(log("--program usr"), "");
    assert_eq!(log("--code not-vouched"), "1 4");
    assert_eq!(log("--code key-denied"), "");
    assert_eq!(log("--last 2"), "4 5");
    assert_eq!(log("--last 1 --refused"), "4");
    assert_eq!(log("--last 0"), "");
    assert_eq!(log("--since 2026-09-22T00:00:00Z"), "5");
    assert_eq!(log("--until 2026-09-22T00:00:00Z"), "1 2 3 4");
    assert_eq!(log("--until 5000d"), "");
    town.lab.peerkey("log --peer *.x").is(2).complains("\".x\"");
    town.lab.peerkey("log --since soon").is(2).complains("1h");
}

#[test]
fn what_is_only_monitored_is_told_from_what_holds() {
    let town = town_under(&super::TOWN.replace("version = 1", "version = 1\nmode = \"monitor\""));
    let scribe = Scribe::new(&town.lab);
    let bank = Deed::new("www.bank.example", &town.bank);
    scribe.write(&bank.clone().known_by("CN=Web", &town.ca));
    scribe.write(&bank);
    scribe.write(&Deed::new("shop.example", &town.shop));
    assert_eq!(ids(&town.lab.peerkey("log --would").is(0)), "1 3");
    let all = town.lab.peerkey("log").is(0).says("would accept");
    assert!(all.out.starts_with("2026") && all.out.contains("  would reject  "), "{all:?}");
    all.says("rule 1 (policy.toml:16) does not accept");
    assert_eq!(ids(&town.lab.peerkey("log --code not-vouched").is(0)), "1 2", "also what would be");
}

#[test]
fn programs_get_the_lines_as_they_are() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let line = scribe.line(&Deed::new("www.bank.example", &town.bank));
    let odd = line.replacen("\"id\":", "\"new-in-2030\":[1,{\"x\":null}],\"id\":", 1);
    scribe.append("record.jsonl", format!("{line}{odd}"));
    assert_eq!(town.lab.peerkey("log --json").is(0).out, format!("{line}{odd}"));
    let first: Value = serde_json::from_str(line.trim_end()).unwrap();
    assert_eq!(first["code"], "not-vouched");
    assert_eq!(town.lab.peerkey("log").is(0).out.lines().count(), 2, "what is unknown is ignored");
}

#[test]
fn text_of_a_peer_moves_no_terminal() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let line = r#"{"id":"x\u001b[2J","time":1790000000000,"verdict":"reject","code":"c","reason":"a\u001b]0;t\u0007\u009b\u202e\nb","expected":["\u001b[1m"],"application":"/\u001b/\u001b"}"#;
    let event = r#"{"id":"e","time":1790000001000,"event":"off\u001b","by":"\u009broot"}"#;
    scribe.append("record.jsonl", format!("{line}\n{event}\n"));
    let ran = town.lab.peerkey("log --color always").is(0);
    let plain = ran.out.replace("\u{1b}[2m", "").replace("\u{1b}[31m", "").replace("\u{1b}[0m", "");
    assert!(!plain.contains(|c: char| c != '\n' && c.is_control()), "{plain:?}");
    assert!(!plain.contains('\u{202e}') && plain.lines().count() == 2, "{plain:?}");
    assert!(plain.contains("off\\u{1b}, by: \\u{9b}root"), "{plain}");
    let explained = town.lab.peerkey("explain").is(1);
    assert!(!explained.out.contains(|c: char| c != '\n' && c.is_control()), "{explained:?}");
}

#[test]
fn what_was_left_out_is_said() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let line = scribe.line(&Deed::new("shop.example", &town.shop));
    scribe.append("record.jsonl", line.replacen('{', "{\"dropped\":17,", 1));
    town.lab.peerkey("log").is(0).says("17 decisions before this one were left out\n");
}

#[test]
fn nothing_recorded_is_no_error_and_says_where_it_would_be() {
    let town = town();
    let ran = town.lab.peerkey("log").is(0).complains("nothing is recorded yet");
    assert!(ran.out.is_empty() && ran.err.contains("record.jsonl"), "{ran:?}");
    for command in ["explain", "replay", "learn"] {
        town.lab.peerkey(command).is(2).complains("nothing is recorded yet");
    }
}
