//! The record of decisions, as a guest writes it: into a file beside the user's remembered keys, to the
//! journal where one runs, and by a socket alone where no file can be written.
//!
//! Nothing here changes a verdict, waits for anybody, or is told to the host: what cannot be recorded is
//! counted, and the next line says how many.

mod chains;
mod confined;
mod file;
mod rate;
mod stamp;
#[cfg(test)]
mod tests;
mod wire;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use peerkey_core::record::{self, MAX_LINE, Stamp, Told, Who};
use peerkey_core::verdict::Verdict;

use crate::fork::{PerProcess, process_id};
use crate::keys::Books;
use crate::recent::soon;
use chains::Chains;
use confined::Confined;
use file::{File, Written};
use rate::Bucket;
use stamp::Ids;
pub use wire::Sockets;
use wire::Wire;

/// After this time it is looked again where the record is, and whether it can be written now.
const PLACED_WITHIN: Duration = Duration::from_secs(1);

/// How often a line that found no place in the file looks for the file again.
const TRIES: usize = 2;

/// A decision to be recorded.
pub struct Entry<'a> {
    /// What it was about.
    pub told: Told<'a>,
    /// What came of it.
    pub verdict: &'a Verdict,
    /// Whether the key was new, and is remembered now.
    pub first: bool,
    /// The certificates as they were presented, in DER, the peer's own first.
    pub chain: &'a [Cow<'a, [u8]>],
}

/// The process's effective user.
pub fn user() -> u32 {
    // SAFETY: no arguments, and it cannot fail.
    unsafe { libc::geteuid() }
}

/// The record, for one host library in this process.
pub struct Record {
    wire: Wire,
    confined: Confined,
    process: PerProcess<Process>,
}

/// What belongs to one process.
struct Process {
    ids: Ids,
    /// Refusals, which strangers can cause, use up nothing of what else is to be recorded.
    refused: Bucket,
    accepted: Bucket,
    dropped: AtomicU64,
    place: Mutex<Option<Place>>,
    rotating: AtomicBool,
    chains: Chains,
    /// Room for a line: it is not asked for again and again.
    room: Mutex<String>,
}

/// Where a user's record is.
#[derive(Clone)]
struct Place {
    uid: u32,
    at: Instant,
    /// None if nothing can be written there.
    file: Option<Arc<File>>,
}

impl Record {
    /// Connects to the journal, or to the system's log: later the process may see neither. Nothing else
    /// is opened before it is needed.
    pub fn new(sockets: &Sockets) -> Self {
        Self { wire: Wire::new(sockets), confined: Confined::of_now(), process: PerProcess::new() }
    }

    /// Whether another line may be written now; if not, it is counted. To be asked before anything is
    /// gathered for the line.
    pub fn admits(&self, rejects: bool) -> bool {
        let process = self.process();
        let bucket = if rejects { &process.refused } else { &process.accepted };
        let admits = bucket.take();
        if !admits {
            process.dropped.fetch_add(1, Ordering::Relaxed);
        }
        admits
    }

    /// Writes a line. The host's `errno` stays.
    pub fn write(&self, books: &Books, entry: &Entry<'_>) {
        // SAFETY: this thread's own.
        let errno = unsafe { *libc::__errno_location() };
        self.write_it(books, entry);
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
    }

    fn write_it(&self, books: &Books, entry: &Entry<'_>) {
        let process = self.process();
        let file = self.file(process, books);
        let is_free = || !self.confined.is_so();
        let chain =
            file.as_ref().and_then(|file| process.chains.keep(file.folder(), entry.chain, is_free));
        let (id, millis) = process.ids.next();
        let dropped = process.dropped.swap(0, Ordering::Relaxed);
        let stamp = Stamp { id: &id, millis, first: entry.first, chain: chain.as_deref(), dropped };
        let room = soon(&process.room).map(|mut room| std::mem::take(&mut *room));
        let line = entry.told.line(entry.verdict, &stamp, room.unwrap_or_default());
        let append = |file: &File| self.append(process, file, line.as_bytes());
        let mut kept = file.as_ref().is_some_and(|file| append(file));
        for _ in 0..TRIES {
            if kept || file.is_none() {
                break;
            }
            // It was renamed, or its descriptor was taken away.
            process.forget();
            kept = self.file(process, books).is_some_and(|file| append(&file));
        }
        let sent = self
            .wire
            .send(entry, &stamp, &line, kept, || books.is_in_its_root() && !self.confined.is_so());
        if !kept && !sent {
            process.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
        process.keep_room(line);
    }

    /// Writes down something that is no decision: what happened, and in words. The host's `errno` stays.
    pub fn note(&self, books: &Books, event: &str, words: &str, application: Option<&str>) {
        // SAFETY: this thread's own.
        let errno = unsafe { *libc::__errno_location() };
        let process = self.process();
        let (id, millis) = process.ids.next();
        let stamp = Stamp { id: &id, millis, first: false, chain: None, dropped: 0 };
        let who = Who { application, uid: user(), pid: process_id() };
        let line = record::event(event, words, &who, &stamp);
        let file = self.file(process, books);
        let kept = file.is_some_and(|file| self.append(process, &file, line.as_bytes()));
        self.wire.tell(words, &line, kept);
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
    }

    /// False if the line is not in the file: after a look for it, it may be.
    fn append(&self, process: &Process, file: &File, line: &[u8]) -> bool {
        match file.append(line) {
            Written::Whole => true,
            Written::Full if self.confined.is_so() => false,
            Written::Full => !file.rotate(&process.rotating) && file.append_beyond(line),
            Written::Not => false,
        }
    }

    /// The record of this moment's user; None where there can be none.
    fn file(&self, process: &Process, books: &Books) -> Option<Arc<File>> {
        let uid = user();
        let known = soon(&process.place)?.clone().filter(|known| known.uid == uid);
        if let Some(Place { at, file, .. }) = &known {
            let is_there = file.as_ref().is_none_or(|file| file.is_in_place());
            if is_there && at.elapsed() < PLACED_WITHIN {
                return file.clone();
            }
        }
        let known = known.and_then(|known| known.file);
        if self.confined.is_so() {
            // What is open may be written to; to open a file could end the process.
            return known;
        }
        let file = books.place().ok().and_then(|folder| {
            let known = known.filter(|file| file.is_in(&folder));
            known.or_else(|| File::open(folder).map(Arc::new))
        });
        let place = Place { uid, at: Instant::now(), file: file.clone() };
        let before = soon(&process.place).and_then(|mut known| known.replace(place));
        drop(before);
        file
    }

    fn process(&self) -> &Process {
        self.process.get(|| Process {
            ids: Ids::new(),
            refused: Bucket::new(),
            accepted: Bucket::new(),
            dropped: AtomicU64::new(0),
            place: Mutex::new(None),
            rotating: AtomicBool::new(false),
            chains: Chains::new(),
            room: Mutex::new(String::new()),
        })
    }
}

impl Process {
    fn forget(&self) {
        // It is closed without the lock.
        let forgotten = soon(&self.place).and_then(|mut place| place.take());
        drop(forgotten);
    }

    /// Keeps the room of a line for the next one, unless it is out of the common.
    fn keep_room(&self, line: String) {
        if line.capacity() <= MAX_LINE / 4 {
            let before = soon(&self.room).map(|mut room| std::mem::replace(&mut *room, line));
            drop(before);
        }
    }
}
