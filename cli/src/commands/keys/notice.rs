//! What keeps a key from counting although somebody accepts it.

use peerkey_core::crypto::NoCrypto;
use peerkey_core::decide::Decision;
use peerkey_core::key::Key;
use peerkey_core::keys::{Book, Given};
use peerkey_core::peer::Name;
use peerkey_core::protocol::Protocol;
use peerkey_core::query::{Evidence, ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};

use super::{Desk, Stop};
use crate::inquiry::{in_force, open_whole};
use crate::render::{ODD, styled};

/// Stands for a key of which only the hash is known: no rule is about a key.
const ANY_KEY: [u8; 44] = {
    let mut spki = [1; 44];
    let head = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
    let mut at = 0;
    while at < head.len() {
        spki[at] = head[at];
        at += 1;
    }
    spki
};

impl Desk<'_> {
    /// Says what keeps a given key from counting.
    pub(super) fn warn(&self, given: &Given) -> Result<(), Stop> {
        self.warn_of_machine(given)?;
        let (peer, service) = (&given.peer, &given.service);
        let words = match self.users_keys_count(given) {
            Some(None) => format!(
                "no rule of the policy in force asks for remembered keys of {peer} over {service}: \
                 this one will not count"
            ),
            Some(Some(false)) if !self.system => format!(
                "the policy in force has users = false: for {peer} over {service} only the \
                 administrator's keys count (peerkey keys --system)"
            ),
            _ => return Ok(()),
        };
        self.screen.complain(&format!("{}: {words}\n", styled(ODD, "note")));
        Ok(())
    }

    /// The machine's word goes first: a user's keys do not count for a service for which it has some.
    fn warn_of_machine(&self, Given { peer, service, .. }: &Given) -> Result<(), Stop> {
        if self.system {
            return Ok(());
        }
        let machine = Desk { system: true, ..*self };
        let known = match machine.read()? {
            Some(keys) => keys.keys_of(peer)?,
            None => return Ok(()),
        };
        if known.iter().any(|key| key.service == *service) {
            let words = format!(
                "{}: this machine's administrator decided about {peer}, {service}: your own keys do \
                 not count there\n",
                styled(ODD, "note")
            );
            self.screen.complain(&words);
        }
        Ok(())
    }

    /// Whether users' keys count under the policy in force; None where that cannot be told.
    fn users_keys_count(&self, given: &Given) -> Option<Option<bool>> {
        let policy = open_whole(&in_force(&self.global.state_dir)).ok()?;
        let spki = if given.spki.is_empty() { &ANY_KEY[..] } else { &given.spki };
        let query = query(given, Key::from_spki(spki, &NoCrypto).ok()?, self.now)?;
        Decision::new(&policy, &query, &NoCrypto).ok()?.users_keys_count().ok()
    }
}

fn query(given: &Given, key: Key, time: i64) -> Option<Query> {
    let mut expected = ExpectedPeer::default();
    match &given.peer {
        Name::Host(host) => expected.hosts.push(ExpectedHost::Exact(host.clone())),
        Name::Address(address) => expected.address = Some(*address),
        Name::Email(email) => expected.email = Some(email.clone()),
    }
    Some(Query {
        role: Role::Server,
        peer: Peer::Expected(expected),
        locator: None,
        protocol: Fact::Known(Protocol::parse(&given.service.protocol)?),
        port: Some(given.service.port).filter(|port| *port != 0),
        application: Fact::Unknown,
        key,
        evidence: Evidence::default(),
        time,
    })
}
