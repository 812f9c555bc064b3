//! `policy show`, `rollback` and `sources`: the policy in force, the one before, and what it was made of.

use std::io;
use std::path::Path;

use peerkey_core::key::KeyHash;
use peerkey_core::rule::{Enforce, Mode};
use peerkey_core::source;
use peerkey_core::store::{
    AuthorityRow, Compiled, ConstraintRow, DenialRow, Meta, RuleRow, SourceRow, StoreError,
};
use serde_json::{Value, json};

use super::{FINE, NO, fail, no_result};
use crate::args::Global;
use crate::clock::{self, relative, rfc3339};
use crate::inquiry;
use crate::render::tree::Branch;
use crate::render::{self, BOLD, hex, json, styled, table};
use crate::screen::{Lines, Screen};

/// Shows the policy in force.
pub fn show(global: &Global, as_json: bool, screen: &Screen) -> io::Result<u8> {
    let path = inquiry::in_force(&global.state_dir);
    if !path.exists() {
        let why = format!("no policy is in force: there is no {}", path.display());
        return no_result(screen, as_json, why, NO);
    }
    let whole = inquiry::open_whole(&path).and_then(|policy| Whole::read(&policy));
    let whole = match whole {
        Ok(whole) => whole,
        Err(why) => return no_result(screen, as_json, why, NO),
    };
    let path = path.display().to_string();
    screen.print(&match as_json {
        true => json::text(&whole.document(&path)),
        false => whole.readable(&path, screen.lines),
    })?;
    Ok(FINE)
}

/// Puts the one before in force.
pub fn rollback(global: &Global, screen: &Screen) -> io::Result<u8> {
    match source::rollback(&global.state_dir) {
        Ok(published) => {
            let path = published.path.display();
            let words =
                styled(render::GOOD, format!("the policy before is in force again: {path}"));
            let hint = "once more brings this one back; the sources are as they were";
            screen.print(&format!("{words}\n{hint}\n"))?;
            Ok(FINE)
        }
        Err(error) => {
            fail(screen, &error);
            screen.complain("The policy in force is unchanged.\n");
            Ok(NO)
        }
    }
}

/// Lists the files that the policy in force was made of.
pub fn sources(global: &Global, only_changed: bool, screen: &Screen) -> io::Result<u8> {
    let compiled = inquiry::open(&inquiry::in_force(&global.state_dir));
    let sources = match compiled.and_then(|policy| policy.sources()) {
        Ok(sources) => sources,
        Err(why) => return no_result(screen, false, why, NO),
    };
    let differs = |row: &SourceRow| {
        !source::digest(Path::new(&row.path)).is_ok_and(|digest| digest == row.sha256)
    };
    let rows = sources.iter().filter(|row| !only_changed || differs(row));
    screen.print(&rows.map(|row| format!("{}\n", row.path)).collect::<String>())?;
    Ok(FINE)
}

/// `enforce` or `monitor`.
pub fn mode(meta: &Meta) -> &'static str {
    match meta.mode {
        Mode::Enforce => "enforce",
        Mode::Monitor => "monitor",
    }
}

/// All of a compiled policy.
struct Whole {
    meta: Meta,
    default: String,
    authorities: Vec<AuthorityRow>,
    rules: Vec<RuleRow>,
    constraints: Vec<ConstraintRow>,
    denials: Vec<DenialRow>,
    sources: Vec<SourceRow>,
}

impl Whole {
    fn read(policy: &Compiled) -> Result<Self, StoreError> {
        Ok(Self {
            meta: policy.meta().clone(),
            default: policy.default_in_words()?,
            authorities: policy.authorities()?,
            rules: policy.rules()?,
            constraints: policy.constraints()?,
            denials: policy.denials()?,
            sources: policy.sources()?,
        })
    }

    fn readable(&self, path: &str, lines: Lines) -> String {
        let when = self.meta.compiled_at;
        let when = format!("{} ({})", rfc3339(when), relative(when, clock::now()));
        let head = Branch::new(styled(BOLD, format!("policy {path}")))
            .with(Branch::fact("compiled", format!("{when}, by peerkey {}", self.meta.version)))
            .with(Branch::fact("digest", &self.meta.digest))
            .with(Branch::fact("mode", mode(&self.meta)))
            .with(Branch::fact("enforce", enforce(&self.meta)))
            .with(Branch::fact("log", self.meta.log.as_str()))
            .with(Branch::fact("default", &self.default));
        let mut out = head.draw(lines);
        let mut section = |title: &str, headings: &[&str], rows: Vec<Vec<String>>| {
            if !rows.is_empty() {
                out.push_str(&format!("\n{}\n", styled(BOLD, title)));
                out.push_str(&table::table(lines, headings, rows));
            }
        };
        section(
            "rules: the first that matches decides",
            &["", "peers", "protocols", "who asks", "accept", "until", "place"],
            self.rules.iter().enumerate().map(|(at, rule)| rule_row(at, rule)).collect(),
        );
        section(
            "authorities: who may vouch",
            &["name", "kind", "peers", "protocols", "holds", "until", "place"],
            self.authorities.iter().map(authority_row).collect(),
        );
        section(
            "constraints: what CAs are held to",
            &["CA keys", "peers", "protocols", "until", "place"],
            self.constraints.iter().map(constraint_row).collect(),
        );
        section(
            "denials: what is refused, whoever vouches for it",
            &["what", "value", "reason", "until", "place"],
            self.denials.iter().map(denial_row).collect(),
        );
        out
    }

    fn document(&self, path: &str) -> Value {
        json!({
            "version": json::VERSION,
            "path": path,
            "compiled-at": rfc3339(self.meta.compiled_at),
            "compiled-by": self.meta.version,
            "digest": self.meta.digest,
            "mode": mode(&self.meta),
            "enforce": enforce(&self.meta),
            "log": self.meta.log.as_str(),
            "default": self.default,
            "rules": self.rules.iter().map(rule_document).collect::<Vec<_>>(),
            "authorities": self.authorities.iter().map(authority_document).collect::<Vec<_>>(),
            "constraints": self.constraints.iter().map(constraint_document).collect::<Vec<_>>(),
            "denials": self.denials.iter().map(denial_document).collect::<Vec<_>>(),
            "sources": self.sources.iter().map(source_document).collect::<Vec<_>>(),
        })
    }
}

fn rule_document(rule: &RuleRow) -> Value {
    json!({
        "peers": rule.peers,
        "protocols": rule.protocols,
        "applications": rule.applications,
        "role": rule.role,
        "until": rule.until.map(rfc3339),
        "monitored": rule.monitored,
        "accept": rule.accept,
        "place": rule.place,
    })
}

fn authority_document(authority: &AuthorityRow) -> Value {
    json!({
        "name": authority.name,
        "kind": authority.kind,
        "peers": authority.peers,
        "protocols": authority.protocols,
        "until": authority.until.map(rfc3339),
        "anchors": authority.anchors,
        "crls": authority.crls,
        "bindings": authority.bindings,
        "place": place(authority),
    })
}

fn constraint_document(constraint: &ConstraintRow) -> Value {
    json!({
        "keys": constraint.keys,
        "peers": constraint.peers,
        "protocols": constraint.protocols,
        "until": constraint.until.map(rfc3339),
        "place": constraint.place,
    })
}

fn denial_document(denial: &DenialRow) -> Value {
    json!({
        "what": denial.what,
        "value": denied(denial),
        "reason": denial.reason,
        "until": denial.until.map(rfc3339),
        "place": denial.place,
    })
}

fn source_document(source: &SourceRow) -> Value {
    json!({
        "path": source.path,
        "sha256": hex(&source.sha256),
    })
}

fn enforce(meta: &Meta) -> &'static str {
    match meta.enforce {
        Enforce::Verified => "verified",
        Enforce::Always => "always",
    }
}

fn rule_row(at: usize, rule: &RuleRow) -> Vec<String> {
    let mut who = list(&rule.applications, "any program");
    if let Some(role) = &rule.role {
        who.push_str(&format!(", about a {role}"));
    }
    let monitored = if rule.monitored { " (only monitored)" } else { "" };
    vec![
        (at + 1).to_string(),
        list(&rule.peers, "*"),
        list(&rule.protocols, "*"),
        who,
        format!("{}{monitored}", rule.accept),
        until(rule.until),
        rule.place.clone(),
    ]
}

fn authority_row(authority: &AuthorityRow) -> Vec<String> {
    let some = |number: u64, noun| {
        (number > 0).then(|| render::count(number.try_into().unwrap_or(usize::MAX), noun))
    };
    let AuthorityRow { anchors, crls, bindings, .. } = *authority;
    let holds = [some(anchors, "anchor"), some(crls, "CRL"), some(bindings, "pinned key")];
    vec![
        authority.name.clone(),
        authority.kind.clone(),
        list(&authority.peers, "*"),
        list(&authority.protocols, "*"),
        holds.into_iter().flatten().collect::<Vec<_>>().join(", "),
        until(authority.until),
        place(authority).unwrap_or("built in").to_owned(),
    ]
}

/// The built-in authority stands nowhere.
fn place(authority: &AuthorityRow) -> Option<&str> {
    (authority.kind != "application").then_some(&*authority.place)
}

fn constraint_row(constraint: &ConstraintRow) -> Vec<String> {
    vec![
        constraint.keys.join("\n"),
        list(&constraint.peers, "*"),
        list(&constraint.protocols, "*"),
        until(constraint.until),
        constraint.place.clone(),
    ]
}

fn denial_row(denial: &DenialRow) -> Vec<String> {
    vec![
        denial.what.clone(),
        denied(denial),
        denial.reason.clone().unwrap_or_default(),
        until(denial.until),
        denial.place.clone(),
    ]
}

/// A key as it is written in policies; what else is denied is only known by its hash.
fn denied(denial: &DenialRow) -> String {
    match denial.what.as_str() {
        "key" => KeyHash(denial.value).to_string(),
        _ => hex(&denial.value),
    }
}

fn list(of: &Option<Vec<String>>, otherwise: &str) -> String {
    of.as_ref().map_or_else(|| otherwise.to_owned(), |of| of.join(", "))
}

fn until(moment: Option<i64>) -> String {
    moment.map(rfc3339).unwrap_or_default()
}
