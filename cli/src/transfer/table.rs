//! Tables of peers and keys: CSV (RFC 4180, a key on a line) and JSON.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use peerkey_core::key::KeyHash;
use peerkey_core::keys::{Given, KnownKey, Service, State};
use peerkey_core::protocol::Protocol;
use serde::Deserialize;
use serde_json::Value;

use super::{Help, Line, base64, lines, shown};
use crate::clock;

/// The headings that are written.
pub(super) const HEADINGS: &str = "peer,protocol,port,spki,key,state,until,origin\n";

/// The largest JSON document; lines of JSON have no end.
const LARGEST: u64 = 2 << 30;

/// What a row says; what it does not say has its usual value.
#[derive(Debug, Default, Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    peer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    protocol: Option<Cow<'a, str>>,
    port: Option<u16>,
    #[serde(borrow)]
    spki: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    state: Option<Cow<'a, str>>,
    #[serde(borrow)]
    until: Option<Cow<'a, str>>,
}

impl Row<'_> {
    fn given(&self, help: &Help) -> Result<Given, String> {
        let peer = self.peer.as_deref().ok_or("it names no peer")?;
        let protocol = match (&self.protocol, &help.protocol) {
            (Some(text), _) => Protocol::parse(text)
                .ok_or_else(|| format!("\"{}\" is no protocol", shown(text)))?,
            (None, Some(protocol)) => protocol.clone(),
            (None, None) => return Err("it names no protocol; say which with --protocol".into()),
        };
        let service = Service::new(&protocol, self.port);
        let hash = |text: &str| {
            KeyHash::parse(text).ok_or_else(|| format!("\"{}\" is no hash of a key", shown(text)))
        };
        let said = self.key.as_deref().map(hash).transpose()?;
        let mut given = match (self.spki.as_deref(), said) {
            (Some(text), _) if text.starts_with("sha256/") => {
                help.hashed(peer, service, hash(text)?)?
            }
            (Some(text), _) => help.given(peer, service, &base64(text)?)?,
            (None, Some(hash)) => help.hashed(peer, service, hash)?,
            (None, None) => return Err("it has no spki, and no key".into()),
        };
        if said.is_some_and(|said| said != given.key) {
            return Err("its key is not the hash of its spki".into());
        }
        if let Some(state) = &self.state {
            let read = State::parse(state);
            given.state = read.ok_or_else(|| format!("\"{}\" is no state", shown(state)))?;
        }
        if let (Some(until), None) = (&self.until, help.until) {
            let wrong = |why| format!("\"{}\" is no moment: {why}", shown(until));
            given.until = Some(clock::parse(until).map_err(wrong)?);
        }
        Ok(given)
    }
}

/// Whether a line is one of headings.
pub(super) fn is_headings(line: &str) -> bool {
    let fields = fields(line).unwrap_or_default();
    let has = |name: &str| fields.iter().any(|field| field.trim() == name);
    has("peer") && (has("spki") || has("key"))
}

/// Reads CSV. A quote that is never closed ends with its line: the lines behind it are not lost.
pub(super) fn csv(
    input: &mut dyn BufRead,
    help: &Help,
    take: &mut dyn FnMut(u64, u64, Line) -> io::Result<()>,
) -> io::Result<()> {
    let mut headings: Option<Vec<String>> = None;
    lines::each(input, &mut |number, at, line| {
        let Some(headings) = &headings else {
            let found = line.as_deref().ok().filter(|line| is_headings(line));
            return match found.and_then(|line| fields(line).ok()) {
                Some(found) => {
                    headings = Some(found.iter().map(|field| field.trim().to_owned()).collect());
                    Ok(())
                }
                None => Err(io::Error::other("its first line has no headings: peer,protocol,spki")),
            };
        };
        take(number, at, line.and_then(|line| record(headings, line, help)))
    })
}

fn record(headings: &[String], line: &str, help: &Help) -> Line {
    let fields = fields(line)?;
    if fields.len() != headings.len() {
        let (is, wanted) = (fields.len(), headings.len());
        return Err(format!("it has {is} fields, and the headings are {wanted}"));
    }
    let mut row = Row::default();
    for (heading, field) in headings.iter().zip(fields) {
        if field.is_empty() {
            continue;
        }
        match heading.as_str() {
            "peer" => row.peer = Some(field),
            "protocol" => row.protocol = Some(field),
            "port" => {
                let port = field.parse();
                row.port = Some(port.map_err(|_| format!("\"{}\" is no port", shown(&field)))?);
            }
            "spki" => row.spki = Some(field),
            "key" => row.key = Some(field),
            "state" => row.state = Some(field),
            "until" => row.until = Some(field),
            _ => {}
        }
    }
    row.given(help).map(|given| vec![given])
}

/// The fields of a line.
fn fields(line: &str) -> Result<Vec<Cow<'_, str>>, String> {
    let (mut fields, mut rest) = (Vec::new(), line);
    loop {
        let (field, more) = match rest.strip_prefix('"') {
            None => match rest.split_once(',') {
                Some((field, more)) => (Cow::Borrowed(field), Some(more)),
                None => (Cow::Borrowed(rest), None),
            },
            Some(quoted) => {
                let end = closing(quoted).ok_or("a quote is not closed")?;
                let (inside, behind) = (&quoted[..end], &quoted[end + 1..]);
                let field = match inside.contains('"') {
                    true => Cow::Owned(inside.replace("\"\"", "\"")),
                    false => Cow::Borrowed(inside),
                };
                match behind.strip_prefix(',') {
                    None if !behind.is_empty() => {
                        return Err("something stands behind a closed quote".into());
                    }
                    more => (field, more),
                }
            }
        };
        fields.push(field);
        match more {
            Some(more) => rest = more,
            None => return Ok(fields),
        }
    }
}

/// Where a quoted field ends: at the first quote that is not doubled.
fn closing(quoted: &str) -> Option<usize> {
    let octets = quoted.as_bytes();
    let mut at = 0;
    loop {
        at += octets[at..].iter().position(|octet| *octet == b'"')?;
        match octets.get(at + 1) {
            Some(b'"') => at += 2,
            _ => return Some(at),
        }
    }
}

/// Reads JSON: lines of it, a list, or a document with `keys`. The number is that of the line, or in a
/// document that of the key.
pub(super) fn json(
    input: &mut dyn BufRead,
    help: &Help,
    take: &mut dyn FnMut(u64, u64, Line) -> io::Result<()>,
) -> io::Result<()> {
    if is_in_lines(input.fill_buf()?) {
        return lines::each(input, &mut |number, at, line| {
            let line = line.and_then(|line| match serde_json::from_str::<Row<'_>>(line) {
                Ok(row) => row.given(help).map(|given| vec![given]),
                Err(why) => Err(format!("it is no key in JSON: {why}")),
            });
            take(number, at, line)
        });
    }
    let mut text = Vec::new();
    input.take(LARGEST).read_to_end(&mut text)?;
    let read = text.len() as u64;
    let document: Value = match serde_json::from_slice(&text) {
        Ok(document) => document,
        Err(why) => return take(why.line() as u64, read, Err(format!("it is no JSON: {why}"))),
    };
    drop(text);
    let keys = match document {
        Value::Array(keys) => keys,
        Value::Object(mut document) => match document.remove("keys") {
            Some(Value::Array(keys)) => keys,
            _ => return take(1, read, Err("it has no list \"keys\"".into())),
        },
        _ => return take(1, read, Err("it is no list of keys".into())),
    };
    for (at, key) in keys.iter().enumerate() {
        let line = match Row::deserialize(key) {
            Ok(row) => row.given(help).map(|given| vec![given]),
            Err(why) => Err(format!("it is no key: {why}")),
        };
        take(at as u64 + 1, read, line)?;
    }
    Ok(())
}

/// Whether the first line is a key by itself.
fn is_in_lines(start: &[u8]) -> bool {
    let line = start.split(|octet| *octet == b'\n').next().unwrap_or_default();
    matches!(serde_json::from_slice(line), Ok(Value::Object(row)) if row.contains_key("peer"))
}

/// A key on a line of CSV.
pub(super) fn write_csv(key: &KnownKey) -> String {
    let port = if key.service.port == 0 { String::new() } else { key.service.port.to_string() };
    let spki = data_encoding::BASE64.encode(&key.spki);
    let fields = [
        key.peer.clone(),
        key.service.protocol.clone(),
        port,
        spki,
        key.key.to_string(),
        key.state.as_str().to_owned(),
        key.until.map(clock::rfc3339).unwrap_or_default(),
        key.origin.clone(),
    ];
    fields.map(|field| quoted(&field)).join(",") + "\n"
}

fn quoted(field: &str) -> String {
    match field.contains(['"', ',', '\n', '\r']) || field.starts_with(['#', ' ', '=', '@']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_are_written() {
        let read =
            |line: &str| fields(line).map(|f| f.iter().map(|f| f.to_string()).collect::<Vec<_>>());
        assert_eq!(read("a,,b").unwrap(), ["a", "", "b"]);
        assert_eq!(read("\"a,\"\"b\",c,").unwrap(), ["a,\"b", "c", ""]);
        assert!(read("a,\"b").is_err());
        assert!(read("\"a\"b").is_err());
        for field in ["", "a", "a,b", "\"", "a\"b\"", "#x"] {
            assert_eq!(read(&format!("{},x", quoted(field))).unwrap(), [field, "x"]);
        }
    }
}
