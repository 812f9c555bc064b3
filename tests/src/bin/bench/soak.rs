//! `make soak`: nginx as a proxy that verifies its upstream, while the policy is replaced every second.
//! No request may fail, and neither memory nor descriptors may grow.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use peerkey_tests::daemon::Nginx;
use peerkey_tests::pki::Draft;
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::{Peerkey, Site};

use crate::figure::{self, Sample};

const NAME: &str = "bank.example";
/// Threads that ask, without a pause but for this.
const CLIENTS: usize = 2;
const PAUSE: Duration = Duration::from_millis(5);
/// What counts as no growth from the second quarter to the last: heaps breathe.
const MOST_GROWTH_KB: f64 = 256.0;

/// What is known of nginx's worker at one moment.
struct Moment {
    resident_kb: f64,
    descriptors: f64,
}

/// What happened to the requests.
#[derive(Default)]
struct Requests {
    answered: AtomicUsize,
    failed: AtomicUsize,
    stop: AtomicBool,
}

pub(crate) fn run(seconds: u64) {
    println!("{}\n", figure::machine());
    let root = Draft::ca("Root").self_signed();
    let leaf = Draft::server(NAME).signed_by(&Draft::ca("CA").signed_by(&root));
    let site = Site::new();
    site.write("config/anchors/root.pem", root.pem());
    let trusted = site.write("root.pem", root.pem());
    let policies = policies(&leaf.pin());
    site.apply(&policies[0]);
    let upstream = ServerDraft::new(Service::Https, &leaf).start();
    let nginx = Nginx::proxy(&site, Peerkey::On, upstream.address(), NAME, Some(&trusted));
    let worker = worker_of(&nginx);
    let requests = Requests::default();
    let moments = thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| requests.make(nginx.address()));
        }
        let moments = watch(&site, &policies, worker, seconds);
        requests.stop.store(true, Ordering::Relaxed);
        moments
    });
    let log = nginx.finish();
    let errors = log.lines().filter(|line| line.contains("[error]") || line.contains("[crit]"));
    tell(&moments, &requests, errors.count());
}

/// Policies that all accept the upstream, each in another way.
fn policies(pin: &str) -> [String; 3] {
    let rule = |number: usize, who: &str| {
        format!(
            "version = 1\n# {number}\n[authority.web]\nkind = 'x509'\n\
             anchors = ['anchors/root.pem']\n[authority.pins]\nkind = 'pin'\n\
             [[authority.pins.key]]\npeer = '{NAME}'\nspki = ['{pin}']\n\
             [[rule]]\npeers = ['{NAME}']\naccept = {{ all = [{who}] }}\n"
        )
    };
    [rule(0, "'application'"), rule(1, "'web', 'pins'"), rule(2, "'application', 'pins'")]
}

/// Replaces the policy every second, and looks at nginx's worker meanwhile.
fn watch(site: &Site, policies: &[String], worker: u32, seconds: u64) -> Vec<Moment> {
    let start = Instant::now();
    let mut moments = Vec::new();
    for second in 1..=seconds {
        site.apply(&policies[second as usize % policies.len()]);
        let until = start + Duration::from_secs(second);
        thread::sleep(until.saturating_duration_since(Instant::now()));
        moments.push(Moment::of(worker));
    }
    moments
}

impl Moment {
    fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let resident = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let resident = resident.split_whitespace().nth(1).unwrap();
        let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        Self { resident_kb: resident.parse().unwrap(), descriptors: open.count() as f64 }
    }
}

impl Requests {
    fn make(&self, address: SocketAddr) {
        while !self.stop.load(Ordering::Relaxed) {
            match ask(address) {
                Ok(answer)
                    if answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello\n") =>
                {
                    self.answered.fetch_add(1, Ordering::Relaxed)
                }
                _ => self.failed.fetch_add(1, Ordering::Relaxed),
            };
            thread::sleep(PAUSE);
        }
    }
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// nginx's one worker process.
fn worker_of(nginx: &Nginx) -> u32 {
    let master = fs::read_to_string(nginx.folder().join("pid")).unwrap();
    let master = master.trim();
    let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
    children.split_whitespace().next().expect("a worker").parse().unwrap()
}

fn tell(moments: &[Moment], requests: &Requests, errors: usize) {
    let quarter = moments.len() / 4;
    let medians = |read: fn(&Moment) -> f64| {
        let median = |part: &[Moment]| Sample::of(part.iter().map(read)).median();
        (median(&moments[quarter..2 * quarter]), median(&moments[3 * quarter..]))
    };
    let (before, after) = medians(|moment| moment.resident_kb);
    let (open_before, open_after) = medians(|moment| moment.descriptors);
    let (answered, failed) =
        (requests.answered.load(Ordering::Relaxed), requests.failed.load(Ordering::Relaxed));
    println!(
        "{} seconds, a new policy in each; {answered} requests answered, {failed} failed, {errors} errors in nginx's log",
        moments.len()
    );
    println!(
        "resident memory of the worker: {before:.0} kB in the second quarter, {after:.0} kB in the last"
    );
    println!("its open descriptors: {open_before:.0} and {open_after:.0}");
    let holds = answered > 0
        && failed == 0
        && errors == 0
        && after - before <= MOST_GROWTH_KB
        && open_after <= open_before;
    println!("{}", if holds { "within the limits" } else { "ABOVE THE LIMITS" });
    if !holds {
        std::process::exit(1);
    }
}
