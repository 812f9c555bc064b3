//! What a replay came to, for people and programs.

use std::path::Path;

use peerkey_core::certificate::printable;
use serde_json::json;

use super::{Change, Tally};
use crate::render::{BAD, GOOD, ODD, count, json, styled, table};
use crate::screen::Lines;

/// More rows than anybody reads are in the JSON only.
const ROWS: usize = 200;

pub(super) fn for_people(tally: &Tally, folder: &Path, damaged: u64, lines: Lines) -> String {
    let mut out = changes(tally, lines);
    let changed = match tally.changed() {
        0 => styled(GOOD, "nothing would change"),
        number => styled(BAD, format!("{} would change", decisions(number))),
    };
    let changed =
        if tally.replayed == 0 { styled(ODD, "nothing could be replayed") } else { changed };
    let folder = printable(&folder.to_string_lossy());
    out.push_str(&format!("{changed} under {folder}, of {} replayed\n", tally.replayed));
    out.push_str(&left_out(tally));
    if damaged > 0 {
        out.push_str(&format!("damaged and left out: {damaged} lines or files\n"));
    }
    out
}

fn changes(tally: &Tally, lines: Lines) -> String {
    let mut changes: Vec<_> = tally.changes.iter().collect();
    changes.sort_by_key(|(_, (number, _))| std::cmp::Reverse(*number));
    if changes.is_empty() {
        return String::new();
    }
    let rows = changes.iter().take(ROWS).map(|(change, (number, id))| row(change, *number, id));
    let headings = ["peer", "protocol", "program", "from", "to", "count", "why", "last"];
    let mut out = table::table(lines, &headings, rows.collect());
    if changes.len() > ROWS {
        out.push_str(&format!("and {} more rows, with --json\n", changes.len() - ROWS));
    }
    out
}

/// What the replay cannot say, and why.
fn left_out(tally: &Tally) -> String {
    let mut out = String::new();
    for (why, number) in &tally.lost {
        out.push_str(&styled(
            ODD,
            format!("not replayed: {}, {}\n", decisions(*number), printable(why)),
        ));
    }
    for (number, words) in [
        (tally.dropped, "were left out of the record, to bound it, and so could not be replayed"),
        (tally.by_memory, "hang on remembered keys: those of now were looked at"),
        (
            tally.other_path,
            "count as refused by the program, whose chain goes through a CA that is ruled out; it \
             could find another",
        ),
    ] {
        if number > 0 {
            out.push_str(&format!("{} {words}\n", decisions(number)));
        }
    }
    if let Some(why) = tally.gap {
        let words = format!("{why}: what else was accepted could not be replayed\n");
        out.push_str(&styled(ODD, words));
    }
    out
}

fn decisions(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), "decision")
}

fn row(change: &Change, number: u64, id: &str) -> Vec<String> {
    vec![
        printable(&change.peer),
        printable(&change.protocol),
        printable(&change.program),
        change.from.as_str().into(),
        change.to.as_str().into(),
        number.to_string(),
        printable(&change.why),
        printable(id),
    ]
}

pub(super) fn document(tally: &Tally, digest: &str, damaged: u64) -> String {
    let change = |(change, (number, id)): (&Change, &(u64, String))| {
        json!({
            "peer": change.peer,
            "protocol": change.protocol,
            "program": change.program,
            "from": change.from.as_str(),
            "to": change.to.as_str(),
            "count": number,
            "why": change.why,
            "last": id,
        })
    };
    let lost = |(why, number): (&String, &u64)| json!({ "why": why, "count": number });
    json::text(&json!({
        "version": json::VERSION,
        "policy": { "digest": digest },
        "replayed": tally.replayed,
        "changed": tally.changed(),
        "changes": tally.changes.iter().map(change).collect::<Vec<_>>(),
        "not-replayed": tally.lost.iter().map(lost).collect::<Vec<_>>(),
        "by-memory": tally.by_memory,
        "other-path": tally.other_path,
        "dropped": tally.dropped,
        "gap": tally.gap,
        "damaged": damaged,
    }))
}
