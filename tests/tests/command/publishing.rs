//! `apply` is killed, has no room, or has company: a whole policy is in force all the time.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::Client;
use peerkey_tests::run::run;
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::{Peerkey, SHIPPED, Site};

use crate::{BANK, WORLD};

/// The bank's key is denied, and many others, so that writing takes a while.
fn strict(bank: &Issued, others: usize) -> String {
    let others: String = (0..others)
        .map(|n| format!("[[deny]]\nspki = '{n:064x}'\nreason = 'number {n}'\n"))
        .collect();
    format!("version = 1\n[[deny]]\nspki = '{}'\nreason = 'strict'\n{others}", bank.pin())
}

#[test]
fn killed_at_any_moment() {
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let server = ServerDraft::new(Service::Https, &bank).start();
    let scene = Scene::new(&[&WORLD.web]);
    let policies = [SHIPPED.to_owned(), strict(&bank, 2000)];
    let start = Instant::now();
    scene.site.apply(&policies[1]);
    let whole = start.elapsed();
    let visit = scene.visit(server.address(), BANK);
    let rounds = 60;
    let mut in_force = 1;
    let mut turned = 0;
    for round in 0..rounds {
        let next = 1 - in_force;
        scene.site.write("config/policy.toml", &policies[next]);
        let mut apply = scene.site.peerkey();
        apply.arg("apply").stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = apply.spawn().unwrap();
        thread::sleep(whole * round / rounds);
        child.kill().unwrap();
        child.wait().unwrap();
        let outcome = Client::Curl.visit(&scene.site, Peerkey::On, &visit);
        let said = outcome.text();
        let strict = said.contains("strict");
        assert!(outcome.connected || strict, "round {round}: neither policy: {said}");
        assert!(outcome.connected != strict, "round {round}: {said}");
        let now = usize::from(strict);
        turned += usize::from(now != in_force);
        in_force = now;
    }
    println!("{turned} of {rounds} came through within {whole:?}");
    scene.site.apply(&policies[1]);
    assert!(!Client::Curl.visit(&scene.site, Peerkey::On, &visit).connected);
    let left: Vec<_> = fs::read_dir(scene.site.path("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !LASTING.contains(&&**name))
        .collect();
    assert!(left.is_empty(), "what was left over is swept: {left:?}");
}

/// What stays in the state folder; root's record of curl's refusals is in `uid`.
const LASTING: [&str; 5] =
    ["policy-1.db", "policy-1.db.previous", "policy-1.db.sha256", "policy.lock", "uid"];

/// A small file system of its own for the state.
struct SmallDisk<'a>(&'a Site);

impl<'a> SmallDisk<'a> {
    fn mount(site: &'a Site) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs"]).arg(site.path("state"));
        run(&mut mount).ok().then_some(Self(site))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        run(Command::new("umount").arg(self.0.path("state")));
    }
}

#[test]
fn a_full_disk() {
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let server = ServerDraft::new(Service::Https, &bank).start();
    let scene = Scene::new(&[&WORLD.web]);
    let Some(_disk) = SmallDisk::mount(&scene.site) else {
        println!("skipped: this user may not mount");
        return;
    };
    scene.site.apply(&strict(&bank, 0));
    let visit = scene.visit(server.address(), BANK);
    let strict_holds = || {
        let outcome = Client::Curl.visit(&scene.site, Peerkey::On, &visit);
        assert!(outcome.text().contains("strict"), "{outcome}");
    };
    strict_holds();
    let big = strict(&bank, 5000);
    for _ in 0..2 {
        let applied = scene.site.try_apply(&big.replace("'strict'", "'big'"));
        assert_eq!(applied.code, Some(1), "{applied}");
        assert!(applied.stderr.contains("full") || applied.stderr.contains("space"), "{applied}");
        strict_holds();
    }
    // There is room for a small one still: the failure left nothing behind.
    scene.site.apply(SHIPPED);
    assert!(Client::Curl.visit(&scene.site, Peerkey::On, &visit).connected);
}

#[test]
fn many_at_once() {
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let server = ServerDraft::new(Service::Https, &bank).start();
    let scene = Scene::new(&[&WORLD.web]);
    let configs: Vec<_> = (0..6)
        .map(|n| {
            let folder = scene.site.path(&format!("config-{n}"));
            fs::create_dir(&folder).unwrap();
            let policy = strict(&bank, 300).replace("'strict'", &format!("'apply {n}'"));
            fs::write(folder.join("policy.toml"), policy).unwrap();
            folder
        })
        .collect();
    let ran: Vec<_> = thread::scope(|scope| {
        let apply = |config| {
            let mut command = scene.site.peerkey();
            command.env("PEERKEY_CONFIG_DIR", config).arg("apply");
            scope.spawn(move || run(&mut command))
        };
        let threads: Vec<_> = configs.iter().map(apply).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for one in ran {
        assert!(one.ok(), "{one}");
    }
    let visit = scene.visit(server.address(), BANK);
    let last = Client::Curl.visit(&scene.site, Peerkey::On, &visit).text();
    assert!(last.contains("'apply ") || last.contains("apply "), "{last}");
    run(scene.site.peerkey().args(["policy", "rollback"])).expect_ok("rollback");
    let before = Client::Curl.visit(&scene.site, Peerkey::On, &visit).text();
    assert!(before.contains("apply ") && before != last, "{before}");
}

/// A reader all the while, as programs are.
#[test]
fn readers_see_one_policy_or_the_other() {
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let server = ServerDraft::new(Service::Https, &bank).start();
    let scene = Scene::new(&[&WORLD.web]).policy(SHIPPED.trim_start_matches("version = 1"));
    let visit = scene.visit(server.address(), BANK);
    let end = Instant::now() + Duration::from_secs(3);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = [0, 0];
            while Instant::now() < end {
                let outcome = Client::Curl.visit(&scene.site, Peerkey::On, &visit);
                let strict = outcome.text().contains("strict");
                assert!(outcome.connected != strict, "neither policy: {outcome}");
                seen[usize::from(strict)] += 1;
            }
            seen
        });
        let policies = [strict(&bank, 50), SHIPPED.to_owned()];
        for policy in policies.iter().cycle() {
            if Instant::now() > end {
                break;
            }
            scene.site.apply(policy);
        }
        let seen = reader.join().unwrap();
        assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    });
}
