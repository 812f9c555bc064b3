//! Where output goes: colour and drawn lines for a terminal, plain text for all else.

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};

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
        let mut stream = AutoStream::new(io::stdout().lock(), self.out);
        match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Writes to standard error. Where that fails there is nobody left to tell.
    pub fn complain(&self, text: &str) {
        let mut stream = AutoStream::new(io::stderr().lock(), self.err);
        let _ = stream.write_all(text.as_bytes());
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
