//! The matrix: each program in each situation, without peerkey and with it. Every cell is a test of
//! its own, `PROGRAM: SITUATION`; at the end the measured table is printed, and kept in
//! `target/matrix.txt`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod limits;
mod report;
mod situations;
mod stage;
mod world;

use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};
use peerkey_tests::program::Outcome;

use limits::limit;
use report::Report;
use situations::Verdict::{Accepts, Refuses};
use situations::{SITUATIONS, Situation, Verdict};
use stage::{PROGRAMS, Program, Stage};

fn main() {
    let arguments = Arguments::from_args();
    let stage = Arc::new(Stage::new());
    let report = Arc::new(Mutex::new(Report::default()));
    let cells = PROGRAMS.iter().flat_map(|p| SITUATIONS.iter().map(move |s| (p, s)));
    let trials = cells
        .map(|(program, situation)| {
            let (stage, report) = (stage.clone(), report.clone());
            Trial::test(format!("{}: {}", program.name, situation.name), move || {
                let [without, with] = stage.play(program, situation);
                let measured = (verdict(&without), verdict(&with));
                report.lock().unwrap().enter(program, situation, measured);
                judge(program, situation, &without, &with)
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    stage.close();
    if !arguments.list {
        report.lock().unwrap().publish();
    }
    conclusion.exit();
}

fn verdict(outcome: &Outcome) -> Verdict {
    if outcome.connected { Accepts } else { Refuses }
}

fn judge(
    program: &Program,
    situation: &Situation,
    without: &Outcome,
    with: &Outcome,
) -> Result<(), Failed> {
    let known = limit(program.name, situation.name).map(|limit| limit.verdicts);
    let expected = known.unwrap_or((situation.without, situation.with));
    let measured = (verdict(without), verdict(with));
    let fail = |what: &str| {
        Err(Failed::from(format!(
            "{what}: expected {expected:?}, measured {measured:?}\n\
             === without peerkey: {without}\n=== with peerkey: {with}"
        )))
    };
    if measured != expected {
        return fail("the verdict");
    }
    if situation.same && without.noticed() != with.noticed() {
        return fail("a difference where there must be none");
    }
    let turned = measured == (Accepts, Refuses);
    if turned && !program.shows.is_in(&with.text(), situation.because) {
        return fail(&format!(
            "the program must show {:?} of {:?}",
            program.shows, situation.because
        ));
    }
    Ok(())
}
