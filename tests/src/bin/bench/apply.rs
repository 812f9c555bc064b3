//! How long `peerkey apply` takes for a large policy, and how much memory.

use std::fmt::Write;
use std::mem::MaybeUninit;
use std::process::{Command, Stdio};
use std::time::Instant;

use openssl::x509::X509;
use peerkey_tests::pki::{Draft, pin_of};
use peerkey_tests::run::{run, under};
use peerkey_tests::site::Site;

use crate::figure::{Figure, Limit, Unit};

const PINS: usize = 100_000;
const ANCHORS: usize = 10_000;

pub(crate) fn measure() -> Vec<Figure> {
    let site = Site::new();
    site.write("config/anchors/all.pem", anchors());
    site.write("config/policy.toml", source());
    let (seconds, megabytes) = apart(site.peerkey().arg("apply"));
    let what = format!("apply, {PINS} pins and {ANCHORS} anchors");
    let sides = || [String::new(), String::new()];
    vec![
        Figure::new(&what, sides(), seconds, Unit::Seconds).limit(Limit::Most(5.0)),
        Figure::new(format!("{what}: memory"), sides(), megabytes, Unit::Megabytes)
            .limit(Limit::Most(300.0)),
    ]
}

/// Roots with a key of their own each.
fn anchors() -> String {
    let pem = |cert: &X509| String::from_utf8(cert.to_pem().unwrap()).unwrap();
    (0..ANCHORS).map(|i| pem(&Draft::ca(&format!("Root {i}")).self_signed().cert)).collect()
}

fn source() -> String {
    let mut text = String::from(
        "version = 1\n[authority.web]\nkind = 'x509'\nanchors = ['anchors/all.pem']\n\
         [authority.pins]\nkind = 'pin'\n",
    );
    for i in 0..PINS {
        let pin = pin_of(&i.to_be_bytes());
        let _ =
            writeln!(text, "[[authority.pins.key]]\npeer = 'host-{i}.example'\nspki = ['{pin}']");
    }
    text.push_str("[[rule]]\npeers = ['.example']\naccept = { any = ['pins', 'web'] }\n");
    text
}

/// The same as [`cost`], asked by a small process: what this one has used up counts for its children, too,
/// until they have used more (getrusage(2) keeps the largest size across execve).
fn apart(command: &Command) -> (f64, f64) {
    let own = std::env::current_exe().unwrap();
    let said = run(&mut under(own.to_str().unwrap(), &["cost".to_owned()], command)).stdout;
    let numbers: Vec<f64> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
    (numbers[0], numbers[1])
}

/// Prints what a command costs.
pub(crate) fn print_cost(program: &str, arguments: &[&str]) {
    let (seconds, megabytes) = cost(Command::new(program).args(arguments));
    println!("{seconds} {megabytes}");
}

/// Runs a command to its end: seconds, and megabytes at its largest.
fn cost(command: &mut Command) -> (f64, f64) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    #[expect(clippy::zombie_processes, reason = "wait4 waits for it, and counts what it used")]
    let child = command.spawn().unwrap();
    let (mut status, mut usage) = (0, MaybeUninit::<libc::rusage>::uninit());
    // SAFETY: a child of ours that nobody else waits for, and places for the results.
    let waited = unsafe { libc::wait4(child.id() as i32, &raw mut status, 0, usage.as_mut_ptr()) };
    assert!(
        waited > 0 && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
        "apply failed"
    );
    // SAFETY: wait4(2) filled it in.
    let usage = unsafe { usage.assume_init() };
    (start.elapsed().as_secs_f64(), usage.ru_maxrss as f64 * 1024.0 / 1e6)
}
