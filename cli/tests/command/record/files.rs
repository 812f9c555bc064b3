//! The files of a record, as they should be and as they should not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::{Command, Stdio};

use super::{Deed, Scribe, town};
use peerkey::book::own_uid;

#[test]
fn files_are_read_from_the_oldest_on() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let shop = Deed::new("shop.example", &town.shop);
    for _ in 0..4 {
        scribe.write(&shop);
        scribe.rotate();
    }
    scribe.write(&shop);
    let all = town.lab.peerkey("log").is(0).out;
    let ids: Vec<_> = all.lines().map(|line| &line[21..37]).collect();
    let expected: Vec<_> = (1..=5).map(|number| format!("id{number:014}")).collect();
    assert_eq!(ids, expected);
    assert!(scribe.folder().join("record.jsonl.4").exists());
}

#[test]
fn damaged_lines_are_told_by_file_and_number_and_the_rest_is_shown() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let shop = Deed::new("shop.example", &town.shop);
    scribe.write(&shop);
    let damaged: [&[u8]; 5] = [
        b"nonsense",
        b"{\"verdict\":",
        b"[1,2]",
        b"{\"verdict\":\"perhaps\"}",
        b"{\"time\":\"x\"}",
    ];
    scribe.append("record.jsonl", [&damaged.join(&b'\n')[..], b"\n\n"].concat());
    scribe.write(&shop);
    scribe.append("record.jsonl", "{\"id\":\"half");
    let ran = town.lab.peerkey("log").is(0);
    assert_eq!(ran.out.lines().count(), 2, "{ran:?}");
    for number in [2, 3, 4, 5, 6, 9] {
        assert!(ran.err.contains(&format!("record.jsonl:{number}: ")), "{number}: {ran:?}");
    }
    assert_eq!(ran.err.lines().count(), 6, "{ran:?}");
    ran.complains("record.jsonl:9: the line is cut short");
}

#[test]
fn a_binary_file_is_reported_with_a_bound() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let noise: Vec<u8> =
        (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    scribe.append("record.jsonl", &noise);
    scribe.append("record.jsonl", "\n");
    scribe.write(&Deed::new("shop.example", &town.shop));
    let ran = town.lab.peerkey("log").is(0).complains("more lines like that");
    assert_eq!(ran.out.lines().count(), 1);
    assert!(ran.err.lines().count() <= 21 && !ran.err.contains('\u{0}'), "{}", ran.err);
}

#[test]
fn a_line_of_a_megabyte_and_a_file_of_gigabytes_take_no_memory() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    scribe.append("record.jsonl.1", [&vec![b'x'; 1 << 20][..], b"\n"].concat());
    scribe.write(&Deed::new("shop.example", &town.shop));
    // Three gigabytes without a line's end, of which the disk has nothing.
    let hole = fs::File::create(scribe.folder().join("record.jsonl.2")).unwrap();
    hole.set_len(3 << 30).unwrap();
    let line = format!("ulimit -v 400000; exec {} log", env!("CARGO_BIN_EXE_peerkey"));
    let mut command = Command::new("sh");
    command.args(["-c", &line]).env("PEERKEY_STATE_DIR", town.lab.path("state"));
    let ran = crate::lab::run(&mut command).is(0);
    assert_eq!(ran.out.lines().count(), 1, "{ran:?}");
    ran.complains("record.jsonl.1:1: it is longer than a line of the record can be");
}

#[test]
fn a_symlink_is_not_followed_and_what_is_no_file_is_no_record() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    scribe.write(&Deed::new("shop.example", &town.shop));
    let elsewhere = town.lab.path("elsewhere");
    fs::rename(scribe.file(), &elsewhere).unwrap();
    symlink(&elsewhere, scribe.file()).unwrap();
    fs::create_dir(scribe.folder().join("record.jsonl.1")).unwrap();
    let pipe = scribe.folder().join("record.jsonl.2");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let ran = town.lab.peerkey("log").is(0).complains("symbolic link, which is not followed");
    assert!(ran.out.is_empty(), "{ran:?}");
    let ran = ran.complains("record.jsonl.1: it is no file");
    ran.complains("record.jsonl.2: it is no file");
    town.lab.peerkey("explain").is(2).complains("the record cannot be read");
}

#[test]
fn a_file_in_others_hands_and_one_that_may_not_be_read_are_said() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    scribe.write(&Deed::new("shop.example", &town.shop));
    if own_uid() == 0 {
        chown(scribe.file(), Some(4321), None).unwrap();
        let ran = town.lab.peerkey("log").is(0).complains("it belongs to uid 4321");
        assert!(ran.out.is_empty(), "{ran:?}");
    } else {
        fs::set_permissions(scribe.file(), fs::Permissions::from_mode(0o000)).unwrap();
        town.lab.peerkey("log").is(0).complains("as the user whose record it is");
        town.lab.peerkey("log --all-users").is(2).complains("as root");
        town.lab.peerkey("log --user 0").is(2).complains("as root");
    }
}

#[test]
fn root_reads_the_records_of_others_in_the_order_of_time() {
    if own_uid() != 0 {
        return;
    }
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let other = town.lab.path("state/uid/4321");
    fs::create_dir(&other).unwrap();
    chown(&other, Some(4321), None).unwrap();
    let shop = Deed::new("shop.example", &town.shop);
    let theirs = scribe.line(&shop).replace("\"uid\":0", "\"uid\":4321");
    scribe.write(&shop);
    let last = scribe.line(&shop).replace("\"uid\":0", "\"uid\":4321");
    fs::write(other.join("record.jsonl"), theirs.clone() + &last).unwrap();
    chown(other.join("record.jsonl"), Some(4321), None).unwrap();
    assert_eq!(town.lab.peerkey("log --user 4321 --json").is(0).out, theirs + &last);
    let all = town.lab.peerkey("log --all-users").is(0).out;
    let uids: Vec<_> = all.lines().map(|line| line[39..].split_whitespace().next()).collect();
    assert_eq!(uids, [Some("4321"), Some("0"), Some("4321")], "{all}");
    town.lab.peerkey("log --user 4322").is(0).complains("nothing is recorded yet");
    town.lab.peerkey("log --user no-such-user").is(2).complains("there is no user");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let line = scribe.line(&Deed::new("shop.example", &town.shop));
    scribe.append("record.jsonl", line.repeat(2000));
    for arguments in [&["log"][..], &["log", "--json"], &["log", "--follow"]] {
        let mut command = town.lab.command();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && err.is_empty(), "{arguments:?}: {err}");
    }
}
