//! What is written of a journal, until it has to be on the disk.
//!
//! SQLite writes a journal piece by piece, and none of it counts before it is synced: what it saves goes
//! to the database only then. So it is one write. A process that ends before leaves an empty journal,
//! beside a database that nobody has touched.

/// Of a longer journal every piece is written at once.
const MOST: usize = 256 << 10;
/// A first use takes somewhat less.
const USUAL: usize = 36 << 10;

/// The content of a journal whose file is empty still.
pub(super) struct Ahead(Vec<u8>);

impl Ahead {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// All of it.
    pub(super) fn content(&self) -> &[u8] {
        &self.0
    }

    /// False if it would be too long, and holds nothing of this.
    pub(super) fn write(&mut self, bytes: &[u8], offset: i64) -> bool {
        let Some((start, end)) = span(bytes.len(), offset).filter(|(_, end)| *end <= MOST) else {
            return false;
        };
        if self.0.capacity() == 0 {
            self.0.reserve(USUAL);
        }
        if self.0.len() == start {
            self.0.extend_from_slice(bytes);
            return true;
        }
        if self.0.len() < end {
            self.0.resize(end, 0);
        }
        let Some(place) = self.0.get_mut(start..end) else { return false };
        place.copy_from_slice(bytes);
        true
    }

    /// Fills the buffer, and says whether there was enough for it; what is missing reads as zeros.
    pub(super) fn read(&self, buffer: &mut [u8], offset: i64) -> bool {
        let rest = usize::try_from(offset).ok().and_then(|start| self.0.get(start..));
        let rest = rest.unwrap_or_default();
        let (there, missing) = buffer.split_at_mut(rest.len().min(buffer.len()));
        there.copy_from_slice(&rest[..there.len()]);
        missing.fill(0);
        missing.is_empty()
    }

    pub(super) fn truncate(&mut self, size: i64) {
        self.0.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    }
}

fn span(length: usize, offset: i64) -> Option<(usize, usize)> {
    let start = usize::try_from(offset).ok()?;
    Some((start, start.checked_add(length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_a_file() {
        let mut ahead = Ahead::new();
        assert!(ahead.write(b"header", 0) && ahead.write(b"page", 8) && ahead.write(b"H", 0));
        assert_eq!(ahead.content(), b"Header\0\0page");
        let mut buffer = [7; 6];
        assert!(!ahead.read(&mut buffer, 8));
        assert_eq!(&buffer, b"page\0\0");
        assert!(ahead.read(&mut buffer[..4], 8) && !ahead.read(&mut buffer, 99));
        assert_eq!(buffer, [0; 6]);
        assert!(!ahead.write(b"far", MOST as i64) && !ahead.write(b"before", -1));
        ahead.truncate(6);
        assert_eq!(ahead.content(), b"Header");
    }
}
