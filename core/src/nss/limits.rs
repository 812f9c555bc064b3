//! What a CA's certificate says itself of the names below it (RFC 5280 section 4.2.1.10).

use std::net::IpAddr;

use crate::certificate::Certificate;
use crate::der;
use crate::pattern::{Pattern, mask};
use crate::peer::{Email, HostName, Name};

const DNS: u8 = 0x82;
const ADDRESS: u8 = 0x87;
const MAIL: u8 = 0x81;

/// The nameConstraints of a certificate, as far as they are about names of peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NameLimits {
    permitted: Vec<Tree>,
    excluded: Vec<Tree>,
    /// Subtrees of other kinds, whole: permitted and excluded.
    pub(super) others: (Vec<Vec<u8>>, Vec<Vec<u8>>),
}

/// A subtree.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tree {
    /// A host or a mail host; None is every one. With what is below, or without what is at it.
    Dns(Option<HostName>, Reach),
    Mail(Option<HostName>),
    Box(Email),
    Net(IpAddr, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    At,
    AtAndBelow,
    Below,
}

impl NameLimits {
    /// None where the certificate says nothing; an error where what it says cannot be told.
    pub(super) fn of(certificate: &Certificate) -> Result<Option<Self>, ()> {
        let Some(der) = &certificate.limits().name_constraints else { return Ok(None) };
        Self::read(der).map(Some).ok_or(())
    }

    fn read(der: &[u8]) -> Option<Self> {
        let (mut content, rest) = der::read(0x30, der)?;
        rest.is_empty().then_some(())?;
        let mut limits = Self::default();
        for (tag, is_permitted) in [(0xa0, true), (0xa1, false)] {
            if content.first() != Some(&tag) {
                continue;
            }
            let (mut trees, behind) = der::read(tag, content)?;
            content = behind;
            while !trees.is_empty() {
                let (tree, behind) = der::read(0x30, trees)?;
                let whole = &trees[..trees.len() - behind.len()];
                trees = behind;
                limits.add(tree, whole, is_permitted)?;
            }
        }
        content.is_empty().then_some(limits)
    }

    fn add(&mut self, tree: &[u8], whole: &[u8], is_permitted: bool) -> Option<()> {
        let tag = *tree.first()?;
        if ![DNS, ADDRESS, MAIL].contains(&tag) {
            let (permitted, excluded) = &mut self.others;
            if is_permitted { permitted } else { excluded }.push(whole.to_vec());
            return Some(());
        }
        let (base, rest) = der::read(tag, tree)?;
        // minimum and maximum are not used (RFC 5280).
        rest.is_empty().then_some(())?;
        let tree = match tag {
            ADDRESS => network(base)?,
            DNS => {
                let (host, reach) = host(base, Reach::AtAndBelow)?;
                Tree::Dns(host, reach)
            }
            _ if base.contains(&b'@') => Tree::Box(Email::parse(std::str::from_utf8(base).ok()?)?),
            _ => {
                // Of hosts below one, only those could be told apart that somebody wrote down.
                let (host, reach) = host(base, Reach::At)?;
                (reach == Reach::At).then_some(())?;
                Tree::Mail(host)
            }
        };
        if is_permitted { &mut self.permitted } else { &mut self.excluded }.push(tree);
        Some(())
    }

    /// Whether a certificate below may have this name.
    pub(super) fn allow(&self, name: &Name) -> bool {
        let mut of_kind = self.permitted.iter().filter(|tree| tree.is_of_kind(name)).peekable();
        let permitted = of_kind.peek().is_none() || of_kind.any(|tree| tree.has(name));
        permitted && !self.excluded.iter().any(|tree| tree.has(name))
    }

    /// Patterns that tell apart what these constraints tell apart.
    pub(super) fn patterns(&self) -> Vec<Pattern> {
        let pattern = |tree: &Tree| match tree {
            Tree::Dns(host, _) => host.clone().map(Pattern::Domain),
            Tree::Mail(host) => host.clone().map(Pattern::MailHost),
            Tree::Box(email) => Some(Pattern::Mailbox(email.clone())),
            Tree::Net(address, bits) => Some(Pattern::Network(*address, *bits)),
        };
        self.permitted.iter().chain(&self.excluded).filter_map(pattern).collect()
    }
}

impl Tree {
    fn is_of_kind(&self, name: &Name) -> bool {
        matches!(
            (self, name),
            (Self::Dns(..), Name::Host(_))
                | (Self::Mail(_) | Self::Box(_), Name::Email(_))
                | (Self::Net(..), Name::Address(_))
        )
    }

    fn has(&self, name: &Name) -> bool {
        match (self, name) {
            (Self::Dns(host, reach), Name::Host(name)) => reach.has(host.as_ref(), name),
            (Self::Mail(host), Name::Email(email)) => Reach::At.has(host.as_ref(), email.host()),
            (Self::Box(own), Name::Email(email)) => own == email,
            (Self::Net(network, bits), Name::Address(address)) => {
                mask(*address, *bits) == Some(*network)
            }
            _ => false,
        }
    }
}

impl Reach {
    fn has(self, own: Option<&HostName>, name: &HostName) -> bool {
        let Some(own) = own else { return true };
        match self {
            Self::At => name == own,
            Self::AtAndBelow => name.is_within(own),
            Self::Below => name != own && name.is_within(own),
        }
    }
}

/// `host`, `.host` or nothing at all.
fn host(base: &[u8], plain: Reach) -> Option<(Option<HostName>, Reach)> {
    let text = std::str::from_utf8(base).ok()?;
    if text.is_empty() {
        return Some((None, plain));
    }
    let (text, reach) = match text.strip_prefix('.') {
        Some(text) => (text, Reach::Below),
        None => (text, plain),
    };
    Some((Some(HostName::parse(text)?), reach))
}

/// An address and its mask.
fn network(base: &[u8]) -> Option<Tree> {
    let (address, bits) = base.split_at(base.len() / 2);
    let length = bits.iter().map(|octet| octet.leading_ones()).sum::<u32>();
    let address: IpAddr = match base.len() {
        8 => <[u8; 4]>::try_from(address).ok()?.into(),
        32 => <[u8; 16]>::try_from(address).ok()?.into(),
        _ => return None,
    };
    let length = u8::try_from(length).ok()?;
    // The mask is that many ones, and nothing behind.
    let ones = |(at, octet): (usize, &u8)| {
        let left = usize::from(length).saturating_sub(at * 8).min(8);
        *octet == (0xff00_u16 >> left) as u8
    };
    bits.iter().enumerate().all(ones).then_some(())?;
    Some(Tree::Net(mask(address, length)?, length))
}
