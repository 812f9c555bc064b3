//! What would have turned a refusal into an acceptance: who would have had to vouch, or which rule
//! would have had to be the first that matches. Denials are no part of it: nothing outvotes them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::authority::Strength;
use super::cases::{CaseState, Level, Requirement};
use super::evaluate::{faults, overrules, program_text};
use super::rules::Rules;
use super::{Application, Decision};
use crate::query::Role;
use crate::rule::{APPLICATION, Accept};
use crate::store::StoreError;

/// What a refusal falls short of. Empty where the answer is yes, or where the key or its certificate
/// is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shortfall {
    /// The smallest sets of authorities: had all of one set vouched beside those that did, the key
    /// would have been accepted. Of two sets none holds the other; smaller ones come first.
    pub sets: Vec<Vec<Missing>>,
    /// Whether these are all: false where there are too many to try.
    pub complete: bool,
    /// Other rules that would have accepted, had they been first; the later ones that match come first.
    pub rules: Vec<OtherRule>,
}

/// An authority that did not vouch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// Its name in the policy.
    pub authority: String,
    /// Why it did not.
    pub why: String,
}

/// A rule that was not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherRule {
    /// As in a trace: `rule 2 (policy.toml:14)`, or `[default]`.
    pub rule: String,
    /// Whether it matches the query, and only comes too late.
    pub matches: bool,
}

/// So many sets are tried, and so many found.
const TRIED: usize = 20_000;
const FOUND: usize = 64;

/// More cases, or rules, are not gone through.
const MAX_CASES: usize = 2000;
const MAX_RULES: u64 = 1000;

/// What is supposed for a trial: these authorities vouch, and this rule is the first for the refused.
#[derive(Default)]
struct Supposed<'a> {
    vouch: BTreeSet<usize>,
    rule: Option<(&'a Accept, Option<Role>)>,
}

impl Decision<'_> {
    /// What this query falls short of, where the program's own verification says this. Nothing counts
    /// as only monitored.
    pub fn shortfall(&mut self, application: &Application) -> Result<Shortfall, StoreError> {
        if self.denial.is_some() || self.holds(&Supposed::default(), application)? {
            return Ok(Shortfall { complete: true, ..Shortfall::default() });
        }
        if self.prepared.cases.len() > MAX_CASES {
            return Ok(Shortfall::default());
        }
        let (sets, complete) = self.missing(application)?;
        Ok(Shortfall { sets, complete, rules: self.other_rules(application)? })
    }

    /// By size, so that a set that holds a smaller one is never kept.
    fn missing(
        &mut self,
        application: &Application,
    ) -> Result<(Vec<Vec<Missing>>, bool), StoreError> {
        let candidates = self.candidates(application)?;
        let (mut found, mut tried): (Vec<BTreeSet<usize>>, usize) = (Vec::new(), 0);
        let mut complete = true;
        'sizes: for size in 1..=candidates.len() {
            let mut chosen: Vec<usize> = (0..size).collect();
            loop {
                let vouch: BTreeSet<_> = chosen.iter().map(|at| candidates[*at]).collect();
                if !found.iter().any(|smaller| smaller.is_subset(&vouch)) {
                    let supposed = Supposed { vouch, rule: None };
                    if self.holds(&supposed, application)? {
                        found.push(supposed.vouch);
                    }
                }
                tried += 1;
                if tried >= TRIED || found.len() >= FOUND {
                    complete = false;
                    break 'sizes;
                }
                if !advance(&mut chosen, candidates.len()) {
                    break;
                }
            }
        }
        let mut sets = Vec::with_capacity(found.len());
        for set in found {
            let set = set.into_iter().map(|index| self.missing_one(index, application));
            sets.push(set.collect::<Result<_, _>>()?);
        }
        Ok((sets, complete))
    }

    /// The authorities whose word could change something.
    fn candidates(&mut self, application: &Application) -> Result<Vec<usize>, StoreError> {
        // What the program found wrong can silence everybody, also where no rule asks it.
        let mut all = BTreeSet::new();
        if !matches!(application, Application::Accepts) {
            all.insert(APPLICATION);
        }
        let states = self.prepared.cases.clone();
        for state in &states {
            let mut asked = BTreeSet::new();
            mentioned(&state.accept, &mut asked);
            for index in asked {
                if !self.vouches(index, state, &Supposed::default(), application)? {
                    all.insert(index);
                }
            }
        }
        Ok(all.into_iter().collect())
    }

    fn missing_one(
        &mut self,
        index: usize,
        application: &Application,
    ) -> Result<Missing, StoreError> {
        if index == APPLICATION {
            let why = program_text(application).to_owned();
            return Ok(Missing { authority: "application".into(), why });
        }
        let authority = self.authority(index)?.name.clone();
        let states = self.prepared.cases.clone();
        for state in states.iter().filter(|state| state.accept.mentions(index)) {
            if !self.vouches(index, state, &Supposed::default(), application)? {
                let found = self.find(index, state)?;
                return Ok(Missing { authority, why: found.text.into_owned() });
            }
        }
        Ok(Missing { authority, why: String::new() })
    }

    fn other_rules(&mut self, application: &Application) -> Result<Vec<OtherRule>, StoreError> {
        if self.level == Level::Store || self.policy.meta().rules > MAX_RULES {
            return Ok(Vec::new());
        }
        let refused = self.refused(application)?;
        let matching = self.matching(&refused)?;
        let current: BTreeSet<_> =
            refused.iter().map(|index| self.prepared.cases[*index].rule.clone()).collect();
        let mut rules = Vec::new();
        for id in 0..i64::try_from(self.policy.meta().rules).unwrap_or(i64::MAX) {
            let rule = self.policy.rule(id)?;
            let supposed =
                Supposed { rule: Some((&rule.accept, rule.role)), ..Supposed::default() };
            if !current.contains(&rule.title) && self.holds(&supposed, application)? {
                rules.push(OtherRule { rule: rule.title.clone(), matches: matching.contains(&id) });
            }
        }
        let default = self.policy.meta().default.clone();
        let supposed = Supposed { rule: Some((&default, None)), ..Supposed::default() };
        if !current.contains("[default]") && self.holds(&supposed, application)? {
            rules.push(OtherRule { rule: "[default]".into(), matches: true });
        }
        rules.sort_by_key(|rule| !rule.matches);
        Ok(rules)
    }

    /// The cases that are not accepted.
    fn refused(&mut self, application: &Application) -> Result<Vec<usize>, StoreError> {
        let mut refused = Vec::new();
        for index in 0..self.prepared.cases.len() {
            if !self.case_holds(index, &Supposed::default(), application)? {
                refused.push(index);
            }
        }
        Ok(refused)
    }

    /// The rules that match each of these cases.
    fn matching(&self, cases: &[usize]) -> Result<BTreeSet<i64>, StoreError> {
        let mut common: Option<BTreeSet<i64>> = None;
        for state in cases.iter().filter_map(|index| self.prepared.cases.get(*index)) {
            let Some(name) = &state.subject else { return Ok(BTreeSet::new()) };
            let protocol = state.protocol.clone();
            let mut rules = Rules::new(self.policy, self.query, std::slice::from_ref(&protocol));
            let own = rules.all(name, protocol.as_ref(), state.application.as_deref())?;
            common = Some(match common {
                None => own,
                Some(common) => common.intersection(&own).copied().collect(),
            });
        }
        Ok(common.unwrap_or_default())
    }

    fn holds(
        &mut self,
        supposed: &Supposed<'_>,
        application: &Application,
    ) -> Result<bool, StoreError> {
        let prepared = Arc::clone(&self.prepared);
        self.meets(&prepared.requirement, supposed, application)
    }

    fn meets(
        &mut self,
        requirement: &Requirement,
        supposed: &Supposed<'_>,
        application: &Application,
    ) -> Result<bool, StoreError> {
        let (of, wanted) = match requirement {
            Requirement::Case(index) => return self.case_holds(*index, supposed, application),
            Requirement::All(of) => (of, false),
            Requirement::Any(of) => (of, true),
        };
        for one in of {
            if self.meets(one, supposed, application)? == wanted {
                return Ok(wanted);
            }
        }
        Ok(!wanted)
    }

    fn case_holds(
        &mut self,
        index: usize,
        supposed: &Supposed<'_>,
        application: &Application,
    ) -> Result<bool, StoreError> {
        let Some(state) = self.prepared.cases.get(index).cloned() else { return Ok(true) };
        if self.accepts(&state.accept, &state, supposed, application)?
            && (state.grants || native_accepts(supposed, application))
        {
            return Ok(true);
        }
        let Some((accept, role)) = supposed.rule else { return Ok(false) };
        let grants = state.expected || role == Some(Role::Client);
        let own = Supposed { vouch: supposed.vouch.clone(), rule: None };
        Ok(self.accepts(accept, &state, &own, application)?
            && (grants || native_accepts(&own, application)))
    }

    fn accepts(
        &mut self,
        accept: &Accept,
        state: &CaseState,
        supposed: &Supposed<'_>,
        application: &Application,
    ) -> Result<bool, StoreError> {
        let (least, of) = match accept {
            Accept::Authority(index) => {
                return self.vouches(*index, state, supposed, application);
            }
            Accept::Any(of) => (1, of),
            Accept::All(of) => (of.len().max(1), of),
            Accept::AtLeast(least, of) => (*least, of),
        };
        let mut found = 0;
        for operand in of {
            found += usize::from(self.accepts(operand, state, supposed, application)?);
        }
        Ok(found >= least)
    }

    fn vouches(
        &mut self,
        index: usize,
        state: &CaseState,
        supposed: &Supposed<'_>,
        application: &Application,
    ) -> Result<bool, StoreError> {
        let native = native_accepts(supposed, application);
        if index == APPLICATION {
            return Ok(native && state.application_counts);
        }
        let faults = if native { &[] } else { faults(application) };
        let counts = |strength| faults.iter().all(|fault| overrules(strength, fault));
        if self.find(index, state)?.vouches.is_some_and(counts) {
            return Ok(true);
        }
        // Nobody vouches for a name that cannot be told.
        if state.subject.is_none() || !supposed.vouch.contains(&index) {
            return Ok(false);
        }
        Ok(counts(match self.authority(index)?.kind.as_str() {
            "x509" => Strength::Path,
            _ => Strength::Binding,
        }))
    }
}

fn native_accepts(supposed: &Supposed<'_>, application: &Application) -> bool {
    matches!(application, Application::Accepts) || supposed.vouch.contains(&APPLICATION)
}

fn mentioned(accept: &Accept, into: &mut BTreeSet<usize>) {
    match accept {
        Accept::Authority(index) => {
            into.insert(*index);
        }
        Accept::Any(of) | Accept::All(of) | Accept::AtLeast(_, of) => {
            of.iter().for_each(|operand| mentioned(operand, into));
        }
    }
}

/// The next choice of so many out of `all`, in order; false behind the last one.
fn advance(chosen: &mut [usize], all: usize) -> bool {
    let size = chosen.len();
    let Some(at) = (0..size).rev().find(|at| chosen[*at] < all - size + at) else { return false };
    chosen[at] += 1;
    for next in at + 1..size {
        chosen[next] = chosen[next - 1] + 1;
    }
    true
}
