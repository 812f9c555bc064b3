//! Decisions on small policies, with certificates made on the spot.

#![allow(clippy::unwrap_used)]

mod claims;
mod grants;
mod limits;
mod stores;
mod strict;
mod world;
