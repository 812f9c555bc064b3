//! What is installed: the examples, the units and hooks, and (slow: `make test-packages`) the packages on fresh roots.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod examples;
mod files;
mod life;
mod root;

use std::path::{Path, PathBuf};

/// The repository.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// `packaging/NAME`.
fn packaging(name: &str) -> PathBuf {
    top().join("packaging").join(name)
}
