//! Sealing: each page of a written database gets its mark and its checksum.

use std::fs::{File, OpenOptions};
use std::hash::Hasher;
use std::io::{self, BufReader, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use twox_hash::XxHash64;

use super::StoreError;
use super::pages::{Header, MARK, Pages, RESERVED, sum_of};

const PAGE_SIZE: u16 = 4096;

/// Makes a file that is a database with nothing in it, in whose pages room is left for what `seal` puts
/// there. The file must not exist yet.
pub fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(&empty())
}

/// What SQLite writes at first (SQLite file format, sections 1.3 and 1.6), but for the reserved octets.
fn empty() -> Vec<u8> {
    let mut page = vec![0; usize::from(PAGE_SIZE)];
    let mut put = |at: usize, octets: &[u8]| page[at..at + octets.len()].copy_from_slice(octets);
    put(0, b"SQLite format 3\0");
    put(16, &PAGE_SIZE.to_be_bytes());
    put(18, &[1, 1, RESERVED as u8, 64, 32, 32]);
    put(28, &1_u32.to_be_bytes());
    // An empty leaf of a table, whose content starts at its end.
    put(100, &[0x0d]);
    put(105, &(PAGE_SIZE - RESERVED as u16).to_be_bytes());
    page
}

/// Gives each page its mark and its checksum. Nothing may be written to the file after that.
pub fn seal(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut mark = XxHash64::with_seed(0);
    each_page(&file, |_, page| {
        mark.write(&page[..page.len() - RESERVED]);
        Ok(())
    })?;
    let mark = mark.finish().to_le_bytes();
    each_page(&file, |number, page| {
        let at = page.len() - RESERVED;
        page[at..at + MARK].copy_from_slice(&mark);
        let sum = sum_of(number, &page[..at + MARK]);
        page[at + MARK..].copy_from_slice(&sum);
        file.write_all_at(&page[at..], number * page.len() as u64 + at as u64)
    })
}

/// Whether every page of a compiled policy is as it was written.
pub fn check_pages(path: &Path) -> Result<(), StoreError> {
    let checked = File::open(path).and_then(|file| {
        let mut pages = None;
        each_page(&file, |number, page| {
            pages = pages.take().or_else(|| Pages::of(page));
            let good = pages.as_ref().is_some_and(|pages| pages.holds(number, page));
            good.then_some(()).ok_or(ErrorKind::InvalidData.into())
        })
    });
    let name = || path.display().to_string();
    checked.map_err(|error| match error.kind() {
        ErrorKind::InvalidData => StoreError::damaged(name()),
        _ => StoreError::new(name(), error),
    })
}

/// Every page, with its number from 0. What is no database of ours, or has another size than it says,
/// is invalid data.
fn each_page(file: &File, mut see: impl FnMut(u64, &mut [u8]) -> io::Result<()>) -> io::Result<()> {
    let mut start = [0; Header::LENGTH];
    let size = file.metadata()?.len();
    let header = file.read_exact_at(&mut start, 0).ok().and_then(|()| Header::read(&start));
    let header = header.filter(|header| header.has_room() && header.file_size() == size);
    let header = header.ok_or(ErrorKind::InvalidData)?;
    let mut page = vec![0; header.page_size()];
    let mut reader = BufReader::with_capacity(1 << 18, file);
    reader.rewind()?;
    for number in 0..size / header.page_size() as u64 {
        reader.read_exact(&mut page)?;
        see(number, &mut page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use super::*;

    /// A sealed database of several pages, one of which SQLite does not use.
    fn sealed(folder: &Path) -> Vec<u8> {
        let path = folder.join("db");
        create(&path).unwrap();
        let writer = Connection::open(&path).unwrap();
        let sql = "CREATE TABLE a AS SELECT hex(zeroblob(9000)) AS a; CREATE TABLE b AS SELECT 1;
            DROP TABLE b";
        writer.execute_batch(sql).unwrap();
        writer.close().unwrap();
        seal(&path).unwrap();
        fs::read(path).unwrap()
    }

    #[test]
    fn sqlite_takes_a_sealed_database_and_leaves_its_room() {
        let folder = tempfile::tempdir().unwrap();
        let file = sealed(folder.path());
        assert_eq!((file.len() / 4096, file[20]), (7, 16));
        let uri = format!("file:{}?mode=ro&immutable=1", folder.path().join("db").display());
        let reader = Connection::open(uri).unwrap();
        let ask = |sql| reader.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(ask("PRAGMA integrity_check"), "ok");
        assert_eq!(ask("SELECT a FROM a"), "0".repeat(18_000));
        check_pages(&folder.path().join("db")).unwrap();
    }

    #[test]
    fn sealed_again_it_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = sealed(folder.path());
        seal(&folder.path().join("db")).unwrap();
        assert_eq!(fs::read(folder.path().join("db")).unwrap(), file);
    }

    #[test]
    fn whatever_is_changed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, path) = (sealed(folder.path()), folder.path().join("db"));
        for at in (0..file.len()).step_by(37) {
            let mut damaged = file.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, damaged).unwrap();
            assert_eq!(check_pages(&path).unwrap_err().why, "it is damaged: run peerkey apply");
        }
        let mut swapped = file.clone();
        swapped[4096..3 * 4096].rotate_left(4096);
        for other in [&swapped, &file[..4096], &file[..9000], &[], b"nonsense"] {
            fs::write(&path, other).unwrap();
            assert_eq!(check_pages(&path), Err(StoreError::damaged(path.display().to_string())));
        }
    }

    #[test]
    fn a_file_that_is_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        sealed(folder.path());
        assert_eq!(create(&folder.path().join("db")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
}
