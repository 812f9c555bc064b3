//! LDAP's extended operation StartTLS (RFC 4511 section 4.14).

use std::io::{Read, Write};

use super::{CallError, exactly, say};

/// LDAPMessage { messageID 1, extendedReq { requestName 1.3.6.1.4.1.1466.20037 } }.
const REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

const EXTENDED_RESPONSE: u8 = 0x78;

/// A response is a number and two short texts.
const LONGEST_RESPONSE: usize = 4096;

pub(super) fn start(stream: &mut (impl Read + Write)) -> Result<(), CallError> {
    say(stream, REQUEST)?;
    let message = message(stream)?;
    let odd = || CallError::answer("not an answer of LDAP", &message);
    let (_, rest) = element(0x02, &message).ok_or_else(odd)?;
    let (response, _) = element(EXTENDED_RESPONSE, rest).ok_or_else(odd)?;
    let (code, rest) = element(0x0a, response).ok_or_else(odd)?;
    if code == [0] {
        return Ok(());
    }
    let text = element(0x04, rest).and_then(|(_, rest)| element(0x04, rest)).map(|(text, _)| text);
    Err(match (code, text) {
        (_, Some(text)) if !text.is_empty() => CallError::answer("StartTLS was refused", text),
        ([code], _) => CallError::new(format!("StartTLS was refused (result code {code})")),
        _ => odd(),
    })
}

/// The content of one LDAPMessage, a SEQUENCE whose length comes in one or more bytes (X.690 8.1.3).
fn message(stream: &mut impl Read) -> Result<Vec<u8>, CallError> {
    let [tag, first] = exactly(stream)?;
    let length = match first {
        0..=0x7f => Some(usize::from(first)),
        0x81 => Some(usize::from(exactly::<1>(stream)?[0])),
        0x82 => Some(usize::from(u16::from_be_bytes(exactly(stream)?))),
        0x84 => usize::try_from(u32::from_be_bytes(exactly(stream)?)).ok(),
        _ => None,
    };
    match length.filter(|length| tag == 0x30 && *length <= LONGEST_RESPONSE) {
        Some(length) => {
            let mut content = vec![0; length];
            stream.read_exact(&mut content)?;
            Ok(content)
        }
        None => Err(CallError::answer("not an answer of LDAP", &[tag, first])),
    }
}

/// The content of the element at the start, which must have this tag, and what comes behind it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (octets.iter().fold(0, |n, octet| n << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::Dialogue::Ldap;
    use super::super::script::run;

    #[test]
    fn tls_starts_behind_a_success() {
        let (heard, rest) = run(Ldap, b"0\x0c\x02\x01\x01x\x07\x0a\x01\0\x04\0\x04\0TLS").unwrap();
        assert_eq!((heard.len(), rest.as_slice()), (0x1d + 2, &b"TLS"[..]));
        // As Active Directory writes lengths.
        let long = b"0\x84\0\0\0\x10\x02\x01\x01x\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0TLS";
        assert_eq!(run(Ldap, long).unwrap().1, b"TLS");
    }

    #[test]
    fn refusals_are_named() {
        for (says, why) in [
            (&b"0\x0e\x02\x01\x01x\x09\x0a\x01\x34\x04\0\x04\x02no"[..], "said \"no\""),
            (b"0\x0c\x02\x01\x01x\x07\x0a\x01\x02\x04\0\x04\0", "result code 2"),
            (b"0\x03\x02\x01\x01", "not an answer"),
            (b"0\x84\xff\xff\xff\xff", "not an answer"),
            (b"0\x80", "not an answer"),
            (b"HTTP/1.1 400 Bad Request", "not an answer"),
            (b"0\x06\x02\x01\x01x\x7f\x0a", "not an answer"),
        ] {
            let error = run(Ldap, says).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
