//! The boundary: no panic of ours unwinds into the host.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::{Once, OnceLock};

/// Runs `body`; a panic in it ends here, and gives `fallback`. `entry` says where we are.
pub fn guarded<T>(entry: &str, fallback: T, body: impl FnOnce() -> T) -> T {
    let body = || {
        if let Some(planted) = PLANTED.get() {
            planted(entry);
        }
        body()
    };
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        // Its destructor could panic again, outside of the guard.
        std::mem::forget(payload);
        fallback
    })
}

/// What tests run first in each entry, to plant panics there.
static PLANTED: OnceLock<fn(&str)> = OnceLock::new();

/// From now on every entry of this library runs `panics` first. Only the library that tests build has
/// any to plant.
pub fn plant(panics: fn(&str)) {
    let _ = PLANTED.set(panics);
}

/// Keeps panics off the host's stderr. The hook is that of this library's own copy of std: a host
/// written in Rust keeps its own.
pub fn silence_panics() {
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
