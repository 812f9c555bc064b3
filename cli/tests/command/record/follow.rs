//! `log --follow`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{sleep, spawn};
use std::time::Duration;

use super::{Deed, Scribe, town};
use crate::lab::Lab;

struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(lab: &Lab, arguments: &[&str]) -> Self {
        let mut command = lab.command();
        command.args(["log", "--follow"]).args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line's id.
    #[track_caller]
    fn next(&self) -> String {
        let line = self.lines.recv_timeout(Duration::from_secs(20)).unwrap();
        line.split_whitespace().find(|word| word.starts_with("id0")).unwrap_or(&line).to_owned()
    }

    fn nothing_more(&self) {
        let line = self.lines.recv_timeout(Duration::from_millis(700));
        assert!(line.is_err(), "{line:?}");
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_comes_is_shown_behind_the_last_ten() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let shop = Deed::new("shop.example", &town.shop);
    let ids: Vec<_> = (0..12).map(|_| scribe.write(&shop)).collect();
    let following = Following::start(&town.lab, &[]);
    for id in &ids[2..] {
        assert_eq!(following.next(), *id);
    }
    // A line is shown when it is whole.
    let line = scribe.line(&shop);
    scribe.append("record.jsonl", &line[..100]);
    following.nothing_more();
    scribe.append("record.jsonl", &line[100..]);
    assert_eq!(following.next(), "id00000000000013");
    following.nothing_more();
}

#[test]
fn rotations_lose_nothing_and_show_nothing_twice() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let shop = Deed::new("shop.example", &town.shop);
    let first = scribe.write(&shop);
    let following = Following::start(&town.lab, &["--last", "1"]);
    assert_eq!(following.next(), first);
    let second = scribe.write(&shop);
    scribe.rotate();
    assert_eq!(following.next(), second);
    // Twice between two looks.
    let third = scribe.write(&shop);
    scribe.rotate();
    let fourth = scribe.write(&shop);
    scribe.rotate();
    let fifth = scribe.write(&shop);
    for id in [third, fourth, fifth] {
        assert_eq!(following.next(), id);
    }
    // A program that still holds the file of before.
    sleep(Duration::from_millis(500));
    let late = scribe.line(&shop);
    scribe.append("record.jsonl.1", late);
    assert_eq!(following.next(), "id00000000000006");
    following.nothing_more();
}

#[test]
fn a_record_that_is_not_there_yet_and_one_that_was_emptied_are_followed() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    let shop = Deed::new("shop.example", &town.shop);
    let following = Following::start(&town.lab, &["--json", "--accepted"]);
    following.nothing_more();
    let line = scribe.line(&shop);
    scribe.append("record.jsonl", &line);
    assert_eq!(following.next(), line.trim_end());
    scribe.write(&Deed::new("www.bank.example", &town.bank));
    sleep(Duration::from_millis(500));
    std::fs::File::options().write(true).open(scribe.file()).unwrap().set_len(0).unwrap();
    sleep(Duration::from_millis(500));
    let line = scribe.line(&shop);
    scribe.append("record.jsonl", &line);
    assert_eq!(following.next(), line.trim_end());
    following.nothing_more();
}

#[test]
fn it_ends_when_nobody_reads_any_more() {
    let town = town();
    let scribe = Scribe::new(&town.lab);
    scribe.write(&Deed::new("shop.example", &town.shop));
    let mut command = town.lab.command();
    let mut child = command.args(["log", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert!(line.contains("shop.example"), "{line}");
    drop(out);
    assert!(child.wait().unwrap().success(), "without another line");
}
