//! The names that exist, divided as far as a policy tells them apart: what holds for one name of a cell
//! holds for all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::judge::{Decides, Judge};
use crate::pattern::{Pattern, mask};
use crate::peer::{Email, HostName, Name};

/// A set of names that a policy does not tell apart.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    /// One of them.
    pub(super) name: Name,
    /// What it is called where it is spoken of.
    pub(super) text: String,
    /// Who decides about it.
    pub(super) decides: Vec<Decides>,
}

/// All cells, and how they lie in one another.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    pub(super) all: Vec<Cell>,
    /// Node 0 is above all others.
    pub(super) hosts: Vec<HostNode>,
    pub(super) v4: NetNode,
    pub(super) v6: NetNode,
    pub(super) mail: MailNodes,
}

/// A name that is written, as a host or a domain. Cells are by their number.
#[derive(Clone, Debug)]
pub(super) struct HostNode {
    /// None is above all names.
    pub(super) host: Option<HostName>,
    /// The name itself.
    pub(super) at: Option<usize>,
    /// What is below it and below no other node.
    pub(super) below: usize,
    /// Whether somebody speaks of what is below it.
    pub(super) is_domain: bool,
    /// The nodes next below it.
    pub(super) children: Vec<usize>,
}

/// A network, whole or in two halves.
#[derive(Clone, Debug)]
pub(super) enum NetNode {
    Whole(IpAddr, u8, usize),
    Halves(IpAddr, u8, Box<Self>, Box<Self>),
}

/// Mailboxes.
#[derive(Clone, Debug)]
pub(super) struct MailNodes {
    /// What is at no host that is written.
    pub(super) elsewhere: usize,
    /// Each host that is written.
    pub(super) hosts: Vec<MailHost>,
}

/// A host, the cell of what of it is not written, and each mailbox that is.
pub(super) type MailHost = (HostName, usize, Vec<(Email, usize)>);

/// A local part that nobody has.
const NOBODY: &str = "peerkey-nobody";

impl Cells {
    /// The cells that these patterns tell apart.
    pub(super) fn of<'p>(
        patterns: impl IntoIterator<Item = &'p Pattern>,
        judge: &Judge<'_>,
    ) -> Self {
        let patterns: BTreeSet<&Pattern> = patterns.into_iter().collect();
        let mut maker = Maker { judge, all: Vec::new() };
        let hosts = maker.hosts(&patterns);
        let nets = |v4: bool| {
            let of_kind = patterns.iter().filter_map(move |pattern| match pattern {
                Pattern::Network(address, bits) if address.is_ipv4() == v4 => {
                    Some((*address, *bits))
                }
                _ => None,
            });
            of_kind.collect::<Vec<_>>()
        };
        let v4 = maker.net((Ipv4Addr::UNSPECIFIED.into(), 0), &nets(true));
        let v6 = maker.net((Ipv6Addr::UNSPECIFIED.into(), 0), &nets(false));
        let mail = maker.mail(&patterns);
        Self { all: maker.all, hosts, v4, v6, mail }
    }
}

struct Maker<'j> {
    judge: &'j Judge<'j>,
    all: Vec<Cell>,
}

impl Maker<'_> {
    fn cell(&mut self, name: Name, text: String) -> usize {
        let decides = self.judge.decides(&name);
        self.all.push(Cell { name, text, decides });
        self.all.len() - 1
    }

    fn hosts(&mut self, patterns: &BTreeSet<&Pattern>) -> Vec<HostNode> {
        let labels = |host: &HostName| -> Vec<String> {
            host.as_str().rsplit('.').map(str::to_owned).collect()
        };
        let written = patterns.iter().filter_map(|pattern| match pattern {
            Pattern::Host(host) | Pattern::Domain(host) => Some((labels(host), host.clone())),
            _ => None,
        });
        // In this order each name comes before those below it, and next to them.
        let written: BTreeMap<Vec<String>, HostName> = written.collect();
        let nobody = self.cell(Name::Host(stranger(&written)), "any other host".into());
        let (is_domain, children) = (true, Vec::new());
        let root = HostNode { host: None, at: None, below: nobody, is_domain, children };
        let (mut nodes, mut path) = (vec![root], vec![(Vec::new(), 0)]);
        for (labels, host) in written {
            while !labels.starts_with(&path[path.len() - 1].0) {
                path.pop();
            }
            let at = self.cell(Name::Host(host.clone()), host.to_string());
            // A label that no host may have, and so no pattern.
            let below = self.cell(Name::Host(host.child("*")), format!("what is below {host}"));
            let parent = path[path.len() - 1].1;
            let is_domain = patterns.contains(&Pattern::Domain(host.clone()));
            let (host, at, children) = (Some(host), Some(at), Vec::new());
            nodes.push(HostNode { host, at, below, is_domain, children });
            let index = nodes.len() - 1;
            nodes[parent].children.push(index);
            path.push((labels, index));
        }
        nodes
    }

    fn net(&mut self, (address, bits): (IpAddr, u8), written: &[(IpAddr, u8)]) -> NetNode {
        let is_inside = |net: &&(IpAddr, u8)| net.1 > bits && mask(net.0, bits) == Some(address);
        let inside: Vec<_> = written.iter().filter(is_inside).copied().collect();
        if inside.is_empty() {
            let text = Pattern::Network(address, bits).to_string();
            let cell = self.cell(Name::Address(address), text);
            return NetNode::Whole(address, bits, cell);
        }
        let lower = self.net((address, bits + 1), &inside);
        let upper = self.net((upper_half(address, bits), bits + 1), &inside);
        NetNode::Halves(address, bits, Box::new(lower), Box::new(upper))
    }

    fn mail(&mut self, patterns: &BTreeSet<&Pattern>) -> MailNodes {
        let mut hosts: BTreeMap<&HostName, BTreeSet<&Email>> = BTreeMap::new();
        for pattern in patterns {
            match pattern {
                Pattern::MailHost(host) => drop(hosts.entry(host).or_default()),
                Pattern::Mailbox(email) => {
                    hosts.entry(email.host()).or_default().insert(email);
                }
                _ => {}
            }
        }
        let nobody = |host: &HostName| Email::parse(&format!("{NOBODY}@{host}"));
        let mut nodes = Vec::new();
        for (host, boxes) in &hosts {
            let Some(other) = nobody(host) else { continue };
            let rest = self.cell(Name::Email(other), format!("@{host}"));
            let boxes = boxes.iter().map(|email| {
                ((*email).clone(), self.cell(Name::Email((*email).clone()), email.to_string()))
            });
            nodes.push(((*host).clone(), rest, boxes.collect()));
        }
        let written = hosts.keys().map(|host| (vec![host.to_string()], (*host).clone())).collect();
        let elsewhere = nobody(&stranger(&written))
            .map_or(0, |email| self.cell(Name::Email(email), "any other mailbox".into()));
        MailNodes { elsewhere, hosts: nodes }
    }
}

/// A host at and below none of these.
fn stranger(written: &BTreeMap<Vec<String>, HostName>) -> HostName {
    let is_free = |host: &HostName| !written.values().any(|own| host.is_within(own));
    let names = (0..).filter_map(|number| HostName::parse(&format!("peerkey-nobody-{number}")));
    names.into_iter().find(is_free).unwrap_or_else(|| unreachable!("names do not run out"))
}

/// Where the second half of a network begins.
fn upper_half(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => (u32::from(v4) | 1 << (31 - u32::from(bits))).to_be_bytes().into(),
        IpAddr::V6(v6) => (u128::from(v6) | 1 << (127 - u32::from(bits))).to_be_bytes().into(),
    }
}
