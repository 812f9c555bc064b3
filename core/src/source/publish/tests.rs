use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::*;
use crate::policy::{Enforce, Mode, Source};
use crate::rule::Accept;
use crate::source::{Whole, whole};

/// A policy of this many rules, made of sources of its own.
fn policy(rules: usize) -> Policy {
    let rule = crate::policy::Rule {
        peers: None,
        protocols: None,
        applications: None,
        role: None,
        until: None,
        mode: None,
        accept: Accept::Authority(0),
        place: Default::default(),
    };
    let source = Source { path: "/policy.toml".into(), sha256: [rules as u8; 32] };
    Policy {
        mode: Mode::Enforce,
        enforce: Enforce::Verified,
        log: Default::default(),
        authorities: Vec::new(),
        constraints: Vec::new(),
        denials: Vec::new(),
        rules: vec![rule; rules],
        default: Accept::Authority(0),
        programs: Vec::new(),
        system: Vec::new(),
        sources: vec![source],
    }
}

/// How many rules the policy in this file has.
fn rules(dir: &Path, suffix: &str) -> Option<u64> {
    let path = dir.join(format!("{}{suffix}", store::file_name()));
    exists(&path).then(|| open(&path).unwrap().meta().rules)
}

fn both(dir: &Path) -> (Option<u64>, Option<u64>) {
    (rules(dir, ""), rules(dir, ".previous"))
}

fn names(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn the_one_before_can_come_back_and_go_again() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("state");
    let publish = |rules| publish(&policy(rules), &dir, 7).unwrap();
    let first = publish(1);
    assert_eq!(
        first,
        Published { path: dir.join("policy-1.db"), previous: None, unchanged: false }
    );
    assert_eq!((mode(&dir), mode(&first.path)), (0o755, 0o644));
    let none = rollback(&dir).unwrap_err().to_string();
    assert!(none.contains("no earlier policy in"), "{none}");
    publish(2);
    assert_eq!(both(&dir), (Some(2), Some(1)));
    let third = publish(3);
    assert_eq!(both(&dir), (Some(3), Some(2)));
    assert_eq!(third.previous, Some(dir.join("policy-1.db.previous")));
    assert!(publish(3).unchanged, "the same again is no new policy");
    assert_eq!(both(&dir), (Some(3), Some(2)));
    rollback(&dir).unwrap();
    assert_eq!(both(&dir), (Some(2), Some(3)));
    rollback(&dir).unwrap();
    assert_eq!(both(&dir), (Some(3), Some(2)));
    assert_eq!(
        names(&dir),
        ["policy-1.db", "policy-1.db.previous", "policy-1.db.sha256", "policy.lock"]
    );
    assert_eq!(mode(&dir.join("policy.lock")), 0o600, "nobody else may hold the lock");
}

#[test]
fn each_byte_of_what_was_published_is_known() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path();
    assert_eq!(whole(dir).unwrap(), Whole::Unknown);
    for number in [1, 2, 2, 2, 2] {
        publish(&policy(number), dir, number as i64).unwrap();
        assert_eq!(whole(dir).unwrap(), Whole::Yes);
    }
    rollback(dir).unwrap();
    assert_eq!(whole(dir).unwrap(), Whole::Yes, "the one before is known as well");
    let path = dir.join(store::file_name());
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(whole(dir).unwrap(), Whole::No);
    // A damaged one does not become a known one by being kept.
    publish(&policy(3), dir, 7).unwrap();
    assert_eq!(whole(dir).unwrap(), Whole::Yes);
    fs::rename(dir.join("policy-1.db.previous"), path).unwrap();
    assert_eq!(whole(dir).unwrap(), Whole::No);
}

#[test]
fn a_rollback_without_exchange_ends_alike() {
    let temp = TempDir::new().unwrap();
    publish(&policy(1), temp.path(), 7).unwrap();
    publish(&policy(2), temp.path(), 7).unwrap();
    let state = State::lock(temp.path(), PATIENCE).unwrap();
    state.exchange_by_links().unwrap();
    assert_eq!(both(temp.path()), (Some(1), Some(2)));
    assert_eq!(names(temp.path()).len(), 4);
}

#[test]
fn a_previous_policy_that_is_none_is_not_put_in_force() {
    let temp = TempDir::new().unwrap();
    publish(&policy(1), temp.path(), 7).unwrap();
    fs::write(temp.path().join("policy-1.db.previous"), "nonsense").unwrap();
    assert!(rollback(temp.path()).unwrap_err().to_string().contains("policy-1.db.previous"));
    assert_eq!(rules(temp.path(), ""), Some(1));
    // A broken current one hinders nobody.
    fs::write(temp.path().join("policy-1.db"), "nonsense").unwrap();
    publish(&policy(2), temp.path(), 7).unwrap();
    assert_eq!(rules(temp.path(), ""), Some(2));
}

#[test]
fn a_previous_policy_that_is_damaged_is_not_put_in_force() {
    let temp = TempDir::new().unwrap();
    publish(&policy(1), temp.path(), 7).unwrap();
    publish(&policy(2), temp.path(), 7).unwrap();
    let previous = temp.path().join("policy-1.db.previous");
    let mut bytes = fs::read(&previous).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&previous, bytes).unwrap();
    let error = rollback(temp.path()).unwrap_err().to_string();
    assert!(error.contains("previous: it is damaged: run peerkey apply"), "{error}");
    assert_eq!(rules(temp.path(), ""), Some(2));
}

#[test]
fn each_step_that_a_kill_leaves_is_ended_by_the_next() {
    let temp = TempDir::new().unwrap();
    let (dir, at) = (temp.path(), |name: &str| temp.path().join(name));
    publish(&policy(1), dir, 7).unwrap();
    publish(&policy(2), dir, 7).unwrap();
    // Killed while it wrote, and then while it had only linked.
    fs::write(at("policy-1.db.new-1"), "half a policy").unwrap();
    fs::hard_link(at("policy-1.db"), at("policy-1.db.kept-1")).unwrap();
    drop(State::lock(dir, PATIENCE).unwrap());
    assert_eq!(both(dir), (Some(2), Some(1)));
    assert_eq!(names(dir).len(), 4);
    // Killed when the new one was in force already: the kept one is the one before.
    store::write(&policy(3), &at("policy-1.db.new-1"), 7).unwrap();
    fs::hard_link(at("policy-1.db"), at("policy-1.db.kept-1")).unwrap();
    fs::rename(at("policy-1.db.new-1"), at("policy-1.db")).unwrap();
    drop(State::lock(dir, PATIENCE).unwrap());
    assert_eq!(both(dir), (Some(3), Some(2)));
    assert_eq!(names(dir).len(), 4);
}

#[test]
fn folders_in_which_no_policy_may_be() {
    let temp = TempDir::new().unwrap();
    let at = |name: &str| temp.path().join(name);
    let fail = |dir: &Path| publish(&policy(1), dir, 7).unwrap_err().to_string();
    fs::write(at("file"), "").unwrap();
    assert!(fail(&at("file")).contains("is no folder"));
    let missing = fail(&at("a/b"));
    assert!(missing.contains("there is no folder") && missing.contains("install -d -m 755"));
    for open in [0o775, 0o757, 0o1777] {
        let dir = at("open");
        let _ = fs::create_dir(&dir);
        fs::set_permissions(&dir, Permissions::from_mode(open)).unwrap();
        let why = fail(&dir);
        assert!(why.contains("may be written by others") && why.contains("chmod go-w"), "{why}");
        assert_eq!(names(&dir).len(), 0);
    }
    if std::os::unix::fs::chown(at("open"), Some(4242), None).is_ok() {
        fs::set_permissions(at("open"), Permissions::from_mode(0o755)).unwrap();
        let why = fail(&at("open"));
        assert!(why.contains("another user (uid 4242)") && why.contains("chown root:"), "{why}");
    } else {
        println!("skipped in part: only root can give a folder away");
    }
}

#[test]
fn who_waits_too_long_learns_for_whom() {
    let temp = TempDir::new().unwrap();
    let held = State::lock(temp.path(), PATIENCE).unwrap();
    let start = Instant::now();
    let why = State::lock(temp.path(), Duration::from_millis(100)).err().unwrap().to_string();
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert!(why.contains(&format!("process {} is publishing", std::process::id())), "{why}");
    drop(held);
    State::lock(temp.path(), Duration::from_millis(100)).unwrap();
}

#[test]
fn two_at_once_take_turns() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path();
    publish(&policy(1), dir, 7).unwrap();
    thread::scope(|scope| {
        for n in 1..=4 {
            scope.spawn(move || {
                for round in 0..10 {
                    publish(&policy(n * 10 + round), dir, 7).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..500 {
                assert!(rules(dir, "").is_some(), "there always is a policy");
            }
        });
    });
    assert_eq!(names(dir).len(), 4);
    assert_ne!(both(dir).0, both(dir).1);
}

/// Runs one of these tests in a process of its own: the folder that it is about is in the variable.
const CHILD: &str = "PEERKEY_TEST_STATE";

fn child(exe: &Path, test: &str, dir: &Path) -> Command {
    let mut command = Command::new(exe);
    command.args(["--exact", "--nocapture", &format!("source::publish::tests::{test}")]);
    command.env(CHILD, dir).current_dir("/").stdout(Stdio::piped());
    command
}

fn output(child: Child) -> String {
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn killed_at_any_moment_the_policy_is_whole() {
    if let Some(dir) = std::env::var_os(CHILD) {
        for round in 0.. {
            publish(&policy(if round % 2 == 0 { 40 } else { 50 }), Path::new(&dir), 7).unwrap();
            if round % 5 == 0 {
                rollback(Path::new(&dir)).unwrap();
            }
        }
    }
    let temp = TempDir::new().unwrap();
    let exe = std::env::current_exe().unwrap();
    publish(&policy(50), temp.path(), 7).unwrap();
    publish(&policy(40), temp.path(), 7).unwrap();
    let mut left = 0;
    for round in 0..60 {
        let mut child =
            child(&exe, "killed_at_any_moment_the_policy_is_whole", temp.path()).spawn().unwrap();
        sleep(Duration::from_micros(30_000 + round * 1_731));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(matches!(rules(temp.path(), ""), Some(40 | 50)));
        assert!(matches!(rules(temp.path(), ".previous"), None | Some(40 | 50)));
        assert_eq!(whole(temp.path()).unwrap(), Whole::Yes);
        left += usize::from(names(temp.path()).len() > 4);
        drop(State::lock(temp.path(), PATIENCE).unwrap());
        assert!(names(temp.path()).len() <= 4);
        let (current, previous) = both(temp.path());
        assert_ne!(current, previous, "the one before is never lost to a kill");
    }
    assert!(left > 5, "only {left} kills came at a moment that matters");
}

#[test]
fn a_umask_hides_no_policy() {
    if let Some(dir) = std::env::var_os(CHILD) {
        rustix::process::umask(0o077.into());
        publish(&policy(1), Path::new(&dir), 7).unwrap();
        return;
    }
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("state");
    let exe = std::env::current_exe().unwrap();
    output(child(&exe, "a_umask_hides_no_policy", &dir).spawn().unwrap());
    assert_eq!((mode(&dir), mode(&dir.join("policy-1.db"))), (0o755, 0o644));
}

#[test]
fn without_permission_the_command_is_named() {
    if let Some(dir) = std::env::var_os(CHILD) {
        println!("{}", publish(&policy(1), Path::new(&dir), 7).unwrap_err());
        println!("{}", rollback(&Path::new(&dir).join("new")).unwrap_err());
        return;
    }
    let temp = TempDir::new().unwrap();
    fs::set_permissions(temp.path(), Permissions::from_mode(0o755)).unwrap();
    let exe = temp.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    let mut command = child(&exe, "without_permission_the_command_is_named", temp.path());
    match command.uid(65534).gid(65534).spawn() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            println!("skipped: only root can become another user");
        }
        child => {
            let text = output(child.unwrap());
            for words in [
                "cannot write ",
                "policy.lock",
                "cannot make the folder ",
                "run the command as root, or name another folder with --state-dir",
            ] {
                assert!(text.contains(words), "{words}: {text}");
            }
        }
    }
}

/// A file system of this size, for as long as it lives.
struct Small(TempDir);

impl Small {
    fn mount(size: &str) -> Option<Self> {
        let temp = TempDir::new().unwrap();
        let options = format!("size={size},mode=0755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(temp.path());
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then(|| Self(temp))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_leaves_the_old_policy() {
    let Some(small) = Small::mount("1m") else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    let dir = small.0.path();
    publish(&policy(1), dir, 7).unwrap();
    publish(&policy(2), dir, 7).unwrap();
    let full = publish(&policy(60_000), dir, 7).unwrap_err();
    assert!(full.to_string().contains("disk is full"), "{full}");
    assert_eq!(full.hint(), Some(DISK_FULL));
    assert_eq!(both(dir), (Some(2), Some(1)));
    assert_eq!(names(dir).len(), 4, "what was begun is gone");
    // Not a byte is left: the lock and the old policy do not need one. What was removed can come
    // free late: a process that another test is starting can have it open still.
    let mut rest = File::create(dir.join("rest")).unwrap();
    for _ in 0..20 {
        while rest.write(&[0; 4096]).is_ok() {}
        sleep(Duration::from_millis(20));
    }
    assert!(publish(&policy(3), dir, 7).unwrap_err().to_string().contains("disk is full"));
    rollback(dir).unwrap();
    assert_eq!(both(dir), (Some(1), Some(2)));
    // Emptied first, for the same reason.
    rest.set_len(0).unwrap();
    fs::remove_file(dir.join("rest")).unwrap();
    publish(&policy(3), dir, 7).unwrap();
    assert_eq!(both(dir), (Some(3), Some(1)));
}
