//! Compilation: a validated policy becomes a new database file.

mod protocols;

use std::io::ErrorKind;
use std::path::Path;

use data_encoding::HEXLOWER;
use protocols::Protocols;
use rusqlite::types::Null;
use rusqlite::{Connection, OpenFlags, ToSql, Transaction, params};
use sha2::{Digest, Sha256};

use super::read::serial_hash;
use super::schema::{APPLICATION_ID, EVERY_PROTOCOL, INDEXES, PrefixLengths, SCHEMA, TABLES, join};
use super::seal::{create, seal};
use super::{StoreError, place, write_nss};
use crate::der::tlv;
use crate::pattern::Pattern;
use crate::policy::{
    Anchor, Authority, AuthorityKind, Constraint, Denial, DenialTarget, Enforce, Mode, Pin, Policy,
    Profile, Rule, Scope, Tofu,
};
use crate::query::Role;

/// Writes a policy to a file that does not exist yet. Putting it in force is the caller's work, and so
/// is removing what an error leaves behind.
pub fn write(policy: &Policy, path: &Path, now: i64) -> Result<(), StoreError> {
    let fail = |error: &dyn std::fmt::Display| StoreError::new(path.display().to_string(), error);
    let io = |error: std::io::Error| match error.kind() {
        // In the words that SQLite has for it.
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => fail(&"the disk is full"),
        _ => fail(&error),
    };
    create(path).map_err(io)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| fail(&error))?;
    fill(&mut connection, policy, now).map_err(|error| fail(&error))?;
    connection.close().map_err(|(_, error)| fail(&error))?;
    seal(path).map_err(io)
}

fn fill(connection: &mut Connection, policy: &Policy, now: i64) -> rusqlite::Result<()> {
    // Nobody reads the file before it is whole, so a journal would protect nothing.
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", SCHEMA)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    let writer = Writer { transaction: &transaction, protocols: Protocols::of(policy) };
    let objects = crate::nss::objects(policy, now);
    writer.policy(policy, now, objects.closed)?;
    write_nss::write(&transaction, &objects)?;
    transaction.execute_batch(INDEXES)?;
    transaction.commit()
}

struct Writer<'a> {
    transaction: &'a Transaction<'a>,
    protocols: Protocols,
}

impl Writer<'_> {
    fn policy(&self, policy: &Policy, now: i64, nss_closed: bool) -> rusqlite::Result<()> {
        let (mut anchors, mut bindings) = (0, 0);
        for (id, authority) in policy.authorities.iter().enumerate() {
            let (kind, counts) = self.authority_kind(id, &authority.kind)?;
            anchors += counts.0;
            bindings += counts.1;
            let (peers, protocols) = self.scope(&authority.scope);
            let place = authority.place.to_string();
            self.put(
                "INSERT INTO authority VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    id,
                    authority.name,
                    kind,
                    peers,
                    protocols,
                    authority.scope.until,
                    place,
                    profile(&authority.kind)
                ],
            )?;
        }
        for (id, rule) in policy.rules.iter().enumerate() {
            self.rule(id, rule)?;
        }
        for (id, constraint) in policy.constraints.iter().enumerate() {
            self.constraint(id, constraint)?;
        }
        for denial in &policy.denials {
            self.denial(denial)?;
        }
        for (name, (meant, in_rule)) in &self.protocols.0 {
            self.word("protocol", name, meant, in_rule)?;
        }
        for program in &policy.programs {
            let (protocol, place) = (program.protocol.as_str(), program.place.to_string());
            self.word("program", &program.path, protocol, place)?;
        }
        self.sources(policy)?;
        self.meta(policy, now, anchors, bindings)?;
        self.word("meta", "nss_closed", u8::from(nss_closed), Null)?;
        self.known_cas(policy)
    }

    /// The CAs of which NSS knows something: what it is told of a remembered certificate is told of no
    /// issuer and serial number of theirs.
    fn known_cas(&self, policy: &Policy) -> rusqlite::Result<()> {
        if !policy.authorities.iter().any(remembers) {
            return Ok(());
        }
        let anchors = policy.authorities.iter().flat_map(|authority| match &authority.kind {
            AuthorityKind::X509 { anchors, .. } => anchors.as_slice(),
            _ => &[],
        });
        let limited = policy.constraints.iter().flat_map(|constraint| &constraint.certificates);
        let all = anchors.map(|anchor| &anchor.certificate);
        let all = all.chain(limited.map(|named| &named.certificate)).chain(&policy.system);
        for ca in all {
            let place = place(ca.issuer(), &tlv(2, ca.serial()));
            self.word("nss-ca", &HEXLOWER.encode(&place), 0, Null)?;
        }
        Ok(())
    }

    fn authority_kind(
        &self,
        id: usize,
        kind: &AuthorityKind,
    ) -> rusqlite::Result<(&'static str, (usize, usize))> {
        Ok(match kind {
            AuthorityKind::Application => ("application", (0, 0)),
            AuthorityKind::X509 { anchors, crls, .. } => {
                anchors.iter().try_for_each(|anchor| self.anchor(id, anchor))?;
                crls.iter().try_for_each(|crl| self.crl(id, crl))?;
                ("x509", (anchors.len(), 0))
            }
            AuthorityKind::Pin { pins } => {
                let written = pins.iter().map(|pin| self.pin(id, pin)).sum::<Result<usize, _>>()?;
                ("pin", (0, written))
            }
            AuthorityKind::Tofu(tofu) => {
                self.tofu(id, tofu)?;
                ("tofu", (0, 0))
            }
        })
    }

    fn tofu(&self, authority: usize, tofu: &Tofu) -> rusqlite::Result<()> {
        let rotate_with: Vec<_> = tofu.rotate_with.iter().map(usize::to_string).collect();
        self.put(
            "INSERT INTO tofu VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                authority,
                tofu.holds,
                tofu.users,
                rotate_with.join(","),
                tofu.keys_per_peer,
                tofu.forget_after,
                tofu.min_age,
                tofu.min_sightings
            ],
        )
    }

    fn anchor(&self, authority: usize, anchor: &Anchor) -> rusqlite::Result<()> {
        let purposes = u8::from(anchor.purposes.server)
            | u8::from(anchor.purposes.client) << 1
            | u8::from(anchor.purposes.email) << 2;
        let certificate = &anchor.certificate;
        self.put(
            "INSERT INTO anchor VALUES (NULL, ?1, ?2, ?3, ?4, ?5)",
            params![authority, certificate.subject(), anchor.key.0, purposes, certificate.der()],
        )
    }

    fn crl(&self, authority: usize, der: &[u8]) -> rusqlite::Result<()> {
        use x509_parser::prelude::FromDer;
        // The sources were validated: one that does not parse here cannot occur, and revokes nothing.
        let Ok((_, crl)) = x509_parser::revocation_list::CertificateRevocationList::from_der(der)
        else {
            return Ok(());
        };
        let issuer = crl.issuer().as_raw();
        self.put("INSERT INTO crl VALUES (?1, ?2, ?3)", params![authority, issuer, der])
    }

    fn pin(&self, authority: usize, pin: &Pin) -> rusqlite::Result<usize> {
        let protocols = self.protocols.meant(pin.protocols.as_ref());
        let protocols = protocols.unwrap_or_else(|| vec![EVERY_PROTOCOL.to_owned()]);
        let peer = pin.peer.to_string();
        let place = pin.place.to_string();
        for key in &pin.keys {
            for protocol in &protocols {
                // Of two pins that differ in `until` only, the longer holds.
                let sql = "INSERT INTO binding VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                  ON CONFLICT DO UPDATE SET place = excluded.place, until =
                    CASE WHEN until IS NULL OR excluded.until IS NULL THEN NULL
                         ELSE max(until, excluded.until) END";
                self.put(sql, params![peer, authority, key.0, protocol, pin.until, place])?;
            }
        }
        Ok(pin.keys.len() * protocols.len())
    }

    fn rule(&self, id: usize, rule: &Rule) -> rusqlite::Result<()> {
        let protocols = self.protocols.meant(rule.protocols.as_ref());
        let applications = join(rule.applications.as_ref());
        let monitored = rule.mode == Some(Mode::Monitor);
        self.put(
            "INSERT INTO rule VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                id,
                rule.place.to_string(),
                join(rule.peers.as_ref()),
                join(protocols.as_ref()),
                applications,
                rule.role.map(Role::as_str),
                rule.until,
                monitored,
                rule.accept.encode()
            ],
        )?;
        for path in rule.applications.iter().flatten() {
            self.word("application", path, "", Null)?;
        }
        let every_peer = vec![Pattern::Any];
        let protocols = protocols.unwrap_or_else(|| vec![EVERY_PROTOCOL.to_owned()]);
        for pattern in rule.peers.as_ref().unwrap_or(&every_peer) {
            self.child(pattern)?;
            for protocol in &protocols {
                let sql = "INSERT OR IGNORE INTO rule_match VALUES (?1, ?2, ?3)";
                self.put(sql, params![pattern.to_string(), protocol, id])?;
            }
        }
        Ok(())
    }

    fn child(&self, pattern: &Pattern) -> rusqlite::Result<()> {
        let (Pattern::Host(host) | Pattern::Domain(host)) = pattern else { return Ok(()) };
        let Some(domain) = host.parent() else { return Ok(()) };
        self.word("child", domain.as_str(), host.as_str(), Null)
    }

    fn constraint(&self, id: usize, constraint: &Constraint) -> rusqlite::Result<()> {
        let (peers, protocols) = self.scope(&constraint.scope);
        let place = constraint.place.to_string();
        let until = constraint.scope.until;
        for key in &constraint.cas {
            self.put(
                "INSERT OR IGNORE INTO ca_limit VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![key.0, id, peers, protocols, until, place],
            )?;
        }
        Ok(())
    }

    fn denial(&self, denial: &Denial) -> rusqlite::Result<()> {
        let (what, value) = match &denial.target {
            DenialTarget::Key(key) => ("key", key.0),
            DenialTarget::Certificate(fingerprint) => ("certificate", *fingerprint),
            DenialTarget::IssuerSerial { issuer, serial } => {
                ("serial", serial_hash(issuer, serial))
            }
        };
        let place = denial.place.to_string();
        self.put(
            "INSERT OR IGNORE INTO denial VALUES (?1, ?2, ?3, ?4, ?5)",
            params![what, value, denial.until, denial.reason, place],
        )
    }

    fn sources(&self, policy: &Policy) -> rusqlite::Result<()> {
        for source in &policy.sources {
            let path = source.path.to_string_lossy();
            self.word("source", &path, source.sha256, Null)?;
        }
        Ok(())
    }

    fn meta(
        &self,
        policy: &Policy,
        now: i64,
        anchors: usize,
        bindings: usize,
    ) -> rusqlite::Result<()> {
        let enforce = if policy.enforce == Enforce::Always { "always" } else { "verified" };
        let mode = if policy.mode == Mode::Monitor { "monitor" } else { "enforce" };
        let remembering = policy.authorities.iter().filter(|own| remembers(own)).count();
        let values = [
            ("mode", mode.to_owned()),
            ("enforce", enforce.to_owned()),
            ("log", policy.log.as_str().to_owned()),
            ("default", policy.default.encode()),
            ("digest", digest(policy)),
            ("compiled_at", now.to_string()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("prefix_lengths", prefix_lengths(policy).encode()),
            ("rules", policy.rules.len().to_string()),
            ("smime_rules", policy.rules.iter().filter(|r| is_for_smime(r)).count().to_string()),
            ("denials", policy.denials.len().to_string()),
            ("constraints", policy.constraints.len().to_string()),
            ("remembering", remembering.to_string()),
            ("programs", policy.programs.len().to_string()),
            ("anchors", anchors.to_string()),
            ("bindings", bindings.to_string()),
        ];
        for (name, value) in values {
            self.word("meta", name, value, Null)?;
        }
        Ok(())
    }

    fn scope(&self, scope: &Scope) -> (Option<String>, Option<String>) {
        let protocols = self.protocols.meant(scope.protocols.as_ref());
        (join(scope.peers.as_ref()), join(protocols.as_ref()))
    }

    fn word(
        &self,
        what: &str,
        word: &str,
        value: impl ToSql,
        more: impl ToSql,
    ) -> rusqlite::Result<()> {
        let sql = "INSERT OR IGNORE INTO word VALUES (?1, ?2, ?3, ?4)";
        self.put(sql, params![what, word, value, more])
    }

    fn put(&self, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<()> {
        self.transaction.prepare_cached(sql)?.execute(parameters).map(drop)
    }
}

fn remembers(authority: &Authority) -> bool {
    matches!(authority.kind, AuthorityKind::Tofu(_))
}

fn profile(kind: &AuthorityKind) -> &'static str {
    match kind {
        AuthorityKind::X509 { profile: Profile::Cabf, .. } => "cabf",
        _ => "rfc5280",
    }
}

/// Whether a rule is written for S/MIME in certain programs, and for nothing else: only such a one
/// decides about a verification that belongs to no TLS connection.
fn is_for_smime(rule: &Rule) -> bool {
    let only = rule.protocols.as_deref().is_some_and(|p| p.iter().all(|p| p.as_str() == "smime"));
    only && rule.applications.is_some() && rule.role != Some(Role::Server)
}

fn prefix_lengths(policy: &Policy) -> PrefixLengths {
    let mut lengths = PrefixLengths::default();
    let patterns = policy.rules.iter().filter_map(|rule| rule.peers.as_ref()).flatten();
    patterns.for_each(|pattern| lengths.add(pattern));
    lengths
}

fn digest(policy: &Policy) -> String {
    let mut hash = Sha256::new();
    for source in &policy.sources {
        let path = source.path.to_string_lossy();
        hash.update((path.len() as u64).to_be_bytes());
        hash.update(path.as_bytes());
        hash.update(source.sha256);
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    /// The tables, without a policy in them but for what opening them needs.
    pub(in crate::store) fn empty(path: &Path, nss_closed: bool) -> Connection {
        create(path).unwrap();
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        connection.pragma_update(None, "user_version", SCHEMA).unwrap();
        connection.execute_batch(TABLES).unwrap();
        connection.execute_batch(INDEXES).unwrap();
        let zero = ["compiled_at", "rules", "smime_rules", "denials", "constraints", "programs"];
        let zero =
            zero.iter().chain(&["anchors", "bindings", "remembering"]).map(|name| (*name, "0"));
        let closed = if nss_closed { "1" } else { "0" };
        let texts = [
            ("mode", "enforce"),
            ("enforce", "verified"),
            ("log", "refused"),
            ("default", "any(0)"),
        ];
        let more =
            [("digest", ""), ("version", ""), ("prefix_lengths", ";"), ("nss_closed", closed)];
        for (name, value) in zero.chain(texts).chain(more) {
            let sql = "INSERT INTO word VALUES ('meta', ?1, ?2, NULL)";
            connection.execute(sql, [name, value]).unwrap();
        }
        connection
    }
}
