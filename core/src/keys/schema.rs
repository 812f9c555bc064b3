//! The tables of remembered keys.

use rusqlite::{Connection, TransactionBehavior};

use super::wrapped;

/// The schema that this version writes; it brings older ones up to it.
pub const SCHEMA: i64 = 2;

/// From this schema on this version reads, and remembers keys, without changing it: a program cannot
/// wait until somebody has run the command.
pub(super) const OLDEST: i64 = 1;

/// From this schema on certificates are found by what NSS asks for.
pub(super) const WRAPPED: i64 = 2;

/// `PRAGMA application_id`: "PKky".
pub(super) const APPLICATION_ID: i64 = 0x504b_6b79;

/// What brings a file from each schema to the next one; the first starts from nothing.
const STEPS: [&str; SCHEMA as usize] = ["
CREATE TABLE key (id INTEGER PRIMARY KEY AUTOINCREMENT, peer TEXT NOT NULL, protocol TEXT NOT NULL,
  port INTEGER NOT NULL, hash BLOB NOT NULL, spki BLOB NOT NULL, certificate BLOB,
  state TEXT NOT NULL, origin TEXT NOT NULL, first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL, sightings INTEGER NOT NULL, until INTEGER,
  UNIQUE (peer, protocol, port, hash));
-- What people changed, so that it can be undone: each row that a change touched, as it was before;
-- all NULL where there was none. A number of a key is never given to another one, or a change that is
-- undone would take the wrong key.
CREATE TABLE change (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, what TEXT NOT NULL);
CREATE TABLE change_row (change INTEGER NOT NULL, key INTEGER NOT NULL, peer TEXT, protocol TEXT,
  port INTEGER, hash BLOB, spki BLOB, certificate BLOB, state TEXT, origin TEXT,
  first_seen INTEGER, last_seen INTEGER, sightings INTEGER, until INTEGER,
  PRIMARY KEY (change, key)) WITHOUT ROWID;
", "
-- The certificates around keys of https servers, as NSS asks for them: the issuer and serial number, and
-- the subject, hashed.
CREATE TABLE wrapped (key INTEGER PRIMARY KEY, place BLOB NOT NULL, subject BLOB NOT NULL);
CREATE INDEX wrapped_place ON wrapped (place);
CREATE INDEX wrapped_subject ON wrapped (subject);
CREATE TRIGGER key_gone AFTER DELETE ON key BEGIN DELETE FROM wrapped WHERE key = old.id; END;
"];

/// What a file is, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing is in it yet.
    Empty,
    /// Keys, in this schema.
    Keys(i64),
    /// Something else.
    Foreign,
}

pub(super) fn form(connection: &Connection) -> rusqlite::Result<Form> {
    let sql = "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
       FROM pragma_application_id, pragma_user_version";
    let (id, schema, tables): (i64, i64, i64) =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(match (id, schema, tables) {
        (0, 0, 0) => Form::Empty,
        (APPLICATION_ID, schema, _) if schema > 0 => Form::Keys(schema),
        _ => Form::Foreign,
    })
}

/// Brings a file to the present schema, all at once or not at all. Two processes may try together.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = match form(&transaction)? {
        Form::Empty => 0,
        Form::Keys(schema) => schema,
        Form::Foreign => return Ok(()),
    };
    for step in STEPS.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)) {
        transaction.execute_batch(step)?;
    }
    if from < SCHEMA {
        wrapped::note_all(&transaction, "1", [])?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
    }
    transaction.commit()
}
