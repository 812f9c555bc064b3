//! Which rule decides: the rules, and the values that they tell apart.

use std::sync::Arc;

use rusqlite::{Row, params};

use super::{Compiled, Shown};
use crate::peer::{HostName, Name};
use crate::protocol::Protocol;
use crate::query::Role;
use crate::rule::Accept;
use crate::store::StoreError;
use crate::store::schema::{EVERY_PROTOCOL, keys_of};

/// What stands under one word. One statement for all kinds: to prepare one takes as long as many look-ups.
const WORD: &str = "SELECT value FROM word WHERE what = ?1 AND word = ?2";

/// A rule, as decisions read it.
#[derive(Clone, Debug)]
pub(crate) struct StoredRule {
    pub(crate) id: i64,
    pub(crate) place: String,
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
        let question = (pattern.to_owned(), only.map(|only| only.cloned()));
        self.known.matches.or(question, |_| self.find_rules(pattern, only).map(Into::into))
    }

    fn find_rules(
        &self,
        pattern: &str,
        only: Option<Option<&Protocol>>,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        // Sorted here: SQLite needs longer to prepare for it than a process asks for rules.
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let mut found: Vec<(String, i64)> = Vec::new();
        match only {
            None => {
                let sql = "SELECT protocol, rule FROM rule_match WHERE pattern = ?1";
                found = self.collect(sql, [pattern], read)?;
            }
            Some(only) => {
                let own = only.map_or(EVERY_PROTOCOL, Protocol::as_str);
                let sql =
                    "SELECT protocol, rule FROM rule_match WHERE pattern = ?1 AND protocol = ?2";
                found.extend(self.collect(sql, [pattern, EVERY_PROTOCOL], read)?);
                if own != EVERY_PROTOCOL {
                    found.extend(self.collect(sql, [pattern, own], read)?);
                }
            }
        }
        found.sort_by_key(|(_, rule)| *rule);
        Ok(found)
    }

    /// Every rule that could match over a protocol, whoever the peer is; in file order.
    pub(crate) fn rules_over(&self, protocol: Option<&Protocol>) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT DISTINCT rule FROM rule_match WHERE protocol IN (?1, ?2) ORDER BY rule";
        let protocol = protocol.map_or(EVERY_PROTOCOL, Protocol::as_str);
        self.collect(sql, params![protocol, EVERY_PROTOCOL], |row| row.get(0))
    }

    pub(crate) fn rule(&self, id: i64) -> Result<Arc<StoredRule>, StoreError> {
        self.known.rules.or(id, |id| self.find_rule(*id).map(Arc::new))
    }

    fn find_rule(&self, id: i64) -> Result<StoredRule, StoreError> {
        let sql = "SELECT place, applications, role, until, monitored, accept, protocols FROM rule
             WHERE id = ?1";
        let read = |row: &Row<'_>| {
            let role: Option<String> = row.get(2)?;
            let accept: String = row.get(5)?;
            // An expression that does not read back asks nobody, and so accepts nothing.
            let accept = Accept::decode(&accept).unwrap_or(Accept::Any(Vec::new()));
            Ok(StoredRule {
                id,
                place: row.get::<_, Shown>(0)?.0,
                protocols: row.get(6)?,
                applications: row.get(1)?,
                role: role.map(|r| if r == "client" { Role::Client } else { Role::Server }),
                until: row.get(3)?,
                monitored: row.get(4)?,
                accept,
            })
        };
        self.statement(sql)?.query_row([id], read).map_err(|error| self.error(error))
    }

    /// Whether a rule names peers at all; one that does not is for every peer.
    pub(crate) fn rule_is_for_every_peer(&self, id: i64) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM rule_match WHERE pattern = '*' AND rule = ?1";
        self.known.for_every_peer.or(id, |id| Ok(self.first(sql, [id], |_| Ok(()))?.is_some()))
    }

    /// The names directly below a domain that rules single out.
    pub(crate) fn rule_children(&self, domain: &HostName) -> Result<Vec<HostName>, StoreError> {
        if self.meta.rules == 0 {
            return Ok(Vec::new());
        }
        let hosts: Vec<String> =
            self.collect(WORD, ["child", domain.as_str()], |row| row.get(0))?;
        Ok(hosts.iter().filter_map(|host| HostName::parse(host)).collect())
    }

    /// The protocol that a name means in this policy: with and without STARTTLS are one, unless it
    /// writes both names. None if no rule, scope or pin names it.
    pub(crate) fn meant(&self, protocol: &Protocol) -> Result<Option<Protocol>, StoreError> {
        self.known.meant.or(protocol.clone(), |protocol| {
            let meant: Option<String> =
                self.first(WORD, ["protocol", protocol.as_str()], |row| row.get(0))?;
            Ok(meant.and_then(|name| Protocol::parse(&name)))
        })
    }

    /// What the policy says that a program speaks.
    pub(crate) fn program_protocol(&self, path: &str) -> Result<Option<Protocol>, StoreError> {
        self.known.programs.or(path.to_owned(), |path| {
            let name: Option<String> = self.first(WORD, ["program", path], |row| row.get(0))?;
            Ok(name.and_then(|name| Protocol::parse(&name)))
        })
    }

    /// The protocols that rules tell apart.
    pub(crate) fn rule_protocols(&self) -> Result<Vec<Protocol>, StoreError> {
        if let Some(known) = self.known.protocols.get() {
            return Ok(known.clone());
        }
        let sql = "SELECT DISTINCT value FROM word WHERE what = 'protocol' AND more ORDER BY value";
        let names: Vec<String> = self.collect(sql, [], |row| row.get(0))?;
        let found = names.iter().filter_map(|name| Protocol::parse(name)).collect();
        Ok(self.known.protocols.get_or_init(|| found).clone())
    }

    /// The executables that rules tell apart.
    pub(crate) fn rule_applications(&self) -> Result<Vec<String>, StoreError> {
        if let Some(known) = self.known.applications.get() {
            return Ok(known.clone());
        }
        let sql = "SELECT word FROM word WHERE what = 'application' ORDER BY word";
        let found = self.collect(sql, [], |row| row.get(0))?;
        Ok(self.known.applications.get_or_init(|| found).clone())
    }
}
