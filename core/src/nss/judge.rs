//! Who decides about a name for one usage, and whether an anchor alone is enough for it.

use std::collections::HashMap;

use super::limits::NameLimits;
use super::usage::Usage;
use crate::key::KeyHash;
use crate::pattern::Pattern;
use crate::peer::Name;
use crate::policy::{Constraint, Mode, Policy, Rule, Scope};
use crate::query::Role;
use crate::rule::{APPLICATION, Accept};
use crate::store::{PrefixLengths, keys_of};

/// The rules of a policy for one usage at one moment.
pub(super) struct Judge<'a> {
    pub(super) policy: &'a Policy,
    pub(super) usage: Usage,
    pub(super) now: i64,
    /// The rules that write a pattern, in file order; `*` has those for every peer.
    by_pattern: HashMap<String, Vec<usize>>,
    lengths: PrefixLengths,
}

/// An expression that a name has to satisfy, and the rule that it is of; None is `[default]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Decides(pub(super) Option<usize>);

/// Somebody who vouches alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Voter {
    /// The authorities that it is an anchor or a pin of.
    pub(super) authorities: Vec<usize>,
    /// Whether programs have it for themselves.
    pub(super) application: bool,
    /// The constraints on its key.
    pub(super) constraints: Vec<usize>,
    /// What it says itself of the names below it, by their number.
    pub(super) limits: Vec<usize>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(policy: &'a Policy, usage: Usage, now: i64) -> Self {
        let (mut by_pattern, mut lengths) = (HashMap::<_, Vec<_>>::new(), PrefixLengths::default());
        for (index, rule) in policy.rules.iter().enumerate() {
            if !is_for(rule, usage, now) {
                continue;
            }
            for pattern in rule.peers.as_deref().unwrap_or(&[Pattern::Any]) {
                lengths.add(pattern);
                by_pattern.entry(pattern.to_string()).or_default().push(index);
            }
        }
        Self { policy, usage, now, by_pattern, lengths }
    }

    /// The expressions that must all hold for this name: the first rule that matches in any program, and
    /// those before it that are for some programs.
    pub(super) fn decides(&self, name: &Name) -> Vec<Decides> {
        let keys = keys_of(name, &self.lengths);
        let found = keys.iter().filter_map(|key| self.by_pattern.get(key));
        let mut rules: Vec<usize> = found.flatten().copied().collect();
        rules.sort_unstable();
        rules.dedup();
        let mut all = Vec::new();
        for index in rules {
            all.push(Decides(Some(index)));
            if self.policy.rules[index].applications.is_none() {
                return all;
            }
        }
        all.push(Decides(None));
        all
    }

    /// Whether the voter alone is enough for this name.
    pub(super) fn accepts(
        &self,
        decides: &[Decides],
        voter: &Voter,
        name: &Name,
        limits: &[NameLimits],
    ) -> bool {
        let limited = |index: &usize| !self.holds(&self.policy.constraints[*index].scope, name);
        if voter.constraints.iter().any(limited) {
            return false;
        }
        voter.limits.iter().all(|index| limits[*index].allow(name))
            && decides.iter().all(|decides| self.satisfied(*decides, voter, name))
    }

    pub(super) fn satisfied(&self, decides: Decides, voter: &Voter, name: &Name) -> bool {
        let rule = decides.0.map(|index| &self.policy.rules[index]);
        let accept = rule.map_or(&self.policy.default, |rule| &rule.accept);
        let program = Accept::Authority(APPLICATION);
        let watches = rule.is_some_and(|rule| rule.mode == Some(Mode::Monitor));
        let accept = if watches { &program } else { accept };
        // A claim that no rule for clients is about grants nothing.
        let is_claim = self.usage == Usage::Client && rule.is_none_or(|rule| rule.role.is_none());
        self.evaluate(accept, voter, name) && (!is_claim || voter.application)
    }

    pub(super) fn evaluate(&self, accept: &Accept, voter: &Voter, name: &Name) -> bool {
        match accept {
            Accept::Authority(APPLICATION) => voter.application,
            Accept::Authority(index) => {
                voter.authorities.contains(index)
                    && self.holds(&self.policy.authorities[*index].scope, name)
            }
            Accept::Any(of) => of.iter().any(|one| self.evaluate(one, voter, name)),
            Accept::All(of) => of.iter().all(|one| self.evaluate(one, voter, name)),
            Accept::AtLeast(least, of) => {
                of.iter().filter(|one| self.evaluate(one, voter, name)).count() >= *least
            }
        }
    }

    /// Whether something with this scope is about the name, for this usage and at this moment.
    fn holds(&self, scope: &Scope, name: &Name) -> bool {
        scope.until.is_none_or(|until| self.now <= until)
            && scope.peers.as_ref().is_none_or(|peers| peers.iter().any(|p| p.matches(name)))
            && has_protocol(scope.protocols.as_deref(), self.usage)
    }

    /// The constraints on a key that are in force, by their number.
    pub(super) fn constraints_on(&self, key: KeyHash) -> Vec<usize> {
        let is_in_force = |c: &Constraint| {
            c.cas.contains(&key) && c.scope.until.is_none_or(|until| self.now <= until)
        };
        let all = self.policy.constraints.iter().enumerate();
        all.filter(|(_, constraint)| is_in_force(constraint)).map(|(index, _)| index).collect()
    }
}

/// Whether a rule counts for a usage at a moment.
pub(super) fn is_for(rule: &Rule, usage: Usage, now: i64) -> bool {
    rule.role.unwrap_or(Role::Server) == usage.role()
        && has_protocol(rule.protocols.as_deref(), usage)
        && rule.until.is_none_or(|until| now <= until)
}

fn has_protocol(protocols: Option<&[crate::protocol::Protocol]>, usage: Usage) -> bool {
    protocols.is_none_or(|all| all.iter().any(|p| p.as_str() == usage.protocol()))
}
