//! From a query to cases: every value of an unknown fact that the policy tells apart, every name that
//! is claimed, every host that would do.

mod claimed;
mod expected;
mod known;
mod store;
mod unknown;

#[cfg(all(test, feature = "source", feature = "pkix"))]
pub(super) use claimed::MAX_CLAIMED_CASES;
pub(super) use claimed::MAX_CLAIMED_NAMES;

pub(crate) use known::KnownCases;
pub(super) use unknown::spoken;

use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use super::rules::Rules;
use crate::certificate::CertificateName;
use crate::map::{Distinct, Map};
use crate::peer::{HostName, Name};
use crate::protocol::Protocol;
use crate::query::{ExpectedPeer, Peer, Query, Role};
use crate::rule::{APPLICATION, Accept};
use crate::store::{Compiled, StoreError, StoredRule};
use crate::verdict::Verdict;

/// At what a program verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// A TLS handshake.
    Handshake,
    /// Anything else, with a certificate store of its own: see [`store`].
    Store,
}

/// What must be accepted for the query to be accepted.
#[derive(Debug)]
pub(super) enum Requirement {
    /// Each of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
    /// The case with this index.
    Case(usize),
}

/// One peer, one protocol, one application, and the rule for them.
#[derive(Clone, Debug)]
pub(super) struct CaseState {
    /// The peer; None where no name can be told.
    pub(super) subject: Option<Name>,
    /// The peer for people.
    pub(super) peer: String,
    /// The protocol; None is one that no rule names.
    pub(super) protocol: Option<Protocol>,
    /// The executable, where rules tell executables apart.
    pub(super) application: Option<String>,
    /// The rule for people.
    pub(super) rule: String,
    /// Whether the rule only monitors.
    pub(super) monitored: bool,
    /// Who must vouch.
    pub(super) accept: Accept,
    /// Whether the program expects this peer; else it is only claimed.
    pub(super) expected: bool,
    /// Whether it may grant what the program refuses; a claim may only limit.
    pub(super) grants: bool,
    /// Whether the program's own acceptance is about this peer.
    pub(super) application_counts: bool,
    /// What of a constraint is not about this case.
    pub(super) exempt: Exempt,
}

/// What of a constraint is not about a certificate that names no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Exempt {
    /// It names a peer.
    Nothing,
    /// It names nobody: there is nobody whom a CA could be kept from.
    Peers,
    /// It is a CA's: what it issues is held to the constraint, when that is verified.
    Everything,
}

impl CaseState {
    pub(super) fn consults_application(&self) -> bool {
        !self.grants || self.monitored || self.accept.mentions(APPLICATION)
    }
}

/// What a query asks of a policy, before anybody is asked.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(super) requirement: Requirement,
    pub(super) cases: Vec<Arc<CaseState>>,
    /// What was found out on the way.
    pub(super) notes: Vec<String>,
    asks_program_alone: bool,
    accepted: OnceLock<Arc<Verdict>>,
}

/// The cases of a query.
pub(super) fn of(
    policy: &Compiled,
    query: &Query,
    level: Level,
) -> Result<Arc<Prepared>, StoreError> {
    /// More are made anew, and not kept in the host's memory.
    const LARGEST: usize = 64;
    let lasting = known::lasting(query).filter(|_| level == Level::Handshake);
    let Some(peer) = lasting else {
        return made(policy, query, level).map(|(prepared, _)| Arc::new(prepared));
    };
    if let Some(known) = policy.cases().find(|known| known.answer(query, peer)) {
        return Ok(known);
    }
    let (prepared, lasts) = made(policy, query, level)?;
    let prepared = Arc::new(prepared);
    if lasts && prepared.cases.len() <= LARGEST {
        policy.cases().keep(KnownCases::new(query, peer, &prepared));
    }
    Ok(prepared)
}

/// The same made anew; and whether another moment makes no other cases.
fn made(policy: &Compiled, query: &Query, level: Level) -> Result<(Prepared, bool), StoreError> {
    let mut notes = Vec::new();
    let (protocols, applications) = match level {
        Level::Handshake => (
            unknown::protocols(policy, query, &mut notes)?,
            unknown::applications(policy, query, &mut notes)?,
        ),
        Level::Store => {
            (vec![store::protocol(policy, query)?], vec![query.application.known().cloned()])
        }
    };
    let mut builder = Builder {
        policy,
        query,
        level,
        rules: Rules::new(policy, query, &protocols),
        protocols,
        applications,
        cases: Vec::new(),
        plain: Map::default(),
        located: None,
    };
    let requirement = match &query.peer {
        Peer::Expected(expected) if *expected != ExpectedPeer::default() => {
            builder.expected(expected)?
        }
        _ if level == Level::Store => builder.claimed_at_store()?,
        _ => builder.claimed(&mut notes)?,
    };
    let lasts = !builder.rules.has_ends();
    Ok((Prepared::new(requirement, builder.cases, notes), lasts))
}

/// Whom a case is about.
enum Who<'q> {
    Name(Name),
    /// Each name of one label below a domain.
    Below(&'q HostName),
    /// A name that cannot be told, for this reason.
    Nameless(String),
}

/// A protocol and an application, each None for any that no rule names.
type Known = (Option<Protocol>, Option<String>);
/// The rules that the connected address selects, each for what it was selected for.
type Located = Rc<[(Known, Arc<StoredRule>)]>;

/// What tells the cases apart that ask the program alone.
#[derive(PartialEq, Eq, Hash)]
struct Plain {
    subject: Option<Name>,
    peer: String,
    rule: String,
    application_counts: bool,
    exempt: Exempt,
    /// Where constraints can tell protocols apart.
    protocol: Option<Protocol>,
}

struct Builder<'a> {
    policy: &'a Compiled,
    query: &'a Query,
    rules: Rules<'a>,
    level: Level,
    protocols: Vec<Option<Protocol>>,
    applications: Vec<Option<String>>,
    cases: Vec<Arc<CaseState>>,
    /// The cases that ask the program alone, by what tells them apart, once there is more than one.
    plain: Map<Plain, usize>,
    /// The rules that the connected address adds.
    located: Option<Located>,
}

impl<'a> Builder<'a> {
    /// All that a peer can turn out to be, over every protocol and for every application.
    fn case(
        &mut self,
        who: &Who<'_>,
        expected: bool,
        application_counts: bool,
    ) -> Result<Requirement, StoreError> {
        let mut all = Vec::new();
        for (subject, peer) in self.subjects(who)? {
            for (protocol, application) in self.combinations() {
                let (over, by) = (protocol.as_ref(), application.as_deref());
                let rules = match &subject {
                    _ if self.level == Level::Store => vec![self.store_rule(subject.as_ref())?],
                    Some(name) => vec![self.rules.first(name, over, by)?],
                    None => self.rules.every(over, by)?,
                };
                for rule in rules {
                    let state = CaseState {
                        subject: subject.clone(),
                        peer: peer.clone(),
                        protocol: protocol.clone(),
                        application: application.clone(),
                        application_counts,
                        ..self.under(rule.as_deref(), expected)
                    };
                    all.push(self.add(state));
                }
            }
        }
        Ok(all_of(all))
    }

    fn combinations(&self) -> Vec<Known> {
        let with = |protocol: &Option<Protocol>| {
            let protocol = protocol.clone();
            self.applications.iter().map(move |path| (protocol.clone(), path.clone()))
        };
        self.protocols.iter().flat_map(with).collect()
    }

    /// The names that somebody can turn out to have, as far as rules tell them apart.
    fn subjects(&self, who: &Who<'_>) -> Result<Vec<(Option<Name>, String)>, StoreError> {
        Ok(match who {
            Who::Name(name) => vec![(Some(name.clone()), name.to_string())],
            Who::Nameless(why) => vec![(None, format!("a peer that cannot be told ({why})"))],
            Who::Below(domain) => {
                let mut hosts = self.policy.rule_children(domain)?;
                // Any other name below: no rule can single out a label that no host may have.
                hosts.push(domain.child("*"));
                let subject = |host: HostName| (host.to_string(), Name::Host(host));
                hosts.into_iter().map(subject).map(|(text, name)| (Some(name), text)).collect()
            }
        })
    }

    fn under(&self, rule: Option<&StoredRule>, expected: bool) -> CaseState {
        let grants = match self.level {
            Level::Handshake => expected || rule.and_then(|rule| rule.role) == Some(Role::Client),
            Level::Store => rule.is_some(),
        };
        let (name, monitored, accept) = match (rule, self.level) {
            (Some(rule), _) => (rule.title.clone(), rule.monitored, rule.accept.clone()),
            (None, Level::Handshake) => {
                ("[default]".to_owned(), false, self.policy.meta().default.clone())
            }
            (None, Level::Store) => {
                ("no rule for S/MIME".to_owned(), false, Accept::Authority(APPLICATION))
            }
        };
        CaseState {
            subject: None,
            peer: String::new(),
            protocol: None,
            application: None,
            rule: name,
            monitored,
            accept,
            expected: expected && self.level == Level::Handshake,
            grants,
            application_counts: true,
            exempt: Exempt::Nothing,
        }
    }

    fn add(&mut self, state: CaseState) -> usize {
        let next = self.cases.len();
        if let ([first], true) = (&self.cases[..], self.plain.is_empty()) {
            self.plain.extend(self.plain(first).map(|plain| (plain, 0)));
        }
        if next > 0
            && let Some(plain) = self.plain(&state)
        {
            let index = *self.plain.entry(plain).or_insert(next);
            if index < next {
                return index;
            }
        }
        self.cases.push(Arc::new(state));
        next
    }

    /// What asks the program alone is one case, whatever the protocol; but for constraints.
    fn plain(&self, state: &CaseState) -> Option<Plain> {
        let limited = self.policy.meta().constraints > 0;
        state.accept.is_application().then(|| Plain {
            subject: state.subject.clone(),
            peer: state.peer.clone(),
            rule: state.rule.clone(),
            application_counts: state.application_counts,
            exempt: state.exempt,
            protocol: state.protocol.clone().filter(|_| limited),
        })
    }

    fn names(&self) -> &'a [CertificateName] {
        self.query.evidence.leaf.as_ref().map_or(&[], |leaf| &leaf.names().supported)
    }
}

/// Each of these cases, and each once.
fn all_of(cases: Vec<usize>) -> Requirement {
    let mut each = Distinct::default();
    cases.into_iter().for_each(|case| each.push(case));
    match each.list[..] {
        [one] => Requirement::Case(one),
        _ => Requirement::All(each.list.into_iter().map(Requirement::Case).collect()),
    }
}

fn who(name: &CertificateName) -> Who<'_> {
    match name {
        CertificateName::Exact(name) => Who::Name(name.clone()),
        CertificateName::Wildcard(domain) => Who::Below(domain),
    }
}
