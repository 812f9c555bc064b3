//! Typed access to TOML: each wrong type, missing key and unknown key is reported with its place.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Sink, closest, did_you_mean};
use super::text::{At, Text};

/// A value in a policy file.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    text: &'a Text,
    value: &'a Spanned<DeValue<'a>>,
}

/// A table in a policy file.
#[derive(Clone)]
pub(super) struct Table<'a> {
    text: &'a Text,
    table: &'a DeTable<'a>,
    at: At<'a>,
    /// As people write it: `[[rule]]`.
    pub(super) label: String,
}

impl<'a> Value<'a> {
    pub(super) fn at(&self) -> At<'a> {
        self.text.at(self.value.span())
    }

    pub(super) fn inner(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    /// The text of a string that is not empty.
    pub(super) fn string(&self, sink: &mut Sink, what: &str) -> Option<&'a str> {
        match self.inner() {
            DeValue::String(text) if text.trim().is_empty() => {
                sink.error(self.at().says(format!("{what} is an empty string")));
                None
            }
            DeValue::String(text) => Some(text),
            other => {
                let message = format!("{what} is {}, not a string", article(other));
                sink.error(self.at().says(message).hint("write it between quotes"));
                None
            }
        }
    }

    /// The elements of a list that is not empty.
    pub(super) fn list(&self, sink: &mut Sink, what: &str) -> Option<Vec<Self>> {
        match self.inner() {
            DeValue::Array(items) if items.is_empty() => {
                sink.error(
                    self.at()
                        .says(format!("{what} is an empty list"))
                        .hint("put something in it, or leave the key out"),
                );
                None
            }
            DeValue::Array(items) => {
                Some(items.iter().map(|value| Self { text: self.text, value }).collect())
            }
            other => {
                let hint = match other {
                    DeValue::String(text) => format!("write [\"{text}\"]"),
                    _ => "write a list: [\"…\"]".into(),
                };
                let message = format!("{what} is {}, not a list", article(other));
                sink.error(self.at().says(message).hint(hint));
                None
            }
        }
    }

    /// The strings of a list that is not empty; those that are wrong are reported and left out.
    pub(super) fn strings(&self, sink: &mut Sink, what: &str) -> Option<Vec<(&'a str, At<'a>)>> {
        let item = format!("an element of {what}");
        let items = self.list(sink, what)?;
        Some(items.iter().filter_map(|v| Some((v.string(sink, &item)?, v.at()))).collect())
    }

    pub(super) fn table(&self, sink: &mut Sink, label: impl Into<String>) -> Option<Table<'a>> {
        let label = label.into();
        match self.inner() {
            DeValue::Table(table) => Some(Table { text: self.text, table, at: self.at(), label }),
            other => {
                let hint = match other {
                    DeValue::Array(_) => format!("write {label} once, with single brackets"),
                    _ => format!("write a table: {label}"),
                };
                let message = format!("{label} is {}, not a table", article(other));
                sink.error(self.at().says(message).hint(hint));
                None
            }
        }
    }

    /// The tables of `[[label]]`.
    pub(super) fn tables(&self, sink: &mut Sink, label: &str) -> Vec<Table<'a>> {
        if let DeValue::Table(_) = self.inner() {
            let double = format!("[[{label}]]");
            sink.error(
                self.at()
                    .says(format!("[{label}] is a single table; there may be several"))
                    .hint(format!("write {double}")),
            );
            return Vec::new();
        }
        let what = format!("\"{label}\"");
        let items = self.list(sink, &what).unwrap_or_default();
        items.iter().filter_map(|item| item.table(sink, format!("[[{label}]]"))).collect()
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &self,
        sink: &mut Sink,
        what: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = self.string(sink, what)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let hint = did_you_mean(text, words.iter().map(|(word, _)| *word));
            sink.error(self.at().says(format!("{what} cannot be \"{text}\"")).maybe_hint(hint));
        }
        found.map(|(_, value)| *value)
    }
}

impl<'a> Table<'a> {
    /// The whole of a file.
    pub(super) fn root(text: &'a Text, table: &'a DeTable<'a>) -> Self {
        Self { text, table, at: text.at(0..0), label: "a policy".into() }
    }

    pub(super) fn at(&self) -> At<'a> {
        self.at
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(super) fn get(&self, key: &str) -> Option<Value<'a>> {
        self.table.get(key).map(|value| Value { text: self.text, value })
    }

    /// The value of a key that must be there, in a table whose unknown keys are reported.
    pub(super) fn require(&self, sink: &mut Sink, key: &str, hint: &str) -> Option<Value<'a>> {
        let value = self.get(key);
        // A slip for this key is reported as an unknown key already.
        let slip = || self.entries().iter().any(|(name, ..)| closest(name, [key]).is_some());
        if value.is_none() && !slip() {
            let message = format!("{} has no \"{key}\"", self.label);
            sink.error(self.at.says(message).hint(hint));
        }
        value
    }

    /// The place of a key that is there.
    pub(super) fn key_at(&self, key: &str) -> At<'a> {
        self.table.get_key_value(key).map_or(self.at, |(key, _)| self.text.at(key.span()))
    }

    /// Keys and values in the order of the file.
    pub(super) fn entries(&self) -> Vec<(&'a str, At<'a>, Value<'a>)> {
        let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &'a std::borrow::Cow<'a, str> = key.get_ref();
            (name.as_ref(), self.text.at(key.span()), Value { text: self.text, value })
        };
        let mut entries: Vec<_> = self.table.iter().map(entry).collect();
        entries.sort_by_key(|(_, at, _)| at.start);
        entries
    }

    /// Reports each key that is not among `known`.
    pub(super) fn only(&self, sink: &mut Sink, known: &[&str]) {
        for (key, at, _) in self.entries() {
            if known.contains(&key) {
                continue;
            }
            let hint = match closest(key, known.iter().copied()) {
                Some(best) => format!("did you mean \"{best}\"?"),
                None => format!("its keys are {}", known.join(", ")),
            };
            let message = format!("unknown key \"{key}\" in {}", self.label);
            sink.error(at.says(message).hint(hint));
        }
    }
}

/// A type of TOML, for a sentence.
fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
