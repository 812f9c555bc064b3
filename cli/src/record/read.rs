//! Reads records: those of several users as one, in the order of time, a line at a time.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use peerkey_core::certificate::printable;

use super::Entry;
use super::lines::{Lines, Next};
use super::place::Home;
use crate::render::{ODD, count, styled};
use crate::screen::Screen;

/// So many damaged lines are told; the others are counted.
const TOLD: u64 = 20;

/// A line that was read.
#[derive(Debug)]
pub struct Found {
    /// What it says.
    pub entry: Entry,
    /// The line as it is.
    pub raw: Vec<u8>,
    /// Whose it is: the index among the homes.
    pub home: usize,
}

/// Tells what cannot be read, and goes on.
#[derive(Debug)]
pub struct Complaints<'a> {
    screen: &'a Screen,
    told: HashSet<(String, String)>,
    /// How many lines, or files, could not be read.
    pub number: u64,
}

impl<'a> Complaints<'a> {
    /// Onto standard error.
    pub fn new(screen: &'a Screen) -> Self {
        Self { screen, told: HashSet::new(), number: 0 }
    }

    /// One of them; each is told once.
    pub fn add(&mut self, place: &str, why: &str) {
        let words = (place.to_owned(), why.to_owned());
        if self.told.contains(&words) {
            return;
        }
        self.number += 1;
        if self.number <= TOLD {
            self.told.insert(words);
            let place = styled(ODD, printable(place));
            self.screen.complain(&format!("{place}: {}\n", printable(why)));
        }
    }

    /// How many were not told.
    pub fn end(&self) {
        let more = usize::try_from(self.number.saturating_sub(TOLD)).unwrap_or(usize::MAX);
        if more > 0 {
            self.screen.complain(&format!("and {} like that\n", count(more, "more line")));
        }
    }
}

/// A file of a record, opened.
#[derive(Debug)]
pub struct Opened {
    /// Where it was.
    pub path: PathBuf,
    /// Its lines.
    pub lines: Lines<BufReader<File>>,
    /// What tells it from other files.
    pub identity: (u64, u64),
    /// How large it was.
    pub size: u64,
}

impl Opened {
    /// Opens a file of this user's; None if it is not there. A symbolic link is not
    /// followed: whoever may put one there could have this command read any file.
    pub fn open(path: &Path, uid: u32) -> Result<Option<Self>, String> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let file = match File::options().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(error) => return refused(path, &error),
        };
        let found = file.metadata().map_err(|error| error.to_string())?;
        if !found.is_file() {
            return Err("it is no file, and so no record".into());
        }
        if found.uid() != uid {
            return Err(format!(
                "it belongs to uid {}, and the record of uid {uid} is not taken from others' hands",
                found.uid()
            ));
        }
        Ok(Some(Self {
            path: path.to_owned(),
            lines: Lines::new(BufReader::with_capacity(1 << 17, file)),
            identity: (found.dev(), found.ino()),
            size: found.len(),
        }))
    }

    /// The next line that can be read; damaged ones are told. None where there is no more, for now.
    pub fn next(&mut self, complaints: &mut Complaints<'_>) -> Option<(Entry, Vec<u8>)> {
        loop {
            let why = match self.lines.read() {
                Ok(Next::End | Next::Begun(_)) => return None,
                Ok(Next::TooLong) => "it is longer than a line of the record can be".to_owned(),
                Ok(Next::Line(line)) if line.trim_ascii().is_empty() => continue,
                Ok(Next::Line(line)) => match Entry::parse(line) {
                    Ok(entry) => return Some((entry, line.to_vec())),
                    Err(why) => why,
                },
                Err(error) => {
                    complaints.add(&self.path.to_string_lossy(), &error.to_string());
                    return None;
                }
            };
            let place = format!("{}:{}", self.path.display(), self.lines.number());
            complaints.add(&place, &why);
        }
    }

    /// Tells of a last line that has no end: nobody writes it any more.
    fn end(&mut self, complaints: &mut Complaints<'_>) -> Option<(Entry, Vec<u8>)> {
        let place = format!("{}:{}", self.path.display(), self.lines.number() + 1);
        let Ok(Next::Begun(line)) = self.lines.read() else { return None };
        match Entry::parse(line) {
            Ok(entry) => Some((entry, line.to_vec())),
            Err(_) => {
                complaints.add(&place, "the line is cut short");
                None
            }
        }
    }
}

fn refused(path: &Path, error: &io::Error) -> Result<Option<Opened>, String> {
    if error.kind() == ErrorKind::NotFound {
        return Ok(None);
    }
    if path.is_symlink() {
        return Err(
            "it is a symbolic link, which is not followed; put the file itself there".into()
        );
    }
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => {
            "; run the command as root, or as the user whose record it is"
        }
        _ => "",
    };
    Err(format!("it cannot be read: {error}{hint}"))
}

/// The files of a record, the oldest first, all of them open: so a rotation in the meantime neither
/// loses a line nor shows one twice.
pub fn open_all(home: &Home, complaints: &mut Complaints<'_>) -> Vec<Opened> {
    let mut files: Vec<Opened> = Vec::new();
    for path in home.files() {
        match Opened::open(&path, home.uid) {
            Ok(Some(file)) if files.iter().all(|known| known.identity != file.identity) => {
                files.push(file);
            }
            Ok(_) => {}
            Err(why) => complaints.add(&path.to_string_lossy(), &why),
        }
    }
    files.reverse();
    files
}

/// One user's lines.
#[derive(Debug)]
struct Stream {
    home: usize,
    files: std::vec::IntoIter<Opened>,
    file: Option<Opened>,
    ahead: Option<(Entry, Vec<u8>)>,
}

impl Stream {
    fn advance(&mut self, complaints: &mut Complaints<'_>, read: &mut u64) {
        while let Some(file) = &mut self.file {
            let before = file.lines.position();
            self.ahead = file.next(complaints).or_else(|| file.end(complaints));
            *read += file.lines.position() - before;
            if self.ahead.is_some() {
                return;
            }
            self.file = self.files.next();
        }
        self.ahead = None;
    }
}

/// Reads the records of several users as one.
#[derive(Debug)]
pub struct Reader {
    streams: Vec<Stream>,
    /// How many bytes there are.
    pub size: u64,
    /// How many of them were read.
    pub read: u64,
    /// How many files there are.
    pub files: usize,
}

impl Reader {
    /// Opens what there is.
    pub fn open(homes: &[Home], complaints: &mut Complaints<'_>) -> Self {
        let mut reader = Self { streams: Vec::new(), size: 0, read: 0, files: 0 };
        for (index, home) in homes.iter().enumerate() {
            let files = open_all(home, complaints);
            reader.size += files.iter().map(|file| file.size).sum::<u64>();
            reader.files += files.len();
            let mut files = files.into_iter();
            let mut stream = Stream { home: index, file: files.next(), files, ahead: None };
            stream.advance(complaints, &mut reader.read);
            reader.streams.push(stream);
        }
        reader
    }

    /// The next line of them all: that with the earliest time.
    pub fn next(&mut self, complaints: &mut Complaints<'_>) -> Option<Found> {
        let time = |stream: &Stream| stream.ahead.as_ref().map(|(entry, _)| entry.time);
        let ready = self.streams.iter_mut().filter(|stream| stream.ahead.is_some());
        let stream = ready.min_by_key(|stream| time(stream))?;
        let (entry, raw) = stream.ahead.take()?;
        stream.advance(complaints, &mut self.read);
        Some(Found { entry, raw, home: stream.home })
    }
}

/// Says that nothing is recorded, and why that may be.
pub fn nothing(homes: &[Home], complaints: &Complaints<'_>) -> Option<String> {
    if complaints.number > 0 {
        return None;
    }
    let place = match homes {
        [home] => format!("there is no {}", home.file().display()),
        _ => "no user of this system has a record".into(),
    };
    Some(format!(
        "nothing is recorded yet: {place}. Programs record what the policy's `log` says: \"refused\" \
         (by default), \"all\" or \"none\"\n"
    ))
}
