//! The compiled policy: a read-only SQLite file in which a decision looks up what it needs.

mod entry;
mod memo;
mod nss;
mod pages;
mod read;
mod schema;
mod seal;
mod show;
#[cfg(feature = "source")]
mod write;

use std::fmt;
use std::time::Duration;

pub(crate) use nss::place;
#[cfg(feature = "source")]
pub(crate) use nss::title;
pub use nss::{CertificateRow, Trust, TrustRow};
pub use pages::{Header, Pages};
#[cfg(feature = "pkix")]
pub(crate) use read::StoredAnchor;
pub use read::{Compiled, Meta};
pub(crate) use read::{StoredAuthority, StoredBinding, StoredDenial, StoredLimit, StoredRule};
#[cfg(feature = "source")]
pub(crate) use schema::{PrefixLengths, keys_of};
pub use schema::{SCHEMA, file_name};
pub use seal::{check_pages, create, seal};
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

    /// It is not what was written.
    pub(crate) fn damaged(path: impl Into<String>) -> Self {
        Self::new(path, "it is damaged: run peerkey apply")
    }

    /// What SQLite says of it.
    pub(crate) fn sqlite(path: impl Into<String>, error: &rusqlite::Error) -> Self {
        use rusqlite::ffi::{ErrorCode, SQLITE_IOERR_DATA};
        match error.sqlite_error() {
            Some(e) if e.code == ErrorCode::DatabaseCorrupt => Self::damaged(path),
            // A page is not what its checksum says.
            Some(e) if e.extended_code == SQLITE_IOERR_DATA => Self::damaged(path),
            _ => Self::new(path, error),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the compiled policy {}: {}", self.path, self.why)
    }
}

impl std::error::Error for StoreError {}
