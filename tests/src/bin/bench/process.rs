//! What peerkey adds to a process: to its start, to its first decision, to its memory.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use peerkey_tests::artifacts;
use peerkey_tests::site::{Peerkey, SHIPPED, Site};

use crate::figure::{Figure, Limit, Sample, Unit};
use crate::policies;
use crate::tls::{Chain, Kind};
use crate::turns::in_turns;
use crate::worker::{Task, Worker};

const STARTS: usize = 400;
const FIRSTS: usize = 80;
const SIDES: [Peerkey; 2] = [Peerkey::Off, Peerkey::On];

pub(crate) fn measure() -> Vec<Figure> {
    let chain = Chain::new(Kind::Ec);
    let site = |policy: &str| {
        let site = Site::new();
        chain.write(&site);
        site.write("config/anchors/root.pem", chain.root.pem());
        site.apply(policy);
        site
    };
    let looks_up = site(&policies::pin_alone(&[chain.leaf.pin()]));
    let path = site(policies::PATH);
    let mut figures = vec![start(&site(SHIPPED))];
    let decisions = [("look-ups only", &looks_up, 0.5), ("a path", &path, 0.9)];
    for (what, site, most) in decisions {
        let [time, memory] = first(what, site, most);
        figures.extend([time, memory]);
    }
    figures.push(library());
    figures
}

/// A process that verifies nothing, from its start to its end.
fn start(site: &Site) -> Figure {
    let run = |peerkey| {
        let mut command = site.command("/usr/bin/openssl", peerkey);
        command.arg("version").stdin(Stdio::null()).stdout(Stdio::null());
        let start = Instant::now();
        assert!(command.status().unwrap().success());
        start.elapsed().as_secs_f64() * 1e3
    };
    let runs = in_turns(STARTS, |side| run(SIDES[side]));
    more("openssl version", &runs, "ms", Unit::MoreMilliseconds, 0.35)
}

/// The first decision of a process, and the memory that is its own afterwards.
fn first(what: &str, site: &Site, most: f64) -> [Figure; 2] {
    // A file that only one process has mapped would count as its own.
    let mut others = SIDES.map(|peerkey| Worker::start(site, Kind::Ec, peerkey, Task::First));
    others.iter_mut().for_each(|worker| {
        worker.ask();
    });
    let runs = in_turns(FIRSTS, |side| {
        let mut worker = Worker::start(site, Kind::Ec, SIDES[side], Task::First);
        [worker.ask() / 1e3, worker.ask() * 1024.0 / 1e6]
    });
    let part = |index: usize| -> Vec<[f64; 2]> {
        runs.iter().map(|[off, on]| [off[index], on[index]]).collect()
    };
    let time = format!("first decision, {what}");
    let memory = format!("private memory after it, {what}");
    [
        more(&time, &part(0), "ms", Unit::MoreMilliseconds, most),
        more(&memory, &part(1), "MB", Unit::MoreMegabytes, 0.3),
    ]
}

fn more(what: &str, runs: &[[f64; 2]], unit: &str, told: Unit, most: f64) -> Figure {
    let side = |index: usize| {
        format!("{:.2} {unit}", Sample::of(runs.iter().map(|run| run[index])).median())
    };
    let differences = Sample::of(runs.iter().map(|[off, on]| on - off));
    Figure::new(what, [side(0), side(1)], differences.median(), told)
        .spread(differences.quartiles())
        .limit(Limit::Most(most))
}

fn library() -> Figure {
    let size = fs::metadata(artifacts::provider()).unwrap().len() as f64 / 1e6;
    Figure::new("the library", [String::new(), String::new()], size, Unit::Megabytes)
        .limit(Limit::Most(2.5))
}
