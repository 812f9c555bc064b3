//! What people change: each change is written down with what it replaced, and can be undone.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{Keys, KeysError, KnownKey, Service, State, wrapped};
use crate::key::KeyHash;
use crate::peer::Name;

/// So many changes can be undone; what came before them is settled.
const CHANGES_KEPT: i64 = 100;

/// What an edit's steps return.
pub type EditResult<T> = rusqlite::Result<T>;

/// A key that somebody gives.
#[derive(Clone, Debug)]
pub struct Given {
    /// Whose.
    pub peer: Name,
    /// For which service.
    pub service: Service,
    /// The canonical hash.
    pub key: KeyHash,
    /// The SubjectPublicKeyInfo in its usual encoding; empty if only the hash is known.
    pub spki: Vec<u8>,
    /// The certificate around it, in DER.
    pub certificate: Option<Vec<u8>>,
    /// What holds for it.
    pub state: State,
    /// Whence it came.
    pub origin: String,
    /// It vouches until this second.
    pub until: Option<i64>,
}

/// What became of a given key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is new here.
    Added,
    /// It was here, and something else held for it.
    Changed,
    /// It was here as it is given.
    AsItWas,
}

/// One of the changes that can be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub id: i64,
    /// When, in seconds since 1970.
    pub at: i64,
    /// In words.
    pub what: String,
    /// How many keys it touched.
    pub keys: i64,
}

/// A finished edit: its change, if it changed anything, and what its maker returned.
#[derive(Debug)]
pub struct Done<T> {
    /// The number by which it is undone.
    pub change: Option<i64>,
    /// What was returned.
    pub value: T,
}

/// What an undo did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// It is as it was before this change.
    Change(Change),
    /// There is no such change.
    Nothing,
    /// A later change, this one, touched the same keys: it must be undone first.
    After(Change),
}

/// An edit that is under way.
#[derive(Debug)]
pub struct Edit<'a> {
    transaction: Transaction<'a>,
    change: i64,
    now: i64,
    touched: u64,
}

/// What stands there of a key that is given.
struct Known {
    id: i64,
    state: String,
    until: Option<i64>,
    /// Whether the given certificate is, if there is one.
    has_certificate: bool,
}

impl Keys {
    /// Edits all at once or not at all. `what` says it in words; `into` continues an earlier change.
    pub fn edit<T>(
        &mut self,
        what: &str,
        now: i64,
        into: Option<i64>,
        make: impl FnOnce(&mut Edit<'_>) -> EditResult<T>,
    ) -> Result<Done<T>, KeysError> {
        let path = self.path().to_owned();
        let fail = |error: rusqlite::Error| KeysError::new(&path, error);
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior).map_err(fail)?;
        let change = match into {
            Some(change) => change,
            None => new_change(&transaction, what, now).map_err(fail)?,
        };
        let mut edit = Edit { transaction, change, now, touched: 0 };
        let value = make(&mut edit).map_err(fail)?;
        let Edit { transaction, touched, .. } = edit;
        if touched == 0 {
            // Nothing is left to undo.
            transaction.rollback().map_err(fail)?;
            return Ok(Done { change: into, value });
        }
        transaction.commit().map_err(fail)?;
        Ok(Done { change: Some(change), value })
    }

    /// The changes that can be undone, the last first.
    pub fn changes(&self) -> Result<Vec<Change>, KeysError> {
        let sql = format!("{CHANGE} ORDER BY id DESC");
        let read = || {
            let mut statement = self.connection.prepare(&sql)?;
            statement.query_map([], change_of)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| self.error(&error))
    }

    /// Undoes this change, or the last one. What was seen since of a key that stays is kept.
    pub fn undo(&mut self, change: Option<i64>) -> Result<Undone, KeysError> {
        let path = self.path().to_owned();
        let behavior = TransactionBehavior::Immediate;
        let mut undo = || {
            let transaction = self.connection.transaction_with_behavior(behavior)?;
            let undone = undo(&transaction, change)?;
            transaction.commit()?;
            Ok(undone)
        };
        undo().map_err(|error: rusqlite::Error| KeysError::new(&path, error))
    }
}

impl Edit<'_> {
    /// Puts a key in, or changes what holds for it. A denial is only ended if `overrule` says so.
    pub fn put(&mut self, given: &Given, overrule: bool) -> rusqlite::Result<Put> {
        let certificate = wrapped::kept(given.certificate.as_deref());
        let known = self.find(given, certificate)?;
        let Some(Known { id, state, until, has_certificate }) = known else {
            let id = insert(&self.transaction, given, self.now)?;
            if certificate.is_some() {
                wrapped::note(&self.transaction, id, &given.service, certificate)?;
            }
            self.note_new(id)?;
            return Ok(Put::Added);
        };
        if state == State::Denied.as_str() && given.state != State::Denied && !overrule {
            return Ok(Put::AsItWas);
        }
        if !has_certificate {
            self.note(id)?;
            let sql = "UPDATE key SET certificate = ?2 WHERE id = ?1";
            self.transaction.prepare_cached(sql)?.execute(params![id, certificate])?;
            wrapped::note(&self.transaction, id, &given.service, certificate)?;
        }
        if state == given.state.as_str() && until == given.until {
            return Ok(if has_certificate { Put::AsItWas } else { Put::Changed });
        }
        self.set(id, given.state, &given.origin, given.until)?;
        Ok(Put::Changed)
    }

    fn find(&self, given: &Given, certificate: Option<&[u8]>) -> rusqlite::Result<Option<Known>> {
        let sql = "SELECT id, state, until, ?5 IS NULL OR certificate IS ?5 FROM key
           WHERE peer = ?1 AND protocol = ?2 AND port = ?3 AND hash = ?4";
        let Service { protocol, port } = &given.service;
        let named = params![given.peer.to_string(), protocol, port, given.key.0, certificate];
        let read = |row: &rusqlite::Row<'_>| {
            let (id, state, until) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Known { id, state, until, has_certificate: row.get(3)? })
        };
        self.transaction.prepare_cached(sql)?.query_row(named, read).optional()
    }

    /// Changes what holds for a key that is here.
    pub fn set(
        &mut self,
        id: i64,
        state: State,
        origin: &str,
        until: Option<i64>,
    ) -> rusqlite::Result<()> {
        self.note(id)?;
        let sql = "UPDATE key SET state = ?2, origin = ?3, until = ?4 WHERE id = ?1";
        let values = params![id, state.as_str(), origin, until];
        self.transaction.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// Takes a key away.
    pub fn forget(&mut self, known: &KnownKey) -> rusqlite::Result<()> {
        self.note(known.id)?;
        self.transaction.prepare_cached("DELETE FROM key WHERE id = ?1")?.execute([known.id])?;
        Ok(())
    }

    /// Notes how a key was before this change touched it.
    fn note(&mut self, id: i64) -> rusqlite::Result<()> {
        let sql = "INSERT OR IGNORE INTO change_row SELECT ?1, * FROM key WHERE id = ?2";
        self.transaction.prepare_cached(sql)?.execute(params![self.change, id])?;
        self.touched += 1;
        Ok(())
    }

    fn note_new(&mut self, id: i64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO change_row (change, key) VALUES (?1, ?2)";
        self.transaction.prepare_cached(sql)?.execute(params![self.change, id])?;
        self.touched += 1;
        Ok(())
    }
}

fn insert(connection: &Connection, given: &Given, now: i64) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO key VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, 1, ?10)";
    connection.prepare_cached(sql)?.insert(params![
        given.peer.to_string(),
        given.service.protocol,
        given.service.port,
        given.key.0,
        given.spki,
        wrapped::kept(given.certificate.as_deref()),
        given.state.as_str(),
        given.origin,
        now,
        given.until
    ])
}

const CHANGE: &str = "SELECT id, at, what,
   (SELECT count(*) FROM change_row WHERE change = id) FROM change";

fn change_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Change> {
    Ok(Change { id: row.get(0)?, at: row.get(1)?, what: row.get(2)?, keys: row.get(3)? })
}

fn new_change(connection: &Connection, what: &str, now: i64) -> rusqlite::Result<i64> {
    connection.execute("INSERT INTO change VALUES (NULL, ?1, ?2)", params![now, what])?;
    let change = connection.last_insert_rowid();
    for (table, column) in [("change_row", "change"), ("change", "id")] {
        let sql = format!("DELETE FROM {table} WHERE {column} <= ?1");
        connection.execute(&sql, [change - CHANGES_KEPT])?;
    }
    Ok(change)
}

fn undo(connection: &Connection, change: Option<i64>) -> rusqlite::Result<Undone> {
    let one = format!("{CHANGE} WHERE id = coalesce(?1, (SELECT max(id) FROM change))");
    let Some(change) = connection.query_row(&one, [change], change_of).optional()? else {
        return Ok(Undone::Nothing);
    };
    let later = format!(
        "{CHANGE} WHERE id > ?1 AND EXISTS (SELECT 1 FROM change_row AS mine, change_row AS other
           WHERE mine.change = ?1 AND other.change = id AND other.key = mine.key)
         ORDER BY id DESC LIMIT 1"
    );
    if let Some(later) = connection.query_row(&later, [change.id], change_of).optional()? {
        return Ok(Undone::After(later));
    }
    connection.execute(
        "DELETE FROM key WHERE id IN
           (SELECT key FROM change_row WHERE change = ?1 AND peer IS NULL)",
        [change.id],
    )?;
    connection.execute(RESTORE, [change.id])?;
    let of_it = "id IN (SELECT key FROM change_row WHERE change = ?1)";
    connection.execute(
        &format!("DELETE FROM wrapped WHERE key IN (SELECT id FROM key WHERE {of_it})"),
        [change.id],
    )?;
    wrapped::note_all(connection, of_it, [change.id])?;
    connection.execute("DELETE FROM change_row WHERE change = ?1", [change.id])?;
    connection.execute("DELETE FROM change WHERE id = ?1", [change.id])?;
    Ok(Undone::Change(change))
}

/// Brings back what people decide. A key that programs met again meanwhile keeps what they saw.
const RESTORE: &str = "
INSERT INTO key SELECT key, peer, protocol, port, hash, spki, certificate, state, origin,
  first_seen, last_seen, sightings, until FROM change_row WHERE change = ?1 AND peer IS NOT NULL
ON CONFLICT (peer, protocol, port, hash) DO UPDATE SET state = excluded.state,
  origin = excluded.origin, until = excluded.until, certificate = excluded.certificate,
  first_seen = min(key.first_seen, excluded.first_seen)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Book;
    use crate::protocol::Protocol;

    const NOW: i64 = 1_800_000_000;

    fn given(peer: &str, key: u8) -> Given {
        Given {
            peer: Name::parse(peer).unwrap(),
            service: Service::new(&Protocol::parse("https").unwrap(), None),
            key: KeyHash([key; 32]),
            spki: vec![key],
            certificate: None,
            state: State::Remembered,
            origin: "test".into(),
            until: None,
        }
    }

    fn put(keys: &mut Keys, given: &Given) -> (Option<i64>, Put) {
        let done = keys.edit("put", NOW, None, |edit| edit.put(given, false)).unwrap();
        (done.change, done.value)
    }

    fn shelf() -> (tempfile::TempDir, Keys) {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path().join("keys.db").to_str().unwrap()).unwrap();
        (folder, keys)
    }

    fn all(keys: &Keys, peer: &str) -> Vec<KnownKey> {
        keys.keys_of(&Name::parse(peer).unwrap()).unwrap()
    }

    #[test]
    fn each_change_is_undone_in_turn() {
        let (_folder, mut keys) = shelf();
        put(&mut keys, &given("a.lan", 1));
        let before = all(&keys, "a.lan");
        let denied = Given { state: State::Denied, ..given("a.lan", 1) };
        assert_eq!(put(&mut keys, &denied).1, Put::Changed);
        // A given key ends no denial by itself.
        assert_eq!(put(&mut keys, &given("a.lan", 1)), (None, Put::AsItWas));
        let known = all(&keys, "a.lan").remove(0);
        keys.edit("forget", NOW, None, |edit| edit.forget(&known)).unwrap();
        assert!(all(&keys, "a.lan").is_empty());
        let words = |keys: &Keys| keys.changes().unwrap().len();
        assert_eq!(words(&keys), 3);
        assert!(matches!(keys.undo(None), Ok(Undone::Change(change)) if change.what == "forget"));
        assert_eq!(all(&keys, "a.lan"), [known]);
        keys.undo(None).unwrap();
        assert_eq!(all(&keys, "a.lan"), before);
        keys.undo(None).unwrap();
        assert!(all(&keys, "a.lan").is_empty());
        assert_eq!(keys.undo(None), Ok(Undone::Nothing));
    }

    #[test]
    fn a_change_under_a_later_one_stays() {
        let (_folder, mut keys) = shelf();
        let (first, _) = put(&mut keys, &given("a.lan", 1));
        let (other, _) = put(&mut keys, &given("b.lan", 1));
        put(&mut keys, &Given { until: Some(NOW), ..given("a.lan", 1) });
        assert!(matches!(keys.undo(first), Ok(Undone::After(change)) if change.keys == 1));
        assert!(matches!(keys.undo(other), Ok(Undone::Change(_))));
        assert!(all(&keys, "b.lan").is_empty());
        assert_eq!(all(&keys, "a.lan")[0].until, Some(NOW));
    }

    /// A number that were given again would let an undo take somebody else's key.
    #[test]
    fn an_undo_takes_no_key_that_came_after() {
        let (_folder, mut keys) = shelf();
        let (change, _) = put(&mut keys, &given("a.lan", 1));
        keys.connection.execute("DELETE FROM key", []).unwrap();
        put(&mut keys, &given("b.lan", 2));
        assert!(matches!(keys.undo(change), Ok(Undone::Change(_))));
        assert_eq!(all(&keys, "b.lan").len(), 1);
    }

    #[test]
    fn what_programs_saw_meanwhile_is_kept() {
        let (_folder, mut keys) = shelf();
        put(&mut keys, &given("a.lan", 1));
        let known = all(&keys, "a.lan").remove(0);
        keys.edit("forget", NOW, None, |edit| edit.forget(&known)).unwrap();
        let sql =
            "INSERT INTO key SELECT NULL, 'a.lan', 'https', 0, ?1, x'01', NULL, 'held', 'met',
           ?2, ?2, 3, NULL";
        keys.connection.execute(sql, params![[1u8; 32], NOW + 9]).unwrap();
        keys.undo(None).unwrap();
        let now = all(&keys, "a.lan");
        assert_eq!((now.len(), now[0].sightings, now[0].first_seen), (1, 3, NOW));
        assert_eq!(now[0].state, State::Remembered);
    }

    #[test]
    fn so_many_changes_are_kept_and_no_more() {
        let (_folder, mut keys) = shelf();
        for key in 0..120 {
            put(&mut keys, &given("a.lan", key));
        }
        assert_eq!(keys.changes().unwrap().len(), CHANGES_KEPT as usize);
        assert!(keys.changes().unwrap().iter().all(|change| change.keys == 1));
    }
}
