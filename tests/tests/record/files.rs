//! Files and folders that are not as they should be, and disks that take no more: the program hears nothing
//! of it, and the journal has what no file can take.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use peerkey_tests::program::Client;
use peerkey_tests::run::{run, run_with};
use peerkey_tests::scene::Scene;
use serde_json::json;

use crate::worker::worker;
use crate::{BANK, WORLD, file, folder, lines, must, scene, serve, visit};

/// A refusal with the record spoilt is the refusal without; and it is in the journal.
#[track_caller]
fn spoilt(what: &str, spoil: impl FnOnce(&Path)) {
    let scene = scene("");
    let journal = UnixDatagram::bind(scene.site.path("journal")).unwrap();
    let denied = serve(&WORLD.denied);
    fs::create_dir_all(folder(&scene)).unwrap();
    fs::set_permissions(folder(&scene), Permissions::from_mode(0o700)).unwrap();
    spoil(&file(&scene));
    let before =
        fs::symlink_metadata(file(&scene)).map(|file| (file.len(), file.modified().unwrap()));
    let said = visit(&scene, &denied, BANK, Client::Curl);
    assert!(!said.connected && said.text().contains("as tests want it"), "{what}: {said}");
    assert!(!said.text().contains("record"), "{what}: {said}");
    let after =
        fs::symlink_metadata(file(&scene)).map(|file| (file.len(), file.modified().unwrap()));
    assert_eq!(before.ok(), after.ok(), "{what}");
    journal.set_nonblocking(true).unwrap();
    assert!(journal.recv(&mut [0; 65_536]).is_ok(), "{what}: the journal has it");
}

#[test]
fn it_is_no_file_of_ones_own() {
    spoilt("a symbolic link", |file| {
        fs::write(file.with_extension("real"), "").unwrap();
        symlink(file.with_extension("real"), file).unwrap();
    });
    spoilt("a folder", |file| fs::create_dir(file).unwrap());
    spoilt("a pipe", |file| {
        run(Command::new("/usr/bin/mkfifo").arg(file)).expect_ok("mkfifo");
    });
    spoilt("a device", |file| {
        run(Command::new("/usr/bin/mknod").arg(file).args(["c", "1", "7"])).expect_ok("mknod");
    });
    spoilt("somebody else's", |file| {
        fs::write(file, "").unwrap();
        chown(file, Some(12_345), None).unwrap();
    });
    spoilt("one that others may write", |file| {
        fs::write(file, "").unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o620)).unwrap();
    });
    spoilt("in somebody else's folder", |file| {
        chown(file.parent().unwrap(), Some(12_345), None).unwrap();
    });
}

#[test]
fn it_is_huge() {
    let scene = scene("");
    fs::create_dir_all(folder(&scene)).unwrap();
    fs::File::create(file(&scene)).unwrap().set_len(1 << 40).unwrap();
    assert!(!visit(&scene, &serve(&WORLD.denied), BANK, Client::Curl).connected);
    assert_eq!(lines(&scene).len(), 1);
    assert!(folder(&scene).join("record.jsonl.1").exists());
}

/// A file system of its own for root's folder.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(scene: &Scene) -> Option<Self> {
        fs::create_dir_all(folder(scene)).unwrap();
        let mut mount = Command::new("/bin/mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs"]).arg(folder(scene));
        let done = run(&mut mount);
        if !done.ok() {
            println!("SKIPPED: nothing can be mounted here: {}", done.stderr.trim());
            return None;
        }
        Some(Self(folder(scene)))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(Command::new("/bin/umount").arg(&self.0));
    }
}

/// The last page of the disk is in the middle of a line; once there is room again, no line is torn.
#[test]
fn the_disk_is_full() {
    let scene = scene("");
    let Some(disk) = Disk::mount(&scene) else { return };
    let server = serve(&WORLD.denied);
    fs::write(disk.0.join("large"), vec![1; 200 << 10]).unwrap();
    let steps = ["again bank.example 190"];
    let said = run(&mut worker(&scene, &server, &steps)).expect_ok("worker");
    assert!(said.stdout.contains("190 times: "), "{said}");
    let before = lines(&scene).len();
    assert!(before > 10 && before < 190, "{before} lines");
    fs::remove_file(disk.0.join("large")).unwrap();
    assert!(!visit(&scene, &server, BANK, Client::Curl).connected);
    assert_eq!(lines(&scene).len(), before + 1);
}

#[test]
fn the_disk_is_read_only() {
    let scene = scene("");
    let Some(disk) = Disk::mount(&scene) else { return };
    let server = serve(&WORLD.denied);
    assert!(!visit(&scene, &server, BANK, Client::Curl).connected);
    run(Command::new("/bin/mount").args(["-o", "remount,ro"]).arg(&disk.0)).expect_ok("remount");
    let said = visit(&scene, &server, BANK, Client::Curl);
    assert!(said.text().contains("as tests want it"), "{said}");
    assert_eq!(lines(&scene).len(), 1);
}

/// Somebody's own, at home.
#[test]
fn people_have_theirs_at_home() {
    let scene = scene("");
    let denied = serve(&WORLD.denied);
    let home = scene.site.path("home");
    scene.site.public_provider();
    chown(&home, Some(12_345), None).unwrap();
    let visit = scene.visit(denied.address(), BANK);
    let client = Client::SClient.command(&scene.site, peerkey_tests::site::Peerkey::On, &visit);
    let arguments = ["--reuid", "12345", "--regid", "12345", "--clear-groups"].map(str::to_owned);
    let mut client = peerkey_tests::run::under("/usr/bin/setpriv", &arguments, &client);
    run_with(&mut client, b"", peerkey_tests::run::PATIENCE);
    let folder = home.join(".local/state/peerkey");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("record.jsonl"))), (0o700, 0o600));
    let lines = crate::lines_of(&folder.join("record.jsonl"));
    must(&lines[0], &[("uid", json!(12_345)), ("code", json!("key-denied"))]);
}
