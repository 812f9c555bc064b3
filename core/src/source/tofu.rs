//! `kind = "tofu"`: trust on first use, and persistence of presence.

use std::time::Duration;

use toml::de::DeValue;

use super::Context;
use super::authority::SCOPE;
use super::field::{Table, Value};
use crate::policy::Tofu;

const KEYS: [&str; 7] = [
    "first-use",
    "users",
    "rotate-with",
    "keys-per-peer",
    "forget-after",
    "min-age",
    "min-sightings",
];

impl<'a> Context<'a> {
    /// The settings; what is not written has its usual value.
    pub(super) fn tofu(&mut self, table: &Table<'a>) -> Tofu {
        table.only(&mut self.sink, &[&SCOPE[..], &KEYS[..]].concat());
        let usual = Tofu::default();
        let first = table.get("first-use");
        let words = [("accept", false), ("hold", true)];
        Tofu {
            holds: first
                .and_then(|value| value.word(&mut self.sink, "first-use", &words))
                .unwrap_or(usual.holds),
            users: self.flag(table, "users").unwrap_or(usual.users),
            rotate_with: self.rotate_with(table),
            keys_per_peer: self.count(table, "keys-per-peer", 1, 64).unwrap_or(usual.keys_per_peer),
            forget_after: self.duration(table, "forget-after"),
            min_age: self.duration(table, "min-age").unwrap_or(usual.min_age),
            min_sightings: self
                .count(table, "min-sightings", 1, 10_000)
                .unwrap_or(usual.min_sightings),
        }
    }

    fn rotate_with(&mut self, table: &Table<'a>) -> Vec<usize> {
        let Some(value) = table.get("rotate-with") else { return Vec::new() };
        let mut others = Vec::new();
        for (name, at) in value.strings(&mut self.sink, "rotate-with").unwrap_or_default() {
            match self.names.find(name, at, &mut self.sink) {
                Some(0) => {
                    let message = "\"application\" cannot vouch for a new key of a known peer";
                    let hint = "name an authority of kind \"x509\" or \"pin\"";
                    self.sink.error(at.says(message).hint(hint));
                }
                Some(index) => {
                    self.marks.rotations.push((at, index));
                    others.push(index);
                }
                None => {}
            }
        }
        others
    }

    fn flag(&mut self, table: &Table<'a>, key: &str) -> Option<bool> {
        let value = table.get(key)?;
        let DeValue::Boolean(flag) = value.inner() else {
            let message = format!("{key} is neither true nor false");
            self.sink.error(value.at().says(message).hint("write true or false, without quotes"));
            return None;
        };
        Some(*flag)
    }

    fn count(&mut self, table: &Table<'a>, key: &str, least: u32, most: u32) -> Option<u32> {
        let value = table.get(key)?;
        let count = whole(&value).filter(|count| (least..=most).contains(count));
        if count.is_none() {
            let message = format!("{key} is no number from {least} to {most}");
            self.sink.error(value.at().says(message).hint(format!("write {key} = {least}")));
        }
        count
    }

    /// A duration, in seconds.
    fn duration(&mut self, table: &Table<'a>, key: &str) -> Option<i64> {
        let value = table.get(key)?;
        let text = value.string(&mut self.sink, key)?;
        let read = humantime::parse_duration(text).ok().filter(|length| !length.is_zero());
        let seconds = read.as_ref().map(Duration::as_secs).and_then(|s| i64::try_from(s).ok());
        if seconds.is_none() {
            let message = format!("{key} cannot be \"{text}\": that is no length of time");
            self.sink
                .error(value.at().says(message).hint("write \"90days\", \"12h\" or \"30min\""));
        }
        seconds
    }
}

fn whole(value: &Value<'_>) -> Option<u32> {
    let DeValue::Integer(number) = value.inner() else { return None };
    u32::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}
