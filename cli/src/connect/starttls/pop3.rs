//! POP3 (RFC 2595 section 4).

use std::io::{Read, Write};

use super::{CallError, line, say};

pub(super) fn start(stream: &mut (impl Read + Write)) -> Result<(), CallError> {
    affirmed(stream, "the server does not greet")?;
    say(stream, b"STLS\r\n")?;
    affirmed(stream, "STLS was refused")
}

fn affirmed(stream: &mut impl Read, otherwise: &str) -> Result<(), CallError> {
    let line = line(stream)?;
    match line.split(' ').next() {
        Some("+OK") => Ok(()),
        _ => Err(CallError::answer(otherwise, line.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dialogue::Pop3;
    use super::super::script::run;

    #[test]
    fn tls_starts_behind_the_second_ok() {
        let (heard, rest) = run(Pop3, "+OK hi\r\n+OK\r\nTLS").unwrap();
        assert_eq!((heard.as_slice(), rest.as_slice()), (&b"STLS\r\n"[..], &b"TLS"[..]));
        assert!(run(Pop3, "-ERR\r\n").unwrap_err().contains("does not greet"));
        assert!(run(Pop3, "+OK\r\n-ERR no\r\n").unwrap_err().contains("STLS was refused"));
    }
}
