//! The matrix: each program in each situation, without peerkey and with it. Every cell is a test of
//! its own, `PROGRAM: SITUATION`; at the end the measured table is printed, and kept in
//! `target/matrix.txt`. A further test, `PROGRAM: how it says whom it expects`, measures that; what all of
//! them measured must be what README's table says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod facts;
mod limits;
mod readme;
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
use stage::{PROGRAMS, Program, Shows, Stage};

fn main() {
    let arguments = Arguments::from_args();
    let stage = Arc::new(Stage::new());
    let report = Arc::new(Mutex::new(Report::default()));
    let cells = PROGRAMS.iter().flat_map(|p| SITUATIONS.iter().map(move |s| (p, s)));
    let mut trials: Vec<_> = cells
        .map(|(program, situation)| {
            let (stage, report) = (stage.clone(), report.clone());
            Trial::test(format!("{}: {}", program.name, situation.name), move || {
                let [without, with] = stage.play(program, situation);
                let measured = (verdict(&without), verdict(&with));
                let shows = Shows::of(&with.text(), situation.because);
                report.lock().unwrap().enter(program, situation, measured, shows);
                judge(program, situation, &without, &with)
            })
        })
        .collect();
    trials.extend(PROGRAMS.iter().map(|program| {
        let (stage, report) = (stage.clone(), report.clone());
        Trial::test(format!("{}: how it says whom it expects", program.name), move || {
            let facts = facts::measure(&stage, program)?;
            report.lock().unwrap().know(program, facts);
            Ok(())
        })
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    stage.close();
    if !arguments.list {
        let report = report.lock().unwrap();
        report.publish();
        let wrong = readme::hold(&report);
        if !wrong.is_empty() {
            println!("README's table is not what was measured (make table):\n{}", wrong.join("\n"));
            std::process::exit(101);
        }
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
    let shows = Shows::of(&with.text(), situation.because);
    if turned && shows.is_none_or(|shows| shows > program.shows) {
        return fail(&format!(
            "the program must show {:?} of {:?}",
            program.shows, situation.because
        ));
    }
    Ok(())
}
