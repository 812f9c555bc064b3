//! The little DER that the openssl crate cannot write.

/// A tag, a length, and the parts one after another (X.690 section 8.1).
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut out = vec![tag];
    match body.len() {
        short @ 0..=0x7f => out.push(short as u8),
        long => {
            let bytes = long.to_be_bytes();
            let bytes = &bytes[bytes.iter().take_while(|b| **b == 0).count()..];
            out.push(0x80 | bytes.len() as u8);
            out.extend_from_slice(bytes);
        }
    }
    out.extend(body);
    out
}

/// SEQUENCE.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

/// INTEGER, of octets as they are.
pub fn integer(octets: &[u8]) -> Vec<u8> {
    let pad: &[u8] = if octets.first().is_some_and(|b| b & 0x80 != 0) { &[0] } else { &[] };
    tlv(2, &[pad, octets])
}

/// OBJECT IDENTIFIER, of encoded octets.
pub fn oid(octets: &[u8]) -> Vec<u8> {
    tlv(6, &[octets])
}

/// BIT STRING of whole octets.
pub fn bit_string(octets: &[u8]) -> Vec<u8> {
    tlv(3, &[&[0], octets])
}

/// OCTET STRING.
pub fn octet_string(octets: &[u8]) -> Vec<u8> {
    tlv(4, &[octets])
}

/// UTCTime or GeneralizedTime, as certificates want it (RFC 5280 section 4.1.2.5).
pub fn time(unix: i64) -> Vec<u8> {
    let (days, rest) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let clock = format!("{:02}{:02}{:02}Z", rest / 3600, rest / 60 % 60, rest % 60);
    if (1950..2050).contains(&year) {
        tlv(0x17, &[format!("{:02}{month:02}{day:02}{clock}", year % 100).as_bytes()])
    } else {
        tlv(0x18, &[format!("{year:04}{month:02}{day:02}{clock}").as_bytes()])
    }
}

/// The date of a day since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let (mut year, mut left) = (1970, days);
    let leap = |y: i64| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_certificates_want_them() {
        assert_eq!(&time(0)[2..], b"700101000000Z");
        assert_eq!(&time(951_782_399)[2..], b"000228235959Z");
        assert_eq!(&time(951_782_400)[2..], b"000229000000Z");
        assert_eq!(&time(2_524_608_000)[2..], b"20500101000000Z");
    }

    #[test]
    fn lengths_are_short_or_long() {
        assert_eq!(tlv(4, &[&[1]]), [4, 1, 1]);
        assert_eq!(tlv(4, &[&[0; 300]])[..4], [4, 0x82, 1, 44]);
    }
}
