//! Compilation: a validated policy becomes a new database file.

mod limits;
mod nss;
mod protocols;
mod said;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;

use protocols::Protocols;
use rusqlite::{Connection, OpenFlags, ToSql, Transaction};
use sha2::{Digest, Sha256};

use super::StoreError;
use super::entry::{Kind, TABLES};
use super::schema::{APPLICATION_ID, PrefixLengths, SCHEMA, join};
use super::seal::{create, seal};
use crate::policy::{Authority, AuthorityKind, Enforce, Mode, Policy, Rule, Scope};
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
    prepare(connection)?;
    let transaction = connection.transaction()?;
    let writer = Writer::new(&transaction, Protocols::of(policy));
    let objects = crate::nss::objects(policy, now);
    // In the order of `Kind`.
    writer.meta(policy, now, objects.closed)?;
    writer.sources(policy)?;
    writer.protocols(policy)?;
    writer.authorities(policy)?;
    writer.rules(policy)?;
    writer.evidence(policy)?;
    writer.limits(policy)?;
    writer.denials(policy)?;
    writer.known_cas(policy)?;
    writer.objects(&objects)?;
    transaction.commit()
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", SCHEMA)?;
    connection.execute_batch(TABLES)
}

struct Writer<'a> {
    transaction: &'a Transaction<'a>,
    protocols: Protocols,
    /// What is in bulk, by its hash.
    bulk: RefCell<HashMap<[u8; 32], i64>>,
}

impl<'a> Writer<'a> {
    fn new(transaction: &'a Transaction<'a>, protocols: Protocols) -> Self {
        Self { transaction, protocols, bulk: RefCell::default() }
    }

    fn meta(&self, policy: &Policy, now: i64, nss_closed: bool) -> rusqlite::Result<()> {
        let enforce = if policy.enforce == Enforce::Always { "always" } else { "verified" };
        let mode = if policy.mode == Mode::Monitor { "monitor" } else { "enforce" };
        let remembering = policy.authorities.iter().filter(|own| remembers(own)).count();
        let count = |held: usize| -> usize {
            policy.authorities.iter().map(|own| Protocols::holdings(&own.kind)[held]).sum()
        };
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
            ("anchors", count(0).to_string()),
            ("crls", count(1).to_string()),
            ("bindings", count(2).to_string()),
            ("nss_closed", u8::from(nss_closed).to_string()),
        ];
        let said: String = values.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        self.put(Kind::Meta, &"", &"", &[&said])
    }

    fn sources(&self, policy: &Policy) -> rusqlite::Result<()> {
        for source in &policy.sources {
            self.put(Kind::Source, &source.path.to_string_lossy(), &0, &[&source.sha256])?;
        }
        Ok(())
    }

    /// What protocols' names mean, and what programs speak.
    fn protocols(&self, policy: &Policy) -> rusqlite::Result<()> {
        for (name, (meant, in_rule)) in &self.protocols.0 {
            self.put(Kind::Protocol, name, &0, &[meant])?;
            if *in_rule {
                self.put(Kind::RuleProtocol, &"", meant, &[])?;
            }
        }
        for program in &policy.programs {
            let (protocol, place) = (program.protocol.as_str(), program.place.to_string());
            self.put(Kind::Program, &program.path, &0, &[&protocol, &place])?;
        }
        Ok(())
    }

    fn scope(&self, scope: &Scope) -> (Option<String>, Option<String>) {
        let protocols = self.protocols.meant(scope.protocols.as_ref());
        (join(scope.peers.as_ref()), join(protocols.as_ref()))
    }

    /// Writes a certificate or a CRL, once. Gives its number.
    fn bulk(&self, data: &[u8]) -> rusqlite::Result<i64> {
        let hash = Sha256::digest(data).into();
        if let Some(known) = self.bulk.borrow().get(&hash) {
            return Ok(*known);
        }
        let sql = "INSERT INTO bulk (data) VALUES (?1)";
        let id = self.transaction.prepare_cached(sql)?.insert([data])?;
        self.bulk.borrow_mut().insert(hash, id);
        Ok(id)
    }

    /// Writes an entry, unless there is one with this key and `sub`; columns that get no value are NULL.
    fn put(
        &self,
        kind: Kind,
        key: &dyn ToSql,
        sub: &dyn ToSql,
        values: &[&dyn ToSql],
    ) -> rusqlite::Result<()> {
        const PUT: &str =
            "INSERT OR IGNORE INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        self.put_by(PUT, kind, key, sub, values)
    }

    fn put_by(
        &self,
        sql: &str,
        kind: Kind,
        key: &dyn ToSql,
        sub: &dyn ToSql,
        values: &[&dyn ToSql],
    ) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare_cached(sql)?;
        let first: [&dyn ToSql; 3] = [&kind, key, sub];
        for (index, value) in first.iter().chain(values).enumerate() {
            statement.raw_bind_parameter(index + 1, value)?;
        }
        statement.raw_execute().map(drop)
    }
}

fn remembers(authority: &Authority) -> bool {
    matches!(authority.kind, AuthorityKind::Tofu(_))
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
        prepare(&connection).unwrap();
        let zero = ["compiled_at", "rules", "smime_rules", "denials", "constraints", "programs"];
        let zero = zero
            .iter()
            .chain(&["anchors", "crls", "bindings", "remembering"])
            .map(|name| (*name, "0"));
        let closed = if nss_closed { "1" } else { "0" };
        let texts = [
            ("mode", "enforce"),
            ("enforce", "verified"),
            ("log", "refused"),
            ("default", "any(0)"),
        ];
        let more =
            [("digest", ""), ("version", ""), ("prefix_lengths", ";"), ("nss_closed", closed)];
        let said = zero.chain(texts).chain(more).map(|(name, value)| format!("{name}={value}\n"));
        let sql = "INSERT INTO entry (kind, key, sub, a) VALUES (?1, '', '', ?2)";
        connection.execute(sql, (Kind::Meta, said.collect::<String>())).unwrap();
        connection
    }
}
