//! Files of keys in a process that does with descriptors what it likes.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::process::{self, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use peerkey_core::key::KeyHash;
use peerkey_core::keys::{Seen, Service};
use peerkey_core::protocol::Protocol;
use rusqlite::{Connection, OpenFlags};

use super::*;
use crate::folder::tests::{Temporary, temporary};

const NOW: i64 = 1_800_000_000;

/// A state folder with root's, or the user's, own folder in it.
struct Home {
    state: Temporary,
    /// In a process one operation runs at a time, and a test that waits for a lock keeps others waiting.
    _alone: MutexGuard<'static, ()>,
}

impl Home {
    fn new(name: &str) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self { state: temporary(&format!("keys-{name}")), _alone: alone }
    }

    /// As each copy of this library in a process has it.
    fn books(&self) -> Books {
        let uid = fs::metadata(&*self.state).unwrap().uid();
        if uid != 0 {
            fs::create_dir_all(self.folder()).unwrap();
            fs::set_permissions(self.folder(), Permissions::from_mode(0o700)).unwrap();
        }
        Books::new(&Arc::new(Folder::new(&self.state)), Surroundings::default())
    }

    fn folder(&self) -> PathBuf {
        let uid = fs::metadata(&*self.state).unwrap().uid();
        self.state.join(format!("uid/{uid}"))
    }

    /// An empty journal stays: it undoes nothing.
    fn journal_size(&self) -> u64 {
        fs::metadata(self.folder().join("keys.db-journal")).map_or(0, |journal| journal.len())
    }

    fn file(&self) -> PathBuf {
        self.folder().join("keys.db")
    }

    /// Another process, as the command is one: it locks by process. It runs this, and stays.
    fn by_the_command(&self, sql: &str) -> Result<Command, String> {
        let mut child = process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "keys::tests::the_command", "--ignored", "--nocapture"])
            .env("KEYS_FILE", self.file())
            .env("KEYS_SQL", sql)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("SAID ") && stdout.read_line(&mut line).unwrap() > 0 {}
        let said = line.trim_end().rsplit("SAID ").next().unwrap_or_default().to_owned();
        let command = Command(child, stdout);
        if said == "done" { Ok(command) } else { Err(said) }
    }
}

/// It ends, and gives its locks back, when this is dropped.
struct Command(process::Child, BufReader<process::ChildStdout>);

impl Drop for Command {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.1.read_to_end(&mut Vec::new());
        self.0.wait().unwrap();
    }
}

/// Not a test: what runs in the other process.
#[test]
#[ignore = "it is run by a test"]
fn the_command() {
    let Some(file) = std::env::var_os("KEYS_FILE") else { return };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = Connection::open_with_flags_and_vfs(file, flags, "unix").unwrap();
    connection.busy_timeout(Duration::ZERO).unwrap();
    let done = connection.execute_batch(&std::env::var("KEYS_SQL").unwrap());
    println!("SAID {}", done.map_or_else(|error| error.to_string(), |()| "done".into()));
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// A connection of the library's, for any SQL.
struct Raw {
    folder: Arc<Folder>,
    connection: Option<Connection>,
    number: RawFd,
}

impl Raw {
    fn of(books: &Books) -> Self {
        let folder = Arc::clone(books.shelf().folder().unwrap());
        let own = folder.open_own(vfs::FILE, false).unwrap();
        let (number, flags) = (own.descriptor.number(), OpenFlags::SQLITE_OPEN_READ_WRITE);
        let offered = vfs::Offered { descriptor: own.descriptor, writable: true };
        let open = || Connection::open_with_flags_and_vfs("keys.db", flags, vfs::NAME).unwrap();
        let connection = vfs::within(&folder, || vfs::open_with(offered, open));
        connection.busy_timeout(Duration::ZERO).unwrap();
        Self { folder, connection: Some(connection), number }
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        vfs::within(&self.folder, || self.connection.as_ref().unwrap().execute_batch(sql))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let connection = self.connection.take();
        vfs::within(&self.folder, || drop(connection));
    }
}

fn peer() -> Name {
    Name::parse("router.lan").unwrap()
}

fn first(key: u8) -> Sighting {
    Sighting {
        peer: peer(),
        service: Service::new(&Protocol::parse("https").unwrap(), None),
        key: KeyHash([key; 32]),
        spki: vec![key],
        certificate: None,
        seen: Seen::First,
        keys_per_peer: 4,
        forget_before: None,
    }
}

fn known(books: &Books) -> Result<Vec<u8>, String> {
    let known = books.reader().keys_of(&peer()).map_err(|error| error.to_string())?;
    Ok(known.iter().map(|known| known.key.0[0]).collect())
}

#[test]
fn nothing_is_made_before_the_first_key() {
    let home = Home::new("made");
    let books = home.books();
    assert_eq!(known(&books), Ok(vec![]));
    assert_eq!(books.reader().may_remember(), Ok(()));
    assert!(!home.file().exists());
    assert_eq!(books.remember(&[first(1)], NOW), Ok(None));
    let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(home.folder()), mode(home.file())), (0o700, 0o600));
    assert_eq!(known(&books), Ok(vec![1]));
    assert_eq!(known(&home.books()), Ok(vec![1]));
    assert_eq!(home.journal_size(), 0);
}

#[test]
fn of_two_libraries_in_one_process_the_first_wins() {
    let home = Home::new("two");
    let (one, other) = (home.books(), home.books());
    assert_eq!((known(&one), known(&other)), (Ok(vec![]), Ok(vec![])));
    assert_eq!(one.remember(&[first(1)], NOW), Ok(None));
    let lost = other.remember(&[first(2)], NOW).unwrap().unwrap();
    assert_eq!(lost.other.key, KeyHash([1; 32]));
    assert_eq!((known(&one), known(&other)), (Ok(vec![1]), Ok(vec![1])));
}

/// By process and by open file: each sees the locks of the other kind.
#[test]
fn the_command_and_the_library_keep_one_another_out() {
    let home = Home::new("locks");
    let books = home.books();
    books.remember(&[first(1)], NOW).unwrap();
    {
        let _writing = home.by_the_command("BEGIN IMMEDIATE").unwrap();
        // Reading goes on, and writing does not.
        assert_eq!(known(&books), Ok(vec![1]));
        let refused = books.remember(&[first(2)], NOW).unwrap_err().to_string();
        assert!(refused.contains("locked"), "{refused}");
    }
    {
        let _alone = home.by_the_command("BEGIN EXCLUSIVE").unwrap();
        assert!(known(&books).unwrap_err().contains("locked"));
    }
    assert_eq!(known(&books), Ok(vec![1]));

    let keys = Raw::of(&books);
    let (read, write) = ("SELECT count(*) FROM key", "BEGIN IMMEDIATE");
    let locked = |sql| home.by_the_command(sql).err().is_some_and(|said| said.contains("locked"));
    keys.run("BEGIN IMMEDIATE").unwrap();
    assert_eq!((locked(read), locked(write)), (false, true));
    keys.run("COMMIT; BEGIN EXCLUSIVE").unwrap();
    assert_eq!((locked(read), locked(write)), (true, true));
    keys.run("COMMIT").unwrap();
    assert_eq!((locked(read), locked(write)), (false, false));
}

/// Another file at a number of ours: as the host does that closes and reuses what it does not know.
fn reuse(number: RawFd, by: &File) {
    // SAFETY: a number of a file that nobody uses meanwhile.
    assert_eq!(unsafe { libc::dup2(by.as_raw_fd(), number) }, number);
}

#[test]
fn a_file_of_the_hosts_is_neither_read_nor_written_nor_closed() {
    let home = Home::new("reused");
    let books = home.books();
    books.remember(&[first(1)], NOW).unwrap();
    let copy = home.state.join("copy");
    fs::copy(home.file(), &copy).unwrap();
    let before = fs::read(&copy).unwrap();
    let hosts = File::options().read(true).write(true).open(&copy).unwrap();
    let untouched = |number: RawFd| {
        // SAFETY: asks whether the number is open.
        assert_eq!(unsafe { libc::fcntl(number, libc::F_GETFD) }, 0);
        assert_eq!(fs::read(&copy).unwrap(), before);
        // SAFETY: it is this test's.
        unsafe { libc::close(number) };
        assert_eq!(known(&books), Ok(vec![1]));
    };
    let shelves = books.process.get(Shelves::default);
    let mut keys = books.shelf().take(shelves).unwrap().unwrap();
    let number = keys.number();
    assert!(number >= 64, "{number}");
    reuse(number, &hosts);
    keys.keys_of(&peer()).unwrap_err();
    keys.remember(&[first(2)], NOW).unwrap_err();
    drop(keys);
    untouched(number);
    // The lock is taken, and all that is to be written is in memory still.
    let raw = Raw::of(&books);
    raw.run("BEGIN EXCLUSIVE; UPDATE key SET last_seen = 7").unwrap();
    reuse(raw.number, &hosts);
    raw.run("COMMIT").unwrap_err();
    let number = raw.number;
    drop(raw);
    untouched(number);
}

#[test]
fn what_is_not_the_users_own_is_refused() {
    let home = Home::new("own");
    let books = home.books();
    books.remember(&[first(1)], NOW).unwrap();
    let refused = |because: &str| {
        let said = known(&books).unwrap_err();
        assert!(said.contains("uid/") && said.contains(because), "{because}: {said}");
        let said = books.reader().may_remember().unwrap_err().to_string();
        assert!(said.contains(because), "{because}: {said}");
        let said = books.remember(&[first(2)], NOW).unwrap_err().to_string();
        assert!(said.contains(because), "{because}: {said}");
    };
    let mode = |path: PathBuf, mode| fs::set_permissions(path, Permissions::from_mode(mode));
    mode(home.file(), 0o622).unwrap();
    refused("mode 622");
    mode(home.file(), 0o600).unwrap();
    mode(home.folder(), 0o1777).unwrap();
    refused("mode 1777");
    mode(home.folder(), 0o700).unwrap();
    assert_eq!(known(&books), Ok(vec![1]));
    if fs::metadata(&*home.state).unwrap().uid() == 0 {
        for path in [home.file(), home.folder()] {
            chown(&path, Some(12_345), None).unwrap();
            refused("its owner is user 12345");
            chown(&path, Some(0), None).unwrap();
        }
    }
    fs::rename(home.file(), home.folder().join("real")).unwrap();
    symlink("real", home.file()).unwrap();
    refused("it is no regular file");
}

#[test]
fn a_file_that_is_set_aside_is_left() {
    let home = Home::new("aside");
    let books = home.books();
    books.remember(&[first(1)], NOW).unwrap();
    let shelves = books.process.get(Shelves::default);
    let mut keys = books.shelf().take(shelves).unwrap().unwrap();
    fs::rename(home.file(), home.folder().join("keys.db.damaged")).unwrap();
    assert_eq!(known(&books), Ok(vec![]));
    let other = Sighting { seen: Seen::Vouched("web".into()), ..first(2) };
    keys.remember(&[other], NOW).unwrap_err();
    drop(keys);
    assert_eq!(books.remember(&[first(3)], NOW), Ok(None));
    assert_eq!(known(&books), Ok(vec![3]));
}

#[test]
fn what_is_damaged_is_named_and_left() {
    let home = Home::new("damaged");
    let books = home.books();
    books.remember(&[first(1)], NOW).unwrap();
    let whole = fs::read(home.file()).unwrap();
    let mut spoilt = whole.clone();
    spoilt[20..4000].fill(0xff);
    for damaged in [&b"nonsense, and longer than a header would have to be"[..], &spoilt] {
        fs::write(home.file(), damaged).unwrap();
        let said = known(&books).unwrap_err();
        assert!(said.contains(home.file().to_str().unwrap()), "{said}");
        books.remember(&[first(2)], NOW).unwrap_err();
        assert_eq!(fs::read(home.file()).unwrap(), damaged);
    }
    // Nothing was written yet, or its beginning was undone.
    fs::write(home.file(), "").unwrap();
    assert_eq!(known(&books), Ok(vec![]));
    assert_eq!(fs::metadata(home.file()).unwrap().len(), 0);
    assert_eq!(books.remember(&[first(2)], NOW), Ok(None));
    assert_eq!(known(&books), Ok(vec![2]));
}

/// A program ended in the middle of a write, with half of it in the file already.
#[test]
fn what_was_only_begun_is_undone() {
    const MANY: &str = "PRAGMA cache_size = 2; BEGIN;
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
      INSERT INTO key SELECT NULL, 'router.lan', 'https', i, zeroblob(32), zeroblob(500), NULL,
        'remembered', 'x', 1, 1, 1, NULL FROM n";
    let home = Home::new("begun");
    let books = home.books();
    books.remember(&[first(1)], NOW).unwrap();
    let journal = home.folder().join("keys.db-journal");
    let files = [home.file(), journal.clone()];
    let raw = Raw::of(&books);
    raw.run(MANY).unwrap();
    let at_the_end = files.each_ref().map(|file| fs::read(file).unwrap());
    raw.run("ROLLBACK").unwrap();
    drop(raw);
    for (file, content) in files.iter().zip(at_the_end) {
        fs::write(file, content).unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    }
    assert!(fs::metadata(home.file()).unwrap().len() > 100_000);
    assert_eq!(known(&home.books()), Ok(vec![1]));
    assert_eq!(home.journal_size(), 0);
    let _ = fs::remove_file(&journal);
    // What is no journal of one's own undoes nothing.
    symlink("keys.db", &journal).unwrap();
    known(&home.books()).unwrap_err();
}
