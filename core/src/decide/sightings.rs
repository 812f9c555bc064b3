//! What a verdict saw of keys, for those who remember them.

use super::authority::Asked;
use super::cases::CaseState;
use super::tofu::Memory;
use super::{Application, Decision};
use crate::keys::{DAY, LONGEST_KEPT, Seen, Sighting};
use crate::rule::Accept;
use crate::store::StoreError;
use crate::verdict::{Finding, Node, Verdict};

impl Decision<'_> {
    /// What is to be remembered of the verdict that this decision concluded with for `application`: of
    /// an acceptance once the handshake has finished, of a rejection now. A case that is only monitored
    /// leaves nothing.
    pub fn sightings(
        &mut self,
        application: &Application,
        verdict: &Verdict,
    ) -> Result<Vec<Sighting>, StoreError> {
        let mut all: Vec<Sighting> = Vec::new();
        if self.denial.is_some() || self.is_monitored() || self.book.is_none() {
            return Ok(all);
        }
        let accepted = verdict.is_accept();
        for index in 0..self.prepared.cases.len() {
            let Some(case) = self.prepared.cases.get(index).cloned() else { continue };
            for authority in self.remembering(index)? {
                let seen = self.seen(authority, &case, application, accepted)?;
                let sighting =
                    seen.map(|seen| self.sighting(authority, &case, seen)).transpose()?;
                all.extend(sighting.flatten().filter(|new| !all.contains(new)));
            }
        }
        Ok(all)
    }

    /// The authorities of a case that remember keys for it.
    pub(super) fn remembering(&mut self, case: usize) -> Result<Vec<usize>, StoreError> {
        let Some(case) = self.prepared.cases.get(case).cloned() else { return Ok(Vec::new()) };
        let mut remembering = Vec::new();
        if !case.expected || case.monitored {
            return Ok(remembering);
        }
        let mut mentioned = Vec::new();
        mention(&case.accept, &mut mentioned);
        for index in mentioned {
            if self.authority(index)?.kind == "tofu" {
                remembering.push(index);
            }
        }
        Ok(remembering)
    }

    fn seen(
        &mut self,
        authority: usize,
        case: &CaseState,
        application: &Application,
        accepted: bool,
    ) -> Result<Option<Seen>, StoreError> {
        // It may not have been asked: then another one's word was enough.
        let _ = self.find(authority, case)?;
        let asked: Asked = (authority, case.subject.clone(), case.protocol.clone());
        let Some(memory) = self.findings.memories.get(&asked).cloned() else { return Ok(None) };
        if !accepted {
            return Ok((memory == Memory::FirstHeld).then_some(Seen::Held));
        }
        let (holds, node) = self.evaluate(&case.accept, case, application)?;
        if !holds {
            return Ok(None);
        }
        let name = self.authority(authority)?.name.clone();
        let others = || {
            let mut names = Vec::new();
            vouching(&node, &name, &mut names);
            (!names.is_empty()).then(|| Seen::Vouched(names.join(", ")))
        };
        Ok(match memory {
            Memory::Nothing => None,
            Memory::Known { last_seen, has_certificate } => {
                let is_due = self.query.time - last_seen >= DAY;
                (is_due || (!has_certificate && self.has_a_leaf_to_keep())).then_some(Seen::Again)
            }
            Memory::Rotated(by) => Some(Seen::Vouched(by)),
            Memory::First => others().or(Some(Seen::First)),
            Memory::FirstHeld | Memory::Other => others(),
        })
    }

    fn has_a_leaf_to_keep(&self) -> bool {
        self.query.evidence.leaf.as_ref().is_some_and(|leaf| leaf.der().len() <= LONGEST_KEPT)
    }

    fn sighting(
        &mut self,
        authority: usize,
        case: &CaseState,
        seen: Seen,
    ) -> Result<Option<Sighting>, StoreError> {
        let tofu = self.policy.tofu(authority)?;
        let (Some(peer), Some(service)) = (case.subject.clone(), self.service()?) else {
            return Ok(None);
        };
        Ok(Some(Sighting {
            peer,
            service,
            key: self.query.key.hash(),
            spki: self.query.key.spki().to_vec(),
            certificate: self.query.evidence.leaf.as_ref().map(|leaf| leaf.der().to_vec()),
            seen,
            keys_per_peer: tofu.keys_per_peer,
            forget_before: tofu.forget_after.map(|after| self.query.time - after),
        }))
    }
}

fn mention(accept: &Accept, into: &mut Vec<usize>) {
    match accept {
        Accept::Authority(index) => {
            if !into.contains(index) {
                into.push(*index);
            }
        }
        Accept::Any(of) | Accept::All(of) | Accept::AtLeast(_, of) => {
            of.iter().for_each(|operand| mention(operand, into));
        }
    }
}

/// The authorities but this one that vouched.
fn vouching(node: &Node, but: &str, into: &mut Vec<String>) {
    match node {
        Node::AtLeast { of, .. } => of.iter().for_each(|operand| vouching(operand, but, into)),
        Node::Authority { name, finding: Finding::Vouches(_) } if name != but => {
            into.push(name.clone().into_owned());
        }
        Node::Authority { .. } => {}
    }
}
