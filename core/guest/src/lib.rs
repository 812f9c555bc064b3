//! What peerkey's libraries share as guests in other people's processes: the compiled policy and
//! the remembered keys, held open and checked before each use, locks that are never waited for, and a boundary that no panic crosses.

mod content;
pub mod entry;
pub mod folder;
pub mod fork;
pub mod keys;
pub mod policy;
pub mod recent;
pub mod record;
mod vfs;
