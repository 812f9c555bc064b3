//! Which rule decides: the rules, and the values that they tell apart.

use std::sync::Arc;

use rusqlite::Row;

use super::{Compiled, Shown};
use crate::peer::{HostName, Name};
use crate::protocol::Protocol;
use crate::query::Role;
use crate::rule::Accept;
use crate::store::StoreError;
use crate::store::entry::{A, B, BETWEEN, C, D, E, F, G, H, Kind, SUB, written};
use crate::store::schema::{EVERY_PROTOCOL, keys_of};

/// A rule, as decisions read it.
#[derive(Clone, Debug)]
pub(crate) struct StoredRule {
    /// For people: its number, and where it is written.
    pub(crate) title: String,
    /// Whether it names no peers at all, or every one.
    pub(crate) is_for_every_peer: bool,
    pub(crate) protocols: Option<String>,
    pub(crate) applications: Option<String>,
    pub(crate) role: Option<Role>,
    pub(crate) until: Option<i64>,
    pub(crate) monitored: bool,
    pub(crate) accept: Accept,
}

impl Compiled {
    /// The patterns under which rules for this name are kept.
    pub(crate) fn patterns_of(&self, name: &Name) -> Vec<String> {
        if self.meta.rules == 0 { Vec::new() } else { keys_of(name, &self.lengths) }
    }

    /// The rules that write this pattern, each with a protocol that it writes; in file order. With
    /// `only`, those alone that are over this protocol.
    pub(crate) fn rules_with(
        &self,
        pattern: &str,
        only: Option<Option<&Protocol>>,
    ) -> Result<Arc<[(String, i64)]>, StoreError> {
        self.known.matches.or(
            pattern,
            |known| known.as_ref().map(Option::as_ref) == only,
            || Ok((only.map(|only| only.cloned()), self.find_rules(pattern, only)?.into())),
        )
    }

    fn find_rules(
        &self,
        pattern: &str,
        only: Option<Option<&Protocol>>,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let read = |row: &Row<'_>| Ok((row.get(A)?, row.get(SUB)?));
        let over = |protocol: &str| self.look_up(Kind::Match, written(pattern, protocol), read);
        let mut found: Vec<(String, i64)> = match only {
            None => {
                let (from, to) = (written(pattern, ""), format!("{pattern}\u{b}"));
                self.collect(BETWEEN, (Kind::Match, from, to, i64::MAX), read)?
            }
            Some(only) => {
                let mut found = over(EVERY_PROTOCOL)?;
                if let Some(own) = only {
                    found.extend(over(own.as_str())?);
                }
                found
            }
        };
        found.sort_by_key(|(_, rule)| *rule);
        Ok(found)
    }

    /// Every rule that could match over a protocol, whoever the peer is; in file order.
    pub(crate) fn rules_over(&self, protocol: Option<&Protocol>) -> Result<Vec<i64>, StoreError> {
        let over = |protocol: &str| self.look_up(Kind::Over, protocol, |row| row.get(SUB));
        let mut found: Vec<i64> = over(EVERY_PROTOCOL)?;
        if let Some(protocol) = protocol {
            found.extend(over(protocol.as_str())?);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    pub(crate) fn rule(&self, id: i64) -> Result<Arc<StoredRule>, StoreError> {
        self.known.rules.or(id, |id| self.find_rule(*id).map(Arc::new))
    }

    fn find_rule(&self, id: i64) -> Result<StoredRule, StoreError> {
        self.named(Kind::Rule, id, |row| {
            let (peers, role): (Option<String>, Option<String>) = (row.get(B)?, row.get(E)?);
            let accept: String = row.get(H)?;
            // An expression that does not read back asks nobody, and so accepts nothing.
            let accept = Accept::decode(&accept).unwrap_or(Accept::Any(Vec::new()));
            Ok(StoredRule {
                title: format!("rule {} ({})", id + 1, row.get::<_, Shown>(A)?.0),
                is_for_every_peer: peers.is_none_or(|peers| peers.lines().any(|line| line == "*")),
                protocols: row.get(C)?,
                applications: row.get(D)?,
                role: role.map(|r| if r == "client" { Role::Client } else { Role::Server }),
                until: row.get(F)?,
                monitored: row.get(G)?,
                accept,
            })
        })
    }

    /// The names directly below a domain that rules single out.
    pub(crate) fn rule_children(&self, domain: &HostName) -> Result<Vec<HostName>, StoreError> {
        if self.meta.rules == 0 {
            return Ok(Vec::new());
        }
        let hosts: Vec<String> = self.look_up(Kind::Child, domain.as_str(), |row| row.get(SUB))?;
        Ok(hosts.iter().filter_map(|host| HostName::parse(host)).collect())
    }

    /// The protocol that a name means in this policy: with and without STARTTLS are one, unless it
    /// writes both names. None if no rule, scope or pin names it.
    pub(crate) fn meant(&self, protocol: &Protocol) -> Result<Option<Protocol>, StoreError> {
        self.known.meant.or(protocol.clone(), |protocol| {
            let meant: Option<String> =
                self.look_up_first(Kind::Protocol, protocol.as_str(), |row| row.get(A))?;
            Ok(meant.and_then(|name| Protocol::parse(&name)))
        })
    }

    /// What the policy says that a program speaks.
    pub(crate) fn program_protocol(&self, path: &str) -> Result<Option<Protocol>, StoreError> {
        self.known.programs.or(path.to_owned(), |path| {
            let name: Option<String> = self.look_up_first(Kind::Program, path, |row| row.get(A))?;
            Ok(name.and_then(|name| Protocol::parse(&name)))
        })
    }

    /// The protocols that rules tell apart.
    pub(crate) fn rule_protocols(&self) -> Result<Vec<Protocol>, StoreError> {
        if let Some(known) = self.known.protocols.get() {
            return Ok(known.clone());
        }
        let names: Vec<String> = self.look_up(Kind::RuleProtocol, "", |row| row.get(SUB))?;
        let found = names.iter().filter_map(|name| Protocol::parse(name)).collect();
        Ok(self.known.protocols.get_or_init(|| found).clone())
    }

    /// The executables that rules tell apart.
    pub(crate) fn rule_applications(&self) -> Result<Vec<String>, StoreError> {
        if let Some(known) = self.known.applications.get() {
            return Ok(known.clone());
        }
        let found = self.look_up(Kind::Application, "", |row| row.get(SUB))?;
        Ok(self.known.applications.get_or_init(|| found).clone())
    }
}
