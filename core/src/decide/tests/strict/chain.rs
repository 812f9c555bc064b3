//! A chain of certificates, the question about it, and peerkey's answer.

use super::build::Cert;
use super::keys::System;
use crate::certificate::{Certificate, Purposes};
use crate::decide::tests::world::{World, any, no_path};
use crate::key::Key;
use crate::peer::Name;
use crate::policy::{Anchor, AuthorityKind, Profile, Scope};
use crate::protocol::Protocol;
use crate::query::{Evidence, ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};
use crate::verdict::Outcome;

/// 2026-11-24T00:00:00Z.
pub(super) const NOW: i64 = 1_795_478_400;

pub(super) const HOST: &str = "www.example.com";

/// A chain being made: a root, CAs from the root's down to the peer's, and the peer's certificate.
pub(super) struct Chain {
    pub(super) root: Cert,
    pub(super) cas: Vec<Cert>,
    pub(super) leaf: Cert,
    /// Which of them is the anchor.
    pub(super) anchor: Top,
    /// Further certificates that the peer presents, each with its issuer.
    pub(super) strays: Vec<(Cert, Cert)>,
    pub(super) presents_root: bool,
    pub(super) peer: &'static str,
    pub(super) role: Role,
    pub(super) time: i64,
}

/// Where a chain ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Top {
    /// In its root.
    Root,
    /// In the first CA below the root.
    Ca,
    /// In the peer's own certificate, signed by itself.
    Own,
    /// In the peer's own certificate, signed by the CA.
    Leaf,
}

/// The DER of it all.
pub(super) struct Made {
    pub(super) anchor: Vec<u8>,
    pub(super) leaf: Vec<u8>,
    pub(super) presented: Vec<Vec<u8>>,
}

impl Chain {
    pub(super) fn new(make: fn(&mut Self)) -> Self {
        let mut chain = Self {
            root: Cert::ca("Root"),
            cas: vec![Cert::ca("Issuing CA")],
            leaf: Cert::server(HOST),
            anchor: Top::Root,
            strays: Vec::new(),
            presents_root: false,
            peer: HOST,
            role: Role::Server,
            time: NOW,
        };
        make(&mut chain);
        chain
    }

    /// The CA that signs the peer's certificate.
    pub(super) fn ca(&mut self) -> &mut Cert {
        self.cas.last_mut().unwrap()
    }

    pub(super) fn make(&self) -> Made {
        let above = |index: usize| index.checked_sub(1).map_or(&self.root, |i| &self.cas[i]);
        let cas: Vec<_> = self.cas.iter().enumerate().map(|(i, ca)| ca.issue(above(i))).collect();
        let root = self.root.issue(&self.root);
        let leaf = match self.anchor {
            Top::Own => self.leaf.issue(&self.leaf),
            _ => self.leaf.issue(above(self.cas.len())),
        };
        let anchor = match self.anchor {
            Top::Root => root.clone(),
            Top::Ca => cas[0].clone(),
            Top::Own | Top::Leaf => leaf.clone(),
        };
        let mut presented: Vec<_> = cas.into_iter().rev().collect();
        presented.extend(self.strays.iter().map(|(own, above)| own.issue(above)));
        if self.presents_root {
            presented.push(root);
        }
        Made { anchor, leaf, presented }
    }

    /// Why peerkey refuses the chain, if it does.
    pub(super) fn ask(&self, made: &Made, profile: Profile) -> Result<(), String> {
        let anchor = Certificate::from_der(&made.anchor).map_err(|e| format!("anchor: {e}"))?;
        let leaf = Certificate::from_der(&made.leaf).map_err(|e| format!("leaf: {e}"))?;
        let of = |certificate: &Certificate| Key::from_spki(certificate.spki(), &System);
        let key = of(&anchor).map_err(|e| format!("anchor: {e}"))?.hash();
        let anchors = vec![Anchor { certificate: anchor, key, purposes: Purposes::ALL }];
        let mut world = World::new();
        let kind = AuthorityKind::X509 { anchors, crls: Vec::new(), profile };
        let web = world.authority("web", Scope::default(), kind);
        world.rule(&[], &[], any(&[web])).role = Some(self.role);
        let key = of(&leaf).map_err(|e| format!("leaf: {e}"))?;
        let presented = made.presented.iter();
        let intermediates = presented.filter_map(|der| Certificate::from_der(der).ok()).collect();
        let query = self.query(key, Evidence { leaf: Some(leaf), intermediates });
        let outcome = world.with_crypto(&query, &System, |decision| {
            decision.conclude(&no_path()).unwrap().outcome().clone()
        });
        match outcome {
            Outcome::Accept(_) => Ok(()),
            Outcome::Reject(reason) => Err(reason.to_string()),
        }
    }

    fn query(&self, key: Key, evidence: Evidence) -> Query {
        let mut expected = ExpectedPeer::default();
        let name = Name::parse(self.peer).unwrap();
        let protocol = if matches!(name, Name::Email(_)) { "smime" } else { "https" };
        match name {
            Name::Host(host) => expected.hosts.push(ExpectedHost::Exact(host)),
            Name::Address(address) => expected.address = Some(address),
            Name::Email(email) => expected.email = Some(email),
        }
        Query {
            role: self.role,
            peer: match self.role {
                Role::Server => Peer::Expected(expected),
                Role::Client => Peer::Claimed,
            },
            locator: None,
            port: None,
            protocol: Protocol::parse(protocol).into(),
            application: Fact::Known("/usr/bin/curl".into()),
            key,
            evidence,
            time: self.time,
        }
    }
}
