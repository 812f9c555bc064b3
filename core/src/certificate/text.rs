//! What a certificate says of itself, as texts for people.

use data_encoding::HEXUPPER;
use x509_parser::asn1_rs::{Any, BmpString, Tag};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// What a certificate says of itself is cut to so many characters.
const SHOWN: usize = 120;

/// Content octets of the object identifiers that occur in names (RFC 5280 section 4.1.2.4; X.520), with
/// their short names. A table, because to fill a map takes a process as long as all else in a certificate.
const PARTS: [(&[u8], &str); 27] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 4], "surname"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 9], "streetAddress"),
    (&[0x55, 4, 12], "title"),
    (&[0x55, 4, 13], "description"),
    (&[0x55, 4, 15], "businessCategory"),
    (&[0x55, 4, 16], "postalAddress"),
    (&[0x55, 4, 17], "postalCode"),
    (&[0x55, 4, 41], "name"),
    (&[0x55, 4, 42], "givenName"),
    (&[0x55, 4, 43], "initials"),
    (&[0x55, 4, 44], "generationQualifier"),
    (&[0x55, 4, 45], "uniqueIdentifier"),
    (&[0x55, 4, 46], "dnQualifier"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "uid"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "Email"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2], "unstructuredName"),
    (&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 1], "msJurisdictionLocality"),
    (&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 2], "msJurisdictionStateOrProvince"),
    (&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 3], "msJurisdictionCountry"),
];

/// A distinguished name as text: `C=AT, O=Example + OU=Test, CN=www.example`.
pub(super) fn name_text(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    for part in name.iter_rdn() {
        for (index, attribute) in part.iter().enumerate() {
            let between = if index > 0 { " + " } else { ", " };
            if !text.is_empty() {
                text.push_str(between);
            }
            let Some(value) = value_text(attribute.attr_value()) else {
                return "a name that cannot be read".into();
            };
            match short_name(attribute) {
                Some(name) => text.push_str(name),
                None => text.push_str(&format!("{:?}", attribute.attr_type())),
            }
            text.push('=');
            text.push_str(&value);
        }
    }
    text
}

fn short_name(attribute: &AttributeTypeAndValue<'_>) -> Option<&'static str> {
    let id = attribute.attr_type().as_bytes();
    PARTS.iter().find(|(own, _)| *own == id).map(|(_, name)| *name)
}

/// A text as it is, anything else in hex; None for a text that is none.
fn value_text(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::NumericString
        | Tag::VisibleString
        | Tag::PrintableString
        | Tag::GeneralString
        | Tag::ObjectDescriptor
        | Tag::GraphicString
        | Tag::T61String
        | Tag::VideotexString
        | Tag::Utf8String
        | Tag::Ia5String => std::str::from_utf8(value.data).ok().map(str::to_owned),
        Tag::BmpString => BmpString::try_from(value.clone()).ok().map(|text| text.string()),
        _ => Some(HEXUPPER.encode(value.as_bytes())),
    }
}

/// Text of a peer's, made safe for a terminal and a log: no control and no format characters.
pub fn printable(text: &str) -> String {
    // Nearly every text is plain; to look at all of it is quick, because nothing is branched on.
    if text.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_shown(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

/// Whether a character stands for itself wherever text is shown.
pub(crate) fn is_shown(c: char) -> bool {
    if c.is_ascii() { !c.is_ascii_control() } else { !c.is_control() && !is_format(c) }
}

/// The same, cut to what a sentence can hold.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => printable(text),
        Some((end, _)) => printable(&text[..end]) + "...",
    }
}

/// Unicode's format characters and separators of lines (categories Cf, Zl and Zp), which change how
/// what stands around them is shown.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use x509_parser::oid_registry::OidRegistry;
    use x509_parser::prelude::FromDer;

    use super::*;
    use crate::der;

    /// An attribute: its object identifier, and its value with its tag.
    type Attribute<'a> = (&'a [u8], u8, &'a [u8]);

    /// A Name, of these sets of attributes.
    fn name(parts: &[&[Attribute<'_>]]) -> Vec<u8> {
        let pair = |(id, tag, value): &Attribute<'_>| {
            der::sequence(&[&der::oid(id), &der::tlv(*tag, value)])
        };
        let set = |part: &&[Attribute<'_>]| {
            der::tlv(0x31, &part.iter().map(pair).collect::<Vec<_>>().concat())
        };
        der::tlv(0x30, &parts.iter().map(set).collect::<Vec<_>>().concat())
    }

    #[test]
    fn a_name_is_written_as_x509_parser_writes_it() {
        let registry = OidRegistry::default().with_x509().with_pkcs9();
        let country: Attribute<'_> = (&[0x55, 4, 6], 0x13, b"AT");
        let mut names = vec![
            name(&[&[country], &[(&[0x55, 4, 10], 0x0c, b"Ex"), (&[0x55, 4, 11], 0x0c, b"T")]]),
            name(&[&[(&[0x55, 4, 97], 0x0c, b"VAT"), country]]),
            name(&[&[(&[0x55, 4, 3], 0x1e, b"\0a\0b")], &[(&[0x55, 4, 3], 0x02, b"\x01\xff")]]),
            name(&[&[(&[0x55, 4, 3], 0x0c, b"\xff")]]),
            name(&[&[], &[country]]),
        ];
        names.extend(PARTS.iter().map(|(id, _)| name(&[&[(id, 0x0c, b"x")]])));
        for der in &names {
            let (_, name) = X509Name::from_der(der).unwrap();
            let theirs = name.to_string_with_registry(&registry);
            let theirs = theirs.unwrap_or_else(|_| "a name that cannot be read".into());
            assert_eq!(name_text(&name), theirs);
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        for c in ['\u{ad}', '\u{61c}', '\u{9b}', '\u{180e}', '\u{2066}', '\u{fffb}', '\u{e0041}'] {
            assert_eq!(printable(&c.to_string()), c.escape_unicode().to_string());
        }
        assert_eq!(shown(&"\u{1b}".repeat(9999)).len(), "\\u{1b}".len() * SHOWN + "...".len());
        assert_eq!(printable("a\x1b[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\\u{a}");
    }
}
