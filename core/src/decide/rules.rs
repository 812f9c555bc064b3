//! The rules of a policy, as one decision reads them: each look-up is made once.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::map::Map;
use crate::peer::Name;
use crate::protocol::Protocol;
use crate::query::{Query, Role};
use crate::store::{Compiled, StoreError, StoredRule};

/// A pattern, a protocol and an application.
type Place = (String, Option<Protocol>, Option<String>);

/// What was read so far.
pub(super) struct Rules<'a> {
    policy: &'a Compiled,
    query: &'a Query,
    /// The protocol, if it is the only one that is asked about.
    only: Option<Option<Protocol>>,
    rules: Map<i64, Arc<StoredRule>>,
    matches: Map<String, Arc<[(String, i64)]>>,
    firsts: Map<Place, Option<i64>>,
    /// Whether a first rule was asked for: most decisions do so once, and need not remember anything.
    was_asked: bool,
    /// Whether a rule was looked at that ends some day.
    has_ends: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn new(
        policy: &'a Compiled,
        query: &'a Query,
        protocols: &[Option<Protocol>],
    ) -> Self {
        let only = match protocols {
            [one] => Some(one.clone()),
            _ => None,
        };
        let (rules, matches, firsts) = (Map::default(), Map::default(), Map::default());
        Self { policy, query, only, rules, matches, firsts, was_asked: false, has_ends: false }
    }

    /// Whether what was found can be otherwise at another moment.
    pub(super) fn has_ends(&self) -> bool {
        self.has_ends
    }

    /// The first rule that matches, in file order; None is the default.
    pub(super) fn first(
        &mut self,
        name: &Name,
        protocol: Option<&Protocol>,
        application: Option<&str>,
    ) -> Result<Option<Arc<StoredRule>>, StoreError> {
        let mut first: Option<i64> = None;
        for key in self.policy.patterns_of(name) {
            let found = self.first_of(key, protocol, application)?;
            first = first.into_iter().chain(found).min();
        }
        let first = first.map(|id| self.rule(id)).transpose();
        self.was_asked = true;
        first
    }

    fn first_of(
        &mut self,
        key: String,
        protocol: Option<&Protocol>,
        application: Option<&str>,
    ) -> Result<Option<i64>, StoreError> {
        if !self.was_asked {
            let over = self.policy.rules_with(&key, self.only())?;
            return self.first_among(over_one(&over, protocol), application);
        }
        let place = (key, protocol.cloned(), application.map(str::to_owned));
        if let Some(found) = self.firsts.get(&place) {
            return Ok(*found);
        }
        let over = self.over(&place.0, protocol)?;
        let first = self.first_among(over.into_iter(), application)?;
        self.firsts.insert(place, first);
        Ok(first)
    }

    fn first_among(
        &mut self,
        rules: impl Iterator<Item = i64>,
        application: Option<&str>,
    ) -> Result<Option<i64>, StoreError> {
        for id in rules {
            if self.rule(id)?.is_for(self.query, application) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn only(&self) -> Option<Option<&Protocol>> {
        self.only.as_ref().map(Option::as_ref)
    }

    /// Every rule that matches.
    pub(super) fn all(
        &mut self,
        name: &Name,
        protocol: Option<&Protocol>,
        application: Option<&str>,
    ) -> Result<BTreeSet<i64>, StoreError> {
        let mut all = BTreeSet::new();
        for key in self.policy.patterns_of(name) {
            for id in self.over(&key, protocol)? {
                if self.rule(id)?.is_for(self.query, application) {
                    all.insert(id);
                }
            }
        }
        Ok(all)
    }

    /// The first rule for the connected address that is not for every peer anyway.
    pub(super) fn first_at(
        &mut self,
        locator: &Name,
        protocol: Option<&Protocol>,
        application: Option<&str>,
    ) -> Result<Option<Arc<StoredRule>>, StoreError> {
        let mut rules = Vec::new();
        for key in self.policy.patterns_of(locator) {
            rules.extend(self.over(&key, protocol)?);
        }
        rules.sort_unstable();
        rules.dedup();
        for id in rules {
            let rule = self.rule(id)?;
            if rule.is_for(self.query, application) && !rule.is_for_every_peer {
                return Ok(Some(rule));
            }
        }
        Ok(None)
    }

    /// The rules that write this pattern, over a protocol; in file order.
    fn over(&mut self, key: &str, protocol: Option<&Protocol>) -> Result<Vec<i64>, StoreError> {
        let matches = match self.matches.get(key) {
            Some(matches) => Arc::clone(matches),
            None => {
                let found = self.policy.rules_with(key, self.only())?;
                self.matches.insert(key.to_owned(), Arc::clone(&found));
                found
            }
        };
        Ok(over_one(&matches, protocol).collect())
    }

    /// Every rule that could match a peer whose name cannot be told; None is the default.
    pub(super) fn every(
        &mut self,
        protocol: Option<&Protocol>,
        application: Option<&str>,
    ) -> Result<Vec<Option<Arc<StoredRule>>>, StoreError> {
        let mut rules: Vec<Option<Arc<StoredRule>>> = Vec::new();
        for id in self.policy.rules_over(protocol)? {
            let rule = self.rule(id)?;
            if !rule.is_for(self.query, application) {
                continue;
            }
            let ends_here = self.over("*", protocol)?.contains(&id);
            let is_new = !rules.iter().flatten().any(|known| {
                known.accept == rule.accept
                    && known.monitored == rule.monitored
                    && known.role == rule.role
            });
            if is_new {
                rules.push(Some(rule));
            }
            if ends_here {
                return Ok(rules);
            }
        }
        rules.push(None);
        Ok(rules)
    }

    fn rule(&mut self, id: i64) -> Result<Arc<StoredRule>, StoreError> {
        if let Some(rule) = self.rules.get(&id) {
            return Ok(Arc::clone(rule));
        }
        let rule = self.policy.rule(id)?;
        self.has_ends |= rule.until.is_some();
        if self.was_asked {
            self.rules.insert(id, Arc::clone(&rule));
        }
        Ok(rule)
    }
}

/// Of rules that write a pattern, each with a protocol that it writes, those over this protocol.
fn over_one(matches: &[(String, i64)], protocol: Option<&Protocol>) -> impl Iterator<Item = i64> {
    let is_over =
        move |written: &str| written == "*" || protocol.is_some_and(|p| p.as_str() == written);
    matches.iter().filter(move |(written, _)| is_over(written)).map(|(_, id)| *id)
}

impl StoredRule {
    /// Whether it is about the peer's side and the program, and has not ended.
    fn is_for(&self, query: &Query, application: Option<&str>) -> bool {
        let by_application = match (&self.applications, application) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(paths), Some(path)) => paths.lines().any(|line| line == path),
        };
        by_application
            && self.role.unwrap_or(Role::Server) == query.role
            && self.until.is_none_or(|until| query.time <= until)
    }
}
