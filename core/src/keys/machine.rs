//! The machine's keys: kept in a file that root changes, and published in one that programs read.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;

use rusqlite::Connection;

use super::place::machine_file;
use super::schema::migrate;
use super::{Keys, KeysError};
use crate::store::{NOTICED_WITHIN, create, seal};

/// Publishes the keys in `from` as the machine's: whole, sealed, and in one step. Programs know of it
/// when this returns.
pub fn publish_machine(from: &Keys, state_dir: &Path) -> Result<PathBuf, KeysError> {
    let published = state_dir.join(machine_file());
    let fresh = state_dir.join(format!("{}.new{}", machine_file(), std::process::id()));
    let done = write(from, &fresh).and_then(|()| put_in_force(&fresh, &published, state_dir));
    if done.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    done.map_err(|why| KeysError::new(&published.display().to_string(), why))?;
    sleep(NOTICED_WITHIN);
    Ok(published)
}

fn write(from: &Keys, fresh: &Path) -> Result<(), String> {
    let text = |error: rusqlite::Error| error.to_string();
    // Left by a process of the same number that was killed.
    let _ = fs::remove_file(fresh);
    create(fresh).map_err(|error| error.to_string())?;
    let mut connection = Connection::open(fresh).map_err(text)?;
    // Nobody reads it before it is whole.
    connection.pragma_update(None, "synchronous", "OFF").map_err(text)?;
    migrate(&mut connection).map_err(text)?;
    connection.execute("ATTACH ?1 AS source", [from.path()]).map_err(text)?;
    connection.execute("INSERT INTO key SELECT * FROM source.key ORDER BY id", []).map_err(text)?;
    connection.execute("INSERT INTO wrapped SELECT * FROM source.wrapped", []).map_err(text)?;
    connection.execute_batch("DETACH source").map_err(text)?;
    connection.close().map_err(|(_, error)| error.to_string())?;
    seal(fresh).map_err(|error| error.to_string())
}

fn put_in_force(fresh: &Path, published: &Path, state_dir: &Path) -> Result<(), String> {
    let put = || -> io::Result<()> {
        let file = File::open(fresh)?;
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.sync_all()?;
        fs::rename(fresh, published)?;
        File::open(state_dir)?.sync_all()
    };
    put().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Book, Edit, Filter, Given, Service, State};
    use crate::peer::Name;
    use crate::protocol::Protocol;
    use crate::store::check_pages;

    fn put(edit: &mut Edit<'_>, peer: &str) -> rusqlite::Result<()> {
        let given = Given {
            peer: Name::parse(peer).unwrap(),
            service: Service::new(&Protocol::parse("https").unwrap(), None),
            key: crate::key::KeyHash([1; 32]),
            spki: vec![1],
            certificate: Some(vec![2]),
            state: State::Remembered,
            origin: "test".into(),
            until: None,
        };
        edit.put(&given, false).map(|_| ())
    }

    #[test]
    fn the_machines_keys_are_sealed_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("machine.db");
        let mut keys = Keys::open(source.to_str().unwrap()).unwrap();
        for peer in ["a.lan", "b.lan"] {
            keys.edit("put", 1, None, |edit| put(edit, peer)).unwrap();
            let published = publish_machine(&keys, folder.path()).unwrap();
            check_pages(&published).unwrap();
            let read = Keys::open_read_only(published.to_str().unwrap()).unwrap().of_machine();
            assert!(read.keys_of(&Name::parse(peer).unwrap()).unwrap()[0].of_machine);
        }
        assert_eq!(keys.count(&Filter::default()), Ok(2));
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2);
    }
}
