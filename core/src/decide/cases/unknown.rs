//! What is not known of a connection: every value that the policy tells apart is tried.

use crate::protocol::Protocol;
use crate::query::{Fact, Query};
use crate::store::{Compiled, StoreError};

/// The protocols that have to be tried: None stands for each that no rule names.
pub(super) fn protocols(
    policy: &Compiled,
    query: &Query,
    notes: &mut Vec<String>,
) -> Result<Vec<Option<Protocol>>, StoreError> {
    if let Fact::Known(protocol) = spoken(policy, query)? {
        return Ok(vec![Some(policy.meant(&protocol)?.unwrap_or(protocol))]);
    }
    let named = policy.rule_protocols()?;
    if !named.is_empty() {
        notes.push("the protocol is not known: whatever it is, it must be accepted".into());
    }
    Ok(named.into_iter().map(Some).chain([None]).collect())
}

/// What the policy says that the program speaks, else what its connection shows.
pub(in crate::decide) fn spoken(
    policy: &Compiled,
    query: &Query,
) -> Result<Fact<Protocol>, StoreError> {
    if policy.meta().programs == 0 {
        return Ok(query.protocol.clone());
    }
    // A program that is not known could be one that the policy knows better.
    let Fact::Known(path) = &query.application else { return Ok(Fact::Unknown) };
    Ok(match policy.program_protocol(path)? {
        Some(protocol) => Fact::Known(protocol),
        None => query.protocol.clone(),
    })
}

/// The same for executables.
pub(super) fn applications(
    policy: &Compiled,
    query: &Query,
    notes: &mut Vec<String>,
) -> Result<Vec<Option<String>>, StoreError> {
    let named = policy.rule_applications()?;
    Ok(match &query.application {
        Fact::Known(path) if named.contains(path) => vec![Some(path.clone())],
        Fact::Known(_) => vec![None],
        Fact::Unknown => {
            if !named.is_empty() {
                notes.push(
                    "the application is not known: whatever it is, it must be accepted".into(),
                );
            }
            named.into_iter().map(Some).chain([None]).collect()
        }
    })
}
