//! IMAP (RFC 9051 section 6.2.1).

use std::io::{Read, Write};

use super::{CallError, MOST_LINES, line, say};

pub(super) fn start(stream: &mut (impl Read + Write)) -> Result<(), CallError> {
    let greeting = line(stream)?;
    if !has_words(&greeting, "*", "OK") {
        return Err(CallError::answer("the server does not greet", greeting.as_bytes()));
    }
    say(stream, b"p STARTTLS\r\n")?;
    for _ in 0..MOST_LINES {
        let line = line(stream)?;
        if has_words(&line, "p", "OK") {
            return Ok(());
        }
        if !line.starts_with("* ") {
            return Err(CallError::answer("STARTTLS was refused", line.as_bytes()));
        }
    }
    Err(CallError::new("the answer does not end"))
}

fn has_words(line: &str, tag: &str, status: &str) -> bool {
    let mut words = line.split(' ');
    words.next() == Some(tag) && words.next().is_some_and(|w| w.eq_ignore_ascii_case(status))
}

#[cfg(test)]
mod tests {
    use super::super::Dialogue::Imap;
    use super::super::script::run;

    #[test]
    fn tls_starts_behind_the_tagged_ok() {
        let (heard, rest) = run(Imap, "* OK hi\r\n* CAPABILITY x\r\np ok begin\r\nTLS").unwrap();
        assert_eq!((heard.as_slice(), rest.as_slice()), (&b"p STARTTLS\r\n"[..], &b"TLS"[..]));
    }

    #[test]
    fn refusals_are_named() {
        for (says, why) in [
            ("* BYE\r\n", "does not greet"),
            ("* PREAUTH hello\r\n", "does not greet"),
            ("* OK hi\r\np BAD no\r\n", "STARTTLS was refused; the server said \"p BAD no\""),
            ("* OK hi\r\nq OK\r\n", "STARTTLS was refused"),
        ] {
            let error = run(Imap, says).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
