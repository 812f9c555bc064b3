//! Look-ups of remembered keys.

use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row};

use super::schema::{Form, SCHEMA, form, migrate};
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

/// The columns of a key, in the order that [`known_key`] reads them.
pub(super) const COLUMNS: &str = "id, peer, protocol, port, hash, spki, state, origin, first_seen,
  last_seen, sightings, until";

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
        let is_old = now == Form::Empty || matches!(now, Form::Keys(schema) if schema < SCHEMA);
        if writable && is_old {
            migrate(&mut connection).map_err(fail)?;
            now = form(&connection).map_err(fail)?;
        }
        let keys = Self::checked(connection, path, now)?;
        Ok(Self { is_machine, ..keys })
    }

    fn checked(connection: Connection, path: &str, form: Form) -> Result<Self, KeysError> {
        match form {
            Form::Keys(SCHEMA) => {}
            Form::Keys(schema) => {
                let why = format!("they have schema {schema}, and this program reads {SCHEMA}");
                return Err(KeysError::new(path, why));
            }
            Form::Empty => return Err(KeysError::new(path, "the file is empty")),
            Form::Foreign => {
                return Err(KeysError::new(path, "the file holds no keys of peerkey's"));
            }
        }
        connection.set_prepared_statement_cache_capacity(16);
        Ok(Self { connection, path: path.to_owned(), is_machine: false })
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

    fn select(&self, peer: &Name) -> rusqlite::Result<Vec<KnownKey>> {
        let sql = format!("SELECT {COLUMNS} FROM key WHERE peer = ?1 ORDER BY last_seen DESC, id");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows =
            statement.query_map([peer.to_string()], |row| known_key(row, self.is_machine))?;
        rows.collect()
    }
}

impl Book for Keys {
    fn keys_of(&self, peer: &Name) -> Result<Vec<KnownKey>, KeysError> {
        self.select(peer).map_err(|error| self.error(&error))
    }
}

pub(super) fn known_key(row: &Row<'_>, of_machine: bool) -> rusqlite::Result<KnownKey> {
    let state: String = row.get(6)?;
    Ok(KnownKey {
        id: row.get(0)?,
        peer: printable(&row.get::<_, String>(1)?),
        service: Service { protocol: printable(&row.get::<_, String>(2)?), port: row.get(3)? },
        key: KeyHash(row.get(4)?),
        spki: row.get(5)?,
        // A state that nobody knows vouches for nothing.
        state: State::parse(&state).unwrap_or(State::Held),
        origin: printable(&row.get::<_, String>(7)?),
        first_seen: row.get(8)?,
        last_seen: row.get(9)?,
        sightings: row.get(10)?,
        until: row.get(11)?,
        of_machine,
    })
}
