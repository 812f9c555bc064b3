//! From a query to cases: every value of an unknown fact that the policy tells apart, every name that
//! is claimed, every host that would do.

mod store;

use crate::certificate::CertificateName;
use crate::peer::{HostName, Name};
use crate::protocol::Protocol;
use crate::query::{ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};
use crate::rule::{APPLICATION, Accept};
use crate::store::{Compiled, StoreError, StoredRule};

/// A certificate that claims more names than this makes no usable claim.
const MAX_CLAIMED_NAMES: usize = 1000;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    let mut builder = Builder { policy, query, level, protocols, applications, cases: Vec::new() };
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

struct Builder<'a> {
    policy: &'a Compiled,
    query: &'a Query,
    level: Level,
    protocols: Vec<Option<Protocol>>,
    applications: Vec<Option<String>>,
    cases: Vec<CaseState>,
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
        if names.supported.len() > MAX_CLAIMED_NAMES {
            let why = format!("it has more than {MAX_CLAIMED_NAMES} names");
            return self.claim(&Who::Nameless(why));
        }
        let mut all = Vec::new();
        for name in &names.supported {
            all.push(self.claim(&who(name))?);
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
                let rules = match &subject {
                    _ if self.level == Level::Store => vec![self.store_rule(subject.as_ref())?],
                    Some(name) => {
                        let rules = self.policy.rules_for(Some(name), protocol.as_ref())?;
                        vec![self.first(rules, application.as_deref())?]
                    }
                    None => self.every(protocol.as_ref(), application.as_deref())?,
                };
                for rule in rules {
                    let state = CaseState {
                        subject: subject.clone(),
                        peer: peer.clone(),
                        protocol: protocol.clone(),
                        application: application.clone(),
                        application_counts,
                        ..self.under(rule, expected)
                    };
                    all.push(self.add(state));
                }
            }
        }
        Ok(Requirement::All(all))
    }

    /// The cases that the connected address adds: it selects a rule, and names nobody.
    fn located(&mut self, who: &Who<'_>) -> Result<Requirement, StoreError> {
        let locator = self.query.locator.filter(|_| self.level == Level::Handshake);
        let Some(locator) = locator.map(Name::Address) else {
            return Ok(Requirement::All(Vec::new()));
        };
        let mut all = Vec::new();
        for (protocol, application) in self.combinations() {
            let mut rules = self.policy.rules_for(Some(&locator), protocol.as_ref())?;
            let everyone = self.policy.rules_for(None, protocol.as_ref())?;
            rules.retain(|rule| !everyone.contains(rule));
            let Some(rule) = self.first(rules, application.as_deref())? else { continue };
            for (subject, peer) in self.subjects(who)? {
                let state = CaseState {
                    subject,
                    peer: format!("{peer} at {locator}"),
                    protocol: protocol.clone(),
                    application: application.clone(),
                    ..self.under(Some(rule.clone()), false)
                };
                all.push(self.add(state));
            }
        }
        Ok(Requirement::All(all))
    }

    fn combinations(&self) -> Vec<(Option<Protocol>, Option<String>)> {
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

    /// The first rule that matches; None is the default.
    fn first(
        &self,
        candidates: Vec<i64>,
        application: Option<&str>,
    ) -> Result<Option<StoredRule>, StoreError> {
        for id in candidates {
            let rule = self.policy.rule(id)?;
            if self.matches(&rule, application) {
                return Ok(Some(rule));
            }
        }
        Ok(None)
    }

    /// Every rule that could match a peer whose name cannot be told.
    fn every(
        &self,
        protocol: Option<&Protocol>,
        application: Option<&str>,
    ) -> Result<Vec<Option<StoredRule>>, StoreError> {
        let mut rules: Vec<Option<StoredRule>> = Vec::new();
        for id in self.policy.rules_over(protocol)? {
            let rule = self.policy.rule(id)?;
            if !self.matches(&rule, application) {
                continue;
            }
            let ends_here = self.policy.rule_is_for_every_peer(id)?;
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

    fn matches(&self, rule: &StoredRule, application: Option<&str>) -> bool {
        let by_application = match (&rule.applications, application) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(paths), Some(path)) => paths.lines().any(|line| line == path),
        };
        by_application
            && rule.role.unwrap_or(Role::Server) == self.query.role
            && rule.until.is_none_or(|until| self.query.time <= until)
    }

    fn under(&self, rule: Option<StoredRule>, expected: bool) -> CaseState {
        let grants = match self.level {
            Level::Handshake => {
                let role = rule.as_ref().and_then(|rule| rule.role);
                expected || role == Some(Role::Client)
            }
            Level::Store => rule.is_some(),
        };
        let (name, monitored, accept) = match (rule, self.level) {
            (Some(rule), _) => {
                let name = format!("rule {} ({})", rule.id + 1, rule.place);
                (name, rule.monitored, rule.accept)
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

    fn add(&mut self, state: CaseState) -> Requirement {
        // What asks the program alone is one case, whatever the protocol; but for constraints.
        let limited = self.policy.meta().constraints > 0;
        let same = |known: &CaseState| {
            known.accept.is_application()
                && (!limited || known.protocol == state.protocol)
                && known.exempt == state.exempt
                && known.subject == state.subject
                && known.rule == state.rule
                && known.peer == state.peer
                && known.application_counts == state.application_counts
        };
        if let Some(index) = self.cases.iter().position(same) {
            return Requirement::Case(index);
        }
        self.cases.push(state);
        Requirement::Case(self.cases.len() - 1)
    }

    fn names(&self) -> &'a [CertificateName] {
        self.query.evidence.leaf.as_ref().map_or(&[], |leaf| &leaf.names().supported)
    }
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
