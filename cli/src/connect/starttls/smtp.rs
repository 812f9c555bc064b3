//! SMTP and submission (RFC 3207).

use std::io::{Read, Write};
use std::net::IpAddr;

use super::{CallError, MOST_LINES, Names, line, say};

pub(super) fn start(stream: &mut (impl Read + Write), names: &Names<'_>) -> Result<(), CallError> {
    reply(stream, "220", "the server does not greet")?;
    // An address literal is right for a host without a name of its own (RFC 5321 section 4.1.3).
    let us = match names.client {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    };
    say(stream, format!("EHLO {us}\r\n").as_bytes())?;
    let offers = reply(stream, "250", "EHLO was refused")?;
    if !offers.iter().any(|offer| offer.eq_ignore_ascii_case("STARTTLS")) {
        return Err(CallError::new("the server does not offer STARTTLS"));
    }
    say(stream, b"STARTTLS\r\n")?;
    reply(stream, "220", "STARTTLS was refused").map(drop)
}

/// The texts of one reply, whose last line has a space behind the code (RFC 5321 section 4.2.1).
fn reply(stream: &mut impl Read, code: &str, otherwise: &str) -> Result<Vec<String>, CallError> {
    let mut texts = Vec::new();
    while texts.len() < MOST_LINES {
        let line = line(stream)?;
        let Some(text) = line.strip_prefix(code) else {
            return Err(CallError::answer(otherwise, line.as_bytes()));
        };
        let is_last = !text.starts_with('-');
        texts.push(text.get(1..).unwrap_or("").to_owned());
        if is_last {
            return Ok(texts);
        }
    }
    Err(CallError::new("the reply does not end"))
}

#[cfg(test)]
mod tests {
    use super::super::Dialogue::Smtp;
    use super::super::script::run;

    #[test]
    fn tls_starts_behind_the_last_reply() {
        let says =
            "220-mail\r\n220 ready\r\n250-mail\r\n250-SIZE 1\r\n250 starttls\r\n220 go\r\nTLS";
        let (heard, rest) = run(Smtp, says).unwrap();
        assert_eq!(heard, b"EHLO [192.0.2.9]\r\nSTARTTLS\r\n");
        assert_eq!(rest, b"TLS");
    }

    #[test]
    fn refusals_are_named() {
        for (says, why) in [
            ("554 go away\r\n", "does not greet; the server said \"554 go away\""),
            ("220 x\r\n502 no\r\n", "EHLO was refused"),
            ("220 x\r\n250 SIZE\r\n", "does not offer STARTTLS"),
            ("220 x\r\n250 STARTTLS\r\n454 not now\r\n", "STARTTLS was refused"),
            ("220 x\r\n250-STARTTLS\r\n", "hung up"),
        ] {
            let error = run(Smtp, says).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
