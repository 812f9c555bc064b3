//! Look-ups in a compiled policy.

use std::cell::OnceCell;
use std::sync::Arc;

use rusqlite::types::{FromSql, FromSqlResult, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

use super::StoreError;
use super::memo::{Memo, all};
use super::schema::{APPLICATION_ID, EVERY_PROTOCOL, PrefixLengths, SCHEMA, StoredScope, keys_of};
#[cfg(feature = "pkix")]
use crate::certificate::Purposes;
use crate::certificate::{Certificate, printable};
use crate::key::KeyHash;
use crate::peer::{HostName, Name};
use crate::protocol::Protocol;
use crate::query::Role;
use crate::rule::{Accept, Enforce, Mode, Profile, Tofu};

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
    #[cfg(feature = "pkix")]
    themselves: Memo<(usize, [u8; 32]), Option<Purposes>>,
    #[cfg(feature = "pkix")]
    has_crls: OnceCell<bool>,
    bindings: Memo<(usize, Name), Arc<[StoredBinding]>>,
    rules: Memo<i64, Arc<StoredRule>>,
    matches: Memo<(String, Only), Matches>,
    for_every_peer: Memo<i64, bool>,
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
            themselves: Memo::new(64),
            #[cfg(feature = "pkix")]
            has_crls: OnceCell::new(),
            bindings: Memo::new(32),
            rules: Memo::new(64),
            matches: Memo::new(128),
            for_every_peer: Memo::new(64),
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
    /// How many bindings there are.
    pub bindings: u64,
    /// Whether NSS is to take no anchor that the policy does not know.
    pub nss_closed: bool,
}

/// An authority, as decisions read it.
#[derive(Clone, Debug)]
pub(crate) struct StoredAuthority {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) profile: Profile,
    pub(crate) scope: StoredScope,
}

/// A rule, as decisions read it.
#[derive(Clone, Debug)]
pub(crate) struct StoredRule {
    pub(crate) id: i64,
    pub(crate) place: String,
    pub(crate) protocols: Option<String>,
    pub(crate) applications: Option<String>,
    pub(crate) role: Option<Role>,
    pub(crate) until: Option<i64>,
    pub(crate) monitored: bool,
    pub(crate) accept: Accept,
}

#[cfg(feature = "pkix")]
/// A trust anchor, as decisions read it.
#[derive(Clone, Debug)]
pub(crate) struct StoredAnchor {
    pub(crate) purposes: Purposes,
    pub(crate) certificate: Certificate,
}

/// A binding of the peer that was asked about.
#[derive(Clone, Debug)]
pub(crate) struct StoredBinding {
    pub(crate) key: KeyHash,
    pub(crate) protocol: String,
    pub(crate) until: Option<i64>,
    pub(crate) place: String,
}

/// A limit on a CA.
#[derive(Clone, Debug)]
pub(crate) struct StoredLimit {
    pub(crate) scope: StoredScope,
    pub(crate) place: String,
}

/// A denial, for the reason.
#[derive(Clone, Debug)]
pub(crate) struct StoredDenial {
    pub(crate) until: Option<i64>,
    pub(crate) reason: Option<String>,
    pub(crate) place: String,
}

impl Compiled {
    /// Opens the file at `path`, which SQLite takes as it is. It must never change in place.
    pub fn open(path: &str) -> Result<Self, StoreError> {
        let fail = |error: rusqlite::Error| StoreError::sqlite(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri(path), flags).map_err(fail)?;
        connection.set_prepared_statement_cache_capacity(32);
        let ask = |name: &str| {
            connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(fail)
        };
        let (id, schema) = (ask("application_id")?, ask("user_version")?);
        if id != i64::from(APPLICATION_ID) {
            return Err(StoreError::new(path, "it is no compiled policy of peerkey's"));
        }
        if schema != i64::from(SCHEMA) {
            let why = format!("it has schema {schema}, and this program reads {SCHEMA}");
            return Err(StoreError::new(path, why));
        }
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

    pub(crate) fn authority(&self, index: usize) -> Result<Arc<StoredAuthority>, StoreError> {
        let find = |index: &usize| self.find_authority(*index).map(Arc::new);
        self.known.authorities.or(index, find)
    }

    fn find_authority(&self, index: usize) -> Result<StoredAuthority, StoreError> {
        let read = |row: &Row<'_>| {
            let cabf = row.get::<_, String>(5)? == "cabf";
            Ok(StoredAuthority {
                name: row.get::<_, Shown>(0)?.0,
                kind: row.get(1)?,
                profile: if cabf { Profile::Cabf } else { Profile::Rfc5280 },
                scope: scope_at(row, 2)?,
            })
        };
        self.statement(
            "SELECT name, kind, peers, protocols, until, profile FROM authority WHERE id = ?1",
        )?
        .query_row([index], read)
        .map_err(|error| self.error(error))
    }

    /// How an authority trusts on first use.
    pub(crate) fn tofu(&self, authority: usize) -> Result<Tofu, StoreError> {
        let sql = "SELECT holds, users, rotate_with, keys_per_peer, forget_after, min_age,
             min_sightings FROM tofu WHERE authority = ?1";
        let read = |row: &Row<'_>| {
            let others: String = row.get(2)?;
            Ok(Tofu {
                holds: row.get(0)?,
                users: row.get(1)?,
                rotate_with: others.split(',').filter_map(|id| id.parse().ok()).collect(),
                keys_per_peer: row.get(3)?,
                forget_after: row.get(4)?,
                min_age: row.get(5)?,
                min_sightings: row.get(6)?,
            })
        };
        self.statement(sql)?.query_row([authority], read).map_err(|error| self.error(error))
    }

    #[cfg(feature = "pkix")]
    /// The anchors of an authority that have this subject, a DER Name.
    pub(crate) fn anchors(
        &self,
        authority: usize,
        subject: &[u8],
    ) -> Result<Arc<[StoredAnchor]>, StoreError> {
        let sql = "SELECT purposes, certificate FROM anchor WHERE subject = ?1 AND authority = ?2";
        self.known.anchors.or((authority, subject.to_vec()), |_| {
            let read = |row: &Row<'_>| {
                // The sources were validated: one that does not read back vouches for nobody.
                let certificate = Certificate::from_der(row.get_ref(1)?.as_blob()?).ok();
                let purposes = purposes(row)?;
                Ok(certificate.map(|certificate| StoredAnchor { purposes, certificate }))
            };
            let found = self.collect(sql, params![subject, authority], read)?;
            Ok(found.into_iter().flatten().collect())
        })
    }

    #[cfg(feature = "pkix")]
    /// For what an authority has this very certificate as an anchor, if it has.
    pub(crate) fn anchor_itself(
        &self,
        authority: usize,
        fingerprint: &[u8; 32],
    ) -> Result<Option<Purposes>, StoreError> {
        let sql = "SELECT purposes FROM anchor WHERE fingerprint = ?1 AND authority = ?2";
        self.known.themselves.or((authority, *fingerprint), |_| {
            self.first(sql, params![fingerprint, authority], purposes)
        })
    }

    #[cfg(feature = "pkix")]
    /// Whether there are CRLs at all.
    pub(crate) fn has_crls(&self) -> Result<bool, StoreError> {
        if let Some(known) = self.known.has_crls.get() {
            return Ok(*known);
        }
        let found = self.first("SELECT 1 FROM crl LIMIT 1", [], |_| Ok(()))?.is_some();
        Ok(*self.known.has_crls.get_or_init(|| found))
    }

    #[cfg(feature = "pkix")]
    /// The CRLs that an authority has of this issuer, each a DER CertificateList.
    pub(crate) fn crls(&self, authority: usize, issuer: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT crl FROM crl WHERE issuer = ?1 AND authority = ?2";
        self.collect(sql, params![issuer, authority], |row| row.get(0))
    }

    /// The keys that an authority binds to this peer.
    pub(crate) fn bindings(
        &self,
        authority: usize,
        peer: &Name,
    ) -> Result<Arc<[StoredBinding]>, StoreError> {
        let question = (authority, peer.clone());
        let find = |_: &_| self.find_bindings(authority, peer).map(Into::into);
        self.known.bindings.or(question, find)
    }

    fn find_bindings(
        &self,
        authority: usize,
        peer: &Name,
    ) -> Result<Vec<StoredBinding>, StoreError> {
        let sql =
            "SELECT key, protocol, until, place FROM binding WHERE peer = ?1 AND authority = ?2";
        self.collect(sql, params![peer.to_string(), authority], |row| {
            Ok(StoredBinding {
                key: KeyHash(row.get(0)?),
                protocol: row.get::<_, Shown>(1)?.0,
                until: row.get(2)?,
                place: row.get::<_, Shown>(3)?.0,
            })
        })
    }

    /// The patterns under which rules for this name are kept.
    pub(crate) fn patterns_of(&self, name: &Name) -> Vec<String> {
        if self.meta.rules == 0 { Vec::new() } else { keys_of(name, &self.lengths) }
    }

    /// The rules that write this pattern, each with a protocol that it writes; in file order. With
    /// `only`, those alone that are over this protocol.
    pub(crate) fn rules_with(
        &self,
        pattern: &str,
        only: Option<Option<&Protocol>>,
    ) -> Result<Arc<[(String, i64)]>, StoreError> {
        let question = (pattern.to_owned(), only.map(|only| only.cloned()));
        self.known.matches.or(question, |_| self.find_rules(pattern, only).map(Into::into))
    }

    fn find_rules(
        &self,
        pattern: &str,
        only: Option<Option<&Protocol>>,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let Some(only) = only else {
            let sql = "SELECT protocol, rule FROM rule_match WHERE pattern = ?1 ORDER BY rule";
            return self.collect(sql, [pattern], read);
        };
        let sql =
            "SELECT protocol, rule FROM rule_match WHERE pattern = ?1 AND protocol IN (?2, ?3)
            ORDER BY rule";
        let protocol = only.map_or(EVERY_PROTOCOL, Protocol::as_str);
        self.collect(sql, params![pattern, protocol, EVERY_PROTOCOL], read)
    }

    /// Every rule that could match over a protocol, whoever the peer is; in file order.
    pub(crate) fn rules_over(&self, protocol: Option<&Protocol>) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT DISTINCT rule FROM rule_match WHERE protocol IN (?1, ?2) ORDER BY rule";
        let protocol = protocol.map_or(EVERY_PROTOCOL, Protocol::as_str);
        self.collect(sql, params![protocol, EVERY_PROTOCOL], |row| row.get(0))
    }

    pub(crate) fn rule(&self, id: i64) -> Result<Arc<StoredRule>, StoreError> {
        self.known.rules.or(id, |id| self.find_rule(*id).map(Arc::new))
    }

    fn find_rule(&self, id: i64) -> Result<StoredRule, StoreError> {
        let sql = "SELECT place, applications, role, until, monitored, accept, protocols FROM rule
             WHERE id = ?1";
        let read = |row: &Row<'_>| {
            let role: Option<String> = row.get(2)?;
            let accept: String = row.get(5)?;
            // An expression that does not read back asks nobody, and so accepts nothing.
            let accept = Accept::decode(&accept).unwrap_or(Accept::Any(Vec::new()));
            Ok(StoredRule {
                id,
                place: row.get::<_, Shown>(0)?.0,
                protocols: row.get(6)?,
                applications: row.get(1)?,
                role: role.map(|r| if r == "client" { Role::Client } else { Role::Server }),
                until: row.get(3)?,
                monitored: row.get(4)?,
                accept,
            })
        };
        self.statement(sql)?.query_row([id], read).map_err(|error| self.error(error))
    }

    /// Whether a rule names peers at all; one that does not is for every peer.
    pub(crate) fn rule_is_for_every_peer(&self, id: i64) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM rule_match WHERE pattern = '*' AND rule = ?1";
        self.known.for_every_peer.or(id, |id| Ok(self.first(sql, [id], |_| Ok(()))?.is_some()))
    }

    /// The names directly below a domain that rules single out.
    pub(crate) fn rule_children(&self, domain: &HostName) -> Result<Vec<HostName>, StoreError> {
        if self.meta.rules == 0 {
            return Ok(Vec::new());
        }
        let sql = "SELECT host FROM rule_child WHERE domain = ?1";
        let hosts: Vec<String> = self.collect(sql, [domain.as_str()], |row| row.get(0))?;
        Ok(hosts.iter().filter_map(|host| HostName::parse(host)).collect())
    }

    /// The protocol that a name means in this policy: with and without STARTTLS are one, unless it
    /// writes both names. None if no rule, scope or pin names it.
    pub(crate) fn meant(&self, protocol: &Protocol) -> Result<Option<Protocol>, StoreError> {
        let sql = "SELECT meant FROM protocol WHERE name = ?1";
        self.known.meant.or(protocol.clone(), |protocol| {
            let meant: Option<String> = self.first(sql, [protocol.as_str()], |row| row.get(0))?;
            Ok(meant.and_then(|name| Protocol::parse(&name)))
        })
    }

    /// What the policy says that a program speaks.
    pub(crate) fn program_protocol(&self, path: &str) -> Result<Option<Protocol>, StoreError> {
        let sql = "SELECT protocol FROM program WHERE path = ?1";
        self.known.programs.or(path.to_owned(), |path| {
            let name: Option<String> = self.first(sql, [path], |row| row.get(0))?;
            Ok(name.and_then(|name| Protocol::parse(&name)))
        })
    }

    /// The protocols that rules tell apart.
    pub(crate) fn rule_protocols(&self) -> Result<Vec<Protocol>, StoreError> {
        if let Some(known) = self.known.protocols.get() {
            return Ok(known.clone());
        }
        let sql = "SELECT DISTINCT meant FROM protocol WHERE in_rule ORDER BY meant";
        let names: Vec<String> = self.collect(sql, [], |row| row.get(0))?;
        let found = names.iter().filter_map(|name| Protocol::parse(name)).collect();
        Ok(self.known.protocols.get_or_init(|| found).clone())
    }

    /// The executables that rules tell apart.
    pub(crate) fn rule_applications(&self) -> Result<Vec<String>, StoreError> {
        if let Some(known) = self.known.applications.get() {
            return Ok(known.clone());
        }
        let sql = "SELECT path FROM application ORDER BY path";
        let found = self.collect(sql, [], |row| row.get(0))?;
        Ok(self.known.applications.get_or_init(|| found).clone())
    }

    /// The limits on CAs with any of these keys.
    pub(crate) fn limits(&self, keys: &[KeyHash]) -> Result<Vec<StoredLimit>, StoreError> {
        if self.meta.constraints == 0 {
            return Ok(Vec::new());
        }
        let sql = "SELECT peers, protocols, until, place FROM ca_limit_key JOIN ca_limit
                   ON ca_limit = id WHERE key = ?1";
        let read = |row: &Row<'_>| {
            Ok(StoredLimit { scope: scope_at(row, 0)?, place: row.get::<_, Shown>(3)?.0 })
        };
        all(&self.known.limits, keys, |key| self.collect(sql, [key.0], read))
    }

    /// The denials that hit any of these keys.
    pub(crate) fn key_denials(&self, keys: &[KeyHash]) -> Result<Vec<StoredDenial>, StoreError> {
        if self.meta.denials == 0 {
            return Ok(Vec::new());
        }
        all(&self.known.key_denials, keys, |key| self.denials_of("key", &key.0))
    }

    /// The denials that hit this certificate, by what is signed or by issuer and serial.
    pub(crate) fn certificate_denials(
        &self,
        certificate: &Certificate,
    ) -> Result<Vec<StoredDenial>, StoreError> {
        if self.meta.denials == 0 {
            return Ok(Vec::new());
        }
        // What is signed holds the issuer and the serial number, too.
        all(&self.known.certificate_denials, &[certificate.signed_fingerprint()], |signed| {
            let mut denials = self.denials_of("certificate", signed)?;
            let serial = serial_hash(certificate.issuer(), certificate.serial());
            denials.extend(self.denials_of("serial", &serial)?);
            Ok(denials)
        })
    }

    fn denials_of(&self, what: &str, value: &[u8; 32]) -> Result<Vec<StoredDenial>, StoreError> {
        let sql = "SELECT until, reason, place FROM denial WHERE what = ?1 AND value = ?2";
        self.collect(sql, params![what, value], |row| {
            let reason = row.get::<_, Option<Shown>>(1)?.map(|shown| shown.0);
            Ok(StoredDenial { until: row.get(0)?, reason, place: row.get::<_, Shown>(2)?.0 })
        })
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

    pub(super) fn first<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let found = self.statement(sql)?.query_row(parameters, read).optional();
        found.map_err(|error| self.error(error))
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

/// One value for an issuer and a serial number, of one length. Leading zeros say nothing.
pub(super) fn serial_hash(issuer: &[u8], serial: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((issuer.len() as u64).to_be_bytes());
    hash.update(issuer);
    hash.update(&serial[serial.iter().take_while(|octet| **octet == 0).count()..]);
    hash.finalize().into()
}

#[cfg(feature = "pkix")]
fn purposes(row: &Row<'_>) -> rusqlite::Result<Purposes> {
    let bits: u8 = row.get(0)?;
    Ok(Purposes { server: bits & 1 != 0, client: bits & 2 != 0, email: bits & 4 != 0 })
}

fn scope_at(row: &Row<'_>, at: usize) -> rusqlite::Result<StoredScope> {
    Ok(StoredScope::new(row.get(at)?, row.get(at + 1)?, row.get(at + 2)?))
}

fn read_meta(connection: &Connection) -> rusqlite::Result<Option<(Meta, PrefixLengths)>> {
    let mut statement = connection.prepare("SELECT name, CAST(value AS TEXT) FROM meta")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let values: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    let value = |name: &str| values.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let count = |name: &str| value(name).and_then(|v| v.parse::<u64>().ok());
    let meta = || {
        let meta = Meta {
            mode: if value("mode")? == "monitor" { Mode::Monitor } else { Mode::Enforce },
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
