//! Processes of this program that do one thing when they are told to, with peerkey or without.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Instant;

use peerkey_tests::site::{Peerkey, Site};

use crate::tls::{Kind, Pair};

/// Such a process.
pub(crate) struct Worker {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

/// What it does for each line that it is given.
#[derive(Clone, Copy)]
pub(crate) enum Task {
    /// So many handshakes: the CPU time of one, in microseconds.
    Handshakes(usize),
    /// The same, and after each the program itself appends so many octets to a file.
    AppendingHandshakes(usize, usize),
    /// The same, each with certificates that nobody remembers.
    FreshHandshakes(usize),
    /// So many handshakes on each of so many threads: how many a second.
    Threads(usize, usize),
    /// The first handshake of a process that has started OpenSSL, with what has to be made for it: CPU
    /// time in microseconds; then private memory in kilobytes.
    First,
    /// So many handshakes, each with a peer that was never met before, or all with one that is known:
    /// the time of one on the clock, in microseconds.
    Meetings(bool, usize),
}

impl Task {
    fn words(self) -> Vec<String> {
        let words = |name: &str, numbers: &[usize]| {
            [name.to_owned()].into_iter().chain(numbers.iter().map(usize::to_string)).collect()
        };
        match self {
            Self::Handshakes(count) => words("handshakes", &[count]),
            Self::AppendingHandshakes(count, octets) => words("appending", &[count, octets]),
            Self::FreshHandshakes(count) => words("fresh", &[count]),
            Self::Threads(threads, count) => words("threads", &[threads, count]),
            Self::First => words("first", &[]),
            Self::Meetings(first, count) => words("meetings", &[usize::from(first), count]),
        }
    }
}

impl Worker {
    /// Starts one with the site's policy, or without peerkey.
    pub(crate) fn start(site: &Site, kind: Kind, peerkey: Peerkey, task: Task) -> Self {
        let mut command = site.command(std::env::current_exe().unwrap(), peerkey);
        command.arg("worker").arg(site.path(kind.folder())).args(task.words());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    /// Tells it to do its task, and gives what it measured.
    pub(crate) fn ask(&mut self) -> f64 {
        self.to.as_mut().unwrap().write_all(b"go\n").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim().parse().expect("a worker ended")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

/// In the process: the folder, the task and its numbers.
pub(crate) fn work(words: &[&str]) {
    let (folder, numbers) = (Path::new(words[0]), &words[2..]);
    let number = |at: usize| numbers[at].parse::<usize>().unwrap();
    match words[1] {
        "handshakes" => answer(in_turn(Pair::new(folder, false), number(0), || {})),
        "appending" => {
            let append = appending(&folder.with_extension("appended"), number(1));
            answer(in_turn(Pair::new(folder, false), number(0), append));
        }
        "fresh" => answer(in_turn(Pair::new(folder, true), number(0), || {})),
        "threads" => answer(on_threads(folder, number(0), number(1))),
        "first" => answer(first(folder)),
        "meetings" => answer(meetings(folder, number(0) == 1, number(1))),
        other => panic!("{other}"),
    }
}

fn answer(mut task: impl FnMut() -> f64) {
    for _ in io::stdin().lines() {
        println!("{}", task());
    }
}

fn in_turn(mut pair: Pair, count: usize, mut after_each: impl FnMut()) -> impl FnMut() -> f64 {
    move || {
        let start = cpu_time();
        for _ in 0..count {
            pair.handshake();
            after_each();
        }
        (cpu_time() - start) / count as f64
    }
}

/// What no record can do without: to see that the file is the right one, and to write a line at its end.
fn appending(path: &Path, octets: usize) -> impl FnMut() + use<> {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    let line = vec![b'x'; octets];
    move || {
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: an open file, and room for the result.
        assert_eq!(unsafe { libc::fstat(file.as_raw_fd(), stat.as_mut_ptr()) }, 0);
        assert_eq!(file.write(&line).unwrap(), octets);
    }
}

fn on_threads(folder: &Path, threads: usize, count: usize) -> impl FnMut() -> f64 {
    let mut pairs: Vec<Pair> = (0..threads).map(|_| Pair::new(folder, false)).collect();
    move || {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for pair in &mut pairs {
                scope.spawn(|| (0..count).for_each(|_| pair.handshake()));
            }
        });
        (threads * count) as f64 / start.elapsed().as_secs_f64()
    }
}

fn first(folder: &Path) -> impl FnMut() -> f64 {
    let folder = folder.to_owned();
    openssl::init();
    let mut pair = None;
    move || match pair {
        None => {
            let start = cpu_time();
            pair.insert(Pair::new(&folder, false)).handshake();
            cpu_time() - start
        }
        Some(_) => private_memory(),
    }
}

fn meetings(folder: &Path, first: bool, count: usize) -> impl FnMut() -> f64 {
    let (mut pair, mut met) = (Pair::new(folder, false), 0);
    pair.meet("known.lan");
    move || {
        let start = Instant::now();
        for _ in 0..count {
            met += 1;
            pair.meet(&if first { format!("new-{met}.lan") } else { "known.lan".to_owned() });
        }
        start.elapsed().as_secs_f64() * 1e6 / count as f64
    }
}

/// CPU time of this process in microseconds.
fn cpu_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of our own.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// Memory that is this process's alone, in kilobytes of 1024.
fn private_memory() -> f64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum()
}
