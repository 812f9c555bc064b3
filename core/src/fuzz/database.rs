//! Bytes as policy-1.db, or as changes to a good one.

use std::path::Path;

use rusqlite::Connection;

use super::{assert_printable, world};

/// A file that begins as SQLite's do is taken as it is. Else the first byte says what the rest is: places
/// and bytes that are written over a good file (0), or cells that are given other values (1).
pub fn database(input: &[u8]) {
    let path = world::folder().join("database.db");
    match input {
        _ if input.starts_with(b"SQLite format 3\0") => std::fs::write(&path, input).unwrap(),
        [0, changes @ ..] => std::fs::write(&path, overwritten(changes)).unwrap(),
        [1, cells @ ..] => {
            std::fs::write(&path, good()).unwrap();
            set(&path, cells);
        }
        _ => return,
    }
    let Ok(opened) = world::open(&path) else { return };
    let _ = (opened.is_transparent(), opened.default_in_words());
    for row in opened.authorities().into_iter().flatten() {
        [row.name, row.kind, row.place].iter().for_each(|text| assert_printable(text));
    }
    for row in opened.rules().into_iter().flatten() {
        [row.accept, row.place].iter().for_each(|text| assert_printable(text));
        row.peers.iter().flatten().for_each(|text| assert_printable(text));
    }
    for row in opened.denials().into_iter().flatten() {
        row.reason.iter().chain([&row.place]).for_each(|text| assert_printable(text));
    }
    let _ = (opened.constraints(), opened.sources());
    for query in super::certificates::queries() {
        world::ask(&opened, &query);
    }
}

fn good() -> Vec<u8> {
    use std::sync::OnceLock;
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    GOOD.get_or_init(|| std::fs::read(world::compiled()).unwrap()).clone()
}

/// Three bytes say where, one how many, and as many follow.
fn overwritten(mut changes: &[u8]) -> Vec<u8> {
    let mut file = good();
    while let Some((&[a, b, c, count], rest)) = changes.split_first_chunk() {
        let at = u32::from_be_bytes([0, a, b, c]) as usize % file.len();
        let bytes = &rest[..usize::from(count).min(rest.len())];
        let end = (at + bytes.len()).min(file.len());
        file[at..end].copy_from_slice(&bytes[..end - at]);
        changes = &rest[bytes.len()..];
    }
    file
}

/// Lines of a byte that says which cells, and a value; one that reads as a number is a number.
fn set(path: &Path, cells: &[u8]) {
    let connection = Connection::open(path).unwrap();
    let columns = columns(&connection);
    for line in cells.split(|b| *b == b'\n').take(16) {
        let Some((cell, value)) = line.split_first() else { continue };
        let column = &columns[usize::from(*cell) % columns.len()];
        let text = String::from_utf8_lossy(value);
        let _ = match (text.parse::<i64>(), std::str::from_utf8(value)) {
            (Ok(number), _) => connection.execute(column, [number]),
            (_, Ok(text)) => connection.execute(column, [text]),
            (_, Err(_)) => connection.execute(column, [value]),
        };
    }
}

/// A statement for each column that sets its cells.
fn columns(connection: &Connection) -> Vec<String> {
    let sql = "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c
        WHERE m.type = 'table' ORDER BY 1, 2";
    let mut statement = connection.prepare(sql).unwrap();
    let names = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let names: Vec<(String, String)> = names.map(Result::unwrap).collect();
    let set =
        |(table, column): &(String, String)| format!("UPDATE OR IGNORE {table} SET {column} = ?1");
    let mut statement = connection.prepare("SELECT sub FROM entry WHERE kind = 0").unwrap();
    let settings = statement.query_map([], |row| row.get(0)).unwrap();
    let settings: Vec<String> = settings.map(Result::unwrap).collect();
    let setting = |n: &String| format!("UPDATE entry SET a = ?1 WHERE kind = 0 AND sub = '{n}'");
    names.iter().map(set).chain(settings.iter().map(setting)).collect()
}
