//! A compiled policy row by row, for people.

use rusqlite::Row;

use super::StoreError;
use super::entry::{A, ALL, B, C, D, E, F, G, H, KEY, Kind, SUB};
use super::read::{Compiled, Shown};
use crate::certificate::printable;
use crate::rule::{APPLICATION, Accept, Mode};

/// An authority.
#[derive(Clone, Debug)]
pub struct AuthorityRow {
    /// Its name.
    pub name: String,
    /// `application`, `x509` or `pin`.
    pub kind: String,
    /// About whom; None is about everyone.
    pub peers: Option<Vec<String>>,
    /// Over what; None is over everything.
    pub protocols: Option<Vec<String>>,
    /// Until this second, since 1970.
    pub until: Option<i64>,
    /// Where it stands.
    pub place: String,
    /// How many anchors it has.
    pub anchors: u64,
    /// How many CRLs it has.
    pub crls: u64,
    /// How many bindings it has.
    pub bindings: u64,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct RuleRow {
    /// For whom; None is for everyone.
    pub peers: Option<Vec<String>>,
    /// Over what; None is over everything.
    pub protocols: Option<Vec<String>>,
    /// For which executables; None is for all.
    pub applications: Option<Vec<String>>,
    /// `server` or `client`; None is servers.
    pub role: Option<String>,
    /// Until this second, since 1970.
    pub until: Option<i64>,
    /// Whether it is only monitored.
    pub monitored: bool,
    /// What it accepts, with the authorities' names: `any of web, all of (corp, pins)`.
    pub accept: String,
    /// Where it stands.
    pub place: String,
}

/// A limit on CAs.
#[derive(Clone, Debug)]
pub struct ConstraintRow {
    /// The CAs' keys, as `sha256/BASE64`.
    pub keys: Vec<String>,
    /// What they may vouch for; None is everyone.
    pub peers: Option<Vec<String>>,
    /// Over what; None is everything.
    pub protocols: Option<Vec<String>>,
    /// Until this second, since 1970.
    pub until: Option<i64>,
    /// Where it stands.
    pub place: String,
}

/// A denial.
#[derive(Clone, Debug)]
pub struct DenialRow {
    /// `key`, `certificate` or `serial`.
    pub what: String,
    /// The hash by which it is looked up.
    pub value: [u8; 32],
    /// Until this second, since 1970.
    pub until: Option<i64>,
    /// The policy's reason.
    pub reason: Option<String>,
    /// Where it stands.
    pub place: String,
}

/// A file that the policy was compiled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    /// Its path.
    pub path: String,
    /// SHA-256 of what it held.
    pub sha256: [u8; 32],
}

impl Compiled {
    /// The authorities, `application` first.
    pub fn authorities(&self) -> Result<Vec<AuthorityRow>, StoreError> {
        let held = self.all(Kind::Holdings, |row| Ok([row.get(A)?, row.get(B)?, row.get(C)?]))?;
        let mut held = held.into_iter();
        self.all(Kind::Authority, |row| {
            let [anchors, crls, bindings] = held.next().unwrap_or_default();
            Ok(AuthorityRow {
                name: text(row, A)?,
                kind: text(row, B)?,
                peers: lines(row.get(C)?),
                protocols: lines(row.get(D)?),
                until: row.get(E)?,
                place: text(row, F)?,
                anchors,
                crls,
                bindings,
            })
        })
    }

    /// The rules, in the order in which they are tried.
    pub fn rules(&self) -> Result<Vec<RuleRow>, StoreError> {
        let names = self.authority_names()?;
        self.all(Kind::Rule, |row| {
            let accept: String = row.get(H)?;
            Ok(RuleRow {
                peers: lines(row.get(B)?),
                protocols: lines(row.get(C)?),
                applications: lines(row.get(D)?),
                role: row.get::<_, Option<Shown>>(E)?.map(|shown| shown.0),
                until: row.get(F)?,
                monitored: row.get(G)?,
                accept: Accept::decode(&accept)
                    .map_or_else(|| printable(&accept), |accept| words(&accept, &names)),
                place: text(row, A)?,
            })
        })
    }

    /// What is accepted where no rule matches, in words.
    pub fn default_in_words(&self) -> Result<String, StoreError> {
        Ok(words(&self.meta().default, &self.authority_names()?))
    }

    /// Whether a rule, or the default, hangs on what programs themselves say: then it matters which anchors
    /// they have.
    pub fn asks_application(&self) -> Result<bool, StoreError> {
        let asks = |accept: &Accept| accept.mentions(APPLICATION);
        let rules = self.all(Kind::Rule, |row| {
            let accept = Accept::decode(&row.get::<_, String>(H)?);
            Ok(row.get(G)? || accept.as_ref().is_none_or(asks))
        })?;
        let meta = self.meta();
        Ok(meta.mode == Mode::Monitor || asks(&meta.default) || rules.contains(&true))
    }

    /// The limits on CAs.
    pub fn constraints(&self) -> Result<Vec<ConstraintRow>, StoreError> {
        let mut last = None;
        let mut constraints: Vec<ConstraintRow> = Vec::new();
        let mut rows = self.all(Kind::Limit, |row| {
            let key = row.get(KEY).map(|key| crate::key::KeyHash(key).to_string())?;
            let constraint = ConstraintRow {
                keys: vec![key],
                peers: lines(row.get(A)?),
                protocols: lines(row.get(B)?),
                until: row.get(C)?,
                place: text(row, D)?,
            };
            Ok((row.get::<_, i64>(SUB)?, constraint))
        })?;
        rows.sort_by_key(|(id, _)| *id);
        for (id, mut constraint) in rows {
            match constraints.last_mut().filter(|_| last == Some(id)) {
                Some(same) => same.keys.append(&mut constraint.keys),
                None => constraints.push(constraint),
            }
            last = Some(id);
        }
        Ok(constraints)
    }

    /// The denials.
    pub fn denials(&self) -> Result<Vec<DenialRow>, StoreError> {
        let kinds = [
            ("certificate", Kind::CertificateDenial),
            ("key", Kind::KeyDenial),
            ("serial", Kind::SerialDenial),
        ];
        let mut denials = Vec::new();
        for (what, kind) in kinds {
            denials.extend(self.all(kind, |row| {
                Ok(DenialRow {
                    what: what.to_owned(),
                    value: row.get(KEY)?,
                    until: row.get(A)?,
                    reason: row.get::<_, Option<Shown>>(B)?.map(|shown| shown.0),
                    place: text(row, SUB)?,
                })
            })?);
        }
        denials.sort_by(|one, other| one.place.cmp(&other.place));
        Ok(denials)
    }

    /// The files that went into it.
    pub fn sources(&self) -> Result<Vec<SourceRow>, StoreError> {
        self.all(Kind::Source, |row| Ok(SourceRow { path: text(row, KEY)?, sha256: row.get(A)? }))
    }

    fn authority_names(&self) -> Result<Vec<String>, StoreError> {
        self.all(Kind::Authority, |row| text(row, A))
    }

    /// All entries of a kind, in the order of their keys.
    fn all<T>(
        &self,
        kind: Kind,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.collect(ALL, [kind], read)
    }
}

fn text(row: &Row<'_>, at: usize) -> rusqlite::Result<String> {
    row.get::<_, Shown>(at).map(|shown| shown.0)
}

fn lines(text: Option<String>) -> Option<Vec<String>> {
    text.map(|text| text.lines().map(printable).collect())
}

fn words(accept: &Accept, names: &[String]) -> String {
    let list = |of: &[Accept]| {
        let operand = |operand: &Accept| match operand {
            Accept::Authority(_) => words(operand, names),
            nested => format!("({})", words(nested, names)),
        };
        of.iter().map(operand).collect::<Vec<_>>().join(", ")
    };
    match accept {
        Accept::Authority(index) => names.get(*index).cloned().unwrap_or_else(|| "?".into()),
        Accept::Any(of) => format!("any of {}", list(of)),
        Accept::All(of) => format!("all of {}", list(of)),
        Accept::AtLeast(least, of) => format!("at least {least} of {}", list(of)),
    }
}
