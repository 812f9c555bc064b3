//! The question, the policy and the decision of peerkey.
//!
//! A program speaks protocol X with a peer whom it takes to be Y; the peer proved possession of key Z.
//! Is Z acceptable to identify Y over X? Nothing here names a TLS library, reads a clock or prints.

#![forbid(unsafe_code)]

pub mod certificate;
pub mod crypto;
pub mod decide;
mod der;
#[cfg(all(any(test, feature = "fuzz"), feature = "pkix", feature = "source"))]
pub mod fuzz;
pub mod key;
pub mod keys;
pub mod map;
#[cfg(feature = "source")]
pub mod nss;
pub mod pattern;
pub mod peer;
#[cfg(feature = "source")]
pub mod policy;
pub mod protocol;
pub mod query;
pub mod record;
pub mod rule;
#[cfg(feature = "source")]
mod signed;
mod slot;
#[cfg(feature = "source")]
pub mod source;
pub mod store;
mod time_text;
pub mod verdict;
