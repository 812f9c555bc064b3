//! `[[constraint]]`, `[[deny]]`, `[[rule]]` and `[default]`.

use std::fs;
use std::path::Path;

use super::Context;
use super::accept;
use super::evidence::{Item, Want};
use super::field::{Table, Value};
use super::file::show;
use super::text::At;
use super::value::{Written, WrittenKey, serial};
use crate::certificate::{Certificate, printable};
use crate::policy::{Accept, Constraint, Denial, DenialTarget, Mode, Rule};
use crate::query::Role;

pub(super) const MODES: [(&str, Mode); 2] =
    [("enforce", Mode::Enforce), ("monitor", Mode::Monitor)];
const ROLES: [(&str, Role); 2] = [("client", Role::Client), ("server", Role::Server)];

impl<'a> Context<'a> {
    pub(super) fn constraint(&mut self, table: &Table<'a>) -> Option<Constraint> {
        table.only(&mut self.sink, &["ca", "peers", "protocols", "until"]);
        let scope = self.scope(table);
        if !table.has("peers") && !table.has("protocols") {
            let message = "[[constraint]] limits the CA to nothing in particular";
            self.sink.error(table.at().says(message).hint("write peers, or protocols, or both"));
        }
        let hint = "write ca = [\"FILE\"], or the hash of its key";
        let value = table.require(&mut self.sink, "ca", hint)?;
        let (mut cas, mut certificates) = (Vec::new(), Vec::new());
        for (text, at) in value.strings(&mut self.sink, "ca")? {
            for (key, certificate) in self.ca_keys(text, at) {
                if !cas.contains(&key) {
                    cas.push(key);
                }
                certificates.extend(certificate);
            }
        }
        Some(Constraint { cas, certificates, scope, place: table.at().place() })
    }

    /// The keys that one element of `ca` means: a file may hold several CAs.
    fn ca_keys(&mut self, text: &'a str, at: At<'a>) -> Vec<WrittenKey> {
        match self.written_key(text, at) {
            Written::Hash(hash) => return vec![(hash, None)],
            Written::Wrong => return Vec::new(),
            Written::File => {}
        }
        let mut keys = Vec::new();
        for found in self.evidence(text, at, Want::Keys) {
            keys.extend(self.key_in(found, "compared"));
        }
        keys
    }

    pub(super) fn denial(&mut self, table: &Table<'a>) -> Option<Denial> {
        let known = ["spki", "certificate", "issuer", "serial", "reason", "until"];
        table.only(&mut self.sink, &known);
        let until = self.until(table);
        let reason = table.get("reason").and_then(|v| v.string(&mut self.sink, "reason"));
        let (target, certificate) = self.target(table)?;
        let reason = reason.map(printable);
        Some(Denial { target, certificate, reason, until, place: table.at().place() })
    }

    fn target(&mut self, table: &Table<'a>) -> Option<(DenialTarget, Option<Certificate>)> {
        let forms = ["spki", "certificate", "issuer", "serial"].map(|key| table.has(key));
        match forms {
            [true, false, false, false] => {
                let value = table.get("spki")?;
                let text = value.string(&mut self.sink, "spki")?;
                let (key, named) = self.key(text, value.at())?;
                Some((DenialTarget::Key(key), named.map(|named| named.certificate)))
            }
            [false, true, false, false] => {
                let certificate = self.one_certificate(table.get("certificate")?, "certificate")?;
                Some((
                    DenialTarget::Certificate(certificate.signed_fingerprint()),
                    Some(certificate),
                ))
            }
            [false, false, true, true] => Some((self.issuer_serial(table)?, None)),
            _ => {
                let message = match forms {
                    [false, false, false, false] => "[[deny]] does not say what it denies",
                    [false, false, ..] => "[[deny]] needs issuer and serial together",
                    _ => "[[deny]] denies one thing only",
                };
                let hint = "write spki = \"sha256/…\", certificate = \"FILE\", or issuer = \"FILE\" \
                            (the certificate of the CA) and serial = \"HEX\"";
                self.sink.error(table.at().says(message).hint(hint));
                None
            }
        }
    }

    fn issuer_serial(&mut self, table: &Table<'a>) -> Option<DenialTarget> {
        let (issuer, value) = (table.get("issuer")?, table.get("serial")?);
        let issuer = self.one_certificate(issuer, "issuer");
        let Some(serial) = serial(&value) else {
            let hint = "write \"1A:2B:3C\", hex as openssl x509 -serial prints it, or a number \
                        without quotes, of at most 20 bytes";
            self.sink.error(value.at().says("this is no serial number").hint(hint));
            return None;
        };
        Some(DenialTarget::IssuerSerial { issuer: issuer?.subject().to_vec(), serial })
    }

    fn one_certificate(&mut self, value: Value<'a>, what: &str) -> Option<Certificate> {
        let text = value.string(&mut self.sink, what)?;
        match self.one(text, value.at(), Want::Certificates, "certificate")?.item {
            Item::Certificate(certificate, _) => Some(*certificate),
            Item::PublicKey(_) | Item::Crl(..) => None,
        }
    }

    pub(super) fn rule(&mut self, table: &Table<'a>) -> Option<Rule> {
        let known = ["peers", "protocols", "applications", "role", "mode", "until", "accept"];
        table.only(&mut self.sink, &known);
        let peers = self.peers(table);
        let protocols = self.protocols(table);
        let applications = self.applications(table);
        let role = table.get("role").and_then(|v| v.word(&mut self.sink, "role", &ROLES));
        let mode = table.get("mode").and_then(|v| v.word(&mut self.sink, "mode", &MODES));
        let until = self.until(table);
        let accept = self.accept(table)?;
        let place = table.at().place();
        Some(Rule { peers, protocols, applications, role, until, mode, accept, place })
    }

    pub(super) fn accept(&mut self, table: &Table<'a>) -> Option<Accept> {
        let hint = "write accept = { any = [\"…\"] }, with names of authorities";
        let value = table.require(&mut self.sink, "accept", hint)?;
        accept::read(value, &self.names, &mut self.sink)
    }

    fn applications(&mut self, table: &Table<'a>) -> Option<Vec<String>> {
        let items = table.get("applications")?.strings(&mut self.sink, "applications")?;
        let mut applications = Vec::new();
        for (text, at) in items {
            if self.is_program(text, at) && !applications.iter().any(|known| known == text) {
                applications.push(text.to_owned());
            }
        }
        Some(applications)
    }

    /// Whether this can be the path of a program; what is odd about it is reported.
    pub(super) fn is_program(&mut self, text: &str, at: At<'a>) -> bool {
        if is_plain_path(text) {
            self.linked(text, at);
            return true;
        }
        let message = format!("\"{}\" is no absolute path of a program", printable(text));
        self.sink.error(at.says(message).hint("write it as /usr/bin/psql"));
        false
    }

    /// Programs are known by the path of their file, never by that of a link to it.
    fn linked(&mut self, text: &str, at: At<'a>) {
        if let Ok(real) = fs::canonicalize(text)
            && real != Path::new(text)
        {
            let message = format!("{text} is a link: this program runs as {}", show(&real));
            self.sink.warn(at.says(message).hint(format!("write \"{}\"", show(&real))));
        }
    }
}

fn is_plain_path(text: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    text == printable(text) && text.strip_prefix('/').is_some_and(|path| path.split('/').all(plain))
}
