//! From a query to cases: every value of an unknown fact that the policy tells apart, every name that
//! is claimed, every host that would do.

mod store;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::rules::Rules;
use crate::certificate::CertificateName;
use crate::peer::{HostName, Name};
use crate::protocol::Protocol;
use crate::query::{ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};
use crate::rule::{APPLICATION, Accept};
use crate::store::{Compiled, StoreError, StoredRule};

/// A certificate that claims more names than this makes no usable claim.
pub(super) const MAX_CLAIMED_NAMES: usize = 1000;

/// Nor does one whose names make more cases than this, over all that is not known.
pub(super) const MAX_CLAIMED_CASES: usize = 50_000;

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

/// The cases of a query. Whatever is found out on the way goes into `notes`.
pub(super) fn of(
    policy: &Compiled,
    query: &Query,
    level: Level,
    notes: &mut Vec<String>,
) -> Result<(Requirement, Vec<CaseState>), StoreError> {
    let (protocols, applications) = match level {
        Level::Handshake => (protocols(policy, query, notes)?, applications(policy, query, notes)?),
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
        plain: HashMap::new(),
        located: None,
    };
    let requirement = match &query.peer {
        Peer::Expected(expected) if *expected != ExpectedPeer::default() => {
            builder.expected(expected)?
        }
        _ if level == Level::Store => builder.claimed_at_store()?,
        _ => builder.claimed(notes)?,
    };
    Ok((requirement, builder.cases))
}

/// The protocols that have to be tried: None stands for each that no rule names.
fn protocols(
    policy: &Compiled,
    query: &Query,
    notes: &mut Vec<String>,
) -> Result<Vec<Option<Protocol>>, StoreError> {
    if let Fact::Known(protocol) = spoken(policy, query)? {
        return Ok(vec![Some(policy.meant(&protocol)?.unwrap_or(protocol))]);
    }
    let named = policy.rule_protocols()?;
    if !named.is_empty() {
        notes.push("the protocol is not known: whatever it is, it must be accepted".into());
    }
    Ok(named.into_iter().map(Some).chain([None]).collect())
}

/// What the policy says that the program speaks, else what its connection shows.
fn spoken(policy: &Compiled, query: &Query) -> Result<Fact<Protocol>, StoreError> {
    if policy.meta().programs == 0 {
        return Ok(query.protocol.clone());
    }
    // A program that is not known could be one that the policy knows better.
    let Fact::Known(path) = &query.application else { return Ok(Fact::Unknown) };
    Ok(match policy.program_protocol(path)? {
        Some(protocol) => Fact::Known(protocol),
        None => query.protocol.clone(),
    })
}

fn applications(
    policy: &Compiled,
    query: &Query,
    notes: &mut Vec<String>,
) -> Result<Vec<Option<String>>, StoreError> {
    let named = policy.rule_applications()?;
    Ok(match &query.application {
        Fact::Known(path) if named.contains(path) => vec![Some(path.clone())],
        Fact::Known(_) => vec![None],
        Fact::Unknown => {
            if !named.is_empty() {
                notes.push(
                    "the application is not known: whatever it is, it must be accepted".into(),
                );
            }
            named.into_iter().map(Some).chain([None]).collect()
        }
    })
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
    cases: Vec<CaseState>,
    /// The cases that ask the program alone, by what tells them apart.
    plain: HashMap<Plain, usize>,
    /// The rules that the connected address adds.
    located: Option<Located>,
}

impl<'a> Builder<'a> {
    /// Any of the hosts, and the address, and the mailbox (X509_VERIFY_PARAM_set1_host and others).
    fn expected(&mut self, expected: &ExpectedPeer) -> Result<Requirement, StoreError> {
        let mut all = Vec::new();
        if !expected.hosts.is_empty() {
            // With several hosts, the program's acceptance is about those that the certificate names.
            let several = expected.hosts.len() > 1;
            let hosts = expected.hosts.iter().map(|host| self.expected_host(host, several));
            all.push(Requirement::Any(hosts.collect::<Result<_, _>>()?));
        }
        if let Some(address) = expected.address {
            all.push(self.case(&Who::Name(Name::Address(address)), true, true)?);
        }
        if let Some(email) = &expected.email {
            all.push(self.case(&Who::Name(Name::Email(email.clone())), true, true)?);
        }
        Ok(Requirement::All(all))
    }

    fn expected_host(
        &mut self,
        host: &ExpectedHost,
        several: bool,
    ) -> Result<Requirement, StoreError> {
        match host {
            ExpectedHost::Exact(host) => {
                let name = Name::Host(host.clone());
                let counts = !several || self.names().iter().any(|own| own.covers(&name));
                self.case(&Who::Name(name), true, counts)
            }
            ExpectedHost::Below(domain) => {
                let below: Vec<_> =
                    self.names().iter().filter(|own| is_below(own, domain)).collect();
                let all: Result<Vec<_>, _> =
                    below.into_iter().map(|own| self.case(&who(own), true, true)).collect();
                let all = all?;
                if !all.is_empty() {
                    return Ok(Requirement::All(all));
                }
                let why = format!("it has no name below .{domain}");
                self.case(&Who::Nameless(why), true, !several)
            }
        }
    }

    /// Every name in the certificate. A name that cannot be told could be any.
    fn claimed(&mut self, notes: &mut Vec<String>) -> Result<Requirement, StoreError> {
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
                (self.cases, self.plain) = (Vec::new(), HashMap::new());
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
            (Some(rule), _) => {
                let name = format!("rule {} ({})", rule.id + 1, rule.place);
                (name, rule.monitored, rule.accept.clone())
            }
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
            grants,
            application_counts: true,
            exempt: Exempt::Nothing,
        }
    }

    fn add(&mut self, state: CaseState) -> usize {
        let next = self.cases.len();
        // What asks the program alone is one case, whatever the protocol; but for constraints.
        if state.accept.is_application() {
            let limited = self.policy.meta().constraints > 0;
            let key = Plain {
                subject: state.subject.clone(),
                peer: state.peer.clone(),
                rule: state.rule.clone(),
                application_counts: state.application_counts,
                exempt: state.exempt,
                protocol: state.protocol.clone().filter(|_| limited),
            };
            let index = *self.plain.entry(key).or_insert(next);
            if index < next {
                return index;
            }
        }
        self.cases.push(state);
        next
    }

    fn names(&self) -> &'a [CertificateName] {
        self.query.evidence.leaf.as_ref().map_or(&[], |leaf| &leaf.names().supported)
    }
}

/// Each of these cases, and each once.
fn all_of(cases: Vec<usize>) -> Requirement {
    let mut seen = HashSet::new();
    Requirement::All(
        cases.into_iter().filter(|case| seen.insert(*case)).map(Requirement::Case).collect(),
    )
}

fn who(name: &CertificateName) -> Who<'_> {
    match name {
        CertificateName::Exact(name) => Who::Name(name.clone()),
        CertificateName::Wildcard(domain) => Who::Below(domain),
    }
}

fn is_below(name: &CertificateName, domain: &HostName) -> bool {
    match name {
        CertificateName::Exact(Name::Host(host)) => host != domain && host.is_within(domain),
        CertificateName::Wildcard(above) => above.is_within(domain),
        CertificateName::Exact(_) => false,
    }
}
