//! Lines of a file, one at a time: whatever a file holds, no more than one line of it is in memory.

use std::io::{self, BufRead};

use peerkey_core::record::MAX_LINE;

/// What is longer was never written as a line. Twice what is written, for programs of later versions.
const LONGEST: usize = 2 * MAX_LINE;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A line, without its end.
    Line(&'a [u8]),
    /// A line that is too long to be one, left out.
    TooLong,
    /// A line without an end: it may still be written.
    Begun(&'a [u8]),
    /// Nothing, for now.
    End,
}

/// Reads lines, and counts them.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// Whether `line` is to be dropped before the next one is read.
    is_done: bool,
    is_too_long: bool,
    number: u64,
    position: u64,
}

impl<R: BufRead> Lines<R> {
    /// From the start of `input`.
    pub fn new(input: R) -> Self {
        let line = Vec::new();
        Self { input, line, is_done: false, is_too_long: false, number: 0, position: 0 }
    }

    /// The number of the line that was read last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes were read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What it reads from.
    pub fn input(&self) -> &R {
        &self.input
    }

    /// The next line. Behind `Begun` and `End` it goes on with what was appended since.
    pub fn read(&mut self) -> io::Result<Next<'_>> {
        if self.is_done {
            self.line.clear();
            self.is_too_long = false;
            self.is_done = false;
        }
        loop {
            let available = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(available.len());
            let room = LONGEST.saturating_sub(self.line.len());
            self.is_too_long |= taken > room;
            self.line.extend_from_slice(&available[..taken.min(room)]);
            let used = taken + usize::from(end.is_some());
            let is_empty = available.is_empty();
            self.input.consume(used);
            self.position += used as u64;
            if end.is_some() {
                self.number += 1;
                self.is_done = true;
                return Ok(if self.is_too_long { Next::TooLong } else { Next::Line(&self.line) });
            }
            if is_empty {
                return Ok(match self.line.is_empty() {
                    true => Next::End,
                    false => Next::Begun(&self.line),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn lines_come_one_by_one_and_the_last_may_be_begun() {
        let mut lines = Lines::new(BufReader::with_capacity(3, &b"one\n\ntwo"[..]));
        assert_eq!(lines.read().unwrap(), Next::Line(b"one"));
        assert_eq!(lines.read().unwrap(), Next::Line(b""));
        assert_eq!(lines.number(), 2);
        assert_eq!(lines.read().unwrap(), Next::Begun(b"two"));
        assert_eq!(lines.read().unwrap(), Next::Begun(b"two"));
        assert_eq!((lines.number(), lines.position()), (2, 8));
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_and_takes_no_memory() {
        let mut text = vec![b'x'; 5_000_000];
        text.extend(b"\nnext\n");
        let mut lines = Lines::new(&text[..]);
        assert_eq!(lines.read().unwrap(), Next::TooLong);
        assert!(lines.line.capacity() <= 2 * LONGEST);
        assert_eq!(lines.read().unwrap(), Next::Line(b"next"));
        assert_eq!(lines.read().unwrap(), Next::End);
    }
}
