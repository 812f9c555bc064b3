//! Programs that are killed, that fork, that have many threads, and that give up their rights.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use peerkey_core::keys::{Book, Keys};
use peerkey_core::peer::Name;
use peerkey_tests::run::run;
use peerkey_tests::scene::Scene;

use crate::worker::worker;
use crate::{ROUTER, WORLD, file, known, scene, serve};

/// The names that are known.
fn is_known(keys: &Keys, name: &str) -> bool {
    !keys.keys_of(&Name::parse(name).unwrap()).unwrap().is_empty()
}

/// Whether something is to be undone in a file of keys: an empty journal stays.
pub(crate) fn has_journal(file: &Path) -> bool {
    fs::metadata(file.with_extension("db-journal")).is_ok_and(|journal| journal.len() > 0)
}

fn is_whole(scene: &Scene) {
    let sql = "import sqlite3, sys\n\
               print(sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchone()[0])";
    let checked = run(Command::new("/usr/bin/python3").args(["-c", sql]).arg(file(scene)));
    assert_eq!(checked.stdout.trim(), "ok", "{checked}");
}

/// At any moment of a first use: what a program got an answer from is known, and the file is whole.
#[test]
fn killed_again_and_again() {
    let scene = scene("");
    let server = serve(&WORLD.router);
    let (mut next, mut kills, mut journals) = (0, 0, 0);
    while kills < 40 {
        let steps = format!("meet-all {next} {}", next + 1000);
        let mut command = worker(&scene, &server, &[&steps]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut lines = lines.filter(|line| line.contains(".lan: "));
        let mut met: Vec<String> = lines.by_ref().take(1).collect();
        std::thread::sleep(Duration::from_micros(700 * kills));
        child.kill().unwrap();
        child.wait().unwrap();
        journals += u32::from(has_journal(&file(&scene)));
        met.extend(lines);
        let keys = Keys::open(file(&scene).to_str().unwrap()).unwrap();
        for line in met {
            let (name, said) = line.split_once(": ").unwrap();
            assert_eq!(said, "met", "{name}");
            assert!(is_known(&keys, name), "{name} after {kills} kills");
            next += 1;
        }
        next += 1;
        kills += 1;
    }
    println!("{journals} of {kills} kills left a journal; {next} peers");
    is_whole(&scene);
}

#[test]
fn sixty_four_threads_meet_a_peer_each() {
    let scene = scene("");
    let said = run(&mut worker(&scene, &serve(&WORLD.router), &["threads 64", "threads 64"]));
    assert_eq!(said.stdout.matches("\n64 threads met\n").count(), 2, "{said}");
    is_whole(&scene);
}

#[test]
fn parents_and_children() {
    let scene = scene("");
    let steps =
        ["fork a.lan", "meet a.lan", "meet b.lan", "fork b.lan", "fork c.lan", "meet c.lan"];
    let said = run(&mut worker(&scene, &serve(&WORLD.router), &steps)).expect_ok("worker");
    assert_eq!(said.stdout.matches(": met\n").count(), steps.len(), "{said}");
    is_whole(&scene);
}

/// A server's worker: it confines itself after the configuration was read.
#[test]
fn a_chroot_with_another_user() {
    for has_folder in [false, true] {
        let scene = scene("");
        let server = serve(&WORLD.router);
        let jail = scene.site.path("jail");
        fs::create_dir(&jail).unwrap();
        if has_folder {
            let own = scene.site.path("state/uid/12345");
            fs::create_dir_all(&own).unwrap();
            chown(own, Some(12_345), None).unwrap();
        }
        let confined = format!("chroot {} 12345", jail.display());
        let steps = [&confined, "meet router.lan", "meet router.lan"];
        let said = run(&mut worker(&scene, &server, &steps)).expect_ok("worker");
        let met = said.stdout.matches("\nrouter.lan: met\n").count();
        assert_eq!(met, if has_folder { 2 } else { 0 }, "{said}");
        assert_eq!(scene.site.path("state/uid/12345/keys.db").exists(), has_folder);
        let enable = "peerkey keys enable-user makes a folder";
        assert_eq!(said.stdout.contains(enable), !has_folder, "{said}");
    }
}

/// What the machine's administrator decided is known there too.
#[test]
fn the_machines_keys() {
    let scene = scene("");
    let server = serve(&WORLD.router);
    let mut add = scene.site.peerkey();
    let pin = WORLD.router.pin();
    add.args(["keys", "add", ROUTER, "--protocol", "https", "--spki", &pin, "--system", "--yes"]);
    run(&mut add).expect_ok("keys add --system");
    let jail = scene.site.path("jail");
    fs::create_dir(&jail).unwrap();
    let confined = format!("chroot {} 12345", jail.display());
    let said = run(&mut worker(&scene, &server, &[&confined, "meet router.lan"]));
    assert!(said.stdout.contains("\nrouter.lan: met\n"), "{said}");
    let other = serve(&WORLD.other);
    let said = run(&mut worker(&scene, &other, &["meet router.lan"]));
    assert!(said.stdout.contains("changed"), "{said}");
    assert_eq!(known(&scene), []);
}
