//! Text as patterns, names, protocols and hashes.

use super::assert_printable;
use crate::key::KeyHash;
use crate::pattern::Pattern;
use crate::peer::{Email, HostName, Name};
use crate::protocol::Protocol;
use crate::rule::Accept;
use crate::store::{PrefixLengths, keys_of};

/// A pattern in the first line, a name in the second. What is read has one form, and a pattern matches
/// a name exactly if the policy's look-up by the name finds it.
pub fn names(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (first, second) = text.split_once('\n').unwrap_or((text, text));
    one_form(first);
    let pattern = match Pattern::parse(first) {
        Ok(pattern) => pattern,
        Err(error) => return assert_printable(&error.to_string()),
    };
    assert_printable(&pattern.to_string());
    assert_eq!(Pattern::parse(&pattern.to_string()).as_ref(), Ok(&pattern));
    let Some(name) = Name::parse(second) else { return };
    let mut lengths = PrefixLengths::default();
    lengths.add(&pattern);
    let found = keys_of(&name, &lengths).contains(&pattern.to_string());
    assert_eq!(pattern.matches(&name), found, "{pattern} {name}");
}

fn one_form(text: &str) {
    if let Some(name) = Name::parse(text) {
        assert_printable(&name.to_string());
        assert_eq!(Name::parse(&name.to_string()), Some(name));
    }
    if let Some(host) = HostName::parse(text) {
        assert!(host.ancestry().all(|domain| host.as_str().ends_with(domain)));
        assert!(host.is_within(&host));
        let above = host.parent();
        assert!(above.is_none_or(|above| host.is_within(&above) && !above.is_within(&host)));
    }
    if let Some(email) = Email::parse(text) {
        assert_eq!(Email::parse(&email.to_string()), Some(email));
    }
    if let Some(protocol) = Protocol::parse(text) {
        assert_eq!(Protocol::parse(protocol.as_str()), Some(protocol));
    }
    if let Some(hash) = KeyHash::parse(text) {
        assert_eq!(KeyHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(KeyHash::parse(&hash.to_hex()), Some(hash));
    }
    if let Some(accept) = Accept::decode(text) {
        assert_eq!(Accept::decode(&accept.encode()), Some(accept));
    }
}
