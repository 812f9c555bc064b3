//! What a handshake costs, in proportion to one without peerkey.

use peerkey_tests::site::{Peerkey, SHIPPED, Site};

use crate::figure::{Figure, Limit, Sample, Unit};
use crate::policies;
use crate::tls::{Chain, Kind};
use crate::turns::of_workers;
use crate::worker::{Task, Worker};

/// Where a process has its memory makes it faster or slower by a hundredth, so there are several.
const PROCESSES: usize = 5;
const ROUNDS: usize = 24;
const REPEATED: Task = Task::Handshakes(24);
const FIRST: Task = Task::FreshHandshakes(24);

/// One line: which policy, and the limit for each kind of key.
struct Line<'a> {
    what: &'a str,
    site: &'a Site,
    task: Task,
    limits: [Option<f64>; 2],
}

pub(crate) fn measure() -> Vec<Figure> {
    let chains = Kind::ALL.map(Chain::new);
    let roots: String = chains.iter().map(|chain| chain.root.pem()).collect();
    let site = || {
        let site = Site::new();
        chains.iter().for_each(|chain| chain.write(&site));
        site.write("config/anchors/root.pem", &roots);
        site
    };
    let with = |policy: &str| {
        let site = site();
        site.apply(policy);
        site
    };
    let (shipped, path) = (with(SHIPPED), with(policies::PATH));
    let pin = with(&policies::pin(&chains.each_ref().map(|chain| chain.leaf.pin())));
    let large = site();
    policies::publish_large(&large.path("state"));
    let line = |what, site, task, limits| Line { what, site, task, limits };
    let lines = [
        line("shipped policy", &shipped, REPEATED, [Some(1.02); 2]),
        line("large policy, nothing special", &large, REPEATED, [Some(1.05); 2]),
        line("large policy, certificates never seen", &large, FIRST, [None; 2]),
        line("a pin and the program", &pin, REPEATED, [None; 2]),
        line("a path of our own, first time", &path, FIRST, [Some(1.30), Some(1.10)]),
        line("a path of our own, again", &path, REPEATED, [Some(1.08); 2]),
    ];
    let figures =
        |line: &Line<'_>| [0, 1].map(|kind| figure(line, Kind::ALL[kind], line.limits[kind]));
    lines.iter().flat_map(figures).collect()
}

fn figure(line: &Line<'_>, kind: Kind, limit: Option<f64>) -> Figure {
    let start = |peerkey| Worker::start(line.site, kind, peerkey, line.task);
    let pair = |_| of_workers(ROUNDS, [Peerkey::Off, Peerkey::On].map(start));
    let rounds: Vec<_> = (0..PROCESSES).flat_map(pair).collect();
    let side = |index: usize| {
        format!("{:.0} µs", Sample::of(rounds.iter().map(|times| times[index])).median())
    };
    let ratios = Sample::of(rounds.iter().map(|times| times[1] / times[0]));
    let what = format!("{}, {}", line.what, kind.name());
    let figure = Figure::new(what, [side(0), side(1)], ratios.median(), Unit::Ratio)
        .spread(ratios.quartiles());
    match limit {
        Some(limit) => figure.limit(Limit::Most(limit)),
        None => figure,
    }
}
