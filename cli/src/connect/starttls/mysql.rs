//! MySQL and MariaDB (Client/Server Protocol, Connection Phase: HandshakeV10, SSLRequest).

use std::io::{Read, Write};

use super::{CallError, exactly, say};

const CLIENT_PROTOCOL_41: u32 = 0x0200;
const CLIENT_SSL: u32 = 0x0800;
const CLIENT_SECURE_CONNECTION: u32 = 0x8000;

/// A greeting is some hundred bytes.
const LONGEST_GREETING: usize = 4096;

pub(super) fn start(stream: &mut (impl Read + Write)) -> Result<(), CallError> {
    let (sequence, greeting) = packet(stream)?;
    if !offers_tls(&greeting)? {
        return Err(CallError::new("the server does not offer TLS"));
    }
    let mut request = vec![32, 0, 0, sequence.wrapping_add(1)];
    let flags = CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION;
    request.extend(flags.to_le_bytes());
    request.extend((1u32 << 24).to_le_bytes());
    // utf8mb3_general_ci, which every version has.
    request.push(33);
    request.extend([0; 23]);
    say(stream, &request)
}

fn packet(stream: &mut impl Read) -> Result<(u8, Vec<u8>), CallError> {
    let [a, b, c, sequence] = exactly(stream)?;
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    if length > LONGEST_GREETING {
        return Err(CallError::answer("not a greeting of MySQL", &[a, b, c, sequence]));
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content)?;
    Ok((sequence, content))
}

fn offers_tls(greeting: &[u8]) -> Result<bool, CallError> {
    let odd = || CallError::answer("not a greeting of MySQL", greeting);
    match greeting.split_first() {
        Some((10, rest)) => {
            // Version and NUL, thread 4, challenge 8, filler 1, then the low capabilities.
            let end = rest.iter().position(|b| *b == 0).ok_or_else(odd)?;
            let at = end + 1 + 4 + 8 + 1;
            let low = rest.get(at..at + 2).ok_or_else(odd)?;
            Ok(u32::from(u16::from_le_bytes([low[0], low[1]])) & CLIENT_SSL != 0)
        }
        // An error: its number, then its text.
        Some((0xff, rest)) => {
            Err(CallError::answer("the server refuses", rest.get(2..).unwrap_or(rest)))
        }
        _ => Err(odd()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dialogue::Mysql;
    use super::super::script::run;

    fn greeting(capabilities: u16) -> Vec<u8> {
        let mut content = b"\x0a8.0.36\0\x01\0\0\0challeng\0".to_vec();
        content.extend(capabilities.to_le_bytes());
        content.extend([33, 2, 0]);
        packet(&content)
    }

    fn packet(content: &[u8]) -> Vec<u8> {
        [&[content.len() as u8, 0, 0, 0], content].concat()
    }

    #[test]
    fn the_request_for_tls_answers_the_greeting() {
        let (heard, rest) = run(Mysql, [greeting(0xffff), b"TLS".to_vec()].concat()).unwrap();
        assert_eq!(heard[..4], [32, 0, 0, 1]);
        assert_eq!(heard.len(), 36);
        assert_eq!(u32::from_le_bytes(heard[4..8].try_into().unwrap()) & 0x0800, 0x0800);
        assert_eq!(rest, b"TLS");
    }

    #[test]
    fn refusals_are_named() {
        for (says, why) in [
            (greeting(0xf7ff), "does not offer TLS"),
            (packet(b"\xff\x69\x04Host is blocked"), "refuses; the server said \"Host is blocked"),
            (packet(b"\xff"), "refuses"),
            (packet(b""), "not a greeting"),
            (packet(b"\x0ano end"), "not a greeting"),
            (packet(b"\x0a8.0\0short"), "not a greeting"),
            (b"HTTP/1.1 400".to_vec(), "not a greeting"),
        ] {
            let error = run(Mysql, says).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
