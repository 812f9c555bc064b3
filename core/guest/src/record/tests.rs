//! The record in processes that do with descriptors and files what they like.

use std::fs::{self, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use peerkey_core::decide::Application;
use peerkey_core::record::{Circumstances, Level};
use peerkey_core::verdict::Reason;
use serde_json::Value;

use super::*;
use crate::folder::Folder;
use crate::folder::tests::{Temporary, temporary};
use crate::keys::Surroundings;

/// A state folder with the user's own folder in it, and a journal.
struct Desk {
    state: Temporary,
    books: Books,
    record: Record,
    journal: UnixDatagram,
}

impl Desk {
    fn new(name: &str) -> Self {
        let state = temporary(&format!("record-{name}"));
        let journal = UnixDatagram::bind(state.join("journal")).unwrap();
        journal.set_nonblocking(true).unwrap();
        if user() != 0 {
            let own = state.join(format!("uid/{}", user()));
            fs::create_dir_all(&own).unwrap();
            fs::set_permissions(own, Permissions::from_mode(0o700)).unwrap();
        }
        let (books, record) = Self::another(&state);
        Self { state, books, record, journal }
    }

    /// As another process has it.
    fn another(state: &Path) -> (Books, Record) {
        let sockets = Sockets { journal: state.join("journal"), syslog: state.join("syslog") };
        let books = Books::new(&Arc::new(Folder::new(state)), Surroundings::default());
        (books, Record::new(&sockets))
    }

    fn folder(&self) -> PathBuf {
        self.state.join(format!("uid/{}", user()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn write(&self, why: &str) {
        write(&self.books, &self.record, why, &[]);
    }

    /// The lines of a file, each a JSON object.
    fn lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.file(name)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    fn reasons(&self) -> Vec<String> {
        self.lines("record.jsonl").iter().map(reason).collect()
    }

    /// What the journal was sent.
    fn sent(&self) -> Vec<String> {
        let mut message = [0; 65_536];
        let received = std::iter::from_fn(|| {
            self.journal.recv(&mut message).ok().map(|n| message[..n].to_vec())
        });
        received.map(|message| String::from_utf8(message).unwrap()).collect()
    }

    /// The number of the open record.
    fn number(&self) -> i32 {
        let file = self.record.file(self.record.process(), &self.books).unwrap();
        file.number()
    }
}

fn reason(line: &Value) -> String {
    let text = line["reason"].as_str().unwrap();
    text.strip_prefix("no decision was possible: ").unwrap().to_owned()
}

fn write(books: &Books, record: &Record, why: &str, chain: &[Vec<u8>]) {
    let chain: Vec<_> = chain.iter().map(Cow::from).collect();
    let verdict = Verdict::refused(Reason::CannotDecide(why.to_owned()));
    let about = Circumstances {
        pid: 1,
        uid: 2,
        enforced: true,
        policy: None,
        level: Level::Handshake,
        native: &Application::NotAsked,
        anchor: None,
    };
    let told = Told::Now(None, &about);
    record.write(books, &Entry { told, verdict: &verdict, first: false, chain: &chain });
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_line_stands_in_the_file_and_in_the_journal() {
    let desk = Desk::new("both");
    desk.write("one");
    desk.write("two\nlines");
    assert_eq!(desk.reasons(), ["one", "two\nlines"]);
    assert_eq!((mode(&desk.folder()), mode(&desk.file("record.jsonl"))), (0o700, 0o600));
    let sent = desk.sent();
    assert_eq!(sent.len(), 2);
    assert!(
        sent[0].starts_with("MESSAGE=refuses a peer: no decision was possible: one\nPRIORITY=4\n")
    );
    assert!(sent[0].contains("\nPEERKEY_CODE=cannot-decide\n"));
    assert!(sent[1].contains("possible: two\\u{a}lines\nPRIORITY="), "{}", sent[1]);
    let line = sent[1].lines().find_map(|line| line.strip_prefix("PEERKEY_RECORD=")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(line).unwrap(), desk.lines("record.jsonl")[1]);
}

/// Each is left as it is, and the journal has the line.
#[test]
fn what_is_no_file_of_ones_own_is_not_written_to() {
    type Spoil = (&'static str, fn(&Path));
    let spoil: [Spoil; 5] = [
        ("link", |file| {
            fs::write(file.with_extension("other"), "").unwrap();
            symlink(file.with_extension("other"), file).unwrap();
        }),
        ("fifo", |file| {
            let path = std::ffi::CString::new(file.to_str().unwrap()).unwrap();
            // SAFETY: a C string.
            assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
        }),
        ("folder", |file| fs::create_dir(file).unwrap()),
        ("writable", |file| {
            fs::write(file, "").unwrap();
            fs::set_permissions(file, Permissions::from_mode(0o660)).unwrap();
        }),
        ("foreign", |file| {
            fs::write(file, "").unwrap();
            if std::os::unix::fs::chown(file, Some(12_345), None).is_err() {
                fs::set_permissions(file, Permissions::from_mode(0o606)).unwrap();
            }
        }),
    ];
    for (name, spoil) in spoil {
        let desk = Desk::new(name);
        fs::create_dir_all(desk.folder()).unwrap();
        fs::set_permissions(desk.folder(), Permissions::from_mode(0o700)).unwrap();
        let file = desk.file("record.jsonl");
        spoil(&file);
        let before = fs::symlink_metadata(&file).unwrap();
        desk.write("one");
        desk.write("two");
        assert_eq!(desk.sent().len(), 2, "{name}");
        let after = fs::symlink_metadata(&file).unwrap();
        assert_eq!((before.ino(), before.mode()), (after.ino(), after.mode()), "{name}");
        if !before.is_dir() {
            assert_eq!(after.len(), before.len(), "{name}");
        }
        assert_eq!(fs::metadata(file.with_extension("other")).map_or(0, |other| other.len()), 0);
    }
}

#[test]
fn a_file_of_the_hosts_is_not_written_to() {
    let desk = Desk::new("reused");
    desk.write("one");
    let number = desk.number();
    assert!(number >= 64);
    let path = desk.state.join("hosts");
    let hosts = fs::File::create(&path).unwrap();
    // SAFETY: what a host does that closes and reuses a descriptor it does not know.
    assert_eq!(unsafe { libc::dup2(hosts.as_raw_fd(), number) }, number);
    desk.write("two");
    assert_eq!(desk.reasons(), ["one", "two"]);
    assert_eq!(fs::metadata(path).unwrap().len(), 0);
    // SAFETY: it is the host's.
    unsafe {
        assert_eq!(libc::fcntl(number, libc::F_GETFD), 0);
        libc::close(number);
    }
    desk.write("three");
    assert_eq!(desk.reasons(), ["one", "two", "three"]);
}

#[test]
fn a_file_that_was_renamed_or_removed_is_left_soon() {
    let desk = Desk::new("moved");
    desk.write("one");
    fs::rename(desk.file("record.jsonl"), desk.file("away")).unwrap();
    std::thread::sleep(file::LOOKED_FOR);
    desk.write("two");
    assert_eq!(desk.reasons(), ["two"]);
    fs::remove_file(desk.file("record.jsonl")).unwrap();
    std::thread::sleep(file::LOOKED_FOR);
    desk.write("three");
    assert_eq!(desk.reasons(), ["three"]);
}

/// Many at once, each as a process of its own; what was written stands once, in order, and whole.
#[test]
fn nothing_is_lost_while_many_rename() {
    const WRITERS: usize = 6;
    const LINES: usize = 2500;
    let desk = Desk::new("rotated");
    let filler = "x".repeat(1200);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (state, filler) = (&*desk.state, &filler);
            scope.spawn(move || {
                let (books, record) = Desk::another(state);
                for number in 0..LINES {
                    write(&books, &record, &format!("{writer} {number} {filler}"), &[]);
                    // As fast as no program may: while one renames, the others cannot write for ever.
                    std::thread::sleep(Duration::from_micros(50));
                }
            });
        }
    });
    let names =
        ["record.jsonl.4", "record.jsonl.3", "record.jsonl.2", "record.jsonl.1", "record.jsonl"];
    let mut lines = Vec::new();
    for name in names {
        let size = fs::metadata(desk.file(name)).unwrap().len();
        assert!(size <= 5_300_000, "{name}: {size}");
        lines.extend(desk.lines(name));
    }
    // The fifth is gone: what is left is the end.
    let said: Vec<String> = lines.iter().map(reason).collect();
    assert!(said.len() > 11_000 && said.len() < WRITERS * LINES, "{}", said.len());
    for writer in 0..WRITERS {
        let own = said.iter().filter_map(|text| text.strip_prefix(&format!("{writer} ")));
        let mut numbers: Vec<usize> =
            own.map(|text| text.split(' ').next().unwrap().parse().unwrap()).collect();
        numbers.sort_unstable();
        let first = numbers[0];
        let all: Vec<usize> = (first..LINES).collect();
        assert!(numbers == all, "writer {writer} wrote {} of {}", numbers.len(), all.len());
    }
    assert!(!desk.file("record.jsonl.5").exists());
}

#[test]
fn a_huge_file_is_renamed() {
    let desk = Desk::new("huge");
    desk.write("one");
    let file = fs::OpenOptions::new().write(true).open(desk.file("record.jsonl")).unwrap();
    file.set_len(1 << 40).unwrap();
    desk.write("two");
    assert_eq!(desk.reasons(), ["two"]);
    assert_eq!(fs::metadata(desk.file("record.jsonl.1")).unwrap().len(), 1 << 40);
    // What cannot be renamed is not written on for ever.
    fs::remove_file(desk.file("record.jsonl.1")).unwrap();
    for number in 1..5 {
        fs::create_dir_all(desk.file(&format!("record.jsonl.{number}/full"))).unwrap();
    }
    let file = fs::OpenOptions::new().write(true).open(desk.file("record.jsonl")).unwrap();
    file.set_len(4 << 20).unwrap();
    (0..1200).for_each(|_| desk.write(&"x".repeat(1200)));
    assert!(fs::metadata(desk.file("record.jsonl")).unwrap().len() <= (4 << 20) + (1 << 20));
}

#[test]
fn a_limit_of_the_hosts_on_files_ends_nothing() {
    let desk = Desk::new("limit");
    desk.write("one");
    let size = fs::metadata(desk.file("record.jsonl")).unwrap().len();
    // SAFETY: the child makes system calls and writes lines, and ends.
    let child = unsafe {
        match libc::fork() {
            0 => {
                let limit = libc::rlimit { rlim_cur: size, rlim_max: size };
                libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit);
                desk.write("two");
                libc::_exit(7)
            }
            child => child,
        }
    };
    let mut status = -1;
    // SAFETY: our child, and a place for its status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7, "{status}");
    assert_eq!(desk.reasons(), ["one"]);
    assert_eq!(desk.sent().len(), 2);
}

#[test]
fn a_child_writes_beside_its_parent() {
    let desk = Desk::new("fork");
    desk.write("parent");
    // SAFETY: the child writes a line, and ends.
    let child = unsafe {
        match libc::fork() {
            0 => {
                desk.write("child");
                libc::_exit(0)
            }
            child => child,
        }
    };
    let mut status = -1;
    // SAFETY: our child, and a place for its status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    desk.write("parent again");
    assert_eq!(desk.reasons(), ["parent", "child", "parent again"]);
    let ids: std::collections::HashSet<String> =
        desk.lines("record.jsonl").iter().map(|line| line["id"].to_string()).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn what_was_left_out_is_counted() {
    let desk = Desk::new("dropped");
    let admitted = (0..1000).filter(|_| desk.record.admits(true)).count();
    assert!((200..=210).contains(&admitted), "{admitted}");
    // Others are not kept out by it.
    assert!(desk.record.admits(false));
    desk.write("one");
    desk.write("two");
    let lines = desk.lines("record.jsonl");
    assert_eq!(lines[0]["dropped"], 1000 - admitted);
    assert_eq!(lines[1]["dropped"], Value::Null);
}

#[test]
fn what_nobody_takes_is_counted_too() {
    let desk = Desk::new("nowhere");
    let sockets = Sockets { journal: "/nowhere".into(), syslog: "/nowhere".into() };
    let record = Record::new(&sockets);
    fs::create_dir_all(desk.file("record.jsonl")).unwrap();
    fs::set_permissions(desk.folder(), Permissions::from_mode(0o700)).unwrap();
    write(&desk.books, &record, "one", &[]);
    write(&desk.books, &record, "two", &[]);
    fs::remove_dir(desk.file("record.jsonl")).unwrap();
    record.process().forget();
    write(&desk.books, &record, "three", &[]);
    assert_eq!(desk.lines("record.jsonl")[0]["dropped"], 2);
}

#[test]
fn a_journal_that_takes_no_more_is_not_waited_for() {
    let desk = Desk::new("deaf");
    // To wait for it would take for ever: nobody reads.
    (0..2000).for_each(|_| desk.write("one"));
    assert!(desk.sent().len() < 2000);
    assert_eq!(desk.reasons().len(), 2000);
}

#[test]
fn a_log_that_was_started_anew_is_found_again() {
    let desk = Desk::new("syslog");
    let path = desk.state.join("log");
    let log = UnixDatagram::bind(&path).unwrap();
    let sockets = Sockets { journal: "/nowhere".into(), syslog: path.clone() };
    let record = Record::new(&sockets);
    fs::create_dir_all(desk.file("record.jsonl")).unwrap();
    write(&desk.books, &record, "one", &[]);
    let read = |log: &UnixDatagram| {
        log.set_nonblocking(true).unwrap();
        let mut message = [0; 20_000];
        let length = log.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let said = read(&log);
    assert!(said.starts_with("<84>peerkey[") && said.ends_with('}'), "{said}");
    drop(log);
    fs::remove_file(&path).unwrap();
    write(&desk.books, &record, "two", &[]);
    let log = UnixDatagram::bind(&path).unwrap();
    write(&desk.books, &record, "three", &[]);
    let said = read(&log);
    assert!(said.contains("possible: three\"") && said.contains("\"dropped\":1"), "{said}");
}

#[test]
fn a_chain_is_kept_once_under_its_hash() {
    let desk = Desk::new("chains");
    let chain = [vec![0x30, 1, 2], vec![0x30; 100]];
    for _ in 0..2 {
        write(&desk.books, &desk.record, "one", &chain);
    }
    write(&desk.books, &desk.record, "two", &[vec![7; 200 << 10]]);
    // Neither its beginning nor what begins with it is the one that was met last.
    write(&desk.books, &desk.record, "three", &chain[..1]);
    write(&desk.books, &desk.record, "four", &chain);
    let lines = desk.lines("record.jsonl");
    let name = lines[0]["chain"].as_str().unwrap().to_owned();
    assert_eq!(lines[1]["chain"], lines[0]["chain"]);
    assert_eq!(lines[2]["chain"], Value::Null);
    assert!(lines[3]["chain"].is_string() && lines[3]["chain"] != lines[0]["chain"]);
    assert_eq!(lines[4]["chain"], lines[0]["chain"]);
    let folder = desk.file("chains");
    let names: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2);
    assert_eq!((mode(&folder), mode(&folder.join(&name))), (0o700, 0o600));
    let pem = fs::read_to_string(folder.join(name)).unwrap();
    assert!(
        pem.starts_with("-----BEGIN CERTIFICATE-----\nMAEC\n-----END CERTIFICATE-----\n-----B")
    );
}

#[test]
fn a_chain_is_kept_beside_the_record_of_each_user() {
    let chains = Chains::new();
    let chain = [Cow::Borrowed(&[0x30; 100][..])];
    let users = [temporary("record-one-user"), temporary("record-another")];
    let folders = users.each_ref().map(|dir| Arc::new(Folder::own(dir)));
    for _ in 0..2 {
        for (dir, folder) in users.iter().zip(&folders) {
            let name = chains.keep(folder, &chain, || true).unwrap();
            assert!(dir.join("chains").join(&*name).exists());
        }
    }
    // What is there stays known where nothing can be made any more.
    assert!(chains.keep(&folders[1], &chain, || false).is_some());
    assert!(chains.keep(&folders[1], &[Cow::Borrowed(&[1][..])], || false).is_none());
}

#[test]
fn the_oldest_chains_go() {
    let dir = temporary("record-prune");
    let folder = Folder::own(&dir);
    for number in 0..20_u64 {
        let path = dir.join(format!("{number:02}"));
        fs::write(&path, "x".repeat(100)).unwrap();
        let time = std::time::UNIX_EPOCH + Duration::from_secs(1000 + number);
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
    let left = || {
        let mut names: Vec<_> =
            fs::read_dir(&*dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        (names.len(), names[0].clone().into_string().unwrap())
    };
    chains::prune(&folder, 20, 2000);
    assert_eq!(left(), (20, "00".into()));
    chains::prune(&folder, 16, 2000);
    assert_eq!(left(), (12, "08".into()));
    chains::prune(&folder, 16, 800);
    assert_eq!(left(), (6, "14".into()));
}
