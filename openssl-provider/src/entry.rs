//! The boundary: no panic of ours unwinds into the host.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Once;

/// Runs `body`; a panic in it ends here, and gives `fallback`.
pub(crate) fn guarded<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        // Its destructor could panic again, outside of the guard.
        std::mem::forget(payload);
        fallback
    })
}

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
        assert_eq!(guarded(0, || 7), 7);
        assert_eq!(guarded(3, || panic!("not seen by the host")), 3);
    }
}
