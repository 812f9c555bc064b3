//! Lines of a file that may hold anything.

use std::io::{self, BufRead};

/// The longest line that holds a key.
const LONGEST: usize = 64 << 10;

/// What sees a line: its number, how many octets were read with it, and its text.
pub(super) type See<'a> = dyn FnMut(u64, u64, Result<&str, String>) -> io::Result<()> + 'a;

/// Shows each line that is neither empty nor a comment. What is too long or no text is shown as an
/// error, and never kept in memory.
pub(super) fn each(input: &mut dyn BufRead, see: &mut See<'_>) -> io::Result<()> {
    let (mut line, mut number, mut at) = (Vec::with_capacity(1024), 0, 0);
    while let Some((taken, is_whole)) = next(input, &mut line)? {
        number += 1;
        at += taken;
        if !is_whole {
            see(number, at, Err("the line is too long to hold a key".into()))?;
            continue;
        }
        match str::from_utf8(&line).map(str::trim) {
            Ok(text) if text.contains('\0') => see(number, at, Err(binary()))?,
            Ok(text) if text.is_empty() || text.starts_with('#') => {}
            Ok(text) => see(number, at, Ok(text.trim_start_matches('\u{feff}')))?,
            Err(_) => see(number, at, Err(binary()))?,
        }
    }
    Ok(())
}

fn binary() -> String {
    "the line is no text".into()
}

/// Reads a line into `line`: how long it was, and whether all of it is there. None at the end.
fn next(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Option<(u64, bool)>> {
    line.clear();
    let mut taken = 0;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok((taken > 0).then_some((taken, taken <= LONGEST as u64)));
        }
        let (part, is_end) = match buffer.iter().position(|octet| *octet == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), false),
        };
        let room = LONGEST.saturating_sub(line.len());
        line.extend_from_slice(&buffer[..part.min(room)]);
        taken += part as u64;
        input.consume(part);
        if is_end {
            return Ok(Some((taken, taken <= LONGEST as u64)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_none_lose_nothing_of_the_rest() {
        let long = "x".repeat(LONGEST + 9);
        let text = [b"one\n# no\n\n", long.as_bytes(), b"\n\xff\xfe\ntwo\r\nthree"].concat();
        let mut seen = Vec::new();
        let mut input = io::BufReader::with_capacity(7, &text[..]);
        each(&mut input, &mut |number, at, line| {
            seen.push((number, at, line.map(str::to_owned).ok()));
            Ok(())
        })
        .unwrap();
        let numbers: Vec<_> = seen.iter().map(|(number, ..)| *number).collect();
        let lines: Vec<_> = seen.iter().map(|(.., line)| line.as_deref()).collect();
        assert_eq!(numbers, [1, 4, 5, 6, 7]);
        assert_eq!(lines, [Some("one"), None, None, Some("two"), Some("three")]);
        assert_eq!(seen[4].1, text.len() as u64);
    }
}
