//! What names a line: 16 characters that no other line has.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::fork::process_id;

/// RFC 4648 section 6, in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const BITS: u32 = 48;

const LENGTH: usize = 16;

/// Such a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id([u8; LENGTH]);

impl Deref for Id {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The names of one process: the second, and a number that starts anywhere and counts.
pub(super) struct Ids(AtomicU64);

impl Ids {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(random()))
    }

    /// A new one, and the milliseconds since 1970.
    pub(super) fn next(&self) -> (Id, i64) {
        let number = self.0.fetch_add(1, Ordering::Relaxed) & ((1 << BITS) - 1);
        let (millis, _) = now();
        let value = u128::from(millis / 1000) << BITS | u128::from(number);
        let mut id = Id([b'a'; LENGTH]);
        let mut rest = value;
        for digit in id.0.iter_mut().rev() {
            *digit = ALPHABET.get((rest & 31) as usize).copied().unwrap_or(b'a');
            rest >>= 5;
        }
        (id, i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// Some number: random, and where that is not to be had, of this moment and process.
pub(super) fn random() -> u64 {
    let mut random = [0; 8];
    // SAFETY: a buffer of this length. Without entropy it does not wait.
    unsafe {
        libc::getrandom(random.as_mut_ptr().cast(), random.len(), libc::GRND_NONBLOCK);
    }
    let nanos = now().1.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u64::from_ne_bytes(random) ^ nanos ^ u64::from(process_id()) << 20
}

fn now() -> (u64, u64) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let of = |count: u128| u64::try_from(count).unwrap_or(u64::MAX);
    (of(since.as_millis()), of(since.as_nanos()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let (one, other) = (Ids::new(), Ids::new());
        let ids: HashSet<_> =
            (0..10_000).flat_map(|_| [&one, &other]).map(|ids| ids.next().0).collect();
        assert_eq!(ids.len(), 20_000);
        assert!(ids.iter().all(|id| id.len() == LENGTH));
    }
}
