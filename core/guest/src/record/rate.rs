//! How often one process may write: a peer that is refused again and again fills no disk.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// So many lines at once,
const BURST: u64 = 200;
/// and then one in this time, in nanoseconds.
const EVERY: u64 = 100_000_000;

/// A bucket that fills up as time goes by. It is one number: when it will be full.
pub(super) struct Bucket(AtomicU64);

impl Bucket {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Takes one out, if there is one.
    pub(super) fn take(&self) -> bool {
        self.take_at(now())
    }

    fn take_at(&self, now: u64) -> bool {
        let more = |full: u64| {
            let full = full.max(now) + EVERY;
            (full <= now + BURST * EVERY).then_some(full)
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

/// Nanoseconds that only grow.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_so_many_a_second() {
        let (bucket, start) = (Bucket::new(), 7);
        let taken = |now: u64| (0..10_000).filter(|_| bucket.take_at(now)).count();
        assert_eq!(taken(start), 200);
        assert_eq!(taken(start + EVERY - 1), 0);
        assert_eq!(taken(start + EVERY), 1);
        assert_eq!(taken(start + 11 * EVERY), 10);
        assert_eq!(taken(start + 10_000 * EVERY), 200);
    }
}
