//! Goes on with a record as it is written, also when its files are renamed.

use std::mem;

use super::Entry;
use super::place::Home;
use super::read::{Complaints, Opened, open_all};

/// For so many looks, a file that was renamed may still be written by programs that hold it open.
const PATIENCE: u32 = 25;

/// A record that is followed.
#[derive(Debug)]
pub struct Follower {
    home: Home,
    /// The files that are read, the oldest first, each with the looks that it has left; the last is
    /// that which is written.
    files: Vec<(Opened, u32)>,
}

impl Follower {
    /// From the end of what `files` have been read to; the last of them is that which is written.
    pub fn new(home: Home, files: Vec<Opened>) -> Self {
        let files = files.into_iter().map(|file| (file, PATIENCE)).collect();
        Self { home, files }
    }

    /// What was written since.
    pub fn look(&mut self, complaints: &mut Complaints<'_>, take: &mut dyn FnMut(Entry, Vec<u8>)) {
        self.find_newer(complaints);
        for (file, _) in &mut self.files {
            while let Some((entry, raw)) = file.next(complaints) {
                take(entry, raw);
            }
        }
        let last = self.files.len().saturating_sub(1);
        let mut index = 0;
        self.files.retain_mut(|(_, left)| {
            let is_last = index == last;
            index += 1;
            if !is_last {
                *left = left.saturating_sub(1);
            }
            is_last || *left > 0
        });
    }

    /// Takes up the files that came since, as many as they are.
    fn find_newer(&mut self, complaints: &mut Complaints<'_>) {
        let path = self.home.file();
        let is_same = match (self.files.last(), std::fs::symlink_metadata(&path)) {
            (Some((file, _)), Ok(found)) => {
                use std::os::unix::fs::MetadataExt;
                // One that is shorter than what was read was emptied: it begins anew.
                file.identity == (found.dev(), found.ino()) && file.lines.position() <= found.len()
            }
            // Renamed, and nothing is written yet.
            (_, Err(_)) => true,
            (None, Ok(_)) => false,
        };
        if is_same {
            return;
        }
        let mut quiet = mem::take(&mut self.files);
        let known: Vec<_> =
            quiet.iter().map(|(file, _)| (file.identity, file.lines.position())).collect();
        let all = open_all(&self.home, complaints);
        // Behind the last one that is known; all of them, if that is gone already.
        let last = known.last().map(|(identity, _)| *identity);
        let from = all.iter().position(|file| Some(file.identity) == last);
        let emptied = from.filter(|at| known.last().is_some_and(|(_, read)| *read > all[*at].size));
        let skip = match (from, emptied) {
            (_, Some(at)) => {
                quiet.pop();
                at
            }
            (Some(at), None) => at + 1,
            (None, None) => 0,
        };
        let newer = all.into_iter().skip(skip);
        let newer = newer.filter(|file| quiet.iter().all(|(old, _)| old.identity != file.identity));
        let newer: Vec<_> = newer.map(|file| (file, PATIENCE)).collect();
        self.files = quiet.into_iter().chain(newer).collect();
    }
}
