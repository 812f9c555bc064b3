//! The compiled policy: a read-only SQLite file in which a decision looks up what it needs.

mod nss;
mod read;
mod schema;
mod show;
#[cfg(feature = "source")]
mod write;
#[cfg(feature = "source")]
mod write_nss;

use std::fmt;
use std::time::Duration;

pub use nss::{CertificateRow, Trust, TrustRow};
#[cfg(feature = "pkix")]
pub(crate) use read::StoredAnchor;
pub use read::{Compiled, Meta};
pub(crate) use read::{StoredAuthority, StoredBinding, StoredDenial, StoredLimit, StoredRule};
pub(crate) use schema::StoredScope;
#[cfg(feature = "source")]
pub(crate) use schema::{PrefixLengths, keys_of};
pub use schema::{SCHEMA, file_name};
pub use show::{AuthorityRow, ConstraintRow, DenialRow, RuleRow, SourceRow};
#[cfg(feature = "source")]
pub use write::write;

/// A process may look for a new policy no more often than this: publishing one takes as long, and so
/// every decision after that is made by the new one.
pub const NOTICED_WITHIN: Duration = Duration::from_millis(5);

/// Why the compiled policy cannot be used: the file and the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    path: String,
    why: String,
}

impl StoreError {
    /// An error about the compiled policy at `path`.
    pub fn new(path: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { path: path.into(), why: why.to_string() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the compiled policy {}: {}", self.path, self.why)
    }
}

impl std::error::Error for StoreError {}
