//! What each page of a compiled policy carries at its end, so that damage is noticed that SQLite does
//! not notice: a mark of the file, and a checksum. Against accidents; who may write the file may write
//! these too.
//!
//! SQLite leaves the last octets of each page alone where the header says so (SQLite file format,
//! section 1.3.4). The checksum is XXH64 over all that stands before it, with the number of the page as
//! the seed: a page in another's place is noticed. The mark is one for the whole file, made from what is
//! in it: a page that another policy left behind is noticed.

use twox_hash::XxHash64;

use super::StoreError;
use super::schema::{APPLICATION_ID, SCHEMA};

/// Octets at the end of each page that are not SQLite's.
pub(super) const RESERVED: usize = MARK + SUM;
pub(super) const MARK: usize = 8;
const SUM: usize = 8;

/// The header of a database, at the start of its first page (SQLite file format, section 1.3).
#[derive(Clone, Debug)]
pub struct Header {
    page_size: usize,
    pages: u32,
    reserved: u8,
    /// `PRAGMA user_version`.
    schema: u32,
    application: u32,
}

impl Header {
    /// Octets that say enough.
    pub const LENGTH: usize = 72;

    /// None if it is no database.
    pub fn read(file: &[u8]) -> Option<Self> {
        let header: &[u8; Self::LENGTH] = file.first_chunk()?;
        if !header.starts_with(b"SQLite format 3\0") {
            return None;
        }
        let number = |at: usize| Some(u32::from_be_bytes(*header.get(at..)?.first_chunk()?));
        let page_size = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size => usize::from(size),
        };
        let (reserved, pages) = (header[20], number(28)?);
        Some(Self { page_size, pages, reserved, schema: number(60)?, application: number(68)? })
    }

    /// Whether it is that of a compiled policy, and of a schema that this version reads; `path` is where
    /// an error says that it stands.
    pub(super) fn check_kind(&self, path: &str) -> Result<(), StoreError> {
        if self.application != APPLICATION_ID {
            return Err(StoreError::new(path, "it is no compiled policy of peerkey's"));
        }
        if self.schema != SCHEMA {
            let why = format!("it has schema {}, and this program reads {SCHEMA}", self.schema);
            return Err(StoreError::new(path, why));
        }
        Ok(())
    }

    /// How large a page is.
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// Whether there is room for what pages carry.
    pub(super) fn has_room(&self) -> bool {
        usize::from(self.reserved) == RESERVED && self.page_size > RESERVED
    }

    /// How large the file is.
    pub fn file_size(&self) -> u64 {
        self.page_size as u64 * u64::from(self.pages)
    }
}

/// What the pages of one file must carry.
#[derive(Clone, Debug)]
pub struct Pages {
    page_size: usize,
    mark: [u8; MARK],
}

impl Pages {
    /// As the first page has it; None if it is damaged, or carries nothing.
    pub fn of(first: &[u8]) -> Option<Self> {
        let header = Header::read(first)?;
        let (_, mark, _) = header.has_room().then(|| parts(first))??;
        let pages = Self { page_size: header.page_size, mark };
        pages.holds(0, first).then_some(pages)
    }

    /// How large a page is.
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// Whether this is what was written as this page of this file, counted from 0.
    pub fn holds(&self, number: u64, page: &[u8]) -> bool {
        page.len() == self.page_size
            && parts(page).is_some_and(|(_, mark, sum)| {
                mark == self.mark && sum == sum_of(number, &page[..page.len() - SUM])
            })
    }
}

/// What SQLite wrote, the mark and the checksum.
fn parts(page: &[u8]) -> Option<(&[u8], [u8; MARK], [u8; SUM])> {
    let (rest, sum) = page.split_last_chunk()?;
    let (content, mark) = rest.split_last_chunk()?;
    Some((content, *mark, *sum))
}

/// The checksum over a page's content and mark.
pub(super) fn sum_of(number: u64, content: &[u8]) -> [u8; SUM] {
    XxHash64::oneshot(number, content).to_le_bytes()
}
