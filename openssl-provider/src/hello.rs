//! The protocols that a ClientHello offers (RFC 8446 section 4.1.2, RFC 7301 section 3.1).

/// The ALPN extension's number.
const ALPN: u16 = 16;

/// The ProtocolNameList of a ClientHello handshake message, without its outer length. None if it
/// offers none, or is not readable. A datagram (DTLS) message has eight more bytes of header.
pub(crate) fn offered_alpn(message: &[u8], datagram: bool) -> Option<&[u8]> {
    let mut rest = Reader(message.get(if datagram { 12 } else { 4 }..)?);
    rest.take(2 + 32)?; // legacy_version, random
    rest.short_vector()?; // legacy_session_id
    if datagram {
        rest.short_vector()?; // cookie (RFC 6347 section 4.2.1)
    }
    rest.vector()?; // cipher_suites
    rest.short_vector()?; // legacy_compression_methods
    let mut extensions = Reader(rest.vector()?);
    while !extensions.0.is_empty() {
        let (kind, body) = (extensions.number()?, extensions.vector()?);
        if kind == ALPN {
            return Reader(body).vector();
        }
    }
    None
}

/// The protocol ids in a ProtocolNameList.
pub(crate) fn protocol_ids(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Reader(list);
    std::iter::from_fn(move || rest.short_vector())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn short_vector(&mut self) -> Option<&'a [u8]> {
        let length = *self.take(1)?.first()?;
        self.take(usize::from(length))
    }

    fn vector(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(extensions: &[u8], datagram: bool) -> Vec<u8> {
        let mut message = vec![1, 0, 0, 0];
        message.extend(if datagram { &[0; 8][..] } else { &[] });
        message.extend([3, 3]);
        message.extend([7; 32]);
        message.extend([2, 9, 9]);
        message.extend(if datagram { &[1, 5][..] } else { &[] });
        message.extend([0, 2, 0x13, 1, 1, 0]);
        message.extend((extensions.len() as u16).to_be_bytes());
        message.extend(extensions);
        message
    }

    #[test]
    fn the_offer_is_found_among_other_extensions() {
        let extensions = [0, 10, 0, 2, 0, 0, 0, 16, 0, 14, 0, 12, 2, b'h', b'2', 8]
            .iter()
            .chain(b"http/1.1")
            .copied()
            .collect::<Vec<u8>>();
        for datagram in [false, true] {
            let message = hello(&extensions, datagram);
            let list = offered_alpn(&message, datagram).unwrap();
            let ids: Vec<_> = protocol_ids(list).collect();
            assert_eq!(ids, [&b"h2"[..], b"http/1.1"]);
        }
        assert_eq!(offered_alpn(&hello(&[0, 10, 0, 0], false), false), None);
    }

    #[test]
    fn what_is_cut_off_offers_nothing() {
        let message = hello(&[0, 16, 0, 5, 0, 3, 2, b'h', b'2'], false);
        for length in 0..message.len() {
            assert_eq!(offered_alpn(&message[..length], false), None);
        }
        assert!(offered_alpn(&message, false).is_some());
        assert_eq!(protocol_ids(&[3, b'x']).count(), 0);
    }
}
