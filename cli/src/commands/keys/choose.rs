//! Which of a peer's keys is meant, and a person's yes.

use std::io::{self, BufRead, IsTerminal};

use peerkey_core::certificate::printable;
use peerkey_core::key::KeyHash;
use peerkey_core::keys::{KnownKey, Service};
use peerkey_core::protocol::Protocol;

use super::{Desk, Stop, named, no, picture, protocol};
use crate::args::keys::{Sure, Which};
use crate::render::{BOLD, styled};
use crate::screen::Lines;

/// The fewest signs by which a key can be named.
const SIGNS: usize = 8;

/// The keys that are meant.
pub(super) fn narrow(known: Vec<KnownKey>, which: &Which) -> Result<Vec<KnownKey>, Stop> {
    let asked = which.protocol.as_deref().map(protocol).transpose()?;
    let family = asked.map(|protocol| protocol.family().to_string());
    if let Some(key) = &which.key {
        is_fingerprint(key)?;
    }
    let is_meant = |known: &KnownKey| {
        family.as_ref().is_none_or(|family| *family == known.service.protocol)
            && which.port.is_none_or(|port| own_port(&known.service) == Some(port))
            && which.key.as_ref().is_none_or(|key| begins(&known.key, key))
    };
    Ok(known.into_iter().filter(is_meant).collect())
}

/// The port of a service, its protocol's own or another.
pub(super) fn own_port(service: &Service) -> Option<u16> {
    match service.port {
        0 => Protocol::parse(&service.protocol)?.default_port(),
        port => Some(port),
    }
}

fn is_fingerprint(text: &str) -> Result<(), Stop> {
    match text.strip_prefix("sha256/").unwrap_or(text).len() {
        SIGNS.. => Ok(()),
        _ => no(format!(
            "\"{}\" is too short to name a key: write {SIGNS} signs of its fingerprint at least",
            printable(text)
        )),
    }
}

fn begins(key: &KeyHash, text: &str) -> bool {
    if let Some(whole) = KeyHash::parse(text) {
        return *key == whole;
    }
    let bare = text.replace(':', "").to_ascii_lowercase();
    let base64 = key.to_string();
    key.to_hex().starts_with(&bare)
        || base64.starts_with(text)
        || base64.strip_prefix("sha256/").is_some_and(|base64| base64.starts_with(text))
}

/// A list of keys, for a person who has to choose.
pub(super) fn listed(keys: &[KnownKey]) -> String {
    let line = |key: &KnownKey| format!("\n  {}: {} {}", named(key), key.state.as_str(), key.key);
    keys.iter().map(line).collect()
}

/// A whole fingerprint that somebody typed.
pub(super) fn fingerprint(text: &str) -> Result<KeyHash, Stop> {
    match KeyHash::parse(text) {
        Some(hash) => Ok(hash),
        None => no(format!(
            "\"{}\" is no fingerprint of a key; write sha256/BASE64 or 64 hex digits",
            printable(text)
        )),
    }
}

/// A key as a person compares it.
pub(super) fn comparable(desk: &Desk<'_>, title: &str, key: &KeyHash, spki: &[u8]) -> String {
    let mut text = format!(
        "{}\n  {}\n  {key}\n  hex {}\n",
        styled(BOLD, title),
        picture::kind(spki),
        picture::hex(key)
    );
    if desk.screen.lines != Lines::Indented {
        let drawn = picture::picture(key, spki);
        text.extend(drawn.lines().map(|line| format!("  {line}\n")));
    }
    text
}

/// Whether a person says yes, here or on the command line. `shown` is what it is about.
pub(super) fn agrees(
    desk: &Desk<'_>,
    sure: &Sure,
    key: &KeyHash,
    shown: &str,
    question: &str,
) -> Result<bool, Stop> {
    if let Some(expected) = &sure.expect {
        let expected = fingerprint(expected)?;
        if expected == *key {
            return Ok(true);
        }
        return no(format!(
            "this is another key than the one that you expect; nothing was changed\n  found:    \
             {key}\n  expected: {expected}"
        ));
    }
    if sure.yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        return no(format!(
            "nobody can be asked here (standard input is no terminal), and nothing was changed; \
             the key is {key}: compare it, then say --expect {key}"
        ));
    }
    desk.screen.complain(&format!("{shown}{question} [y/N] "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_beginning() {
        let key = KeyHash([0xab; 32]);
        for text in ["abababab", "AB:AB:AB:AB", "sha256/q6urq6ur", "q6urq6urq", &key.to_string()] {
            assert!(begins(&key, text), "{text}");
        }
        for text in ["abababac", "sha256/q6urq6us", &KeyHash([0xac; 32]).to_hex()] {
            assert!(!begins(&key, text), "{text}");
        }
        assert!(is_fingerprint("abababa").is_err());
        assert!(is_fingerprint("sha256/").is_err());
    }
}
