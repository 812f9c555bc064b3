//! A key that comes from a server or a file, on its way to being remembered.

use std::time::Duration;

use peerkey_core::keys::{Given, Service, State};
use peerkey_core::peer::Name;
use peerkey_core::protocol::Protocol;

use super::Stop;
use crate::connect::{self, Call, Target};
use crate::crypto::System;
use crate::question::Presented;

/// A key with what is known of it.
pub(super) struct Found {
    pub(super) presented: Presented,
    /// Where it was found, in words.
    pub(super) place: String,
}

/// Calls a server, and brings home the key that it proved.
pub(super) fn call(
    target: &Target,
    protocol: &Protocol,
    peer: &Name,
    timeout: u64,
) -> Result<Found, Stop> {
    let crypto = System::start();
    let name = match peer {
        Name::Host(host) => Some(host),
        _ => None,
    };
    let timeout = Duration::from_secs(timeout);
    let call = Call { target, protocol: Some(protocol), name, timeout };
    let shown = connect::call(&call).map_err(|why| Stop::Because(why.to_string()))?;
    let presented =
        Presented::chain(&shown.chain, &crypto).map_err(|why| Stop::Because(why.to_string()))?;
    Ok(Found { presented, place: format!("shown by {target}") })
}

impl Found {
    /// As it is to be remembered.
    pub(super) fn given(
        &self,
        peer: &Name,
        service: &Service,
        origin: &str,
        until: Option<i64>,
    ) -> Given {
        let leaf = self.presented.evidence.leaf.as_ref();
        Given {
            peer: peer.clone(),
            service: service.clone(),
            key: self.presented.key.hash(),
            spki: self.presented.key.spki().to_vec(),
            certificate: leaf.map(|leaf| leaf.der().to_vec()),
            state: State::Remembered,
            origin: origin.to_owned(),
            until,
        }
    }
}
