//! The table in README.md: a row a program, of what was measured.

use std::fmt::Write;

use peerkey_tests::readme;

use crate::facts::Facts;
use crate::limits::{LIMITS, Limit};
use crate::report::Report;
use crate::stage::{Program, Shows};

const NAME: &str = "programs";
const HEAD: &str = "| program | version | TLS library | how it says whom it expects | to peerkey the \
                    peer is | the protocol shows by | decided at | a refusal shows | limits |\n\
                    |---|---|---|---|---|---|---|---|---|\n";

/// Holds README to what was measured, or writes it anew: what differs.
pub(crate) fn hold(report: &Report) -> Vec<String> {
    let Some(text) = report.rows().map(|rows| text(&rows)) else { return Vec::new() };
    if readme::is_written() {
        readme::write(NAME, &text);
        return Vec::new();
    }
    differences(&readme::block(NAME), &text)
}

/// Line by line. A row of another version of its program is no difference: README says of which it is.
fn differences(says: &str, measured: &str) -> Vec<String> {
    let of_another_version = |(says, measured): (&str, &str)| {
        let [says, measured] = [says, measured].map(|row| row.split(" | ").take(2).collect());
        let [says, measured]: [Vec<_>; 2] = [says, measured];
        says.len() == 2 && measured.len() == 2 && says[0] == measured[0] && says[1] != measured[1]
    };
    let pairs = says.lines().zip(measured.lines());
    let differ = pairs.filter(|pair| pair.0 != pair.1 && !of_another_version(*pair));
    let mut wrong: Vec<_> =
        differ.map(|(says, measured)| format!("- {says}\n+ {measured}")).collect();
    if says.lines().count() != measured.lines().count() {
        wrong.push("another number of lines".into());
    }
    wrong
}

fn text(rows: &[(&Program, &Facts, Shows)]) -> String {
    let mut text = String::from(HEAD);
    for (program, facts, shows) in rows {
        let Facts { version, library, says, peer, protocol, level } = facts;
        let title = program.title();
        let shows = match shows {
            Shows::Reason => "the reason",
            Shows::Beginning => "the reason's beginning",
            Shows::Code => "OpenSSL's code",
        };
        let limits = limits(program);
        writeln!(
            text,
            "| {title} | {version} | {library} | {says} | {peer} | {protocol} | {level} | {shows} \
             | {limits} |"
        )
        .unwrap();
    }
    text.push('\n');
    for (number, Limit { why, .. }) in LIMITS.iter().enumerate() {
        writeln!(text, "{}. {why}", number + 1).unwrap();
    }
    text
}

/// The numbers of its limits.
fn limits(program: &Program) -> String {
    let own = |limit: &Limit| limit.programs.contains(&program.name) && (limit.applies)();
    let all = LIMITS.iter().enumerate().filter(|(_, limit)| own(limit));
    all.map(|(number, _)| (number + 1).to_string()).collect::<Vec<_>>().join(", ")
}
