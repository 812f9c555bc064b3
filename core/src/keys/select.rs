//! Remembered keys by what people look for.

use rusqlite::types::{ToSql, Value};

use super::read::{COLUMNS, known_key};
use super::{Keys, KeysError, KnownKey, State, wrapped};

/// Which keys. What is not said selects all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A peer as [`crate::peer::Name`] writes it, or `.domain`: that and all below it.
    pub peer: Option<String>,
    /// A protocol family.
    pub protocol: Option<String>,
    /// A port that is not the protocol's own; 0 for its own.
    pub port: Option<u16>,
    /// What holds for them.
    pub state: Option<State>,
    /// A part of where they came from.
    pub origin: Option<String>,
    /// Not seen since this second.
    pub last_before: Option<i64>,
    /// First seen at this second or later.
    pub first_from: Option<i64>,
}

impl Filter {
    fn sql(&self) -> (String, Vec<Value>) {
        let (mut sql, mut values) = (String::from(" WHERE 1"), Vec::new());
        let mut add = |condition: &str, value: Value| {
            sql.push_str(" AND ");
            sql.push_str(&condition.replace('?', &format!("?{}", values.len() + 1)));
            values.push(value);
        };
        match self.peer.as_ref().map(|peer| (peer, peer.strip_prefix('.'))) {
            Some((_, Some(domain))) => {
                add(
                    "(peer = ? OR substr(peer, -length(?) - 1) = '.' || ?)",
                    domain.to_owned().into(),
                );
            }
            Some((peer, None)) => add("peer = ?", peer.clone().into()),
            None => {}
        }
        let text = |text: &Option<String>| text.clone().map(Value::from);
        let conditions = [
            ("protocol = ?", text(&self.protocol)),
            ("port = ?", self.port.map(|port| i64::from(port).into())),
            ("state = ?", self.state.map(|state| state.as_str().to_owned().into())),
            ("instr(origin, ?) > 0", text(&self.origin)),
            ("last_seen < ?", self.last_before.map(Value::from)),
            ("first_seen >= ?", self.first_from.map(Value::from)),
        ];
        for (condition, value) in conditions {
            if let Some(value) = value {
                add(condition, value);
            }
        }
        (sql, values)
    }
}

impl Keys {
    /// Shows each key that the filter selects, by peer, and the certificate around it if there is one.
    /// An end from `see` is an end.
    pub fn each(
        &self,
        filter: &Filter,
        mut see: impl FnMut(KnownKey, Option<Vec<u8>>) -> bool,
    ) -> Result<(), KeysError> {
        let (condition, values) = filter.sql();
        let order = "ORDER BY peer, protocol, port, last_seen DESC, id";
        let sql = format!("SELECT {COLUMNS}, certificate FROM key{condition} {order}");
        let mut run = || {
            let mut statement = self.connection.prepare(&sql)?;
            let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
            let mut rows = statement.query(&*values)?;
            while let Some(row) = rows.next()? {
                if !see(known_key(row, self.is_machine())?, row.get(13)?) {
                    break;
                }
            }
            Ok(())
        };
        run().map_err(|error| self.error(&error))
    }

    /// How many keys the filter selects.
    pub fn count(&self, filter: &Filter) -> Result<u64, KeysError> {
        let (condition, values) = filter.sql();
        let sql = format!("SELECT count(*) FROM key{condition}");
        let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
        let count = self.connection.query_row(&sql, &*values, |row| row.get::<_, i64>(0));
        count.map(|count| count.unsigned_abs()).map_err(|error| self.error(&error))
    }

    /// What is wrong with the file as a whole; None if nothing is.
    pub fn damage(&self) -> Option<String> {
        let sql = "PRAGMA integrity_check(1)";
        match self.connection.query_row(sql, [], |row| row.get::<_, String>(0)) {
            Ok(fine) if fine == "ok" => None,
            Ok(what) => Some(what),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Room for the pages of a long edit, so that it stays in memory until it is finished.
    pub fn expect_many(&self) -> Result<(), KeysError> {
        let pages = self.connection.pragma_update(None, "cache_size", -262_144);
        pages.map_err(|error| self.error(&error))
    }

    /// Takes over all keys of another file that can still be read, and says how many.
    pub fn salvage(&mut self, from: &Self) -> Result<u64, KeysError> {
        let error = |error: rusqlite::Error| KeysError::new(from.path(), error);
        let mut saved = 0;
        let transaction = self.connection.transaction().map_err(error)?;
        for descending in [false, true] {
            // From both ends, each as far as it comes: damage in the middle hides nothing behind it.
            let order = if descending { "DESC" } else { "ASC" };
            let sql = format!("SELECT * FROM key NOT INDEXED ORDER BY id {order}");
            let Ok(mut statement) = from.connection.prepare(&sql) else { continue };
            let Ok(mut rows) = statement.query([]) else { continue };
            while let Ok(Some(row)) = rows.next() {
                let values: Result<Vec<Value>, _> = (0..13).map(|at| row.get(at)).collect();
                let Ok(values) = values else { continue };
                let sql = "INSERT OR IGNORE INTO key VALUES
                   (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
                let mut insert = transaction.prepare_cached(sql).map_err(error)?;
                // A row that breaks the table's rules is damage too.
                saved += insert.execute(rusqlite::params_from_iter(values)).unwrap_or(0) as u64;
            }
        }
        wrapped::note_all(&transaction, "1", []).map_err(error)?;
        transaction.commit().map_err(error)?;
        Ok(saved)
    }
}
