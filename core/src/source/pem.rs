//! PEM (RFC 7468), with text around the blocks, and with nothing dropped in silence.

use data_encoding::BASE64;

/// One block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// `CERTIFICATE`.
    pub(super) label: String,
    /// Its content, or why there is none.
    pub(super) der: Result<Vec<u8>, String>,
    /// The line of its BEGIN, from 1.
    pub(super) line: u32,
}

/// Whether a file means to be PEM.
pub(super) fn is_pem(data: &[u8]) -> bool {
    data.windows(7).any(|w| w == b"-BEGIN ")
}

/// The blocks of a file, broken ones too.
pub(super) fn blocks(data: &[u8]) -> Vec<Block> {
    let data = data.strip_prefix("\u{feff}".as_bytes()).unwrap_or(data);
    let mut blocks = Vec::new();
    let mut open: Option<Open> = None;
    // Behind a BEGIN that was none, the END belongs to it.
    let mut lost = false;
    // Lines end with LF, CR LF, or on old systems CR.
    let lines = data.split(|b| *b == b'\n').zip(1u32..);
    let lines =
        lines.flat_map(|(line, number)| line.split(|b| *b == b'\r').map(move |l| (l, number)));
    for (line, number) in lines {
        let line = line.trim_ascii();
        match boundary(line) {
            Boundary::Begin(label) => {
                let unended = open.replace(Open { label, line: number, body: Vec::new() });
                blocks.extend(unended.map(|open| open.without_end(number)));
            }
            Boundary::End(label) => blocks.push(match open.take() {
                Some(open) => open.close(&label, number),
                None if std::mem::take(&mut lost) => continue,
                None => {
                    let why = format!("an END without its BEGIN in line {number}");
                    Block { label, der: Err(why), line: number }
                }
            }),
            Boundary::Malformed => {
                let why = format!("line {number} is no right BEGIN or END line");
                lost = open.is_none();
                let begun = open.take().map_or(number, |open| open.line);
                blocks.push(Block { label: "CERTIFICATE".into(), der: Err(why), line: begun });
            }
            Boundary::None => {
                if let Some(open) = &mut open {
                    open.body.extend(line.iter().filter(|b| !b.is_ascii_whitespace()));
                }
            }
        }
    }
    blocks.extend(open.map(|open| open.without_end(0)));
    blocks
}

struct Open {
    label: String,
    line: u32,
    body: Vec<u8>,
}

impl Open {
    fn close(self, label: &str, number: u32) -> Block {
        let der = if label != self.label {
            Err(format!("BEGIN {} is ended by END {label} in line {number}", self.label))
        } else if self.body.is_empty() {
            Err("nothing between BEGIN and END".into())
        } else {
            BASE64
                .decode(&self.body)
                .map_err(|_| "what is between BEGIN and END is no base64".into())
        };
        Block { label: self.label, der, line: self.line }
    }

    fn without_end(self, next: u32) -> Block {
        let why = match next {
            0 => "the file stops before its END line".into(),
            next => format!("another BEGIN comes before its END, in line {next}"),
        };
        Block { label: self.label, der: Err(why), line: self.line }
    }
}

enum Boundary {
    Begin(String),
    End(String),
    /// Nearly a boundary: to take it for text would drop a block in silence.
    Malformed,
    None,
}

fn boundary(line: &[u8]) -> Boundary {
    let label = |word: &[u8]| {
        let label = line.strip_prefix(b"-----")?.strip_prefix(word)?.strip_suffix(b"-----")?;
        let plain = |b: &u8| b.is_ascii_graphic() && *b != b'-' || *b == b' ';
        let fits = !label.is_empty() && label.len() <= 64 && label.iter().all(plain);
        fits.then(|| String::from_utf8_lossy(label).into_owned())
    };
    if let Some(label) = label(b"BEGIN ") {
        return Boundary::Begin(label);
    }
    if let Some(label) = label(b"END ") {
        return Boundary::End(label);
    }
    let holds = |word: &[u8]| line.windows(word.len()).any(|w| w == word);
    if holds(b"-BEGIN ") || holds(b"-END ") { Boundary::Malformed } else { Boundary::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Result<Vec<u8>, String>, u32)> {
        blocks(text.as_bytes()).into_iter().map(|b| (b.label, b.der, b.line)).collect()
    }

    #[test]
    fn text_around_and_between_is_passed_over() {
        let text = "\u{feff}# CA\r\n-----BEGIN A-----\r\nAQ\r\nI=\r\n-----END A-----\r\nnote\n  -----BEGIN B-----\n  AQ==\n  -----END B-----";
        assert_eq!(read(text), [("A".into(), Ok(vec![1, 2]), 2), ("B".into(), Ok(vec![1]), 7)]);
    }

    #[test]
    fn no_broken_block_is_dropped() {
        for (text, why, line) in [
            ("-----BEGIN A-----\nAQ==\n", "stops before", 1),
            ("-----BEGIN A-----\n-----END A-----\n", "nothing between", 1),
            ("\n-----BEGIN A-----\nA*==\n-----END A-----\n", "no base64", 2),
            ("-----BEGIN A-----\nAQ==\n-----END B-----\n", "END B in line 3", 1),
            ("\n-----END A-----\n", "without its BEGIN", 2),
            ("----BEGIN A-----\nAQ==\n-----END A-----\n", "no right BEGIN", 1),
            ("-----BEGIN A----\nAQ==\n", "no right BEGIN", 1),
            ("-----BEGIN A-----\nAQ==\n-----BEGIN B-----\nAQ==\n-----END B-----\n", "in line 3", 1),
        ] {
            let first = read(text).remove(0);
            let good = text.matches("BEGIN").count().saturating_sub(1);
            assert_eq!(read(text).len(), good + 1, "{text:?}");
            assert!(first.1.clone().unwrap_err().contains(why), "{text:?}: {first:?}");
            assert_eq!(first.2, line, "{text:?}");
        }
    }

    #[test]
    fn only_what_begins_blocks_is_pem() {
        assert!(is_pem(b"x\n-----BEGIN A-----"));
        assert!(!is_pem(b"begin with a rose"));
    }
}
