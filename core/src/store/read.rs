//! Look-ups in a compiled policy.

mod authorities;
mod limits;
mod rules;

#[cfg(feature = "pkix")]
use std::cell::Cell;
use std::cell::OnceCell;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

#[cfg(feature = "pkix")]
pub(crate) use authorities::StoredAnchor;
pub(crate) use authorities::{StoredAuthority, StoredBinding};
#[cfg(feature = "source")]
pub(super) use limits::serial_hash;
pub(crate) use limits::{StoredDenial, StoredLimit};
pub(crate) use rules::StoredRule;
use rusqlite::types::{FromSql, FromSqlResult, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension, Row, ToSql};

use super::StoreError;
use super::entry::{A, BULK, Kind, LOOK_UP};
use super::memo::{Lately, Memo, Twofold};
use super::pages::Header;
use super::schema::{PrefixLengths, StoredScope};
use crate::certificate::printable;
use crate::decide::KnownCases;
#[cfg(feature = "pkix")]
use crate::decide::KnownPath;
use crate::key::KeyHash;
#[cfg(feature = "pkix")]
use crate::map::Set;
use crate::peer::Name;
use crate::protocol::Protocol;
use crate::record::Log;
use crate::rule::{Accept, Enforce, Mode};

/// An open compiled policy. Nothing of it is loaded but what is asked for.
#[derive(Debug)]
pub struct Compiled {
    connection: Connection,
    path: String,
    meta: Meta,
    lengths: PrefixLengths,
    known: Known,
    /// How many look-ups there were.
    #[cfg(test)]
    pub(crate) asked: std::cell::Cell<usize>,
}

/// The one protocol that rules are looked up for, which may be one that no rule names.
type Only = Option<Option<Protocol>>;
/// Rules, each with a protocol that it writes.
type Matches = Arc<[(String, i64)]>;

/// What was looked up before.
#[derive(Debug)]
struct Known {
    authorities: Memo<usize, Arc<StoredAuthority>>,
    #[cfg(feature = "pkix")]
    anchors: Memo<(usize, Vec<u8>), Arc<[StoredAnchor]>>,
    /// The authorities and subjects of all anchors, once many were asked for.
    #[cfg(feature = "pkix")]
    anchored: OnceCell<Set<Vec<u8>>>,
    #[cfg(feature = "pkix")]
    anchors_asked: Cell<usize>,
    #[cfg(feature = "pkix")]
    paths: Lately<KnownPath>,
    bindings: Memo<(usize, Name), Arc<[StoredBinding]>>,
    rules: Memo<i64, Arc<StoredRule>>,
    cases: Lately<KnownCases>,
    matches: Twofold<Only, Matches>,
    meant: Memo<Protocol, Option<Protocol>>,
    programs: Memo<String, Option<Protocol>>,
    protocols: OnceCell<Vec<Protocol>>,
    applications: OnceCell<Vec<String>>,
    limits: Memo<KeyHash, Arc<[StoredLimit]>>,
    key_denials: Memo<KeyHash, Arc<[StoredDenial]>>,
    certificate_denials: Memo<[u8; 32], Arc<[StoredDenial]>>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            authorities: Memo::new(32),
            #[cfg(feature = "pkix")]
            anchors: Memo::new(32),
            #[cfg(feature = "pkix")]
            anchored: OnceCell::new(),
            #[cfg(feature = "pkix")]
            anchors_asked: Cell::new(0),
            #[cfg(feature = "pkix")]
            paths: Lately::new(16),
            bindings: Memo::new(32),
            rules: Memo::new(64),
            cases: Lately::new(32),
            matches: Twofold::new(128),
            meant: Memo::new(32),
            programs: Memo::new(4),
            protocols: OnceCell::new(),
            applications: OnceCell::new(),
            limits: Memo::new(128),
            key_denials: Memo::new(128),
            certificate_denials: Memo::new(128),
        }
    }
}

/// What a compiled policy says of itself.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Enforce, or only monitor.
    pub mode: Mode,
    /// Whether to decide where the program switched verification off.
    pub enforce: Enforce,
    /// Which decisions are recorded.
    pub log: Log,
    /// For what no rule matches.
    pub default: Accept,
    /// SHA-256 over the sources, in hex.
    pub digest: String,
    /// When it was compiled, in seconds since 1970.
    pub compiled_at: i64,
    /// The version of peerkey that compiled it.
    pub version: String,
    /// How many rules there are.
    pub rules: u64,
    /// How many of them are written for S/MIME in certain programs, and so reach beyond TLS.
    pub smime_rules: u64,
    /// How many denials there are.
    pub denials: u64,
    /// How many constraints there are.
    pub constraints: u64,
    /// For how many programs it says what they speak.
    pub programs: u64,
    /// How many authorities remember keys.
    pub remembering: u64,
    /// How many anchors there are.
    pub anchors: u64,
    /// How many CRLs there are.
    pub crls: u64,
    /// How many bindings there are.
    pub bindings: u64,
    /// Whether NSS is to take no anchor that the policy does not know.
    pub nss_closed: bool,
}

impl Compiled {
    /// Opens the file at `path`. It must never change in place.
    pub fn open(path: &str) -> Result<Self, StoreError> {
        let mut start = [0; Header::LENGTH];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
        // Where there is none, SQLite says why.
        Self::open_headed(path, read.ok().and_then(|()| Header::read(&start)).as_ref())
    }

    /// The same for what SQLite finds under a name, and whose header is known: so SQLite is not asked for
    /// what stands in it, which takes it as long as many look-ups.
    pub fn open_headed(path: &str, header: Option<&Header>) -> Result<Self, StoreError> {
        header.map_or(Ok(()), |header| header.check_kind(path))?;
        let fail = |error: rusqlite::Error| StoreError::sqlite(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri(path), flags).map_err(fail)?;
        // Three statements read nearly all of it.
        connection.set_prepared_statement_cache_capacity(4);
        let meta = read_meta(&connection).map_err(fail)?;
        let (meta, lengths) = meta
            .ok_or_else(|| StoreError::new(path, "its settings are damaged: run peerkey apply"))?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            meta,
            lengths,
            known: Known::default(),
            #[cfg(test)]
            asked: std::cell::Cell::new(0),
        })
    }

    /// What it says of itself.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Whether it has anything to say where a program verifies a certificate outside of TLS.
    pub fn reaches_stores(&self) -> bool {
        let meta = &self.meta;
        meta.denials > 0 || meta.constraints > 0 || meta.smime_rules > 0
    }

    /// Whether it says what each program itself says, and nothing else.
    pub fn is_transparent(&self) -> bool {
        let meta = &self.meta;
        meta.rules == 0
            && meta.denials == 0
            && meta.constraints == 0
            && meta.default.is_application()
    }

    /// The cases that were made from it lately: they last as long as it is open.
    pub(crate) fn cases(&self) -> &Lately<KnownCases> {
        &self.known.cases
    }

    /// The paths to its anchors that were found lately.
    #[cfg(feature = "pkix")]
    pub(crate) fn paths(&self) -> &Lately<KnownPath> {
        &self.known.paths
    }

    /// The entries of a kind that have this key, in the order of their `sub`.
    pub(super) fn look_up<T>(
        &self,
        kind: Kind,
        key: impl ToSql,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.collect(LOOK_UP, (kind, key), read)
    }

    /// The one with this number; there must be one.
    pub(super) fn named<T>(
        &self,
        kind: Kind,
        number: impl ToSql,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let found = self.statement(LOOK_UP)?.query_row((kind, number), read);
        found.map_err(|error| self.error(error))
    }

    /// The first of them, if there is any.
    pub(super) fn look_up_first<T>(
        &self,
        kind: Kind,
        key: impl ToSql,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let found = self.statement(LOOK_UP)?.query_row((kind, key), read).optional();
        found.map_err(|error| self.error(error))
    }

    /// A certificate or a CRL.
    pub(super) fn bulk(&self, id: i64) -> Result<Vec<u8>, StoreError> {
        let found = self.statement(BULK)?.query_row([id], |row| row.get(0));
        found.map_err(|error| self.error(error))
    }

    pub(super) fn collect<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.statement(sql)?;
        let rows = statement.query_map(parameters, read).map_err(|error| self.error(error))?;
        rows.collect::<Result<_, _>>().map_err(|error| self.error(error))
    }

    fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        #[cfg(test)]
        self.asked.set(self.asked.get() + 1);
        self.connection.prepare_cached(sql).map_err(|error| self.error(error))
    }

    fn error(&self, error: rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.path, &error)
    }
}

/// A text for people: whatever the file holds, it reaches no terminal and no log raw.
pub(super) struct Shown(pub(super) String);

impl FromSql for Shown {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str().map(|text| Self(printable(text)))
    }
}

fn scope_at(row: &Row<'_>, at: usize) -> rusqlite::Result<StoredScope> {
    Ok(StoredScope::new(row.get(at)?, row.get(at + 1)?, row.get(at + 2)?))
}

fn read_meta(connection: &Connection) -> rusqlite::Result<Option<(Meta, PrefixLengths)>> {
    let mut statement = connection.prepare_cached(LOOK_UP)?;
    let said = statement.query_row((Kind::Meta, ""), |row| row.get::<_, String>(A)).optional()?;
    let Some(said) = said else { return Ok(None) };
    let values: Vec<_> = said.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, v)| *v);
    let count = |name: &str| value(name).and_then(|v| v.parse::<u64>().ok());
    let meta = || {
        let meta = Meta {
            mode: if value("mode")? == "monitor" { Mode::Monitor } else { Mode::Enforce },
            log: Log::parse(value("log")?)?,
            enforce: if value("enforce")? == "always" {
                Enforce::Always
            } else {
                Enforce::Verified
            },
            default: Accept::decode(value("default")?)?,
            digest: printable(value("digest")?),
            compiled_at: value("compiled_at")?.parse().ok()?,
            version: printable(value("version")?),
            rules: count("rules")?,
            smime_rules: count("smime_rules")?,
            denials: count("denials")?,
            constraints: count("constraints")?,
            remembering: count("remembering")?,
            programs: count("programs")?,
            anchors: count("anchors")?,
            crls: count("crls")?,
            bindings: count("bindings")?,
            nss_closed: value("nss_closed")? == "1",
        };
        Some((meta, PrefixLengths::decode(value("prefix_lengths")?)?))
    };
    Ok(meta())
}

/// A URI that names the file and nothing else (SQLite, "Uniform Resource Identifiers").
fn uri(path: &str) -> String {
    let mut uri = String::from("file:");
    for c in path.chars() {
        match c {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            c => uri.push(c),
        }
    }
    uri.push_str("?mode=ro&immutable=1");
    uri
}
