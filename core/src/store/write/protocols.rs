//! The protocols of a policy.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::{AuthorityKind, Pin, Policy};
use crate::protocol::Protocol;
use crate::store::schema::EVERY_PROTOCOL;

/// Each protocol name that can occur, what it means here, and whether rules tell it apart. STARTTLS and
/// implicit TLS are one protocol, under the name that is written, unless both names are.
pub(super) struct Protocols(pub(super) BTreeMap<String, (String, bool)>);

impl Protocols {
    pub(super) fn of(policy: &Policy) -> Self {
        let in_rules: BTreeSet<_> =
            policy.rules.iter().filter_map(|rule| rule.protocols.as_ref()).flatten().collect();
        let scopes = policy.authorities.iter().map(|authority| &authority.scope);
        let scopes = scopes.chain(policy.constraints.iter().map(|constraint| &constraint.scope));
        let pins = policy.authorities.iter().filter_map(|authority| match &authority.kind {
            AuthorityKind::Pin { pins } => Some(pins),
            _ => None,
        });
        let mut written: BTreeSet<&Protocol> = in_rules.clone();
        written.extend(scopes.filter_map(|scope| scope.protocols.as_ref()).flatten());
        written.extend(pins.flatten().filter_map(|pin| pin.protocols.as_ref()).flatten());
        written.extend(policy.programs.iter().map(|program| &program.protocol));
        let mut names = BTreeMap::new();
        for protocol in &written {
            let entry = (protocol.to_string(), in_rules.contains(protocol));
            match protocol.counterpart() {
                Some(other) if !written.contains(&other) => {
                    names.insert(other.to_string(), entry.clone());
                }
                _ => {}
            }
            names.insert(protocol.to_string(), entry);
        }
        Self(names)
    }

    pub(super) fn meant(&self, protocols: Option<&Vec<Protocol>>) -> Option<Vec<String>> {
        protocols.map(|protocols| protocols.iter().map(Protocol::to_string).collect())
    }

    /// The protocols of a pin; one that writes none is over every protocol.
    pub(super) fn of_pin(&self, pin: &Pin) -> Vec<String> {
        let written = self.meant(pin.protocols.as_ref());
        written.unwrap_or_else(|| vec![EVERY_PROTOCOL.to_owned()])
    }

    /// How many anchors, CRLs and bindings an authority has.
    pub(super) fn holdings(kind: &AuthorityKind) -> [usize; 3] {
        match kind {
            AuthorityKind::X509 { anchors, crls, .. } => [anchors.len(), crls.len(), 0],
            AuthorityKind::Pin { pins } => {
                let bound = |pin: &Pin| pin.keys.len() * pin.protocols.as_ref().map_or(1, Vec::len);
                [0, 0, pins.iter().map(bound).sum()]
            }
            AuthorityKind::Application | AuthorityKind::Tofu(_) => [0; 3],
        }
    }
}
