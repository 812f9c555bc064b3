//! `[authority.NAME]`: who may vouch.

use std::collections::HashMap;

use super::Context;
use super::diagnostic::full;
use super::evidence::{Found, Item, Want};
use super::field::{Table, Value};
use super::list::explain;
use super::text::At;
use crate::key::{Key, KeyHash};
use crate::pattern::Pattern;
use crate::peer::Name;
use crate::policy::{Anchor, Authority, AuthorityKind, Pin, Profile};
use crate::time_text::day;

pub(super) const SCOPE: [&str; 4] = ["kind", "peers", "protocols", "until"];

/// An authority as written.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) name: &'a str,
    pub(super) at: At<'a>,
    value: Value<'a>,
}

/// Finds the authorities of all files, and gives them their numbers.
pub(super) fn find<'a>(roots: &[Table<'a>], cx: &mut Context<'a>) -> Vec<Written<'a>> {
    let mut all: Vec<Written<'a>> = Vec::new();
    let mut first: HashMap<&str, At<'a>> = HashMap::new();
    cx.names.insert("application", 0);
    for root in roots {
        let Some(value) = root.get("authority") else { continue };
        let Some(table) = value.table(&mut cx.sink, "[authority.NAME]") else { continue };
        for (name, at, value) in table.entries() {
            if !is_name(name, at, cx) {
                continue;
            }
            if let Some(other) = first.get(name) {
                let other = full(&other.place());
                let message = format!("two authorities are named \"{name}\": here, and at {other}");
                cx.sink.error(at.says(message).hint("rename one of them"));
                continue;
            }
            first.insert(name, at);
            all.push(Written { name, at, value });
            cx.names.insert(name, all.len());
        }
    }
    all
}

fn is_name(name: &str, at: At<'_>, cx: &mut Context<'_>) -> bool {
    if name == "application" {
        let message = "the authority \"application\" is built in: it is what the program's own \
                       verification says";
        cx.sink.error(at.says(message).hint("give yours another name"));
        return false;
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(plain);
    if !fits {
        let message = format!("\"{name}\" cannot name an authority");
        cx.sink.error(at.says(message).hint("use 1 to 64 letters, digits, '-' and '_'"));
    }
    fits
}

#[derive(Clone, Copy)]
enum Kind {
    X509,
    Pin,
    Application,
    Tofu,
    /// In the design, and not built yet.
    ToCome,
}

const KINDS: [(&str, Kind); 5] = [
    ("x509", Kind::X509),
    ("pin", Kind::Pin),
    ("application", Kind::Application),
    ("tofu", Kind::Tofu),
    ("openpgp", Kind::ToCome),
];

impl<'a> Context<'a> {
    /// Reads one authority. One that is wrong keeps its place, so that the numbers hold.
    pub(super) fn authority(&mut self, written: Written<'a>) -> Authority {
        let Written { name, at, value } = written;
        let mut authority = Authority {
            name: name.to_owned(),
            place: at.place(),
            scope: Default::default(),
            kind: AuthorityKind::Application,
        };
        let label = format!("[authority.{name}]");
        let Some(table) = value.table(&mut self.sink, label) else { return authority };
        let Some(kind) = self.kind_of(&table) else { return authority };
        authority.scope = self.scope(&table);
        match self.kind(kind) {
            Some(Kind::X509) => authority.kind = self.x509(&table),
            Some(Kind::Pin) => authority.kind = self.pins(&table, &authority),
            Some(Kind::Tofu) => authority.kind = AuthorityKind::Tofu(self.tofu(&table)),
            Some(Kind::Application) => {
                let hint = "write \"application\" in accept; it needs no definition";
                self.sink.error(kind.at().says("the kind \"application\" is built in").hint(hint));
            }
            Some(Kind::ToCome) => {
                let message = "this kind of authority comes later: it is not built yet";
                self.sink.error(
                    kind.at().says(message).hint("the kinds are \"x509\", \"pin\" and \"tofu\""),
                );
            }
            None => {}
        }
        authority
    }

    fn kind_of(&mut self, table: &Table<'a>) -> Option<Value<'a>> {
        let hint = match table.has("anchors") {
            true => "write kind = \"x509\"",
            false => "write kind = \"pin\", \"tofu\" or \"x509\"",
        };
        let kind = table.require(&mut self.sink, "kind", hint);
        if kind.is_none() {
            table.only(
                &mut self.sink,
                &[&SCOPE[..], &["anchors", "crls", "profile", "key"]].concat(),
            );
        }
        kind
    }

    fn kind(&mut self, value: Value<'a>) -> Option<Kind> {
        value.word(&mut self.sink, "kind", &KINDS)
    }

    fn x509(&mut self, table: &Table<'a>) -> AuthorityKind {
        table.only(&mut self.sink, &[&SCOPE[..], &["anchors", "crls", "profile"]].concat());
        let profile = self.profile(table);
        let hint = "write anchors = [\"FILE or folder\"]";
        let anchors = table.require(&mut self.sink, "anchors", hint);
        let anchors = anchors.and_then(|v| v.strings(&mut self.sink, "anchors"));
        let mut found = Vec::new();
        for (path, at) in anchors.unwrap_or_default() {
            found.extend(self.certificates(path, at));
        }
        let anchors = self.anchors(found);
        AuthorityKind::X509 { anchors, crls: self.crls(table), profile }
    }

    fn profile(&mut self, table: &Table<'a>) -> Profile {
        let known = [("rfc5280", Profile::Rfc5280), ("cabf", Profile::Cabf)];
        let value = table.get("profile");
        value.and_then(|value| value.word(&mut self.sink, "profile", &known)).unwrap_or_default()
    }

    /// Anchors of certificates, each once, with warnings for those that are not valid now.
    fn anchors(&mut self, found: Vec<Found>) -> Vec<Anchor> {
        let mut anchors: Vec<Anchor> = Vec::new();
        let mut known: HashMap<[u8; 32], usize> = HashMap::new();
        for Found { item, origin } in found {
            let Item::Certificate(certificate, purposes) = item else { continue };
            let purposes = purposes
                .and(certificate.limits().purposes.unwrap_or(crate::certificate::Purposes::ALL));
            let fingerprint = certificate.fingerprint();
            if let Some(index) = known.get(&fingerprint) {
                // Of two settings for one certificate, what both allow.
                anchors[*index].purposes = anchors[*index].purposes.and(purposes);
                continue;
            }
            let key = match Key::from_spki(certificate.spki(), self.crypto) {
                Ok(key) => key.hash(),
                Err(error) => {
                    let what = format!("({certificate}) cannot be an anchor: {error}");
                    self.sink.error(origin.says("certificate", &what));
                    continue;
                }
            };
            let (from, to) = certificate.validity();
            let when = match (from > self.now, to < self.now) {
                (true, _) => Some(format!("is not valid before {}", day(from))),
                (_, true) => Some(format!("expired on {}", day(to))),
                _ => None,
            };
            if let Some(when) = when {
                let what = format!("({certificate}) vouches for nothing now: it {when}");
                self.sink.warn(origin.says("certificate", &what));
            }
            known.insert(fingerprint, anchors.len());
            anchors.push(Anchor { certificate: *certificate, key, purposes });
        }
        anchors
    }

    fn crls(&mut self, table: &Table<'a>) -> Vec<Vec<u8>> {
        let Some(value) = table.get("crls") else { return Vec::new() };
        let mut crls = Vec::new();
        for (path, at) in value.strings(&mut self.sink, "crls").unwrap_or_default() {
            for Found { item, origin } in self.evidence(path, at, Want::Crls) {
                let Item::Crl(der, next) = item else { continue };
                if let Some(next) = next.filter(|next| *next < self.now) {
                    let what = format!("is out of date: its next update was due on {}", day(next));
                    self.sink.warn(origin.says("CRL", &what).hint("fetch a new one"));
                }
                if !crls.contains(&der) {
                    crls.push(der);
                }
            }
        }
        crls
    }

    fn pins(&mut self, table: &Table<'a>, authority: &Authority) -> AuthorityKind {
        table.only(&mut self.sink, &[&SCOPE[..], &["key"]].concat());
        let name = &authority.name;
        let label = format!("authority.{name}.key");
        let hint = format!("write [[{label}]] with peer and spki");
        let Some(value) = table.require(&mut self.sink, "key", &hint) else {
            return AuthorityKind::Pin { pins: Vec::new() };
        };
        let tables = value.tables(&mut self.sink, &label);
        let pins = tables.iter().filter_map(|table| {
            let pin = self.pin(table)?;
            let inside = |patterns: &Vec<Pattern>| patterns.iter().any(|p| p.matches(&pin.peer));
            if !authority.scope.peers.as_ref().is_none_or(inside) {
                let message = format!("{} is not among the peers of [authority.{name}]", pin.peer);
                self.sink.warn(table.key_at("peer").says(message).hint("this pin never vouches"));
            }
            Some(pin)
        });
        AuthorityKind::Pin { pins: pins.collect() }
    }

    fn pin(&mut self, table: &Table<'a>) -> Option<Pin> {
        table.only(&mut self.sink, &["peer", "protocols", "spki", "until"]);
        let peer = table.require(&mut self.sink, "peer", "write peer = \"host.example\"");
        let peer = peer.and_then(|value| self.one_peer(value));
        let protocols = self.protocols(table);
        let until = self.until(table);
        let spki = table.require(&mut self.sink, "spki", "write spki = [\"sha256/…\"]");
        let spki = spki.and_then(|value| value.strings(&mut self.sink, "spki"));
        let (mut keys, mut certificates) = (Vec::<KeyHash>::new(), Vec::new());
        for (text, at) in spki.unwrap_or_default() {
            let Some((key, certificate)) = self.key(text, at) else { continue };
            if !keys.contains(&key) {
                keys.push(key);
            }
            certificates.extend(certificate);
        }
        self.marks.pins.push((at_keys(table), keys.clone()));
        Some(Pin { peer: peer?, protocols, keys, certificates, until, place: table.at().place() })
    }

    /// One name, not a set of names: a key is remembered for somebody.
    fn one_peer(&mut self, value: Value<'a>) -> Option<Name> {
        let text = value.string(&mut self.sink, "peer")?;
        let set = match Pattern::parse(text) {
            Ok(Pattern::Any | Pattern::Domain(_) | Pattern::MailHost(_)) => true,
            Ok(Pattern::Network(..)) => text.contains('/'),
            Ok(Pattern::Host(_) | Pattern::Mailbox(_)) => false,
            Err(_) if text.starts_with('@') || text.starts_with("*.") => true,
            Err(error) => {
                self.sink.error(explain(&error.to_string(), value.at()));
                return None;
            }
        };
        if set {
            let message = format!("\"{text}\" is a set of peers; a pin is for one");
            let hint = "write one host, address or e-mail address, and a pin for each";
            self.sink.error(value.at().says(message).hint(hint));
            return None;
        }
        Name::parse(text)
    }
}

fn at_keys<'a>(table: &Table<'a>) -> At<'a> {
    table.get("spki").map_or(table.at(), |value| value.at())
}
