//! A peer who names himself, to a program that expects nobody in particular.

use std::collections::HashSet;
use std::rc::Rc;

use super::{Builder, CaseState, Level, Requirement, Who, all_of, who};
use crate::map::Map;
use crate::peer::Name;
use crate::store::StoreError;

/// A certificate that claims more names than this makes no usable claim.
pub(in crate::decide) const MAX_CLAIMED_NAMES: usize = 1000;

/// Nor does one whose names make more cases than this, over all that is not known.
pub(in crate::decide) const MAX_CLAIMED_CASES: usize = 50_000;

impl Builder<'_> {
    /// Every name in the certificate. A name that cannot be told could be any.
    pub(super) fn claimed(&mut self, notes: &mut Vec<String>) -> Result<Requirement, StoreError> {
        notes.push(
            "the program expects nobody in particular: the certificate's names are a claim".into(),
        );
        let Some(leaf) = &self.query.evidence.leaf else {
            return self.claim(&Who::Nameless("there is no certificate".into()));
        };
        let names = leaf.names();
        let different: HashSet<_> = names.supported.iter().collect();
        if different.len() > MAX_CLAIMED_NAMES {
            let why = format!("it has more than {MAX_CLAIMED_NAMES} names");
            return self.claim(&Who::Nameless(why));
        }
        let (mut all, mut seen, mut tried) = (Vec::new(), HashSet::new(), 0);
        for name in names.supported.iter().filter(|name| seen.insert(*name)) {
            let who = who(name);
            tried += self.size(&who)?;
            if tried > MAX_CLAIMED_CASES {
                let why = format!("its names make more than {MAX_CLAIMED_CASES} cases");
                (self.cases, self.plain) = (Vec::new(), Map::default());
                return self.claim(&Who::Nameless(why));
            }
            all.push(self.claim(&who)?);
        }
        match &names.beyond {
            Some(beyond) => all.push(self.claim(&Who::Nameless(format!("it has {beyond}")))?),
            None if all.is_empty() => {
                let why = "it has no name of a kind that is compared here".into();
                all.push(self.claim(&Who::Nameless(why))?);
            }
            None => {}
        }
        Ok(Requirement::All(all))
    }

    /// A claim is held to the rule for its name, and to the rule for the connected address.
    fn claim(&mut self, who: &Who<'_>) -> Result<Requirement, StoreError> {
        Ok(Requirement::All(vec![self.case(who, false, true)?, self.located(who)?]))
    }

    /// The cases that the connected address adds: it selects a rule, and names nobody.
    fn located(&mut self, who: &Who<'_>) -> Result<Requirement, StoreError> {
        let locator = self.query.locator.filter(|_| self.level == Level::Handshake);
        let Some(locator) = locator.map(Name::Address) else {
            return Ok(Requirement::All(Vec::new()));
        };
        let rules = match &self.located {
            Some(rules) => Rc::clone(rules),
            None => {
                let mut rules = Vec::new();
                for (over, by) in self.combinations() {
                    if let Some(rule) =
                        self.rules.first_at(&locator, over.as_ref(), by.as_deref())?
                    {
                        rules.push(((over, by), rule));
                    }
                }
                Rc::clone(self.located.insert(rules.into()))
            }
        };
        if rules.is_empty() {
            return Ok(Requirement::All(Vec::new()));
        }
        let mut all = Vec::new();
        let subjects = self.subjects(who)?;
        for ((protocol, application), rule) in rules.iter() {
            for (subject, peer) in &subjects {
                let state = CaseState {
                    subject: subject.clone(),
                    peer: format!("{peer} at {locator}"),
                    protocol: protocol.clone(),
                    application: application.clone(),
                    ..self.under(Some(rule), false)
                };
                all.push(self.add(state));
            }
        }
        Ok(all_of(all))
    }

    /// How many cases a name can make.
    fn size(&self, who: &Who<'_>) -> Result<usize, StoreError> {
        let subjects = match who {
            Who::Below(_) => self.subjects(who)?.len(),
            Who::Name(_) | Who::Nameless(_) => 1,
        };
        let sides = 1 + usize::from(self.query.locator.is_some());
        Ok(subjects * self.protocols.len() * self.applications.len() * sides)
    }
}
