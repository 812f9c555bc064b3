//! Decisions on small policies, with certificates made on the spot.

mod claims;
mod grants;
mod limits;
mod strict;
mod world;
