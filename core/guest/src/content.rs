//! What is read of the compiled policy: what `apply` wrote, and nothing else.
//!
//! Hosts close descriptors that they do not know, and use their numbers again: what was read counts only
//! if the number is that of the same, unchanged file afterwards. Of that file a page counts only if it is
//! what its checksum says.

use std::cell::Cell;

use peerkey_core::store::{Header, Pages};

use crate::folder::Descriptor;

/// SQLite reads the header of a database, or some of it, before each look-up.
const HEADER: usize = 100;

/// How large the pages are that `apply` writes.
const PAGE: usize = 4096;

/// An open compiled policy.
pub(crate) struct Content {
    descriptor: Descriptor,
    header: Header,
    pages: Pages,
    start: [u8; HEADER],
    /// The first page, until SQLite reads it.
    first: Cell<Vec<u8>>,
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRead {
    /// It is no database.
    Other,
    /// It is not what was written.
    Damaged,
    /// It is another file by now, or the system does not give it.
    Gone,
}

impl Content {
    /// The file behind a descriptor.
    pub(crate) fn open(descriptor: Descriptor) -> Result<Self, NotRead> {
        let mut page = vec![0; PAGE];
        let length = descriptor.read(&mut page, 0).map_err(|_| NotRead::Gone)?;
        let header = page.get(..length).and_then(Header::read).ok_or(NotRead::Other)?;
        // SQLite reads what is missing of a file as zeros.
        if u64::try_from(descriptor.id().size) != Ok(header.file_size()) {
            return Err(NotRead::Damaged);
        }
        if header.page_size() != PAGE {
            page.resize(header.page_size(), 0);
            descriptor.read(&mut page, 0).map_err(|_| NotRead::Gone)?;
        }
        if !descriptor.is_unchanged() {
            return Err(NotRead::Gone);
        }
        let pages = Pages::of(&page).ok_or(NotRead::Damaged)?;
        let start = *page.first_chunk().ok_or(NotRead::Damaged)?;
        Ok(Self { descriptor, header, pages, start, first: Cell::new(page) })
    }

    /// Its header.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// How large the file is.
    pub(crate) fn size(&self) -> i64 {
        self.descriptor.id().size
    }

    /// Reads what stands at a place in the file. The buffer holds anything after an error.
    pub(crate) fn read(&self, buffer: &mut [u8], offset: i64) -> Result<(), NotRead> {
        let size = self.pages.page_size();
        let offset = usize::try_from(offset).map_err(|_| NotRead::Gone)?;
        let end = offset.checked_add(buffer.len()).ok_or(NotRead::Gone)?;
        let (number, start) = (offset / size, offset % size);
        // What was checked when the file was opened. It counts as pages count that SQLite remembers:
        // whether the number is ours still is asked before each decision, and where a page is read.
        if let Some(known) = self.start.get(offset..end) {
            buffer.copy_from_slice(known);
            return Ok(());
        }
        if start == 0 && buffer.len() == size {
            let first = if number == 0 { self.first.take() } else { Vec::new() };
            if first.len() == size {
                buffer.copy_from_slice(&first);
                return Ok(());
            }
            return self.page(number, buffer);
        }
        // SQLite reads whole pages; this is for one that does not.
        let mut page = vec![0; size];
        self.page(number, &mut page)?;
        let part = page.get(start..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(part.ok_or(NotRead::Gone)?);
        Ok(())
    }

    fn page(&self, number: usize, page: &mut [u8]) -> Result<(), NotRead> {
        let offset = (number * page.len()) as i64;
        let length = self.descriptor.read(page, offset).map_err(|_| NotRead::Gone)?;
        if !self.descriptor.is_unchanged() {
            // Whatever this is, it is not the policy that was opened.
            return Err(NotRead::Gone);
        }
        let whole = length == page.len() && self.pages.holds(number as u64, page);
        whole.then_some(()).ok_or(NotRead::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::folder::Folder;
    use crate::folder::tests::temporary;
    use crate::vfs::tests::write_database;

    fn sql(text: &str) -> String {
        format!("CREATE TABLE t AS SELECT '{text}' AS a; CREATE TABLE u AS SELECT * FROM t")
    }

    /// What is read of each page of this file; or why it is not opened.
    fn read(path: &Path, file: &[u8]) -> Result<Vec<Result<(), NotRead>>, NotRead> {
        fs::write(path, file).unwrap();
        let folder = Folder::new(path.parent().unwrap());
        let descriptor = folder.open(c"db").unwrap();
        let content = Content::open(descriptor)?;
        let mut page = [0; PAGE];
        Ok((0..file.len() / PAGE)
            .map(|number| content.read(&mut page, (number * PAGE) as i64))
            .collect())
    }

    #[test]
    fn a_changed_octet_is_noticed_wherever_it_is() {
        let dir = temporary("content-octets");
        let path = dir.join("db");
        write_database(&path, &sql("x"));
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.len(), 3 * PAGE);
        assert_eq!(read(&path, &whole), Ok(vec![Ok(()); 3]));
        for at in
            (0..whole.len()).step_by(11).chain(PAGE - 16..PAGE).chain(whole.len() - 16..whole.len())
        {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            match read(&path, &damaged) {
                Ok(pages) => {
                    let bad = pages.iter().position(|page| *page == Err(NotRead::Damaged));
                    assert_eq!(bad, Some(at / PAGE), "{at}: {pages:?}");
                    assert_eq!(pages.iter().filter(|page| page.is_ok()).count(), 2, "{at}");
                }
                Err(why) => assert!(why != NotRead::Gone && at < PAGE, "{at}: {why:?}"),
            }
        }
    }

    #[test]
    fn a_page_in_anothers_place_or_of_another_file_is_noticed() {
        let dir = temporary("content-places");
        let path = dir.join("db");
        write_database(&dir.join("other"), &sql("y"));
        write_database(&path, &sql("x"));
        let (whole, other) = (fs::read(&path).unwrap(), fs::read(dir.join("other")).unwrap());
        let pages = |file: &[u8]| -> [Vec<u8>; 3] {
            std::array::from_fn(|n| file[n * PAGE..][..PAGE].to_vec())
        };
        let ([a, b, c], [_, other, _]) = (pages(&whole), pages(&other));
        let damaged = Err(NotRead::Damaged);
        let swapped = [&*a, &*c, &*b].concat();
        assert_eq!(read(&path, &swapped), Ok(vec![Ok(()), damaged, damaged]));
        assert_eq!(read(&path, &[&*a, &*other, &*c].concat()), Ok(vec![Ok(()), damaged, Ok(())]));
        assert_eq!(
            read(&path, &[&*a, &[0; PAGE], &*c].concat()),
            Ok(vec![Ok(()), damaged, Ok(())])
        );
    }

    #[test]
    fn what_is_cut_off_or_carries_nothing_is_not_opened() {
        let dir = temporary("content-cut");
        let path = dir.join("db");
        write_database(&path, &sql("x"));
        let whole = fs::read(&path).unwrap();
        for length in [100, PAGE, PAGE + 1, whole.len() - 1] {
            assert_eq!(read(&path, &whole[..length]), Err(NotRead::Damaged), "{length}");
        }
        assert_eq!(read(&path, b""), Err(NotRead::Other));
        assert_eq!(read(&path, b"nonsense"), Err(NotRead::Other));
        let mut bare = whole;
        bare[20] = 0;
        assert_eq!(read(&path, &bare), Err(NotRead::Damaged));
    }

    #[test]
    fn parts_of_pages_are_read_too() {
        let dir = temporary("content-parts");
        let path = dir.join("db");
        write_database(&path, &sql("x"));
        let mut whole = fs::read(&path).unwrap();
        whole[PAGE + 3000] ^= 1;
        fs::write(&path, &whole).unwrap();
        let descriptor = Folder::new(&dir).open(c"db").unwrap();
        let content = Content::open(descriptor).unwrap();
        let part = |at: usize, length: usize| {
            let mut buffer = vec![0; length];
            content.read(&mut buffer, at as i64).map(|()| buffer)
        };
        for (at, length) in [(0, 100), (24, 16), (50, 100), (PAGE - 9, 9), (2 * PAGE + 4, 20)] {
            assert_eq!(part(at, length).as_deref(), Ok(&whole[at..at + length]), "{at}");
        }
        assert_eq!(part(PAGE + 10, 10), Err(NotRead::Damaged));
        part(PAGE - 9, 10).unwrap_err();
        part(3 * PAGE, PAGE).unwrap_err();
    }
}
