//! The small values of the language: dates, protocols, keys, serial numbers.

use time::{Date, Month};
use toml::de::DeValue;
use toml_datetime::{Datetime, Offset};

use super::Context;
use super::diagnostic::closest;
use super::evidence::{Found, Item, Want};
use super::field::{Table, Value};
use super::text::At;
use crate::key::{Key, KeyHash};
use crate::pattern::Pattern;
use crate::policy::{NamedCertificate, Scope};
use crate::protocol::Protocol;

impl<'a> Context<'a> {
    /// `peers`, `protocols` and `until` of a table.
    pub(super) fn scope(&mut self, table: &Table<'a>) -> Scope {
        Scope {
            peers: self.peers(table),
            protocols: self.protocols(table),
            until: self.until(table),
        }
    }

    /// `peers`; None where it is not there, or holds `*`.
    pub(super) fn peers(&mut self, table: &Table<'a>) -> Option<Vec<Pattern>> {
        let items = table.get("peers")?.strings(&mut self.sink, "peers")?;
        let patterns = self.lists.expand(&items, &mut self.sink);
        (!patterns.contains(&Pattern::Any)).then_some(patterns)
    }

    /// `protocols`; None where it is not there, or holds `*`.
    pub(super) fn protocols(&mut self, table: &Table<'a>) -> Option<Vec<Protocol>> {
        let items = table.get("protocols")?.strings(&mut self.sink, "protocols")?;
        let any = items.iter().any(|(text, _)| *text == "*");
        let mut protocols = Vec::new();
        for (text, at) in items.into_iter().filter(|(text, _)| *text != "*") {
            let protocol = self.protocol(text, at);
            protocols.extend(protocol.filter(|p| !protocols.contains(p)));
        }
        (!any).then_some(protocols)
    }

    pub(super) fn protocol(&mut self, text: &str, at: At<'a>) -> Option<Protocol> {
        let known = || Protocol::well_known().chain(["smime", "ssh"]);
        let Some(protocol) = Protocol::parse(text) else {
            let hint = match closest(text, known()) {
                Some(best) => format!("did you mean \"{best}\"?"),
                None => "write an IANA service name such as \"https\", \"smime\", or \"*\"".into(),
            };
            self.sink.error(at.says(format!("\"{text}\" is no service name")).hint(hint));
            return None;
        };
        if !protocol.is_well_known()
            && let Some(best) = closest(text, known())
        {
            let message = format!("the protocol \"{text}\" is not known");
            self.sink.warn(at.says(message).hint(format!("did you mean \"{best}\"?")));
        }
        Some(protocol)
    }

    /// `until`: a date, through its end in UTC, or a moment; in seconds since 1970.
    pub(super) fn until(&mut self, table: &Table<'a>) -> Option<i64> {
        let value = table.get("until")?;
        let hint = "write a date, 2027-12-31, or a moment, 2027-12-31T12:00:00Z, without quotes";
        let DeValue::Datetime(date) = value.inner() else {
            self.sink.error(value.at().says("until is no date").hint(hint));
            return None;
        };
        let second = second(date);
        match second {
            None if date.date.is_some() && date.time.is_some() && date.offset.is_none() => {
                let message = "this moment has no offset from UTC";
                self.sink.error(value.at().says(message).hint(format!("write {date}Z")));
            }
            None => self.sink.error(value.at().says("until is no day").hint(hint)),
            Some(second) if second < self.now => {
                let message = format!("{} has been without effect since {date}", table.label);
                self.sink.warn(table.key_at("until").says(message).hint("take it out"));
            }
            Some(_) => {}
        }
        second
    }

    /// A key: `sha256/BASE64`, 64 hex digits, or a file with one certificate or public key.
    pub(super) fn key(&mut self, text: &str, at: At<'a>) -> Option<WrittenKey> {
        match self.written_key(text, at) {
            Written::Hash(hash) => Some((hash, None)),
            Written::Wrong => None,
            Written::File => {
                let found = self.one(text, at, Want::Keys, "key")?;
                self.key_in(found, "used")
            }
        }
    }

    /// The key in what was found, and the certificate around it.
    pub(super) fn key_in(&mut self, found: Found, done: &str) -> Option<WrittenKey> {
        let spki = match &found.item {
            Item::Certificate(certificate, _) => certificate.spki(),
            Item::PublicKey(spki) => spki,
            Item::Crl(..) => return None,
        };
        let key = match Key::from_spki(spki, self.crypto) {
            Ok(key) => key.hash(),
            Err(error) => {
                self.sink.error(found.origin.says("key", &format!("cannot be {done}: {error}")));
                return None;
            }
        };
        let named = match found.item {
            Item::Certificate(certificate, _) => {
                Some(NamedCertificate { certificate: *certificate, key, issuers: Vec::new() })
            }
            Item::PublicKey(_) | Item::Crl(..) => None,
        };
        Some((key, named))
    }

    /// Whether `text` writes a key's hash, or names a file; what is nearly a hash is reported.
    pub(super) fn written_key(&mut self, text: &str, at: At<'a>) -> Written {
        if let Some(hash) = KeyHash::parse(text) {
            return Written::Hash(hash);
        }
        let hint = "a key is sha256/ and the base64 of 32 bytes, 64 hex digits, or a file";
        let lower = text.to_ascii_lowercase();
        let hex = text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        let message = if lower.starts_with("sha256/") || lower.starts_with("sha256:") || hex {
            format!("\"{text}\" is not the SHA-256 of a key")
        } else if lower.starts_with("sha1/") || lower.starts_with("sha512/") {
            format!("\"{text}\": keys are written by their SHA-256 only")
        } else {
            return Written::File;
        };
        self.sink.error(at.says(message).hint(hint));
        Written::Wrong
    }
}

/// A key, and the certificate that the policy names for it.
pub(super) type WrittenKey = (KeyHash, Option<NamedCertificate>);

/// How a key is written.
pub(super) enum Written {
    /// By this hash.
    Hash(KeyHash),
    /// In a file.
    File,
    /// Not at all; it has been reported.
    Wrong,
}

/// The last second of a date, or the second of a moment. None for what is neither.
fn second(date: &Datetime) -> Option<i64> {
    let day = date.date?;
    let month = Month::try_from(day.month).ok()?;
    let midnight = Date::from_calendar_date(i32::from(day.year), month, day.day).ok()?;
    let midnight = midnight.midnight().assume_utc().unix_timestamp();
    let (time, offset) = match (date.time, date.offset) {
        (None, None) => return Some(midnight + 86_399),
        (Some(time), Some(offset)) => (time, offset),
        _ => return None,
    };
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let [hour, minute, second] = [time.hour, time.minute, time.second.unwrap_or(0)].map(i64::from);
    Some(midnight + hour * 3600 + (minute - minutes) * 60 + second)
}

/// The content octets of a certificate's serial number: of hex, as `openssl x509 -serial` prints
/// it, or of a number. None for what is neither, is negative, or has more than 20 octets.
pub(super) fn serial(value: &Value<'_>) -> Option<Vec<u8>> {
    let number = match value.inner() {
        DeValue::String(text) => {
            let text = text.trim();
            let text = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
            let digits = text.replace([':', ' '], "");
            let even = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits };
            data_encoding::HEXLOWER_PERMISSIVE.decode(even.as_bytes()).ok()?
        }
        DeValue::Integer(number) => octets(number.as_str(), number.radix())?,
        _ => return None,
    };
    if number.is_empty() {
        return None;
    }
    let encoded = crate::der::unsigned(&number);
    let (content, _) = crate::der::read(2, &encoded)?;
    (content.len() <= 21).then(|| content.to_vec())
}

/// A number of any size as big-endian octets. None where it is negative or longer than any serial.
fn octets(digits: &str, radix: u32) -> Option<Vec<u8>> {
    let mut octets = vec![0u8; 24];
    for digit in digits.chars() {
        let mut carry = digit.to_digit(radix)?;
        for octet in octets.iter_mut().rev() {
            carry += u32::from(*octet) * radix;
            *octet = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_become_octets() {
        let short = |text, radix| {
            let octets = octets(text, radix)?;
            let start = octets.iter().position(|o| *o != 0).unwrap_or(23);
            Some(octets[start..].to_vec())
        };
        assert_eq!(short("65536", 10), Some(vec![1, 0, 0]));
        assert_eq!(short("ff00", 16), Some(vec![0xff, 0]));
        assert_eq!(short("0", 10), Some(vec![0]));
        assert_eq!(
            short("340282366920938463463374607431768211456", 10),
            Some([&[1][..], &[0; 16]].concat())
        );
        assert_eq!(short("-1", 10), None);
        assert_eq!(octets(&"9".repeat(60), 10), None);
    }

    #[test]
    fn dates_last_to_their_end_and_moments_are_exact() {
        let at = |text: &str| second(&text.parse().unwrap());
        assert_eq!(at("1970-01-01"), Some(86_399));
        assert_eq!(at("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(at("1970-01-01T02:00:01+02:00"), Some(1));
        assert_eq!(at("2000-02-29T00:00:00-01:30"), Some(951_782_400 + 5400));
        assert_eq!(at("2000-02-29T00:00:00"), None);
        assert_eq!(at("07:32:00"), None);
    }
}
