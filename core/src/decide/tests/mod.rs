//! Decisions on small policies, with certificates made on the spot.

#![allow(clippy::unwrap_used)]

mod again;
mod bounds;
mod claims;
mod grants;
mod hostile;
mod limits;
mod shortfall;
mod stores;
mod strict;
mod tofu;
mod world;
