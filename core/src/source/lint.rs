//! What a policy says that is allowed, and probably not meant.

use std::collections::{HashMap, HashSet};

use super::Marks;
use super::cover::{PeerSet, cover};
use super::diagnostic::{Sink, full};
use crate::key::KeyHash;
use crate::policy::{Accept, AuthorityKind, DenialTarget, Place, Policy, Rule};
use crate::query::Role;

/// Warns about a policy as a whole.
pub(super) fn policy(policy: &Policy, marks: &Marks<'_>, now: i64, sink: &mut Sink) {
    unreachable_rules(policy, marks, sink);
    unused_authorities(policy, marks, sink);
    for (rule, at) in policy.rules.iter().zip(&marks.accepts) {
        shared_keys(&rule.accept, policy, &mut |message| {
            sink.warn(at.says(message).hint(SHARED));
        });
    }
    if let Some(at) = marks.default {
        shared_keys(&policy.default, policy, &mut |message| {
            sink.warn(at.says(message).hint(SHARED));
        });
    }
    denied_pins(policy, marks, now, sink);
    clients(policy, marks, sink);
    mail(policy, marks, sink);
}

const SHARED: &str = "one key can satisfy both at once: is that meant?";

/// Earlier rules of one reach but for their peers.
struct Group<'a> {
    rule: &'a Rule,
    peers: PeerSet,
}

fn unreachable_rules(policy: &Policy, marks: &Marks<'_>, sink: &mut Sink) {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (rule, at) in policy.rules.iter().zip(&marks.rules) {
        let wider = groups.iter().filter(|group| reaches(group.rule, rule));
        let sets: Vec<_> = wider.map(|group| &group.peers).collect();
        if cover(&sets, rule.peers.as_deref()) {
            let message = match first_alone(policy, rule) {
                Some(place) => {
                    format!("this rule never decides: the rule at {} comes first", full(place))
                }
                None => "this rule never decides: those before it, together, come first".into(),
            };
            sink.warn(at.says(message).hint("move it up, or take it out"));
        }
        match groups.iter_mut().find(|g| reaches(g.rule, rule) && reaches(rule, g.rule)) {
            Some(group) => group.peers.add(rule.peers.as_deref()),
            None => {
                let mut peers = PeerSet::default();
                peers.add(rule.peers.as_deref());
                groups.push(Group { rule, peers });
            }
        }
    }
}

/// Whether `earlier` is about everything but peers that `rule` is about, for as long.
fn reaches(earlier: &Rule, rule: &Rule) -> bool {
    let role = |rule: &Rule| rule.role.unwrap_or(Role::Server);
    role(earlier) == role(rule)
        && holds(earlier.protocols.as_deref(), rule.protocols.as_deref())
        && holds(earlier.applications.as_deref(), rule.applications.as_deref())
        && earlier.until.is_none_or(|earlier| rule.until.is_some_and(|until| until <= earlier))
}

fn holds<T: PartialEq>(outer: Option<&[T]>, inner: Option<&[T]>) -> bool {
    match (outer, inner) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(outer), Some(inner)) => inner.iter().all(|item| outer.contains(item)),
    }
}

/// The first rule before this one that comes first by itself.
fn first_alone<'a>(policy: &'a Policy, rule: &Rule) -> Option<&'a Place> {
    let before = policy.rules.iter().take_while(|r| !std::ptr::eq(*r, rule));
    let mut alone = before.filter(|r| reaches(r, rule)).filter(|r| {
        let mut peers = PeerSet::default();
        peers.add(r.peers.as_deref());
        cover(&[&peers], rule.peers.as_deref())
    });
    alone.next().map(|r| &r.place)
}

fn unused_authorities(policy: &Policy, marks: &Marks<'_>, sink: &mut Sink) {
    let mut used = HashSet::new();
    for accept in policy.rules.iter().map(|rule| &rule.accept).chain([&policy.default]) {
        visit(accept, &mut |index| {
            used.insert(index);
        });
    }
    for authority in &policy.authorities {
        if let AuthorityKind::Tofu(tofu) = &authority.kind {
            used.extend(tofu.rotate_with.iter().copied());
        }
    }
    for ((index, authority), at) in
        policy.authorities.iter().enumerate().skip(1).zip(&marks.authorities)
    {
        if !used.contains(&index) {
            let message = format!("no rule asks the authority \"{}\"", authority.name);
            sink.warn(at.says(message).hint("name it in an accept, or take it out"));
        }
    }
}

fn visit(accept: &Accept, see: &mut dyn FnMut(usize)) {
    match accept {
        Accept::Authority(index) => see(*index),
        Accept::Any(of) | Accept::All(of) | Accept::AtLeast(_, of) => {
            of.iter().for_each(|operand| visit(operand, see));
        }
    }
}

/// Two votes that one key can give are one vote.
fn shared_keys(accept: &Accept, policy: &Policy, warn: &mut dyn FnMut(String)) {
    let (form, of) = match accept {
        Accept::Authority(_) => return,
        Accept::Any(of) | Accept::AtLeast(0 | 1, of) => ("", of),
        Accept::All(of) => ("all", of),
        Accept::AtLeast(_, of) => ("at-least", of),
    };
    of.iter().for_each(|operand| shared_keys(operand, policy, warn));
    if form.is_empty() {
        return;
    }
    let mut owners: HashMap<KeyHash, (usize, usize)> = HashMap::new();
    let mut told = HashSet::new();
    for (operand, accept) in of.iter().enumerate() {
        visit(accept, &mut |authority| {
            for key in keys(policy, authority) {
                let (first, owner) = *owners.entry(key).or_insert((operand, authority));
                if first != operand && told.insert((owner, authority)) {
                    let name = |index: usize| policy.authorities.get(index).map_or("", |a| &a.name);
                    let (a, b) = (name(owner), name(authority));
                    warn(format!("{form} counts \"{a}\" and \"{b}\", which share the key {key}"));
                }
            }
        });
    }
}

fn keys(policy: &Policy, authority: usize) -> Vec<KeyHash> {
    match policy.authorities.get(authority).map(|a| &a.kind) {
        Some(AuthorityKind::X509 { anchors, .. }) => anchors.iter().map(|a| a.key).collect(),
        Some(AuthorityKind::Pin { pins }) => pins.iter().flat_map(|p| p.keys.clone()).collect(),
        Some(AuthorityKind::Application | AuthorityKind::Tofu(_)) | None => Vec::new(),
    }
}

fn denied_pins(policy: &Policy, marks: &Marks<'_>, now: i64, sink: &mut Sink) {
    let mut denied = HashMap::new();
    for denial in &policy.denials {
        if let DenialTarget::Key(key) = denial.target
            && denial.until.is_none_or(|until| until >= now)
        {
            denied.entry(key).or_insert(&denial.place);
        }
    }
    for (at, keys) in &marks.pins {
        if let Some((key, place)) = keys.iter().find_map(|key| Some((key, denied.get(key)?))) {
            let message = format!("the pinned key {key} is denied at {}", full(place));
            sink.warn(at.says(message).hint("a denial beats a pin: take one of them out"));
        }
    }
}

/// Clients' certificates come under `[default]` as well, which is easily forgotten.
fn clients(policy: &Policy, marks: &Marks<'_>, sink: &mut Sink) {
    let mut application = false;
    visit(&policy.default, &mut |index| application |= index == 0);
    let for_clients = policy.rules.iter().any(|rule| rule.role == Some(Role::Client));
    if let Some(at) = marks.default.filter(|_| !application && !for_clients) {
        let message = "this also refuses every client's certificate: no rule is for clients";
        let hint = "write [[rule]] role = \"client\", accept = { any = [\"application\"] }";
        sink.warn(at.says(message).hint(hint));
    }
}

/// A certificate store is an access list: of the rules for S/MIME only those count that name programs,
/// and not those for servers.
fn mail(policy: &Policy, marks: &Marks<'_>, sink: &mut Sink) {
    for (rule, at) in policy.rules.iter().zip(&marks.rules) {
        let protocols = rule.protocols.as_deref().unwrap_or_default();
        if protocols.is_empty() || protocols.iter().any(|protocol| protocol.as_str() != "smime") {
            continue;
        }
        let hint = match (&rule.applications, rule.role) {
            (None, _) => "name the programs: applications = [\"/usr/bin/openssl\"]",
            (_, Some(Role::Server)) => "take role = \"server\" out",
            _ => continue,
        };
        let message = "this rule accepts no mail: for smime only rules count that name programs, and \
                       not those for servers";
        sink.warn(at.says(message).hint(hint));
    }
}
