//! What is refused, in words, with the file as it was.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use peerkey_tests::run::{run, until};
use peerkey_tests::site::{SHIPPED, Site};

use crate::Machine;

const PLAIN: &str = "HOME = .\n[ca]\nx = y\n";

#[track_caller]
fn refused(text: &[u8], words: &[&str]) {
    let machine = Machine::new(text);
    let said = machine.install();
    machine.unchanged(text, &said, words);
}

#[test]
fn what_openssl_cannot_read() {
    refused(b"x = 1\n[half\n", &["openssl.cnf:2: OpenSSL cannot read it", "mend that line"]);
    refused(b"x = $nobody\n", &["OpenSSL cannot read it", "variable has no value"]);
    refused(b"x = 1\ny = \xff\xfe\n", &["openssl.cnf:2 is not UTF-8"]);
    refused(b"# peerkey: begin\nx = 1\n", &["openssl.cnf:1: half of peerkey's lines are missing"]);
    refused(
        b"openssl_conf = i\n[i]\nproviders = p\n[p]\npeerkey = s\n[s]\nmodule = x.so\n",
        &["names peerkey already, by hand"],
    );
}

#[test]
fn one_that_includes_itself() {
    let machine = Machine::new("");
    let text = format!(".include {}\n{PLAIN}", machine.file.display());
    fs::write(&machine.file, &text).unwrap();
    machine.unchanged(text.as_bytes(), &machine.install(), &["includes itself", ".include lines"]);
}

#[test]
fn there_is_no_file_or_no_policy() {
    let machine = Machine::new(PLAIN);
    fs::rename(&machine.file, machine.site.path("away")).unwrap();
    let said = machine.install();
    assert!(!said.ok() && said.stderr.contains("No such file"), "{said}");
    fs::rename(machine.site.path("away"), &machine.file).unwrap();
    fs::remove_file(machine.site.path("state/policy-1.db")).unwrap();
    let words = ["no policy is in force", "peerkey apply comes first"];
    machine.unchanged(PLAIN.as_bytes(), &machine.install(), &words);
}

/// The trap: what is written must work, or it is not written.
#[test]
fn a_module_that_does_not_load() {
    let machine = Machine::new(PLAIN);
    let wrong = machine.site.write("peerkey.so", "no library");
    let mut command = machine.site.peerkey();
    command.args(["install", "openssl", "--config"]).arg(&machine.file);
    command.arg("--module").arg(&wrong);
    let said = run(&mut command);
    let words = ["would not work with peerkey", "has no active peerkey", "--dry-run"];
    machine.unchanged(PLAIN.as_bytes(), &said, &words);
    // One that loads, and hooks nothing.
    let legacy = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let legacy =
        legacy.map(|folder| folder.join("ossl-modules/legacy.so")).find(|path| path.exists());
    let mut command = machine.site.peerkey();
    command.args(["install", "openssl", "--config"]).arg(&machine.file);
    command.arg("--module").arg(legacy.unwrap());
    let words = ["would not work with peerkey", "whose certificate is denied"];
    machine.unchanged(PLAIN.as_bytes(), &run(&mut command), &words);
}

#[test]
fn without_rights_it_says_what_to_run() {
    let machine = Machine::new(PLAIN);
    // Wherever they were built, the other user may use these copies.
    let (program, module) = (machine.site.public_command(), machine.site.public_provider());
    let install = || {
        let mut command = Command::new(&program);
        command.args(["install", "openssl", "--config"]).arg(&machine.file);
        command.arg("--module").arg(&module);
        command.env_clear().envs(
            machine.site.peerkey().get_envs().filter_map(|(name, value)| Some((name, value?))),
        );
        run(command.uid(65_534).gid(65_534))
    };
    machine.unchanged(PLAIN.as_bytes(), &install(), &["Permission denied", "or as root"]);
    fs::set_permissions(&machine.file, Permissions::from_mode(0o600)).unwrap();
    let said = install();
    machine.unchanged(PLAIN.as_bytes(), &said, &["cannot read", "or as root"]);
}

#[test]
fn an_immutable_file() {
    let machine = Machine::new(PLAIN);
    let attribute = |how: &str| run(Command::new("chattr").arg(how).arg(&machine.file)).ok();
    if !attribute("+i") {
        eprintln!("this file system has no immutable files");
        return;
    }
    let said = machine.install();
    attribute("-i");
    assert!(!said.ok() && said.stderr.contains("cannot write"), "{said}");
    assert_eq!(machine.text(), PLAIN);
}

#[test]
fn a_full_disk() {
    let site = Site::with_policy(SHIPPED);
    fs::create_dir(site.path("etc")).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(site.path("etc"));
    run(&mut mount).expect_ok("mount");
    let text = "# what nobody reads\n".repeat(1500) + PLAIN;
    let file = site.write("etc/openssl.cnf", &text);
    let machine = Machine { site, file };
    let said = machine.install();
    let (after, listing) = (machine.text(), machine.listing());
    run(Command::new("umount").arg(machine.site.path("etc"))).expect_ok("umount");
    assert!(!said.ok() && said.stderr.contains("No space left"), "{said}");
    assert_eq!(after, text);
    assert_eq!(listing, ["openssl.cnf"]);
}

#[test]
fn two_at_once_and_killed_half_way() {
    let machine = Machine::new(PLAIN);
    let children = [0; 6].map(|_| {
        let mut command = machine.command("install", &[]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let said = children.map(|child| child.wait_with_output().unwrap());
    assert!(said.iter().any(|one| one.status.success()));
    for one in said.iter().filter(|one| !one.status.success()) {
        let words = String::from_utf8_lossy(&one.stderr).into_owned();
        assert!(words.contains("another peerkey is at work"), "{words}");
    }
    let installed = machine.text();
    assert_eq!(installed.matches("[peerkey_section]").count(), 1);
    assert!(machine.remove().ok());
    for delay in 0..40 {
        let mut child = machine.command("install", &[]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay * 4));
        let _ = child.kill();
        child.wait().unwrap();
        let text = machine.text();
        assert!(text == PLAIN || text == installed, "{delay}: {text}");
        // Its children end by themselves.
        until("the lock is free", || machine.install().ok());
        assert!(machine.remove().ok());
        assert_eq!(machine.text(), PLAIN);
    }
    assert_eq!(machine.listing(), ["openssl.cnf"]);
}
