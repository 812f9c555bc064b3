//! The entry points of the fuzz targets: anything may come in, and what must hold of it holds.
//!
//! `core/fuzz` calls them with what libFuzzer makes up (`make fuzz`), and a test with the inputs that
//! are kept in `core/fuzz/corpus` (`make test`).
#![allow(clippy::unwrap_used, reason = "what must hold, holds, or the target has found something")]

mod certificates;
mod database;
mod names;
mod sources;
#[cfg(test)]
mod tests;
mod world;

pub use certificates::certificates;
pub use database::database;
pub use names::names;
pub use sources::sources;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// The targets by name, which is also the name of their folder of inputs.
pub const TARGETS: [(&str, Target); 4] = [
    ("sources", sources),
    ("database", database),
    ("certificates", certificates),
    ("names", names),
];

/// Whether a terminal and a log show a text as it is.
#[track_caller]
fn assert_printable(text: &str) {
    // Most are plain, and there are many of them in each execution.
    let plain = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    assert!(plain || crate::certificate::printable(text) == text, "{text:?}");
}
