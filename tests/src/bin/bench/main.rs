//! `make bench`: what peerkey costs, each time beside the same thing without it, in one run.
//!
//! Measured pieces take turns in many short rounds, so that whatever else the machine does hits both;
//! medians count. `bench NAME...` measures only these families; `bench soak [SECONDS]` is `make soak`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark stops where it stands")]

mod apply;
mod curl;
mod decisions;
mod figure;
mod handshakes;
mod keys;
mod nss;
mod policies;
mod process;
mod record;
mod soak;
mod tls;
mod turns;
mod worker;

use figure::Figure;

/// Measures a family of figures.
type Family = fn() -> Vec<Figure>;

const FAMILIES: [(&str, &str, Family); 8] = [
    (
        "handshakes",
        "Full TLS 1.3 handshakes, both sides, chain of 3: CPU time of one",
        handshakes::measure,
    ),
    ("process", "A process, and its first decision", process::measure),
    ("curl", "A whole curl: the policy's anchors instead of the system's bundle", curl::measure),
    ("nss", "The NSS module (with), beside others and beside none (without)", nss::measure),
    ("keys", "Remembered keys", keys::measure),
    ("apply", "Putting a large policy into force", apply::measure),
    (
        "record",
        "The record (with), beside log = \"none\" (without): CPU time of a handshake",
        record::measure,
    ),
    // Last: it reads policies as a guest does, and then SQLite opens no other file in this process.
    (
        "decisions",
        "Decisions and handshakes a second, on one thread and on two",
        decisions::measure,
    ),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["worker", task @ ..] => worker::work(task),
        ["keys", state, peers] => keys::look_up(state, peers.parse().unwrap()),
        ["cost", program, arguments @ ..] => apply::print_cost(program, arguments),
        ["first-answer", library, parameters] => nss::first_answer(library, parameters),
        ["soak", seconds @ ..] => soak::run(seconds.first().map_or(600, |s| s.parse().unwrap())),
        only => report(only),
    }
}

fn report(only: &[&str]) {
    println!("{}\n", figure::machine());
    let (mut kept, mut limits) = (0, 0);
    for (name, title, measure) in FAMILIES {
        if !only.is_empty() && !only.contains(&name) {
            continue;
        }
        let figures = measure();
        println!("{title}\n\n{}\n", figure::table(&figures));
        kept += figures.iter().filter(|figure| figure.is_within() == Some(true)).count();
        limits += figures.iter().filter(|figure| figure.is_within().is_some()).count();
    }
    println!("{kept} of {limits} limits are kept.");
}
