//! Policies that are not where they were.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use peerkey_tests::program::{PYTHON_LOOP, Visit, python};
use peerkey_tests::run::{run, wait};
use peerkey_tests::site::{Peerkey, Site};

use crate::{Bank, OnError, PEER};

const POLICY: &str = "state/policy-1.db";

#[test]
fn it_is_gone() {
    let bank = Bank::new();
    bank.broken("the file", "No such file or directory", |site| {
        fs::remove_file(site.path(POLICY)).unwrap();
    });
    bank.broken("the folder", "No such file or directory", |site| {
        fs::remove_dir_all(site.path("state")).unwrap();
    });
}

#[test]
fn it_is_no_file() {
    let bank = Bank::new();
    bank.broken("a folder", "it is no regular file", |site| {
        fs::remove_file(site.path(POLICY)).unwrap();
        fs::create_dir(site.path(POLICY)).unwrap();
    });
    bank.broken("a link", "it is no regular file", |site| {
        fs::rename(site.path(POLICY), site.path("state/elsewhere")).unwrap();
        symlink("elsewhere", site.path(POLICY)).unwrap();
    });
    bank.broken("the folder is a file", "Not a directory", |site| {
        fs::remove_dir_all(site.path("state")).unwrap();
        fs::write(site.path("state"), "").unwrap();
    });
}

/// A file system in memory, under a folder of ours; it goes with this.
struct Mount(PathBuf);

impl Mount {
    fn new(at: PathBuf) -> Option<Self> {
        let mounted = run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&at));
        if !mounted.ok() {
            println!("SKIPPED: nothing can be mounted here: {}", mounted.stderr.trim());
            return None;
        }
        run(Command::new("chmod").arg("755").arg(&at)).expect_ok("chmod");
        Some(Self(at))
    }

    fn vanish(&self) {
        run(Command::new("umount").arg("--lazy").arg(&self.0)).expect_ok("umount");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").args(["--quiet", "--lazy"]).arg(&self.0));
    }
}

#[test]
fn its_mount_vanished() {
    let bank = Bank::new();
    for on_error in [OnError::Reject, OnError::Application] {
        let Some(mount) = Mount::new(bank.site.path("state")) else { return };
        bank.apply();
        bank.on_error(on_error);
        assert!(run(&mut bank.curl()).ok());
        mount.vanish();
        bank.must("umount", on_error, "No such file or directory", &run(&mut bank.curl()));
    }
}

/// Calls `change` between a running program's connections, with its number; says what the program
/// said.
fn running(bank: &Bank, rounds: usize, change: impl Fn(usize)) -> Vec<String> {
    let visit = Visit::new(bank.server.address(), PEER, &bank.site.path("trust.pem"));
    let mut command = python(&bank.site, Peerkey::On, &visit, PYTHON_LOOP);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(from).lines();
    let mut said = Vec::new();
    for round in 0..rounds {
        change(round);
        Site::settle();
        to.write_all(b"go\n").unwrap();
        said.push(lines.next().unwrap().unwrap());
    }
    drop(to);
    wait(&mut child, Duration::from_secs(5));
    said
}

/// A running program holds the old folder open, but that is not where the policy is.
#[test]
fn its_mount_vanished_under_a_running_program() {
    let bank = Bank::new();
    let Some(mount) = Mount::new(bank.site.path("state")) else { return };
    bank.apply();
    let said = running(&bank, 3, |round| match round {
        0 => {}
        1 => mount.vanish(),
        _ => bank.apply(),
    });
    assert_eq!((said[0].as_str(), said[2].as_str()), ("connected", "connected"));
    assert!(said[1].contains("policy-1.db: No such file or directory"), "{said:?}");
}

#[test]
fn its_folder_was_replaced_under_a_running_program() {
    let bank = Bank::new();
    bank.apply();
    let state = |name| bank.site.path(name);
    let said = running(&bank, 4, |round| match round {
        0 => {}
        1 => fs::rename(state("state"), state("aside")).unwrap(),
        2 => {
            fs::create_dir(state("state")).unwrap();
            fs::write(state(POLICY), "no policy").unwrap();
        }
        _ => {
            fs::remove_dir_all(state("state")).unwrap();
            fs::rename(state("aside"), state("state")).unwrap();
        }
    });
    assert_eq!((said[0].as_str(), said[3].as_str()), ("connected", "connected"));
    assert!(said[1].contains("state: No such file or directory"), "{said:?}");
    assert!(said[2].contains("policy-1.db: file is not a database"), "{said:?}");
}
