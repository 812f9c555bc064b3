//! Look-ups of remembered keys.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row};

use super::schema::{Form, OLDEST, SCHEMA, WRAPPED, form, migrate};
use super::{Book, KeysError, KnownKey, Service, State};
use crate::certificate::printable;
use crate::key::KeyHash;
use crate::peer::Name;

/// An open file of remembered keys.
#[derive(Debug)]
pub struct Keys {
    pub(super) connection: Connection,
    path: String,
    is_machine: bool,
    schema: i64,
    /// Where the file of an older schema was kept, if it was brought up to this one's.
    backup: Option<String>,
}

/// How far a file may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is only read.
    Read,
    /// It may be written to; what another program began and could not end is undone.
    Write,
    /// If it is empty, it gets its tables.
    Make,
}

macro_rules! columns {
    () => {
        "id, peer, protocol, port, hash, spki, state, origin, first_seen, last_seen, sightings, \
         until, certificate IS NOT NULL"
    };
}

/// The columns of a key, in the order that [`known_key`] reads them.
#[cfg(feature = "source")]
pub(super) const COLUMNS: &str = columns!();

impl Keys {
    /// Opens a user's file for reading and writing, and makes it if it is not there. An older schema is
    /// brought up to this version's.
    pub fn open(path: &str) -> Result<Self, KeysError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::with(path, flags, false)
    }

    /// Opens a file that this process may only read.
    pub fn open_read_only(path: &str) -> Result<Self, KeysError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::with(path, flags, false)
    }

    /// Opens a file through a file system of the caller's, which SQLite knows by this name, and in
    /// somebody else's process: no lock is waited for longer than `patience`. None where nothing was
    /// written yet, unless it is `made`. An older schema is left to the command.
    pub fn open_through(
        vfs: &str,
        path: &str,
        access: Access,
        patience: Duration,
    ) -> Result<Option<Self>, KeysError> {
        let fail = |error: rusqlite::Error| KeysError::new(path, error);
        let way = match access {
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Write | Access::Make => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let flags = way | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags_and_vfs(path, flags, vfs).map_err(fail)?;
        connection.busy_timeout(patience).map_err(fail)?;
        // A handshake waits for this. The journal's records carry checksums, so that one whose end did not
        // reach the disk is told from a whole one; each write is on the disk before it counts all the same.
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(fail)?;
        // The journal is emptied and stays: to make it, and to bring its name to the disk, each time takes
        // as long as all else.
        connection.pragma_update(None, "journal_mode", "TRUNCATE").map_err(fail)?;
        let mut now = form(&connection).map_err(fail)?;
        if now == Form::Empty && access != Access::Make {
            return Ok(None);
        }
        if now == Form::Empty {
            migrate(&mut connection).map_err(fail)?;
            now = form(&connection).map_err(fail)?;
        }
        Self::checked(connection, path, now).map(Some)
    }

    /// The same keys as the decisions of the machine's administrator.
    #[must_use]
    pub fn of_machine(self) -> Self {
        Self { is_machine: true, ..self }
    }

    /// From now on waits for other programs' locks no longer than this.
    pub fn wait_at_most(&self, patience: Duration) -> Result<(), KeysError> {
        self.connection.busy_timeout(patience).map_err(|error| self.error(&error))
    }

    /// The same, under the path that people know in place of SQLite's name.
    #[must_use]
    pub fn called(self, path: &str) -> Self {
        Self { path: path.into(), ..self }
    }

    fn with(path: &str, flags: OpenFlags, is_machine: bool) -> Result<Self, KeysError> {
        let fail = |error: rusqlite::Error| KeysError::new(path, error);
        let mut connection = Connection::open_with_flags(path, flags).map_err(fail)?;
        let mut now = form(&connection).map_err(fail)?;
        let writable = flags.contains(OpenFlags::SQLITE_OPEN_READ_WRITE);
        let old = matches!(now, Form::Keys(schema) if schema < SCHEMA);
        let mut backup = None;
        if writable && old {
            backup = Some(keep(&connection, path, now).map_err(|why| KeysError::new(path, why))?);
        }
        if writable && (old || now == Form::Empty) {
            migrate(&mut connection).map_err(fail)?;
            now = form(&connection).map_err(fail)?;
        }
        let keys = Self::checked(connection, path, now)?;
        Ok(Self { is_machine, backup, ..keys })
    }

    fn checked(connection: Connection, path: &str, form: Form) -> Result<Self, KeysError> {
        let schema = match form {
            Form::Keys(schema) if (OLDEST..=SCHEMA).contains(&schema) => schema,
            Form::Keys(schema) => {
                let why = format!(
                    "they have schema {schema}, of a newer peerkey, and this program reads up to \
                     {SCHEMA}"
                );
                return Err(KeysError::new(path, why));
            }
            Form::Empty => return Err(KeysError::new(path, "the file is empty")),
            Form::Foreign => {
                return Err(KeysError::new(path, "the file holds no keys of peerkey's"));
            }
        };
        connection.set_prepared_statement_cache_capacity(16);
        let path = path.to_owned();
        Ok(Self { connection, path, is_machine: false, schema, backup: None })
    }

    /// Where the file was kept as it was, if opening it brought it up from an older schema.
    pub fn backup(&self) -> Option<&str> {
        self.backup.as_deref()
    }

    /// Whether certificates are found in it by what NSS asks for.
    pub(super) fn finds_certificates(&self) -> bool {
        self.schema >= WRAPPED
    }

    /// The file.
    pub fn path(&self) -> &str {
        &self.path
    }

    #[cfg(feature = "source")]
    pub(super) fn is_machine(&self) -> bool {
        self.is_machine
    }

    pub(super) fn error(&self, error: &rusqlite::Error) -> KeysError {
        KeysError::new(&self.path, error)
    }
}

/// All keys of a peer, those that were seen last first.
pub(super) fn of_peer(
    connection: &Connection,
    peer: &Name,
    of_machine: bool,
) -> rusqlite::Result<Vec<KnownKey>> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM key WHERE peer = ?1");
    let mut statement = connection.prepare_cached(SQL)?;
    let mut rows = statement.query([peer.to_string()])?;
    let mut known = Vec::new();
    while let Some(row) = rows.next()? {
        known.push(known_key(row, of_machine)?);
    }
    // There is one, or few: SQLite would make a table to sort them.
    known.sort_by_key(|key: &KnownKey| (std::cmp::Reverse(key.last_seen), key.id));
    Ok(known)
}

/// Copies a file of an older schema beside it, and says where.
fn keep(connection: &Connection, path: &str, form: Form) -> Result<String, String> {
    let Form::Keys(schema) = form else { return Err("it is no file of keys".into()) };
    let fail = |why: &dyn std::fmt::Display| {
        format!("a copy has to be kept before its schema changes, and cannot be: {why}")
    };
    let names = (0..100).map(|number| match number {
        0 => format!("{path}.schema-{schema}"),
        number => format!("{path}.schema-{schema}.{number}"),
    });
    for name in names {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&name) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(fail(&error)),
        }
        let copied = connection.execute("VACUUM INTO ?1", [&name]);
        return copied.map(|_| name.clone()).map_err(|error| {
            let _ = fs::remove_file(&name);
            fail(&error)
        });
    }
    Err(fail(&"a hundred copies are there already"))
}

impl Book for Keys {
    fn keys_of(&self, peer: &Name) -> Result<Vec<KnownKey>, KeysError> {
        let known = of_peer(&self.connection, peer, self.is_machine);
        known.map_err(|error| self.error(&error))
    }
}

pub(super) fn known_key(row: &Row<'_>, of_machine: bool) -> rusqlite::Result<KnownKey> {
    let text = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    Ok(KnownKey {
        id: row.get(0)?,
        peer: printable(text(1)?),
        service: Service { protocol: printable(text(2)?), port: row.get(3)? },
        key: KeyHash(row.get(4)?),
        spki: row.get(5)?,
        // A state that nobody knows vouches for nothing.
        state: State::parse(text(6)?).unwrap_or(State::Held),
        origin: printable(text(7)?),
        first_seen: row.get(8)?,
        last_seen: row.get(9)?,
        sightings: row.get(10)?,
        until: row.get(11)?,
        has_certificate: row.get(12)?,
        of_machine,
    })
}
