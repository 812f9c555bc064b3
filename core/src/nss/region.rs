//! Sets of names as nameConstraints (RFC 5280 section 4.2.1.10): subtrees that are permitted, and subtrees
//! that are excluded whatever is permitted.
//!
//! Not every set can be written so: nothing is permitted inside of what is excluded, and no host without
//! what is below it, once something below it is permitted for itself. What one certificate cannot say is
//! left to further ones.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};

use super::cells::{Cells, HostNode, NetNode};
use super::usage::Usage;
use crate::peer::HostName;

/// A base of a subtree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Base {
    /// `host`: it and what is below; `.host`: what is below; nothing: every one.
    Dns(String),
    Net(IpAddr, u8),
    /// `box@host`, `host`: all there; nothing: every one.
    Mail(String),
}

/// The names that one certificate may vouch for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Subtrees {
    pub(super) permitted: Vec<Base>,
    pub(super) excluded: Vec<Base>,
}

/// A set of names as certificates can say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Region {
    /// It is all names.
    pub(super) everything: bool,
    /// What to say; the first alone is for those who look no further.
    pub(super) subtrees: Vec<Subtrees>,
    /// The cells that the first does not say.
    pub(super) left: Vec<usize>,
    /// The cells that none says.
    pub(super) lost: Vec<usize>,
    /// Hosts that a certificate for a wildcard gets around, in NSS's older code.
    pub(super) around: Vec<HostName>,
}

/// No more certificates than this for one set.
const MOST: usize = 4;

/// IPv4 addresses in the form of IPv6 addresses: `::ffff:0:0/96`.
const MAPPED: (IpAddr, u8) = (IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0)), 96);

impl Region {
    /// The region of those cells that are accepted, as far as they are of a kind that the usage is about.
    pub(super) fn of(cells: &Cells, accepted: &[bool], usage: Usage) -> Self {
        let kinds = kinds(cells, usage);
        if kinds.iter().all(|cell| accepted[*cell]) {
            return Self { everything: true, ..Self::default() };
        }
        if !kinds.iter().any(|cell| accepted[*cell]) {
            return Self::default();
        }
        // What is below a host of which nobody speaks is worth no certificate of its own.
        let minor: HashSet<usize> =
            cells.hosts.iter().filter(|node| !node.is_domain).map(|node| node.below).collect();
        let (mut region, mut given_up) = (Self::default(), Vec::<usize>::new());
        let mut wanted: Vec<bool> = accepted.to_vec();
        for turn in 0..MOST {
            let mut writer = Writer { cells, wanted: &wanted, out: Out::default() };
            writer.write(usage);
            let Out { subtrees, lost, around } = writer.out;
            region.subtrees.push(subtrees);
            region.lost = lost;
            if turn == 0 {
                region.left = region.lost.clone();
            }
            region.around.extend(around);
            let further = region.lost.iter().filter(|cell| !minor.contains(cell));
            let further: Vec<usize> = further.copied().collect();
            if further.is_empty() {
                break;
            }
            given_up.extend(region.lost.iter().filter(|cell| minor.contains(cell)));
            wanted = vec![false; wanted.len()];
            further.into_iter().for_each(|cell| wanted[cell] = true);
        }
        region.lost.extend(given_up);
        region
    }

    /// Whether it is no name at all.
    pub(super) fn is_nothing(&self) -> bool {
        !self.everything && self.subtrees.is_empty()
    }
}

/// The cells of the names that the usage is about.
fn kinds(cells: &Cells, usage: Usage) -> Vec<usize> {
    let mut kinds = Vec::new();
    if usage != Usage::Email {
        kinds.extend(cells.hosts.iter().flat_map(|node| node.at.into_iter().chain([node.below])));
        for net in [&cells.v4, &cells.v6] {
            net.visit(&mut |_, _, cell| kinds.push(cell));
        }
    }
    if usage != Usage::Server {
        kinds.push(cells.mail.elsewhere);
        for (_, rest, boxes) in &cells.mail.hosts {
            kinds.push(*rest);
            kinds.extend(boxes.iter().map(|(_, cell)| cell));
        }
    }
    kinds
}

impl NetNode {
    fn visit(&self, see: &mut dyn FnMut(IpAddr, u8, usize)) {
        match self {
            Self::Whole(address, bits, cell) => see(*address, *bits, *cell),
            Self::Halves(_, _, lower, upper) => {
                lower.visit(see);
                upper.visit(see);
            }
        }
    }
}

#[derive(Default)]
struct Out {
    subtrees: Subtrees,
    lost: Vec<usize>,
    around: Vec<HostName>,
}

/// Where a walk down the tree of hosts is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// In nothing that is permitted.
    Out,
    /// In what is permitted.
    In,
    /// In what is excluded: nothing more can be said here.
    Shut,
}

struct Writer<'a> {
    cells: &'a Cells,
    wanted: &'a [bool],
    out: Out,
}

impl Writer<'_> {
    fn write(&mut self, usage: Usage) {
        if usage != Usage::Email {
            self.write_hosts();
            self.write_nets();
        }
        if usage != Usage::Server {
            self.write_mail();
        }
    }

    fn permit(&mut self, base: Base) {
        self.out.subtrees.permitted.push(base);
    }

    fn exclude(&mut self, base: Base) {
        self.out.subtrees.excluded.push(base);
    }

    fn write_hosts(&mut self) {
        let cells = self.cells;
        let root = &cells.hosts[0];
        let state = if self.wanted[root.below] { State::In } else { State::Out };
        let before = self.out.subtrees.permitted.len();
        root.children.iter().for_each(|child| self.host(&cells.hosts[*child], state));
        if state == State::Out && self.out.subtrees.permitted.len() == before {
            self.exclude(Base::Dns(String::new()));
        }
    }

    fn host(&mut self, node: &HostNode, state: State) {
        let cells = self.cells;
        let Some((host, at)) = node.host.as_ref().zip(node.at) else { return };
        let below = Base::Dns(format!(".{host}"));
        let whole = Base::Dns(host.to_string());
        let next = match (state, self.wanted[at], self.wanted[node.below]) {
            (State::Shut, ..) => {
                self.lose(at);
                self.lose(node.below);
                State::Shut
            }
            (State::Out, true, true) => {
                self.permit(whole);
                State::In
            }
            (State::Out, true, false) if self.wants_below(node) => {
                self.lose(at);
                State::Out
            }
            (State::Out, true, false) => {
                self.permit(whole);
                self.exclude(below);
                State::Shut
            }
            (State::Out, false, true) => {
                self.permit(below);
                State::In
            }
            (State::Out, false, false) => State::Out,
            (State::In, true, true) => State::In,
            (State::In, true, false) => {
                self.exclude(below);
                State::Shut
            }
            (State::In, false, _) => {
                self.exclude(whole);
                self.lose(node.below);
                // A wildcard stands for three labels at least (NSS, cert_TestHostName).
                if host.parent().is_some_and(|domain| domain.parent().is_some()) {
                    self.out.around.push(host.clone());
                }
                State::Shut
            }
        };
        node.children.iter().for_each(|child| self.host(&cells.hosts[*child], next));
    }

    fn wants_below(&self, node: &HostNode) -> bool {
        node.children.iter().map(|child| &self.cells.hosts[*child]).any(|child| {
            child.at.is_some_and(|at| self.wanted[at])
                || self.wanted[child.below]
                || self.wants_below(child)
        })
    }

    fn lose(&mut self, cell: usize) {
        if self.wanted[cell] {
            self.out.lost.push(cell);
        }
    }

    fn write_nets(&mut self) {
        let cells = self.cells;
        let v4 = networks(&cells.v4, self.wanted);
        let v6 = networks(&cells.v6, self.wanted);
        let is_all = |nets: &[(IpAddr, u8)]| matches!(nets, [(_, 0)]);
        if is_all(&v4) && is_all(&v6) {
            return;
        }
        if v4.is_empty() && v6.is_empty() {
            self.exclude(Base::Net([0; 4].into(), 0));
            self.exclude(Base::Net([0; 16].into(), 0));
            return;
        }
        if !is_all(&v4) && !v6.is_empty() {
            self.exclude(Base::Net(MAPPED.0, MAPPED.1));
        }
        v4.into_iter().chain(v6).for_each(|(address, bits)| self.permit(Base::Net(address, bits)));
    }

    fn write_mail(&mut self) {
        let mail = &self.cells.mail;
        let everywhere = self.wanted[mail.elsewhere];
        let before = self.out.subtrees.permitted.len();
        for (host, rest, boxes) in &mail.hosts {
            let box_base = |email: &dyn ToString| Base::Mail(email.to_string());
            match (everywhere, self.wanted[*rest]) {
                (true, false) => {
                    self.exclude(Base::Mail(host.to_string()));
                    boxes.iter().for_each(|(_, cell)| self.lose(*cell));
                }
                (false, false) => {
                    let wanted = boxes.iter().filter(|(_, cell)| self.wanted[*cell]);
                    let bases: Vec<_> = wanted.map(|(email, _)| box_base(email)).collect();
                    bases.into_iter().for_each(|base| self.permit(base));
                }
                (_, true) => {
                    if !everywhere {
                        self.permit(Base::Mail(host.to_string()));
                    }
                    let unwanted = boxes.iter().filter(|(_, cell)| !self.wanted[*cell]);
                    let bases: Vec<_> = unwanted.map(|(email, _)| box_base(email)).collect();
                    bases.into_iter().for_each(|base| self.exclude(base));
                }
            }
        }
        if !everywhere && self.out.subtrees.permitted.len() == before {
            self.exclude(Base::Mail(String::new()));
        }
    }
}

/// The fewest networks that hold what is wanted, and nothing else.
fn networks(node: &NetNode, wanted: &[bool]) -> Vec<(IpAddr, u8)> {
    match node {
        NetNode::Whole(address, bits, cell) => {
            if wanted[*cell] {
                vec![(*address, *bits)]
            } else {
                Vec::new()
            }
        }
        NetNode::Halves(address, bits, lower, upper) => {
            let (lower, upper) = (networks(lower, wanted), networks(upper, wanted));
            match (lower.as_slice(), upper.as_slice()) {
                ([(_, a)], [(_, b)]) if *a == bits + 1 && *b == bits + 1 => vec![(*address, *bits)],
                _ => [lower, upper].concat(),
            }
        }
    }
}
