//! What stands in a compiled policy: entries in one table, each of a kind.

use rusqlite::ToSql;
use rusqlite::types::ToSqlOutput;

/// The tables. SQLite reads the definition of every table in each process that asks anything, and to prepare
/// one more statement takes as long as many look-ups: so one table holds all, read by one statement, but for
/// what would make its pages few entries each. Columns have no types and no constraints; what is written is
/// typed in write.rs, and what is read in read.rs.
#[cfg(feature = "source")]
pub(super) const TABLES: &str = "CREATE TABLE entry (kind, key, sub, a, b, c, d, e, f, g, h,
    PRIMARY KEY (kind, key, sub)) WITHOUT ROWID;
CREATE TABLE bulk (id INTEGER PRIMARY KEY, data);";

/// The entries of a kind that have one key, in the order of their `sub`.
pub(super) const LOOK_UP: &str = "SELECT * FROM entry WHERE kind = ?1 AND key = ?2 ORDER BY sub";
/// At most ?4 entries of a kind with keys between two others, in their order.
pub(super) const BETWEEN: &str = "SELECT * FROM entry
    WHERE kind = ?1 AND key > ?2 AND key < ?3 ORDER BY key, sub LIMIT ?4";
/// All entries of a kind.
pub(super) const ALL: &str = "SELECT * FROM entry WHERE kind = ?1 ORDER BY key, sub";

/// A certificate or a CRL.
pub(super) const BULK: &str = "SELECT data FROM bulk WHERE id = ?1";

/// A column of an entry.
pub(super) const KEY: usize = 1;
pub(super) const SUB: usize = 2;
pub(super) const A: usize = 3;
pub(super) const B: usize = 4;
pub(super) const C: usize = 5;
pub(super) const D: usize = 6;
pub(super) const E: usize = 7;
pub(super) const F: usize = 8;
pub(super) const G: usize = 9;
pub(super) const H: usize = 10;

/// What an entry says; they are written in this order, which makes for a small file.
///
/// Peers and protocols are one pattern or name a line; NULL is everywhere. `until` is in seconds since 1970;
/// NULL is for ever. *Place* is where something stands in the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// An edge reads those that it needs.
#[cfg_attr(not(all(feature = "source", feature = "pkix")), allow(dead_code))]
#[repr(u8)]
pub(super) enum Kind {
    /// What the policy says of itself. Key: empty; a: names, each with a `=` and its value, one a line.
    Meta = 0,
    /// A file of its sources. Key: the path; a: SHA-256.
    Source = 1,
    /// Key: a protocol's name; a: the name that it means.
    Protocol = 2,
    /// A protocol that rules tell apart. Key: empty; sub: its name.
    RuleProtocol = 3,
    /// An executable that rules tell apart. Key: empty; sub: its path.
    Application = 4,
    /// What an executable speaks. Key: its path; a: the protocol; b: the place.
    Program = 5,
    /// A name that rules single out directly below a domain (a wildcard certificate covers it too).
    /// Key: the domain; sub: the name.
    Child = 6,
    /// Key: its number; a: name; b: kind; c: peers; d: protocols; e: until; f: place; g: profile.
    Authority = 7,
    /// What an authority has. Key: its number; a: anchors; b: CRLs; c: bindings.
    Holdings = 8,
    /// How an authority trusts on first use. Key: its number; a: holds; b: users; c: `rotate-with`;
    /// d: `keys-per-peer`; e: `forget-after`; f: `min-age`; g: `min-sightings`.
    Tofu = 9,
    /// Key: its number; a: place; b: peers; c: protocols; d: applications; e: role; f: until;
    /// g: monitored; h: what it accepts.
    Rule = 10,
    /// The rules that write a pattern, by protocol. Key: the pattern, a line end, the protocol; sub: the
    /// rule; a: the protocol.
    Match = 11,
    /// The rules over a protocol. Key: the protocol; sub: the rule.
    Over = 12,
    /// Key: the authority and the subject; sub: a number; a: purposes; b: the certificate, in
    /// bulk.
    Anchor = 13,
    /// Key: the authority and the issuer; sub: a number; a: the CRL, in bulk.
    Crl = 14,
    /// A key that an authority binds to a peer. Key: the authority and the peer; sub: the key's hash and
    /// the protocol; a: until; b: place.
    Binding = 15,
    /// A limit on a CA. Key: the CA's key's hash; sub: the constraint; a: peers; b: protocols; c: until;
    /// d: place.
    Limit = 16,
    /// Key: the denied key's hash; sub: the place; a: until; b: the reason.
    KeyDenial = 17,
    /// The same, by a hash of what is signed.
    CertificateDenial = 18,
    /// The same, by a hash of issuer and serial.
    SerialDenial = 19,
    /// A CA of which NSS knows something. Key: issuer and serial, hashed.
    NssCa = 20,
    /// What NSS is told of a certificate. Key: issuer and serial, hashed; sub: the order in which the
    /// first that holds counts; a and b: the first and the last second for which it holds; c to f: for
    /// servers, clients, e-mail and code; g: SHA-1; h: SHA-256.
    NssTrust = 21,
    /// A certificate that NSS finds. Key: its number; a and b: the first and the last second; c: issuer;
    /// d: serial; e: subject; f: the certificate, in bulk; g: label; h: whether it is a CA's.
    NssCertificate = 22,
    /// Key: issuer and serial, hashed; sub: the certificate's number.
    NssByPlace = 23,
    /// Key: a subject; sub: the certificate's number.
    NssBySubject = 24,
}

impl ToSql for Kind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok((*self as u8).into())
    }
}

/// The key of what an authority says of a peer, a subject or an issuer.
pub(super) fn said_by(authority: usize, of: &[u8]) -> Vec<u8> {
    let number = u32::try_from(authority).unwrap_or(u32::MAX);
    [&number.to_be_bytes(), of].concat()
}

/// The key of the rules that write a pattern over a protocol.
pub(super) fn written(pattern: &str, protocol: &str) -> String {
    format!("{pattern}\n{protocol}")
}
