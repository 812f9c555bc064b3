//! A program that does nothing but remember keys, killed a thousand times.

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use peerkey_core::key::KeyHash;
use peerkey_core::keys::{Book, Keys, Seen, Service, Sighting};
use peerkey_core::peer::Name;
use peerkey_core::protocol::Protocol;
use peerkey_guest::keys::{Books, Surroundings};
use peerkey_guest::policy::Policies;
use peerkey_tests::run::run_with;

use crate::processes::has_journal;

const KILLS: u64 = 1000;

/// At any moment of a write: what was answered is known, and the file is whole.
#[test]
fn killed_a_thousand_times() {
    // In a process of its own: a child would hold what other tests have open.
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "killed::kill", "--ignored", "--nocapture", "--test-threads=1"]);
    let said = run_with(command.env("KILLED", ""), b"", Duration::from_secs(300));
    assert!(said.expect_ok("kills").stdout.contains(" kills left a journal"));
}

/// Not a test.
#[test]
#[ignore = "it is run by the other test"]
fn kill() {
    if std::env::var_os("KILLED").is_none() {
        return;
    }
    // In memory: a kill is no loss of power, and syncs would take most of the time.
    let memory = Path::new("/dev/shm");
    let state = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let state = state.unwrap();
    std::fs::set_permissions(state.path(), Permissions::from_mode(0o755)).unwrap();
    let uid = std::fs::metadata(state.path()).unwrap().uid();
    let file = state.path().join(format!("uid/{uid}/keys.db"));
    let (mut next, mut journals, mut random) = (0_u64, 0, 0x9e37_79b9_u64);
    for kill in 0..KILLS {
        let (child, told) = writer(state.path(), next);
        let mut lines = BufReader::new(told).lines().map_while(Result::ok);
        let first: Vec<String> = lines.by_ref().take(1).collect();
        assert_eq!(first.len(), 1, "nothing is written after {kill} kills");
        // Somewhere in one of the next writes.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_micros((random >> 33) % 1500));
        kill_and_wait(child);
        journals += u32::from(has_journal(&file));
        let keys = Keys::open(file.to_str().unwrap()).unwrap();
        assert_eq!(keys.damage(), None, "after {kill} kills");
        for name in first.into_iter().chain(lines) {
            let known = keys.keys_of(&Name::parse(&name).unwrap()).unwrap();
            assert_eq!(known.len(), 1, "{name} after {kill} kills");
            next += 1;
        }
        // One more may have been written, and not told.
        next += 1;
    }
    println!("{journals} of {KILLS} kills left a journal; {next} peers");
    assert!(journals > 0, "no kill came in the middle of a write");
}

/// A child of this process that writes one key after the other, and tells each that it has written.
fn writer(state: &Path, from: u64) -> (libc::pid_t, File) {
    let mut ends = [0; 2];
    // SAFETY: a place for two descriptors, which are ours then; the child does nothing but write, and
    // ends itself.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        let child = libc::fork();
        assert!(child >= 0);
        let (read, write) = (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]));
        if child == 0 {
            let _ = std::panic::catch_unwind(|| tell_all(state, from, write));
            libc::_exit(1);
        }
        (child, read)
    }
}

fn kill_and_wait(child: libc::pid_t) {
    let mut status = 0;
    // SAFETY: a child of ours, and a place for its status.
    unsafe {
        assert_eq!(libc::kill(child, libc::SIGKILL), 0);
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
    }
    assert!(libc::WIFSIGNALED(status), "it ended by itself: {status}");
}

fn tell_all(state: &Path, from: u64, mut told: File) {
    let policies = Policies::<()>::new(state);
    let books = Books::new(policies.folder(), Surroundings::of_now());
    let service = Service::new(&Protocol::parse("https").unwrap(), None);
    for number in from.. {
        let name = format!("n{number}.lan");
        let sighting = Sighting {
            peer: Name::parse(&name).unwrap(),
            service: service.clone(),
            key: KeyHash::of(&number.to_be_bytes()),
            spki: vec![1; 91],
            certificate: Some(vec![0x30; 600]),
            seen: Seen::First,
            keys_per_peer: 4,
            forget_before: None,
        };
        assert_eq!(books.remember(&[sighting], 1_800_000_000), Ok(None));
        told.write_all(format!("{name}\n").as_bytes()).unwrap();
    }
}
