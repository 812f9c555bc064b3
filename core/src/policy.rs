//! A policy as validated: what the sources say, before it is compiled.

use std::fmt;
use std::path::PathBuf;

use crate::certificate::{Certificate, Purposes};
use crate::key::KeyHash;
use crate::pattern::Pattern;
use crate::peer::Name;
use crate::protocol::Protocol;
use crate::query::Role;
pub use crate::record::Log;
pub use crate::rule::{Accept, Enforce, Mode, Profile, Tofu};

/// A whole policy. Authority 0 is always `application`.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Enforce, or only monitor.
    pub mode: Mode,
    /// Whether to decide where the program switched verification off.
    pub enforce: Enforce,
    /// Which decisions are recorded.
    pub log: Log,
    /// Who may vouch. Expressions and pins name them by index.
    pub authorities: Vec<Authority>,
    /// Limits on CAs.
    pub constraints: Vec<Constraint>,
    /// What is refused whatever vouches for it.
    pub denials: Vec<Denial>,
    /// In file order: the first that matches decides.
    pub rules: Vec<Rule>,
    /// For what no rule matches.
    pub default: Accept,
    /// What is known of programs.
    pub programs: Vec<Program>,
    /// The anchors that this system gives to its programs; empty where the policy names no CA.
    pub system: Vec<Certificate>,
    /// Every file that was read: policies, anchors, CRLs, keys.
    pub sources: Vec<Source>,
}

/// A program that speaks one protocol, whatever its connections show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The path of its executable.
    pub path: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it stands.
    pub place: Place,
}

/// A place in a policy file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        write!(f, "{}:{}", name.display(), self.line)
    }
}

/// A file that went into a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its absolute path.
    pub path: PathBuf,
    /// SHA-256 of its content; of a folder, of its sorted entries' names.
    pub sha256: [u8; 32],
}

/// A scope: where it is about. None is everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// About whom.
    pub peers: Option<Vec<Pattern>>,
    /// Over what.
    pub protocols: Option<Vec<Protocol>>,
    /// Until this second, since 1970; not after it.
    pub until: Option<i64>,
}

/// Somebody who may vouch.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Its name in the policy.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Where it may vouch.
    pub scope: Scope,
    /// How it vouches.
    pub kind: AuthorityKind,
}

/// The kinds of authority. (`openpgp` is to come.)
#[derive(Clone, Debug)]
pub enum AuthorityKind {
    /// The program's own verification.
    Application,
    /// Certification paths to these anchors.
    X509 {
        /// The anchors.
        anchors: Vec<Anchor>,
        /// DER CertificateLists: a certificate whose issuer has one here is checked against it.
        crls: Vec<Vec<u8>>,
        /// How strict its paths are.
        profile: Profile,
    },
    /// Keys written down.
    Pin {
        /// The keys.
        pins: Vec<Pin>,
    },
    /// Keys remembered from first use.
    Tofu(Tofu),
}

/// A trust anchor.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// The certificate.
    pub certificate: Certificate,
    /// The canonical hash of its key.
    pub key: KeyHash,
    /// What it may be used for, by itself and by its `TRUSTED CERTIFICATE` settings.
    pub purposes: Purposes,
}

/// A certificate that was named for its key.
#[derive(Clone, Debug)]
pub struct NamedCertificate {
    /// The certificate.
    pub certificate: Certificate,
    /// The canonical hash of its key.
    pub key: KeyHash,
    /// Those of the policy's and the system's certificates, by fingerprint, whose key signed it.
    pub issuers: Vec<[u8; 32]>,
}

/// These keys are this peer's.
#[derive(Clone, Debug)]
pub struct Pin {
    /// The peer.
    pub peer: Name,
    /// Over what; None is over everything.
    pub protocols: Option<Vec<Protocol>>,
    /// The keys, in any number.
    pub keys: Vec<KeyHash>,
    /// The certificates among the files that name them.
    pub certificates: Vec<NamedCertificate>,
    /// Until this second.
    pub until: Option<i64>,
    /// Where it stands.
    pub place: Place,
}

/// A limit on a CA, wherever its anchor came from.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// The CA's key or keys.
    pub cas: Vec<KeyHash>,
    /// The certificates among the files that name them.
    pub certificates: Vec<NamedCertificate>,
    /// What it may vouch for.
    pub scope: Scope,
    /// Where it stands.
    pub place: Place,
}

/// Something that is refused, whatever vouches for it.
#[derive(Clone, Debug)]
pub struct Denial {
    /// What.
    pub target: DenialTarget,
    /// The certificate, where a file that names the target holds one.
    pub certificate: Option<Certificate>,
    /// Why, in the policy's words.
    pub reason: Option<String>,
    /// Until this second.
    pub until: Option<i64>,
    /// Where it stands.
    pub place: Place,
}

/// What a denial hits: a leaf or a CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenialTarget {
    /// A key.
    Key(KeyHash),
    /// A certificate, by [`Certificate::signed_fingerprint`].
    Certificate([u8; 32]),
    /// An issuer (a DER Name) and a serial number's content octets.
    IssuerSerial {
        /// The issuer.
        issuer: Vec<u8>,
        /// The serial number.
        serial: Vec<u8>,
    },
}

/// What is accepted, and for which queries.
#[derive(Clone, Debug)]
pub struct Rule {
    /// For which peers; None for all.
    pub peers: Option<Vec<Pattern>>,
    /// For which protocols; None for all.
    pub protocols: Option<Vec<Protocol>>,
    /// For which executables; None for all.
    pub applications: Option<Vec<String>>,
    /// For which side; None is servers.
    pub role: Option<Role>,
    /// Until this second.
    pub until: Option<i64>,
    /// Only monitor.
    pub mode: Option<Mode>,
    /// What vouches.
    pub accept: Accept,
    /// Where it stands.
    pub place: Place,
}
