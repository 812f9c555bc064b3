//! What a change says of itself.

use peerkey_core::keys::KnownKey;
use serde_json::{Value, json};

use super::{Desk, Stop, named};
use crate::clock::rfc3339;
use crate::render::{GOOD, hex, json, styled};

/// What was done with one key.
pub(super) struct Deed {
    /// `accepted`, `denied`, `forgotten`.
    pub(super) word: &'static str,
    pub(super) key: KnownKey,
}

impl Desk<'_> {
    /// Says what was changed, where, and how to take it back.
    pub(super) fn report(&self, deeds: &[Deed], change: Option<i64>) -> Result<(), Stop> {
        let path = self.path()?.display().to_string();
        if self.json {
            let changed = |deed: &Deed| {
                let mut document = key(&deed.key, self.now);
                document["action"] = json!(deed.word);
                document
            };
            self.screen.print(&json::text(&json!({
                "version": json::VERSION,
                "file": path,
                "change": change,
                "changed": deeds.iter().map(changed).collect::<Vec<_>>(),
            })))?;
            return Ok(());
        }
        let mut text = String::new();
        for Deed { word, key } in deeds {
            let until = key.until.map(|until| format!(", until {}", rfc3339(until)));
            let until = until.filter(|_| *word == "accepted" || *word == "added");
            let word = styled(GOOD, word);
            let until = until.unwrap_or_default();
            text.push_str(&format!("{}: {word} {}{until}\n", named(key), key.key));
        }
        match change {
            Some(_) => {
                let undo = self.command("undo");
                text.push_str(&format!("in {path}; to take it back: {undo}\n"));
            }
            None => text.push_str(&format!("nothing had to be changed in {path}\n")),
        }
        if !self.system && std::env::var_os("SUDO_UID").is_some() {
            text.push_str("these are the keys of the user that sudo runs as, and not your own\n");
        }
        Ok(self.screen.print(&text)?)
    }
}

/// A key as JSON.
pub(super) fn key(key: &KnownKey, now: i64) -> Value {
    let spki = (!key.spki.is_empty()).then(|| data_encoding::BASE64.encode(&key.spki));
    json!({
        "peer": key.peer,
        "protocol": key.service.protocol,
        "port": (key.service.port != 0).then_some(key.service.port),
        "key": key.key.to_string(),
        "hex": hex(&key.key.0),
        "spki": spki,
        "state": key.state.as_str(),
        "holds": key.holds(now),
        "origin": key.origin,
        "first-seen": rfc3339(key.first_seen),
        "last-seen": rfc3339(key.last_seen),
        "sightings": key.sightings,
        "until": key.until.map(rfc3339),
        "of": if key.of_machine { "machine" } else { "user" },
    })
}
