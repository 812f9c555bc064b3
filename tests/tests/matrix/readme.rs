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
    report.rows().map(|rows| readme::hold(NAME, &text(&rows))).unwrap_or_default()
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
