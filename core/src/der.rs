//! The few DER structures (X.690) that keys and trust anchors are rebuilt from.

/// A SEQUENCE of what is given, already encoded.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// An OBJECT IDENTIFIER from its content octets.
pub(crate) fn oid(content: &[u8]) -> Vec<u8> {
    tlv(6, content)
}

/// A BIT STRING of whole octets.
pub(crate) fn bit_string(octets: &[u8]) -> Vec<u8> {
    tlv(3, &[&[0], octets].concat())
}

/// The shortest INTEGER for an unsigned big-endian number.
pub(crate) fn unsigned(number: &[u8]) -> Vec<u8> {
    let start = number.iter().position(|b| *b != 0).unwrap_or(number.len());
    let number = &number[start..];
    match number.first() {
        None => tlv(2, &[0]),
        Some(first) if first & 0x80 != 0 => tlv(2, &[&[0], number].concat()),
        Some(_) => tlv(2, number),
    }
}

/// n and e of an RSAPublicKey (RFC 8017 appendix A.1.1), as unsigned content octets.
pub(crate) fn rsa_public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (inner, rest) = read(0x30, der)?;
    let (n, inner) = read(2, inner)?;
    let (e, inner) = read(2, inner)?;
    (rest.is_empty() && inner.is_empty()).then_some((n, e))
}

/// The content of one element with this tag, and what comes behind it.
pub(crate) fn read(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (octets.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// One element.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let octets = length.to_be_bytes();
        let start = octets.iter().position(|b| *b != 0).unwrap_or(octets.len() - 1);
        out.push(0x80 | (octets.len() - start) as u8);
        out.extend_from_slice(&octets[start..]);
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_size_read_back() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let encoded = tlv(4, &vec![7; length]);
            let (content, rest) = read(4, &encoded).unwrap();
            assert_eq!((content.len(), rest.len()), (length, 0));
            assert!(read(4, &encoded[..encoded.len() - 1]).is_none(), "{length}");
        }
    }

    #[test]
    fn integers_are_the_shortest() {
        assert_eq!(unsigned(&[0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned(&[0, 1]), [2, 1, 1]);
        assert_eq!(unsigned(&[]), [2, 1, 0]);
    }
}
