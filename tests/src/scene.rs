//! One policy, one program's own trust, and visits that must come out in a certain way.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::pki::Issued;
use crate::program::{Client, Outcome, Visit};
use crate::site::{Peerkey, Site};

/// A site with a policy, and the CA file of its programs.
#[derive(Debug)]
pub struct Scene {
    /// The site.
    pub site: Site,
    /// The programs' own CA file.
    pub trust: PathBuf,
}

/// How a visit must come out, without and with peerkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Must {
    /// Connects both times.
    StayOpen,
    /// Is refused both times: there is no way in.
    StayClosed,
    /// Connects only with peerkey.
    BeOpened,
    /// Is refused only with peerkey, for a reason with these words.
    BeClosed(&'static str),
}

impl Scene {
    /// A scene whose programs trust these CAs by themselves.
    pub fn new(trusted: &[&Issued]) -> Self {
        let site = Site::new();
        let bundle: String = trusted.iter().map(|ca| ca.pem()).collect();
        let trust = site.write("trust.pem", bundle);
        Self { site, trust }
    }

    /// A file for the policy: `anchors/NAME.pem`.
    pub fn anchor(self, name: &str, pem: &str) -> Self {
        self.site.write(&format!("config/anchors/{name}.pem"), pem);
        self
    }

    /// Puts a policy into force, without its first line, which is always the same.
    #[track_caller]
    pub fn policy(self, text: &str) -> Self {
        self.site.apply(&format!("version = 1\n{text}\n"));
        self
    }

    /// A visit to be made.
    pub fn visit(&self, address: SocketAddr, peer: &str) -> Visit {
        Visit::new(address, peer, &self.trust)
    }

    /// Makes a visit without and with peerkey, and holds it to what must come out.
    #[track_caller]
    pub fn check(&self, client: Client, visit: &Visit, must: Must) -> Outcome {
        let without = client.visit(&self.site, Peerkey::Off, visit);
        let with = client.visit(&self.site, Peerkey::On, visit);
        must.hold(client.name(), &without, &with);
        with
    }
}

impl Must {
    /// Fails the test unless the outcomes are as they must be.
    #[track_caller]
    pub fn hold(self, who: &str, without: &Outcome, with: &Outcome) {
        let expected = match self {
            Self::StayOpen => (true, true),
            Self::StayClosed => (false, false),
            Self::BeOpened => (false, true),
            Self::BeClosed(_) => (true, false),
        };
        let outputs = format!("=== without peerkey: {without}\n=== with peerkey: {with}");
        let measured = (without.connected, with.connected);
        assert!(
            measured == expected,
            "{who}: must {self:?}, but connected without and with: {measured:?}\n{outputs}"
        );
        if let Self::BeClosed(because) = self {
            assert!(with.text().contains(because), "{who} does not say {because:?}\n{outputs}");
        }
    }
}
