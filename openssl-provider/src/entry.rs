//! The boundary: no panic of ours unwinds into the host.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Once;

/// Runs `body`; a panic in it ends here, and gives `fallback`. `entry` says where we are.
pub(crate) fn guarded<T>(entry: &str, fallback: T, body: impl FnOnce() -> T) -> T {
    let body = || {
        planted(entry);
        body()
    };
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        // Its destructor could panic again, outside of the guard.
        std::mem::forget(payload);
        fallback
    })
}

/// Panics in the entry that the environment names: in the library of that name that tests build, and
/// nowhere else.
#[cfg(planted_panic)]
fn planted(entry: &str) {
    assert!(std::env::var("PEERKEY_PLANTED_PANIC").as_deref() != Ok(entry), "planted");
}

#[cfg(not(planted_panic))]
fn planted(_: &str) {}

/// Keeps panics off the host's stderr. The hook is that of this library's own copy of std: a host
/// written in Rust keeps its own.
pub(crate) fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_hook(Box::new(|_| {})));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_at_the_boundary() {
        assert_eq!(guarded("test", 0, || 7), 7);
        assert_eq!(guarded("test", 3, || panic!("not seen by the host")), 3);
    }
}
