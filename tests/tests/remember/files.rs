//! Files and folders that are not as they should be, and disks that take no more.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use peerkey_tests::program::Client;
use peerkey_tests::run::{PATIENCE, Run, run, run_with};
use peerkey_tests::scene::Scene;
use peerkey_tests::site::Peerkey;

use crate::worker::worker;
use crate::{ROUTER, WORLD, accepted, file, known, refused, router, scene, serve, visit};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Spoils the file in which the router is known, and holds curl to what must come of it.
#[track_caller]
fn spoilt(because: &str, spoil: impl FnOnce(&Path)) {
    let scene = scene("");
    let (real, vouched) = (serve(&WORLD.router), serve(&WORLD.vouched));
    accepted(&visit(&scene, &real, Client::Curl));
    let file = file(&scene);
    spoil(&file);
    let before = fs::symlink_metadata(&file).map(|file| file.modified().unwrap()).ok();
    let said = visit(&scene, &real, Client::SClient);
    refused(&said, &["the remembered keys in", "keys.db: ", because]);
    // Nobody's word but the keys' is missed.
    accepted(&visit(&scene, &vouched, Client::Curl));
    let after = fs::symlink_metadata(&file).map(|file| file.modified().unwrap()).ok();
    assert_eq!(before, after, "a host changes nothing of it");
}

#[test]
fn it_is_damaged() {
    spoilt("file is not a database", |file| fs::write(file, "nonsense ".repeat(100)).unwrap());
    spoilt("malformed", |file| {
        let mut bytes = fs::read(file).unwrap();
        bytes.truncate(4096 + 100);
        fs::write(file, bytes).unwrap();
    });
}

#[test]
fn it_is_somebody_elses() {
    let because = "its owner is user 12345, and not this program's";
    spoilt(because, |file| chown(file, Some(12_345), None).unwrap());
    spoilt(because, |file| chown(file.parent().unwrap(), Some(12_345), None).unwrap());
}

#[test]
fn others_may_write_it() {
    spoilt("others may write it (mode 606)", |file| mode(file, 0o606));
    spoilt("others may write it (mode 770)", |file| mode(file.parent().unwrap(), 0o770));
}

#[test]
fn it_is_no_file() {
    spoilt("it is no regular file", |file| {
        fs::rename(file, file.with_extension("real")).unwrap();
        symlink(file.with_extension("real"), file).unwrap();
    });
    spoilt("it is no regular file", |file| {
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
    });
}

#[test]
fn it_is_of_another_schema() {
    spoilt("they have schema 9", |file| {
        let sql = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
                   c.execute('PRAGMA user_version = 9')\nc.commit()";
        let mut python = std::process::Command::new("/usr/bin/python3");
        run(python.args(["-c", sql]).arg(file)).expect_ok("sqlite");
    });
}

/// A file system of its own for root's keys.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(scene: &Scene) -> Option<Self> {
        let folder = file(scene).parent().unwrap().to_owned();
        fs::create_dir_all(&folder).unwrap();
        let mut mount = std::process::Command::new("/bin/mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs"]).arg(&folder);
        let done = run(&mut mount);
        if !done.ok() {
            println!("SKIPPED: nothing can be mounted here: {}", done.stderr.trim());
            return None;
        }
        Some(Self(folder))
    }

    fn set(&self, option: &str) -> Run {
        let mut mount = std::process::Command::new("/bin/mount");
        run(mount.args(["-o", option]).arg(&self.0))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(std::process::Command::new("/bin/umount").arg(&self.0));
    }
}

fn meet(scene: &Scene, name: &str) -> String {
    let server = serve(&WORLD.router);
    let said = run(&mut worker(scene, &server, &[&format!("meet {name}")])).expect_ok("worker");
    let line = said.stdout.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn the_disk_is_full() {
    let scene = scene("");
    let Some(disk) = Disk::mount(&scene) else { return };
    assert_eq!(meet(&scene, ROUTER), "met");
    let _ = fs::write(disk.0.join("large"), vec![1; 1 << 20]);
    let said = meet(&scene, "printer.lan");
    assert!(said.contains("No space left on device"), "{said}");
    // Where the last room goes while the handshake runs, the connection carries nothing.
    assert_eq!(meet(&scene, ROUTER), "met");
    assert_eq!(known(&scene).len(), 1);
    fs::remove_file(disk.0.join("large")).unwrap();
    assert_eq!(meet(&scene, "printer.lan"), "met");
}

/// The command says it, and nothing of what was known is lost.
#[test]
fn the_disk_is_full_under_the_command() {
    let scene = scene("");
    let Some(disk) = Disk::mount(&scene) else { return };
    assert_eq!(meet(&scene, ROUTER), "met");
    let before = known(&scene);
    let pin = |number: u32| peerkey_tests::pki::pin_of(&number.to_be_bytes());
    let rows = (0..20_000).map(|number| format!("h{number}.lan,https,{}\n", pin(number)));
    let table = format!("peer,protocol,key\n{}", rows.collect::<String>());
    let table = scene.site.write("table.csv", table).display().to_string();
    let keys = |words: &str| run(scene.site.peerkey().arg("keys").args(words.split(' ')));
    let full = |said: Run| {
        assert_eq!(said.code, Some(2), "{said}");
        assert!(said.stderr.contains("disk is full; make room on that disk"), "{said}");
        assert_eq!(known(&scene), before);
    };
    full(keys(&format!("import {table}")));
    let list = keys("list --json").expect_ok("list").stdout;
    assert!(!list.contains("h1.lan"), "all at once or not at all: {list}");
    let _ = fs::write(disk.0.join("large"), vec![1; 1 << 20]);
    full(keys(&format!("add other.lan --protocol https --spki {}", pin(1))));
    let withdrawn = keys("deny router.lan");
    full(withdrawn);
    fs::remove_file(disk.0.join("large")).unwrap();
    keys(&format!("add other.lan --protocol https --spki {}", pin(1))).expect_ok("add");
    disk.set("remount,size=20m").expect_ok("remount");
    keys(&format!("import {table}")).expect_ok("import");
    assert_eq!(known(&scene), before);
}

#[test]
fn the_disk_is_read_only() {
    let scene = scene("");
    let Some(disk) = Disk::mount(&scene) else { return };
    assert_eq!(meet(&scene, ROUTER), "met");
    disk.set("remount,ro").expect_ok("remount");
    let said = meet(&scene, "printer.lan");
    assert!(said.contains("Read-only file system"), "{said}");
    assert_eq!(meet(&scene, ROUTER), "met");
}

/// Somebody whose home it is, and somebody who only has the environment of another.
#[test]
fn people_have_theirs_at_home() {
    let scene = scene("");
    let real = serve(&WORLD.router);
    let home = scene.site.path("home");
    scene.site.public_provider();
    let by = |uid: &str| {
        let client = Client::SClient.command(&scene.site, Peerkey::On, &router(&scene, &real));
        let arguments = ["--reuid", uid, "--regid", uid, "--clear-groups"].map(str::to_owned);
        let mut client = peerkey_tests::run::under("/usr/bin/setpriv", &arguments, &client);
        run_with(&mut client, b"GET / HTTP/1.0\r\n\r\n", PATIENCE)
    };
    let said = by("12345");
    assert!(said.stderr.contains("is another user's; peerkey keys enable-user"), "{said}");
    chown(&home, Some(12_345), None).unwrap();
    let said = by("12345");
    assert!(said.stdout.contains("hello"), "{said}");
    let file = home.join(".local/state/peerkey/keys.db");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let folder = fs::metadata(file.parent().unwrap()).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    let said = by("12346");
    assert!(said.stderr.contains("is another user's; peerkey keys enable-user"), "{said}");
    // Where root made a folder for the user, that one is taken.
    let system = scene.site.path("state/uid/12346");
    fs::create_dir_all(&system).unwrap();
    chown(&system, Some(12_346), None).unwrap();
    mode(&system, 0o700);
    let said = by("12346");
    assert!(said.stdout.contains("hello"), "{said}");
    assert!(system.join("keys.db").exists());
    assert_eq!(known(&scene), []);
}
