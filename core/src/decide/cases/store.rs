//! Cases where a program verifies a certificate with a store of its own, outside of what TLS does by
//! itself: a signed mail, a firmware image, an OCSP answer.
//!
//! There is no peer, and mostly no protocol. Such a store is an access list: no rule that was written
//! for connections may open it. So rules count only if they name programs, and S/MIME and nothing else.

use std::sync::Arc;

use super::unknown::spoken;
use super::{Builder, Exempt, MAX_CLAIMED_NAMES, Requirement, Who, who};
use crate::peer::Name;
use crate::protocol::Protocol;
use crate::query::{Fact, Query, Role};
use crate::store::{Compiled, StoreError, StoredRule};

const SMIME: &str = "smime";

/// The protocol; None for what is no protocol, or not known. A constraint that names protocols breaks
/// there, as it would for one value of an unknown protocol.
pub(super) fn protocol(policy: &Compiled, query: &Query) -> Result<Option<Protocol>, StoreError> {
    if let Fact::Known(protocol) = &query.protocol
        && protocol.as_str() == SMIME
    {
        return Ok(Some(protocol.clone()));
    }
    let Fact::Known(protocol) = spoken(policy, query)? else { return Ok(None) };
    Ok(Some(policy.meant(&protocol)?.unwrap_or(protocol)))
}

impl Builder<'_> {
    /// Every name of a peer in the certificate, also in its subject. Where it has none, there is nobody
    /// whom a CA could be kept from.
    pub(super) fn claimed_at_store(&mut self) -> Result<Requirement, StoreError> {
        let Some(leaf) = &self.query.evidence.leaf else {
            return self.case(&Who::Nameless("there is no certificate".into()), false, true);
        };
        let names: Vec<_> = leaf.names().anywhere().take(MAX_CLAIMED_NAMES + 1).collect();
        if names.len() > MAX_CLAIMED_NAMES {
            let why = format!("it has more than {MAX_CLAIMED_NAMES} names");
            return self.case(&Who::Nameless(why), false, true);
        }
        let mut all = Vec::new();
        for name in &names {
            all.push(self.case(&who(name), false, true)?);
        }
        match &leaf.names().unknown {
            Some(unknown) => {
                all.push(self.case(&Who::Nameless(format!("it has {unknown}")), false, true)?);
            }
            None if all.is_empty() => {
                let is_ca = leaf.limits().is_ca == Some(true);
                all.push(self.nobody(if is_ca { Exempt::Everything } else { Exempt::Peers }));
            }
            None => {}
        }
        Ok(Requirement::All(all))
    }

    fn nobody(&mut self, exempt: Exempt) -> Requirement {
        let mut state = self.under(None, false);
        state.peer = "a certificate that names no peer".into();
        state.protocol = self.protocols.first().cloned().flatten();
        state.exempt = exempt;
        Requirement::Case(self.add(state))
    }

    /// The first rule that is written for S/MIME with this peer, in this program.
    pub(super) fn store_rule(
        &self,
        name: Option<&Name>,
    ) -> Result<Option<Arc<StoredRule>>, StoreError> {
        let is_smime = |p: &Option<Protocol>| p.as_ref().is_some_and(|p| p.as_str() == SMIME);
        let protocol = self.protocols.iter().find(|p| is_smime(p));
        let (Some(name), Some(protocol), Fact::Known(path)) =
            (name, protocol, &self.query.application)
        else {
            return Ok(None);
        };
        let mut candidates = Vec::new();
        for key in self.policy.patterns_of(name) {
            let found = self.policy.rules_with(&key, Some(protocol.as_ref()))?;
            candidates.extend(found.iter().map(|(_, id)| *id));
        }
        candidates.sort_unstable();
        candidates.dedup();
        for id in candidates {
            let rule = self.policy.rule(id)?;
            let names_program = rule
                .applications
                .as_deref()
                .is_some_and(|paths| paths.lines().any(|line| line == path));
            if names_program
                && rule.protocols.as_deref() == Some(SMIME)
                && rule.role != Some(Role::Server)
                && rule.until.is_none_or(|until| self.query.time <= until)
            {
                return Ok(Some(rule));
            }
        }
        Ok(None)
    }
}
