//! PostgreSQL's SSLRequest (Frontend/Backend Protocol, section SSL Session Encryption).

use std::io::{Read, Write};

use super::{CallError, exactly, say};

/// Length 8, then the code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

pub(super) fn start(stream: &mut (impl Read + Write)) -> Result<(), CallError> {
    say(stream, &SSL_REQUEST)?;
    // One byte, and no more: what follows it unencrypted is not to be believed (CVE-2021-23222).
    match exactly(stream)? {
        [b'S'] => Ok(()),
        [b'N'] => Err(CallError::new("the server does not offer TLS")),
        [b'E'] => Err(CallError::new("the server answered with an error")),
        other => Err(CallError::answer("not an answer of PostgreSQL", &other)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dialogue::Postgresql;
    use super::super::script::run;

    #[test]
    fn one_byte_decides() {
        let (heard, rest) = run(Postgresql, "STLS").unwrap();
        assert_eq!((heard.len(), rest.as_slice()), (8, &b"TLS"[..]));
        assert_eq!(u32::from_be_bytes(heard[4..].try_into().unwrap()), 80_877_103);
        assert!(run(Postgresql, "N").unwrap_err().contains("does not offer"));
        assert!(run(Postgresql, "E").unwrap_err().contains("error"));
        assert!(run(Postgresql, "H").unwrap_err().contains("PostgreSQL"));
    }
}
