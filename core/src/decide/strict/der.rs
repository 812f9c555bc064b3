//! Whether bytes are DER (X.690 section 10): one value has one encoding, so that two readers of a
//! certificate cannot see two things in it.

/// Nothing in a certificate nests deeper.
const MAX_DEPTH: usize = 24;
const CONSTRUCTED: u8 = 0x20;

/// Whether this is exactly one value, DER throughout.
pub(super) fn is_one(der: &[u8]) -> bool {
    // Where each value ends in which we are.
    let mut ends = [der.len(); MAX_DEPTH + 1];
    let (mut depth, mut at) = (0, 0);
    loop {
        let Some((tag, content, rest)) = der.get(at..ends[depth]).and_then(element) else {
            return false;
        };
        let end = ends[depth] - rest.len();
        if depth == 0 && !rest.is_empty() {
            return false;
        }
        if tag & CONSTRUCTED == 0 {
            if !is_primitive(tag, content) {
                return false;
            }
            at = end;
        } else {
            // SEQUENCE, SET; of the universal types no other is constructed in DER.
            if depth == MAX_DEPTH || (tag & 0xc0 == 0 && tag != 0x30 && tag != 0x31) {
                return false;
            }
            depth += 1;
            ends[depth] = end;
            at = end - content.len();
        }
        while at == ends[depth] {
            if depth == 0 {
                return true;
            }
            depth -= 1;
        }
    }
}

/// Whether it is a SEQUENCE of values with this tag.
pub(super) fn is_list_of(tag: u8, der: &[u8]) -> bool {
    let Some((0x30, mut content, [])) = element(der) else { return false };
    while let Some((own, _, rest)) = element(content) {
        if own != tag {
            return false;
        }
        content = rest;
    }
    content.is_empty()
}

fn is_primitive(tag: u8, content: &[u8]) -> bool {
    match tag {
        0x01 => matches!(content, [0x00 | 0xff]),
        0x02 | 0x0a => is_integer(content),
        0x03 => is_bit_string(content),
        0x05 => content.is_empty(),
        0x06 => is_oid(content),
        // SEQUENCE and SET are never primitive.
        0x10 | 0x11 => false,
        _ => true,
    }
}

/// Whether an INTEGER has no needless octet.
pub(super) fn is_integer(content: &[u8]) -> bool {
    match content {
        [] => false,
        [0x00, next, ..] => next & 0x80 != 0,
        [0xff, next, ..] => next & 0x80 == 0,
        _ => true,
    }
}

fn is_bit_string(content: &[u8]) -> bool {
    match content {
        [0] => true,
        [unused @ 0..=7, .., last] => last & ((1u8 << unused) - 1) == 0,
        _ => false,
    }
}

fn is_oid(content: &[u8]) -> bool {
    // Whether the next octet begins a number, which may not begin with zeros.
    let mut begins = true;
    for octet in content {
        if begins && *octet == 0x80 {
            return false;
        }
        begins = octet & 0x80 == 0;
    }
    begins && !content.is_empty()
}

/// The first tag, its content, and what comes behind. Tags of several octets stand in no certificate.
#[inline]
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = octets.iter().fold(0, |n, octet| n << 8 | usize::from(*octet));
            (octets[0] != 0 && length >= 0x80).then_some((length, rest))?
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_another_encoding_is_no_der() {
        let good: [&[u8]; 6] = [
            &[0x30, 0],
            &[0x02, 2, 0, 0x80],
            &[0x03, 2, 3, 0xf8],
            &[0x06, 3, 0x55, 0x1d, 0x0f],
            &[0xa0, 3, 1, 1, 0xff],
            &[0x80, 1, 7],
        ];
        let bad: [&[u8]; 14] = [
            &[],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 0x00],
            &[0x30, 0x82, 0, 0x80],
            &[0x30, 0, 0],
            &[0x02, 2, 0, 0x7f],
            &[0x02, 2, 0xff, 0x80],
            &[0x02, 0],
            &[0x03, 2, 3, 0xff],
            &[0x03, 1, 1],
            &[0x01, 1, 1],
            &[0x06, 2, 0x80, 0x01],
            &[0x24, 3, 4, 1, 7],
            &[0x1f, 0x20, 0],
        ];
        good.iter().for_each(|der| assert!(is_one(der), "{der:x?}"));
        bad.iter().for_each(|der| assert!(!is_one(der), "{der:x?}"));
    }

    #[test]
    fn nesting_ends_somewhere() {
        let deep =
            (0..60).fold(vec![5, 0], |inner, _| [&[0x30, inner.len() as u8], &inner[..]].concat());
        assert!(!is_one(&deep));
    }
}
