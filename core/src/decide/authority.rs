//! What one authority finds for one case.

use std::borrow::Cow;
use std::sync::Arc;

use super::Decision;
use super::cases::CaseState;
#[cfg(feature = "pkix")]
use super::puzzle::Searches;
use super::tofu::Memory;
use crate::map::Map;
use crate::peer::Name;
use crate::protocol::Protocol;
use crate::store::{StoreError, StoredAuthority, StoredBinding};

/// What a vouching authority can overrule of the program's own findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    #[cfg_attr(not(feature = "pkix"), allow(dead_code))]
    /// A certification path: no more than a missing path of the program's.
    Path,
    /// This key for this peer, whatever a certificate around it says.
    Binding,
}

/// How an authority looks.
#[derive(Clone, Copy)]
enum Kind {
    Path,
    Binding,
    Tofu,
}

/// A finding, before it is weighed against the program's own.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) vouches: Option<Strength>,
    pub(super) text: Cow<'static, str>,
}

impl Found {
    pub(super) fn vouches(strength: Strength, text: String) -> Self {
        Self { vouches: Some(strength), text: text.into() }
    }

    pub(super) fn silent(text: impl Into<Cow<'static, str>>) -> Self {
        Self { vouches: None, text: text.into() }
    }
}

pub(super) type Asked = (usize, Option<Name>, Option<Protocol>);

/// What was looked up in this decision already.
#[derive(Default)]
pub(super) struct Findings {
    found: Map<Asked, Found>,
    pub(super) memories: Map<Asked, Memory>,
    #[cfg(feature = "pkix")]
    pub(super) searches: Searches,
}

impl Decision<'_> {
    /// The authority with this index.
    pub(super) fn authority(&self, index: usize) -> Result<Arc<StoredAuthority>, StoreError> {
        self.policy.authority(index)
    }

    /// What the authority finds for the case; each question is asked once.
    pub(super) fn find(&mut self, authority: usize, case: &CaseState) -> Result<Found, StoreError> {
        let asked = (authority, case.subject.clone(), case.protocol.clone());
        if let Some(found) = self.findings.found.get(&asked) {
            return Ok(found.clone());
        }
        let found = self.look(authority, case)?;
        self.findings.found.insert(asked, found.clone());
        Ok(found)
    }

    fn look(&mut self, index: usize, case: &CaseState) -> Result<Found, StoreError> {
        let time = self.query.time;
        let authority = self.authority(index)?;
        if !authority.scope.is_current(time) {
            return Ok(Found::silent("its time is over"));
        }
        if !authority.scope.has_peer(case.subject.as_ref()) {
            let peers = authority.scope.peers_text();
            return Ok(Found::silent(format!("it may vouch for {peers} only")));
        }
        if !authority.scope.has_protocol(case.protocol.as_ref()) {
            let protocols = authority.scope.protocols_text();
            return Ok(Found::silent(format!("it may vouch over {protocols} only")));
        }
        let kind = match authority.kind.as_str() {
            "x509" => Kind::Path,
            "tofu" => Kind::Tofu,
            _ => Kind::Binding,
        };
        let profile = authority.profile;
        let Some(peer) = &case.subject else {
            return Ok(Found::silent("it vouches for names, and none can be told"));
        };
        match kind {
            Kind::Path => self.path(index, peer, profile, case),
            Kind::Binding => self.binding(index, peer, case),
            Kind::Tofu => self.remembered(index, peer, case),
        }
    }

    fn binding(
        &self,
        authority: usize,
        peer: &Name,
        case: &CaseState,
    ) -> Result<Found, StoreError> {
        let bindings = self.policy.bindings(authority, peer)?;
        if bindings.is_empty() {
            return Ok(Found::silent(format!("it has no key for {peer}")));
        }
        let own: Vec<_> =
            bindings.iter().filter(|b| self.query.key.hashes().contains(&b.key)).collect();
        let over = |b: &StoredBinding| {
            b.protocol == "*" || case.protocol.as_ref().is_some_and(|p| p.as_str() == b.protocol)
        };
        let current = |b: &StoredBinding| b.until.is_none_or(|until| self.query.time <= until);
        if let Some(binding) = own.iter().find(|b| over(b) && current(b)) {
            let text = format!("it has this key for {peer} ({})", binding.place);
            return Ok(Found::vouches(Strength::Binding, text));
        }
        Ok(Found::silent(match own.first() {
            None => format!("it has another key for {peer}, not {}", self.query.key.hash()),
            Some(binding) if !current(binding) => {
                format!("its time for this key of {peer} is over ({})", binding.place)
            }
            Some(binding) => {
                format!(
                    "it has this key for {peer} over {} only ({})",
                    binding.protocol, binding.place
                )
            }
        }))
    }

    #[cfg(not(feature = "pkix"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    fn path(
        &self,
        _: usize,
        _: &Name,
        _: crate::rule::Profile,
        _: &CaseState,
    ) -> Result<Found, StoreError> {
        Ok(Found::silent("certification paths are not checked here"))
    }
}
