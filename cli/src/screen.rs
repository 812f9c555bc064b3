//! Where output goes: colour and drawn lines for a terminal, plain text for all else.

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::args::Color;

/// How trees are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// With box-drawing characters.
    Drawn,
    /// The same in ASCII, for terminals in another character set.
    Ascii,
    /// By indentation only, as programs that read text like it.
    Indented,
}

/// The two streams.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    out: ColorChoice,
    err: ColorChoice,
    /// How trees are drawn on standard output.
    pub lines: Lines,
}

impl Screen {
    /// Looks at the terminal and the environment.
    pub fn new(color: Color) -> Self {
        let (out, err) = match color {
            Color::Always => (ColorChoice::Always, ColorChoice::Always),
            Color::Never => (ColorChoice::Never, ColorChoice::Never),
            Color::Auto => (AutoStream::choice(&io::stdout()), AutoStream::choice(&io::stderr())),
        };
        let for_people = io::stdout().is_terminal() || color == Color::Always;
        let lines = match (for_people, speaks_utf8()) {
            (false, _) => Lines::Indented,
            (true, true) => Lines::Drawn,
            (true, false) => Lines::Ascii,
        };
        Self { out, err, lines }
    }

    /// Writes to standard output. A reader that has seen enough is no error.
    pub fn print(&self, text: &str) -> io::Result<()> {
        self.put(text).map(|_| ())
    }

    /// The same; false where nobody reads any more.
    pub fn put(&self, text: &str) -> io::Result<bool> {
        let mut stream = AutoStream::new(io::stdout().lock(), self.out);
        is_read(stream.write_all(text.as_bytes()).and_then(|()| stream.flush()))
    }

    /// The same of bytes as they are.
    pub fn put_raw(&self, bytes: &[u8]) -> io::Result<bool> {
        let mut stream = io::stdout().lock();
        is_read(stream.write_all(bytes).and_then(|()| stream.flush()))
    }

    /// Waits; false where nobody reads any more.
    pub fn wait(&self, time: Duration) -> bool {
        let stdout = io::stdout();
        let mut end = [PollFd::new(&stdout, PollFlags::empty())];
        let time = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(1),
            tv_nsec: time.subsec_nanos().into(),
        };
        match rustix::event::poll(&mut end, Some(&time)) {
            Ok(_) => !end[0].revents().intersects(PollFlags::ERR | PollFlags::HUP),
            Err(_) => true,
        }
    }

    /// Writes to standard error. Where that fails there is nobody left to tell.
    pub fn complain(&self, text: &str) {
        let mut stream = AutoStream::new(io::stderr().lock(), self.err);
        let _ = stream.write_all(text.as_bytes());
    }
}

fn is_read(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// As setlocale reads it: the first of these that is set.
fn speaks_utf8() -> bool {
    let set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let name = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(set);
    let value = name.and_then(env::var_os).unwrap_or_default();
    let value = value.to_string_lossy().to_ascii_lowercase();
    value.contains("utf-8") || value.contains("utf8")
}
