//! Peers that would like to be remembered.
