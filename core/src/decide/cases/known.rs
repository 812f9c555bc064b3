//! Cases that were made before: a program asks about the same few peers again and again.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use super::{CaseState, Prepared, Requirement};
use crate::protocol::Protocol;
use crate::query::{ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};
use crate::verdict::Verdict;

/// The cases of a query, with all that they were made from.
#[derive(Debug)]
pub(crate) struct KnownCases {
    role: Role,
    peer: ExpectedPeer,
    locator: Option<IpAddr>,
    protocol: Fact<Protocol>,
    application: Fact<String>,
    prepared: Arc<Prepared>,
}

impl KnownCases {
    /// The cases of a query, whose peer is [`lasting`].
    pub(super) fn new(query: &Query, peer: &ExpectedPeer, prepared: &Arc<Prepared>) -> Self {
        Self {
            role: query.role,
            peer: peer.clone(),
            locator: query.locator,
            protocol: query.protocol.clone(),
            application: query.application.clone(),
            prepared: Arc::clone(prepared),
        }
    }

    /// The cases, if they are those of this query.
    pub(super) fn answer(&self, query: &Query, peer: &ExpectedPeer) -> Option<Arc<Prepared>> {
        let is_it = self.peer == *peer
            && (self.role, self.locator) == (query.role, query.locator)
            && self.protocol == query.protocol
            && self.application == query.application;
        is_it.then(|| Arc::clone(&self.prepared))
    }
}

/// Whom the program expects, where that alone says which cases there are: of several hosts, and of one that
/// the certificate may choose, its names say it.
pub(super) fn lasting(query: &Query) -> Option<&ExpectedPeer> {
    let Peer::Expected(peer) = &query.peer else { return None };
    let is_one = match peer.hosts.as_slice() {
        [] => peer.address.is_some() || peer.email.is_some(),
        [host] => matches!(host, ExpectedHost::Exact(_)),
        _ => false,
    };
    is_one.then_some(peer)
}

impl Prepared {
    pub(super) fn new(
        requirement: Requirement,
        cases: Vec<Arc<CaseState>>,
        notes: Vec<String>,
    ) -> Self {
        let alone = |case: &Arc<CaseState>| case.accept.is_application() && !case.monitored;
        let asks_program_alone = cases.iter().all(alone);
        Self { requirement, cases, notes, asks_program_alone, accepted: OnceLock::new() }
    }

    /// None: nothing has to be accepted, and nothing is.
    pub(in crate::decide) fn nothing() -> Arc<Self> {
        Arc::new(Self::new(Requirement::All(Vec::new()), Vec::new(), Vec::new()))
    }

    /// The verdict where the program accepts, if every case is its own to decide.
    pub(in crate::decide) fn accepted(&self) -> Option<&OnceLock<Arc<Verdict>>> {
        self.asks_program_alone.then_some(&self.accepted)
    }
}
