//! `core/docs/strict.md`, whose tables are made of the code's: this test holds them together.
//! To write them anew, run it with PEERKEY_BLESS=1.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use super::corpus::{Expected, cases};
use super::differences::DIFFERENCES;
use crate::decide::strict::{self, Demand, Place};

#[test]
fn the_page_is_the_tables() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/strict.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut right = page.clone();
    for (name, table) in [
        ("checks", checks()),
        ("webpki", refused_by_webpki()),
        ("accepted", accepted()),
        ("openssl", differences()),
    ] {
        right = replace(&right, name, &table);
    }
    if std::env::var_os("PEERKEY_BLESS").is_some() {
        std::fs::write(&path, right).unwrap();
    } else {
        assert!(page == right, "strict.md does not say what the code does");
    }
}

/// The page with everything between `<!-- NAME -->` and `<!-- end -->` replaced.
fn replace(page: &str, name: &str, table: &str) -> String {
    let mark = format!("<!-- {name} -->\n");
    let (before, rest) = page.split_once(&mark).unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{mark}{table}<!-- end -->{after}")
}

fn checks() -> String {
    let mut out = String::from(
        "| check | a certificate is refused that | profile | where | source | chains |\n",
    );
    out.push_str("|---|---|---|---|---|---|\n");
    for (row, places) in strict::rows() {
        let profile = match row.demand {
            Demand::Always => "both",
            Demand::Rfc5280 => "`rfc5280`",
            Demand::Cabf => "`cabf`",
        };
        let own = cases().filter(|case| case.expected == Expected::Row(row.id));
        let chains = list(own.map(|case| case.name));
        let (id, wrong, source) = (row.id, row.wrong, row.source);
        let places = wording(places);
        writeln!(out, "| `{id}` | {wrong} | {profile} | {places} | {source} | {chains} |").unwrap();
    }
    out
}

fn wording(places: &[Place]) -> String {
    let word = |place: &Place| match place {
        Place::Leaf => "peer",
        Place::Ca => "CA",
        Place::Anchor => "anchor",
        Place::Own => "peer as anchor",
    };
    match places {
        [] => "path".into(),
        [_, _, _, _] => "everywhere".into(),
        places => places.iter().map(word).collect::<Vec<_>>().join(", "),
    }
}

fn refused_by_webpki() -> String {
    let mut by_words: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in cases() {
        if let Expected::Words(words) = case.expected {
            by_words.entry(words).or_default().push(case.name);
        }
    }
    let mut out = String::from("| the reason says | chains |\n|---|---|\n");
    for (words, chains) in by_words {
        writeln!(out, "| … {words} … | {} |", list(chains)).unwrap();
    }
    out
}

fn accepted() -> String {
    let good: Vec<_> = cases().filter(|case| case.expected == Expected::Accept).collect();
    let all = cases().count();
    let names = list(good.iter().map(|case| case.name));
    format!("Of {all} chains {} are accepted: {names}.\n", good.len())
}

fn differences() -> String {
    let mut by_reason: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for difference in DIFFERENCES {
        let known = by_reason
            .iter_mut()
            .find(|(why, says, _)| *why == difference.why && *says == difference.openssl);
        match known {
            Some((_, _, chains)) => chains.push(difference.chain),
            None => by_reason.push((difference.why, difference.openssl, vec![difference.chain])),
        }
    }
    let mut out = String::from("| peerkey | OpenSSL | why | chains |\n|---|---|---|---|\n");
    for (why, openssl, chains) in by_reason {
        let own = if openssl == "accepts" { "refuses" } else { "accepts" };
        writeln!(out, "| {own} | {openssl} | {why} | {} |", list(chains)).unwrap();
    }
    out
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
