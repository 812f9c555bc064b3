//! A policy for a while, as real programs see it: no run of the command ends it but its own watcher.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use peerkey_tests::artifacts;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, Visit};
use peerkey_tests::run::{run, until};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::site::{Peerkey, SHIPPED};
use peerkey_tests::world::WORLD;

const BANK: &str = "bank.example";

/// A server whose key the second policy denies.
struct Stage {
    scene: Scene,
    bank: Issued,
    server: Server,
}

impl Stage {
    fn new() -> Self {
        let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
        let server = ServerDraft::new(Service::Https, &bank).start();
        let scene = Scene::new(&[&WORLD.web]);
        scene.site.apply(SHIPPED);
        Self { scene, bank, server }
    }

    fn strict(&self) -> String {
        format!("version = 1\n[[deny]]\nspki = '{}'\nreason = 'strict'\n", self.bank.pin())
    }

    fn write_strict(&self) {
        self.scene.site.write("config/policy.toml", self.strict());
    }

    fn connects(&self) -> bool {
        let visit: Visit = self.scene.visit(self.server.address(), BANK);
        let outcome = Client::Curl.visit(&self.scene.site, Peerkey::On, &visit);
        assert!(outcome.connected || outcome.text().contains("strict"), "{}", outcome.text());
        outcome.connected
    }

    fn peerkey(&self, line: &str) -> Command {
        let mut command = self.scene.site.peerkey();
        command.args(line.split(' '));
        command
    }

    fn state(&self, name: &str) -> String {
        let path = self.scene.site.path("state").join(name);
        fs::read_to_string(path).unwrap_or_default()
    }

    /// The process that ends what is under way.
    fn watcher(&self) -> Option<i32> {
        let id = self.state("policy-1.db.interim");
        let id = id.lines().find_map(|line| line.strip_prefix("id="))?.to_owned();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let mut numbers = processes.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
        numbers.find(|number| {
            let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
            let mut words = line.split(|octet| *octet == 0);
            words.any(|word| word == b"watch") && words.any(|word| word == id.as_bytes())
        })
    }
}

#[test]
fn off_opens_everything_and_ends_by_itself() {
    let stage = Stage::new();
    stage.scene.site.apply(&stage.strict());
    assert!(!stage.connects());
    let said = run(&mut stage.peerkey("off --for 4s"));
    assert!(said.ok() && said.stdout.contains("no DENIAL holds"), "{said}");
    assert!(said.stdout.contains("peerkey is OFF for 4 seconds, until "), "{said}");
    assert!(stage.connects(), "no denial holds");
    until("the denial holds again", || !stage.connects());
    until("it is recorded", || stage.state("uid/0/record.jsonl").contains("\"event\":\"on\""));
    assert!(stage.state("uid/0/record.jsonl").contains("\"event\":\"off\""));
    assert_eq!(stage.watcher(), None);
    assert_eq!(stage.state("policy-1.db.interim"), "");
}

#[test]
fn on_ends_it_at_once() {
    let stage = Stage::new();
    stage.scene.site.apply(&stage.strict());
    assert!(run(&mut stage.peerkey("off --for 1h")).ok());
    assert!(stage.connects());
    let watcher = stage.watcher().unwrap();
    let said = run(&mut stage.peerkey("on"));
    assert!(said.ok() && said.stdout.contains("in force again"), "{said}");
    assert!(!stage.connects());
    until("the watcher goes", || !fs::exists(format!("/proc/{watcher}/exe")).unwrap());
}

/// The shell is killed, its whole session with it; nobody runs the command again.
#[test]
fn what_nobody_confirms_goes_also_when_the_connection_is_lost() {
    let stage = Stage::new();
    stage.write_strict();
    let peerkey = artifacts::command();
    let script =
        format!("{} apply --confirm 3s; kill -s KILL -- -$$; echo survived", peerkey.display());
    let mut shell = stage.peerkey("x");
    let environment: Vec<_> =
        shell.get_envs().filter_map(|(n, v)| Some((n.to_owned(), v?.to_owned()))).collect();
    shell = Command::new("/usr/bin/setsid");
    shell.args(["--wait", "/bin/sh", "-c", &script]).env_clear().envs(environment);
    let began = Instant::now();
    let said = run(&mut shell);
    assert!(!said.ok() && said.stdout.contains("unless you run: peerkey confirm"), "{said}");
    assert!(!said.text().contains("survived"), "{said}");
    assert!(!stage.connects());
    until("the policy before is back", || stage.connects());
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    // It is kept, as after a rollback.
    assert!(run(&mut stage.peerkey("policy rollback")).ok());
    assert!(!stage.connects());
}

#[test]
fn what_is_confirmed_stays() {
    let stage = Stage::new();
    stage.write_strict();
    assert!(run(&mut stage.peerkey("apply --confirm 2s")).ok());
    assert!(run(&mut stage.peerkey("confirm")).ok());
    std::thread::sleep(Duration::from_millis(3200));
    assert!(!stage.connects());
    let said = run(&mut stage.peerkey("confirm"));
    assert!(!said.ok() && said.stderr.contains("no policy waits to be confirmed"), "{said}");
}

/// Who watched is gone: the next run of the command ends it.
#[test]
fn a_watcher_that_was_killed() {
    let stage = Stage::new();
    stage.write_strict();
    assert!(run(&mut stage.peerkey("apply --confirm 1s")).ok());
    let watcher = stage.watcher().unwrap();
    // SAFETY: plain numbers; the process is the one that was just found by its name and id.
    assert_eq!(unsafe { libc::kill(watcher, libc::SIGKILL) }, 0);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!stage.connects(), "nobody ended it");
    let late = run(&mut stage.peerkey("confirm"));
    assert!(!late.ok() && late.stderr.contains("that came too late"), "{late}");
    assert!(stage.connects());
    // And by any other command.
    stage.write_strict();
    assert!(run(&mut stage.peerkey("apply --confirm 1s")).ok());
    // SAFETY: as above.
    assert_eq!(unsafe { libc::kill(stage.watcher().unwrap(), libc::SIGKILL) }, 0);
    std::thread::sleep(Duration::from_millis(1500));
    let said = run(&mut stage.peerkey("policy show"));
    assert!(said.stderr.contains("nobody confirmed the policy in time"), "{said}");
    assert!(stage.connects());
}

#[test]
fn of_several_at_once_one_begins() {
    let stage = Stage::new();
    stage.write_strict();
    let children = [(); 5].map(|()| {
        let mut command = stage.peerkey("apply --confirm 1h");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    let said = children.map(|child| child.wait_with_output().unwrap());
    assert_eq!(said.iter().filter(|one| one.status.success()).count(), 1);
    for one in said.iter().filter(|one| !one.status.success()) {
        let words = String::from_utf8_lossy(&one.stderr).into_owned();
        assert!(words.contains("waits to be confirmed already"), "{words}");
    }
    assert!(!stage.connects());
    let said = run(&mut stage.peerkey("policy rollback"));
    assert!(said.ok() && stage.connects(), "{said}");
    until("the watcher goes", || stage.watcher().is_none());
}
