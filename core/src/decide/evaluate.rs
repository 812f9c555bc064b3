//! Accept expressions over findings, with the trace and the reason.

use std::borrow::Cow;
use std::sync::Arc;

use super::authority::Strength;
use super::cases::{CaseState, Requirement};
use super::{Application, Decision, Fault};
use crate::certificate::printable;
use crate::map::Distinct;
use crate::rule::{APPLICATION, Accept};
use crate::store::StoreError;
use crate::verdict::{Basis, Case, Finding, Node, Reason, Trace};

impl CaseState {
    pub(super) fn protocol_text(&self) -> &str {
        self.protocol.as_ref().map_or("any other protocol", |protocol| protocol.as_str())
    }
}

impl Decision<'_> {
    /// None if the requirement is met; else why not.
    pub(super) fn require(
        &mut self,
        requirement: &Requirement,
        application: &Application,
        strict: bool,
        trace: &mut Trace,
    ) -> Result<Option<Reason>, StoreError> {
        match requirement {
            Requirement::Case(index) => self.case(*index, application, strict, trace),
            Requirement::All(of) => {
                for one in of {
                    if let Some(reason) = self.require(one, application, strict, trace)? {
                        return Ok(Some(reason));
                    }
                }
                Ok(None)
            }
            Requirement::Any(of) => {
                let mut worst: Option<Reason> = None;
                for one in of {
                    let Some(reason) = self.require(one, application, strict, trace)? else {
                        return Ok(None);
                    };
                    if worst.as_ref().is_none_or(|known| known.rank() < reason.rank()) {
                        worst = Some(reason);
                    }
                }
                Ok(worst)
            }
        }
    }

    fn case(
        &mut self,
        index: usize,
        application: &Application,
        strict: bool,
        trace: &mut Trace,
    ) -> Result<Option<Reason>, StoreError> {
        let Some(state) = self.prepared.cases.get(index).map(Arc::clone) else { return Ok(None) };
        let only_watched = state.monitored && !strict;
        let program = Accept::Authority(APPLICATION);
        let accept = if only_watched { &program } else { &state.accept };
        let (holds, node) = self.evaluate(accept, &state, application)?;
        // A claim, and a rule that only watches, open nothing that the program keeps shut.
        let bound = !state.grants && !only_watched;
        let accepted = holds && (!bound || matches!(application, Application::Accepts));
        let reason = (!accepted).then(|| why_not(&state, &node, holds, application));
        trace.cases.push(Case {
            peer: state.peer.clone(),
            protocol: state.protocol_text().to_owned(),
            application: state.application.as_deref().map(printable),
            rule: state.rule.clone(),
            monitored: state.monitored,
            accept: node,
            accepted,
        });
        Ok(reason)
    }

    pub(super) fn evaluate(
        &mut self,
        accept: &Accept,
        state: &CaseState,
        application: &Application,
    ) -> Result<(bool, Node), StoreError> {
        match accept {
            Accept::Authority(index) => self.ask(*index, state, application),
            Accept::Any(of) => self.at_least(1, "any of".into(), of, state, application),
            Accept::All(of) => {
                self.at_least(of.len().max(1), "all of".into(), of, state, application)
            }
            Accept::AtLeast(least, of) => {
                let label = format!("at least {least} of");
                self.at_least(*least, label.into(), of, state, application)
            }
        }
    }

    /// Asks the cheap operands first, and no more of them than the answer needs.
    fn at_least(
        &mut self,
        least: usize,
        label: Cow<'static, str>,
        of: &[Accept],
        state: &CaseState,
        application: &Application,
    ) -> Result<(bool, Node), StoreError> {
        if let [operand] = of {
            let (holds, node) = self.evaluate(operand, state, application)?;
            let accepted = usize::from(holds) >= least;
            return Ok((accepted, Node::AtLeast { least, label, accepted, of: vec![node] }));
        }
        let mut order: Vec<(u8, usize)> = Vec::with_capacity(of.len());
        for (index, operand) in of.iter().enumerate() {
            order.push((self.cost(operand)?, index));
        }
        order.sort_unstable();
        let mut nodes: Vec<Option<Node>> = vec![None; of.len()];
        let (mut found, mut left) = (0, of.len());
        for (_, index) in order {
            if found >= least || found + left < least {
                break;
            }
            let (holds, node) = self.evaluate(&of[index], state, application)?;
            nodes[index] = Some(node);
            found += usize::from(holds);
            left -= 1;
        }
        let mut operands = Vec::with_capacity(of.len());
        for (node, operand) in nodes.into_iter().zip(of) {
            operands.push(match node {
                Some(node) => node,
                None => self.not_asked(operand)?,
            });
        }
        let accepted = found >= least;
        Ok((accepted, Node::AtLeast { least, label, accepted, of: operands }))
    }

    fn ask(
        &mut self,
        authority: usize,
        state: &CaseState,
        application: &Application,
    ) -> Result<(bool, Node), StoreError> {
        if authority == APPLICATION {
            let finding = program_finds(state, application);
            let vouches = matches!(finding, Finding::Vouches(_));
            return Ok((vouches, Node::Authority { name: "application".into(), finding }));
        }
        let name = self.authority(authority)?.name.clone().into();
        let found = self.find(authority, state)?;
        let overruled = |strength| faults(application).iter().find(|f| !overrules(strength, f));
        let finding = match found.vouches {
            None => Finding::Silent(found.text),
            Some(strength) => match overruled(strength) {
                None => Finding::Vouches(found.text),
                Some(fault) => Finding::Silent(
                    format!(
                        "{}; that cannot overrule what the program itself found: {}",
                        found.text,
                        fault_text(fault)
                    )
                    .into(),
                ),
            },
        };
        let vouches = matches!(finding, Finding::Vouches(_));
        Ok((vouches, Node::Authority { name, finding }))
    }

    fn not_asked(&mut self, accept: &Accept) -> Result<Node, StoreError> {
        let (least, label, of) = match accept {
            Accept::Authority(APPLICATION) => {
                let name = "application".into();
                return Ok(Node::Authority { name, finding: Finding::NotAsked });
            }
            Accept::Authority(index) => {
                let name = self.authority(*index)?.name.clone().into();
                return Ok(Node::Authority { name, finding: Finding::NotAsked });
            }
            Accept::Any(of) => (1, "any of".into(), of),
            Accept::All(of) => (of.len(), "all of".into(), of),
            Accept::AtLeast(least, of) => (*least, format!("at least {least} of").into(), of),
        };
        let of = of.iter().map(|operand| self.not_asked(operand)).collect::<Result<_, _>>()?;
        Ok(Node::AtLeast { least, label, accepted: false, of })
    }

    /// 0 for what is known already, 1 for a look-up, 2 for a path.
    fn cost(&mut self, accept: &Accept) -> Result<u8, StoreError> {
        Ok(match accept {
            Accept::Authority(APPLICATION) => 0,
            Accept::Authority(index) => u8::from(self.authority(*index)?.kind == "x509") + 1,
            Accept::Any(of) | Accept::All(of) | Accept::AtLeast(_, of) => {
                let mut most = 0;
                for operand in of {
                    most = most.max(self.cost(operand)?);
                }
                most
            }
        })
    }
}

/// What an acceptance rests on: the rules of the cases that were accepted, and who vouched.
pub(super) fn basis(trace: &Trace) -> Basis {
    let (mut rules, mut authorities) = (Distinct::default(), Distinct::default());
    for case in trace.cases.iter().filter(|case| case.accepted) {
        rules.push(case.rule.clone());
        vouching(&case.accept, &mut |line| authorities.push(line));
    }
    Basis { rules: rules.list, authorities: authorities.list }
}

fn vouching(node: &Node, found: &mut dyn FnMut(String)) {
    match node {
        Node::AtLeast { of, .. } => of.iter().for_each(|operand| vouching(operand, found)),
        Node::Authority { name, finding: Finding::Vouches(text) } => {
            found([name, ": ", text].concat());
        }
        Node::Authority { .. } => {}
    }
}

fn silent(node: &Node, into: &mut Vec<String>) {
    match node {
        Node::AtLeast { of, .. } => of.iter().for_each(|operand| silent(operand, into)),
        Node::Authority { name, finding: Finding::Silent(text) } => {
            into.push(format!("{name}: {text}"));
        }
        Node::Authority { .. } => {}
    }
}

fn why_not(state: &CaseState, node: &Node, holds: bool, application: &Application) -> Reason {
    let hung_on_it = !state.grants || state.accept.mentions(APPLICATION);
    if let (Application::RuledOut(reason), true) = (application, hung_on_it) {
        return reason.clone();
    }
    if holds || state.accept.is_application() {
        return Reason::Application(program_text(application).to_owned());
    }
    if state.subject.is_none() {
        return Reason::NoUsableClaim(format!(
            "{}, and {} does not accept it",
            state.peer, state.rule
        ));
    }
    let mut findings = Vec::new();
    silent(node, &mut findings);
    let case = format!("{} over {}", state.peer, state.protocol_text());
    Reason::NotVouched { case, rule: state.rule.clone(), findings }
}

fn program_finds(state: &CaseState, application: &Application) -> Finding {
    match application {
        Application::Accepts if state.application_counts => {
            Finding::Vouches("the program's own verification accepts".into())
        }
        Application::Accepts => Finding::Silent(
            "the program expects several hosts, and the certificate names another".into(),
        ),
        _ => Finding::Silent(program_text(application).to_owned().into()),
    }
}

pub(super) fn program_text(application: &Application) -> &str {
    match application {
        Application::NotAsked => "the program's own verification was not asked",
        Application::Accepts => "the program's own verification accepts",
        Application::Refuses { why, .. } => why,
        Application::RuledOut(_) => "the program's only path goes through a CA that is ruled out",
    }
}

pub(super) fn faults(application: &Application) -> &[Fault] {
    match application {
        Application::NotAsked | Application::Accepts => &[],
        Application::Refuses { faults, .. } => faults,
        Application::RuledOut(_) => &[Fault::NoTrustedPath],
    }
}

/// The closed list of what a grant may overrule.
pub(super) fn overrules(strength: Strength, fault: &Fault) -> bool {
    match fault {
        Fault::NoTrustedPath => true,
        Fault::Expired | Fault::NameMismatch => strength == Strength::Binding,
        Fault::Other(_) => false,
    }
}

fn fault_text(fault: &Fault) -> &str {
    match fault {
        Fault::NoTrustedPath => "no path to an authority that it trusts",
        Fault::Expired => "a certificate has expired",
        Fault::NameMismatch => "the certificate does not name the peer",
        Fault::Other(why) => why,
    }
}
