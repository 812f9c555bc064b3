//! Programs that fork, have many threads, confine themselves, and are refused without end.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use peerkey_tests::run::{PATIENCE, run, wait};
use peerkey_tests::scene::Scene;
use serde_json::Value;

use crate::worker::worker;
use crate::{WORLD, file, folder, lines, lines_of, scene, serve};

/// All lines of the record, the oldest first.
fn whole(scene: &Scene) -> Vec<Value> {
    let old = (1..5).rev().map(|number| folder(scene).join(format!("record.jsonl.{number}")));
    old.chain([file(scene)]).flat_map(|path| lines_of(&path)).collect()
}

fn names(lines: &[Value]) -> HashSet<String> {
    lines.iter().map(|line| line["expected"][0].as_str().unwrap().to_owned()).collect()
}

fn ids(lines: &[Value]) -> HashSet<String> {
    lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn sixty_four_threads() {
    let scene = scene("");
    let steps = ["threads 64", "threads 64"];
    run(&mut worker(&scene, &serve(&WORLD.denied), &steps)).expect_ok("worker");
    let lines = lines(&scene);
    assert_eq!((lines.len(), ids(&lines).len(), names(&lines).len()), (128, 128, 64));
}

#[test]
fn parents_and_children() {
    let scene = scene("log = 'all'");
    let steps = ["fork a.lan", "meet a.lan", "meet b.lan", "fork b.lan", "fork c.lan"];
    run(&mut worker(&scene, &serve(&WORLD.router), &steps)).expect_ok("worker");
    let lines = lines(&scene);
    assert_eq!((lines.len(), ids(&lines).len()), (5, 5));
    let processes: HashSet<i64> = lines.iter().map(|line| line["pid"].as_i64().unwrap()).collect();
    assert_eq!(processes.len(), 4);
}

/// A file that is almost full when several programs write: nothing is lost or torn.
#[test]
fn several_programs_rename_at_once() {
    let scene = scene("");
    let server = serve(&WORLD.denied);
    fs::create_dir_all(folder(&scene)).unwrap();
    let line = format!("{{\"id\":\"\",\"expected\":[\"old\"],\"pad\":\"{}\"}}\n", "x".repeat(967));
    let filled = line.repeat((4 << 20) / line.len() - 20);
    fs::write(file(&scene), filled).unwrap();
    fs::set_permissions(file(&scene), fs::Permissions::from_mode(0o600)).unwrap();
    let start = |name: &str| {
        let mut command = worker(&scene, &server, &[&format!("again {name} 100")]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut programs = ["a.example", "b.example", "c.example"].map(start);
    for program in &mut programs {
        assert!(wait(program, PATIENCE).is_some_and(|status| status.success()));
    }
    let lines = whole(&scene);
    let new: Vec<_> = lines.iter().filter(|line| line["expected"][0] != "old").cloned().collect();
    assert_eq!((new.len(), ids(&new).len(), names(&new).len()), (300, 300, 3));
    assert_eq!(lines.len() - new.len(), (4 << 20) / line.len() - 20);
    assert!(fs::metadata(file(&scene)).unwrap().len() < 1 << 20);
    let old = fs::metadata(folder(&scene).join("record.jsonl.1")).unwrap();
    // Who looks at the size while another writes may put a line more.
    assert!(old.len() <= (4 << 20) + 2 * 1500, "{}", old.len());
}

#[test]
fn a_peer_that_is_refused_without_end_fills_nothing() {
    let scene = scene("");
    let server = serve(&WORLD.denied);
    let steps = ["again bank.example 1500", "again bank.example 1"];
    let said = run(&mut worker(&scene, &server, &steps)).expect_ok("worker");
    assert!(said.stdout.contains("bank.example 1500 times: "), "{said}");
    let lines = lines(&scene);
    assert!((200..400).contains(&lines.len()), "{} lines", lines.len());
    let dropped: i64 = lines.iter().filter_map(|line| line["dropped"].as_i64()).sum();
    assert!(dropped > 0);
    assert!(lines.len() as i64 + dropped <= 1501);
    assert!(lines.len() as i64 + dropped > 1300, "{} and {dropped}", lines.len());
    assert_eq!(fs::read_dir(folder(&scene).join("chains")).unwrap().count(), 1);
}

/// A server's worker: what is open from the beginning is enough.
#[test]
fn a_chroot_with_another_user() {
    for has_folder in [false, true] {
        let scene = scene("");
        let journal = UnixDatagram::bind(scene.site.path("journal")).unwrap();
        let server = serve(&WORLD.denied);
        let jail = scene.site.path("jail");
        fs::create_dir(&jail).unwrap();
        let own = scene.site.path("state/uid/12345");
        if has_folder {
            fs::create_dir_all(&own).unwrap();
            chown(&own, Some(12_345), None).unwrap();
        }
        let confined = format!("chroot {} 12345", jail.display());
        let steps = [&confined, "meet bank.example", "meet bank.example"];
        run(&mut worker(&scene, &server, &steps)).expect_ok("worker");
        let lines = lines_of(&own.join("record.jsonl"));
        assert_eq!(lines.len(), if has_folder { 2 } else { 0 });
        assert!(!folder(&scene).exists());
        journal.set_nonblocking(true).unwrap();
        let sent = std::iter::from_fn(|| journal.recv(&mut [0; 65_536]).ok()).count();
        assert_eq!(sent, 2);
    }
}
