//! What it costs to record decisions: both sides have peerkey, with `log = "none"` and with another.

use std::fs;

use peerkey_tests::site::{Peerkey, Site};

use crate::figure::{Figure, Limit, Sample, Unit};
use crate::policies;
use crate::tls::{BANK, Chain, Kind};
use crate::turns::{in_turns, of_workers};
use crate::worker::{Task, Worker};

/// A process writes 200 lines at once, and then few a second: so many are measured in each. One process is
/// faster or slower than another by as much as a line costs: it takes many.
const PROCESSES: usize = 60;
const ASKED: usize = 8;
const HANDSHAKES: usize = 20;
const FIRSTS: usize = 80;

pub(crate) fn measure() -> Vec<Figure> {
    let chain = Chain::new(Kind::Ec);
    let site = |log: &str, policy: &str| {
        let site = Site::new();
        chain.write(&site);
        site.apply(&policy.replace("version = 1\n", &format!("version = 1\nlog = '{log}'\n")));
        site
    };
    let pin = policies::pin(&[chain.leaf.pin()]);
    let shipped = peerkey_tests::site::SHIPPED;
    let every = |policy: &str| ["none", "all"].map(|log| site(log, policy));
    let remembers = format!(
        "version = 1\n[authority.devices]\nkind = 'tofu'\npeers = ['{BANK}']\n\
         [[rule]]\npeers = ['{BANK}']\naccept = {{ any = ['devices'] }}\n"
    );
    let [none, all] = &every(&pin);
    let decision = decisions("a decision, log = \"all\"", [none, all]);
    vec![
        decision.limit(Limit::Most(15.0)),
        appends(none, line_of(all)),
        // With "none" nothing is decided there.
        decisions("the shipped policy, log = \"all\"", every(shipped).each_ref()),
        first_uses(&["none", "refused"].map(|log| site(log, &remembers))),
    ]
}

/// Handshakes of which each leaves a line, beside handshakes that leave none.
fn decisions(what: &str, sites: [&Site; 2]) -> Figure {
    let handshakes = Task::Handshakes(HANDSHAKES);
    let figure = side_by_side(what, sites.map(|site| (site, handshakes)));
    assert!(line_of(sites[1]) > 0);
    figure
}

/// The share of that which is the kernel's: the program itself appends lines of the same length, and
/// peerkey none.
fn appends(site: &Site, octets: usize) -> Figure {
    let tasks = [Task::Handshakes(HANDSHAKES), Task::AppendingHandshakes(HANDSHAKES, octets)];
    let what = format!("fstat(2) and write(2) of {octets} octets alone, log = \"none\"");
    side_by_side(&what, tasks.map(|task| (site, task)))
}

fn side_by_side(what: &str, tasks: [(&Site, Task); 2]) -> Figure {
    let start = |(site, task)| Worker::start(site, Kind::Ec, Peerkey::On, task);
    let pair = |_| of_workers(ASKED, tasks.map(start));
    let rounds: Vec<_> = (0..PROCESSES).flat_map(pair).collect();
    figure(what, &rounds)
}

/// The length of the last line of a site's record.
fn line_of(site: &Site) -> usize {
    let record = fs::read_to_string(site.path("state/uid/0/record.jsonl")).expect("a record");
    record.lines().next_back().map_or(0, |line| line.len() + 1)
}

/// The first decision of a process, in which a key and a chain are remembered for the first time.
fn first_uses(sites: &[Site; 2]) -> Figure {
    let first = |site: &Site| {
        let _ = fs::remove_dir_all(site.path("state/uid"));
        let time = Worker::start(site, Kind::Ec, Peerkey::On, Task::First).ask();
        assert!(site.path("state/uid/0/keys.db").exists());
        time
    };
    let rounds = in_turns(FIRSTS, |turn| first(&sites[turn]));
    assert!(sites[1].path("state/uid/0/record.jsonl").exists());
    figure("a first use, log = \"refused\"", &rounds).limit(Limit::Most(1000.0))
}

fn figure(what: &str, rounds: &[[f64; 2]]) -> Figure {
    let side = |index: usize| {
        format!("{:.0} µs", Sample::of(rounds.iter().map(|round| round[index])).median())
    };
    let differences = Sample::of(rounds.iter().map(|[none, all]| all - none));
    Figure::new(what, [side(0), side(1)], differences.median(), Unit::MoreMicroseconds)
        .spread(differences.quartiles())
}
