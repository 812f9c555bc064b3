//! A throw-away world: a policy being written, keys, certificates and queries.

use std::cell::RefCell;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls_pki_types::SignatureVerificationAlgorithm;

use crate::certificate::{Certificate, Purposes};
use crate::crypto::Crypto;
use crate::decide::{Application, Decision, Fault};
use crate::key::Key;
use crate::pattern::Pattern;
use crate::peer::{HostName, Name};
use crate::policy::{
    Accept, Anchor, Authority, AuthorityKind, Constraint, Denial, DenialTarget, Enforce, Mode, Pin,
    Place, Policy, Profile, Rule, Scope,
};
use crate::protocol::Protocol;
use crate::query::{Evidence, ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};
use crate::store::{Compiled, write};
use crate::verdict::{Outcome, Reason, Verdict};

pub(super) const NOW: i64 = 1_800_000_000;

/// ring's algorithms, for tests only: programs bring their own.
pub(super) struct Ring;

impl Crypto for Ring {
    fn uncompressed_point(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn algorithms(&self) -> &[&dyn SignatureVerificationAlgorithm] {
        webpki::ALL_VERIFICATION_ALGS
    }
}

pub(super) fn params(name: &str, sans: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    for san in sans {
        params.subject_alt_names.push(match Name::parse(san) {
            Some(Name::Address(address)) => SanType::IpAddress(address),
            Some(Name::Email(_)) => SanType::Rfc822Name((*san).try_into().unwrap()),
            _ if san.contains(':') => SanType::URI((*san).try_into().unwrap()),
            _ => SanType::DnsName((*san).try_into().unwrap()),
        });
    }
    params.distinguished_name = rcgen::DistinguishedName::new();
    if !name.is_empty() {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    params
}

pub(super) struct Ca {
    pub(super) issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Ca {
    pub(super) fn root(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(Self::params(name), key).unwrap() }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    fn signed(params: CertificateParams, key: KeyPair, by: &Self) -> Self {
        Self { issuer: CertifiedIssuer::signed_by(params, key, &by.issuer).unwrap() }
    }

    pub(super) fn below(&self, name: &str) -> Self {
        self.certify_key(name, KeyPair::generate().unwrap())
    }

    /// The same, which holds no longer than to the first second of this year.
    pub(super) fn below_until(&self, name: &str, year: i32) -> Self {
        let mut params = Self::params(name);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        Self::signed(params, KeyPair::generate().unwrap(), self)
    }

    /// A CA certificate of this CA for a key that may have others.
    pub(super) fn certify_key(&self, name: &str, key: KeyPair) -> Self {
        Self::signed(Self::params(name), key, self)
    }

    pub(super) fn key_pair(&self) -> KeyPair {
        KeyPair::from_pem(&self.issuer.key().serialize_pem()).unwrap()
    }

    pub(super) fn certificate(&self) -> Certificate {
        Certificate::from_der(self.issuer.der()).unwrap()
    }

    pub(super) fn leaf(&self, sans: &[&str]) -> Leaf {
        self.issue(params("", sans))
    }

    pub(super) fn issue(&self, mut params: CertificateParams) -> Leaf {
        let key = KeyPair::generate().unwrap();
        if params.extended_key_usages.is_empty() {
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        }
        params.is_ca = IsCa::ExplicitNoCa;
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { certificate: Certificate::from_der(certificate.der()).unwrap() }
    }
}

#[derive(Clone)]
pub(super) struct Leaf {
    pub(super) certificate: Certificate,
}

impl Leaf {
    pub(super) fn self_signed(sans: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params("", sans).self_signed(&key).unwrap();
        assert!(!key.subject_public_key_info().is_empty());
        Self { certificate: Certificate::from_der(certificate.der()).unwrap() }
    }

    pub(super) fn key(&self) -> Key {
        Key::from_spki(self.certificate.spki(), &Ring).unwrap()
    }
}

/// A policy being written.
pub(super) struct World {
    pub(super) policy: Policy,
    compiled: RefCell<Option<(tempfile::TempDir, Compiled)>>,
}

impl World {
    pub(super) fn new() -> Self {
        let application = Authority {
            name: "application".into(),
            place: Place::default(),
            scope: Scope::default(),
            kind: AuthorityKind::Application,
        };
        let policy = Policy {
            mode: Mode::Enforce,
            enforce: Enforce::Verified,
            log: crate::record::Log::default(),
            authorities: vec![application],
            constraints: Vec::new(),
            denials: Vec::new(),
            rules: Vec::new(),
            default: Accept::Any(vec![Accept::Authority(0)]),
            programs: Vec::new(),
            system: Vec::new(),
            sources: Vec::new(),
        };
        Self { policy, compiled: RefCell::new(None) }
    }

    pub(super) fn authority(&mut self, name: &str, scope: Scope, kind: AuthorityKind) -> usize {
        let place = Place::default();
        self.policy.authorities.push(Authority { name: name.into(), place, scope, kind });
        self.policy.authorities.len() - 1
    }

    pub(super) fn x509(&mut self, name: &str, scope: Scope, anchors: &[&Certificate]) -> usize {
        self.x509_with_crls(name, scope, anchors, Vec::new())
    }

    pub(super) fn x509_with_crls(
        &mut self,
        name: &str,
        scope: Scope,
        anchors: &[&Certificate],
        crls: Vec<Vec<u8>>,
    ) -> usize {
        let anchor = |certificate: &&Certificate| Anchor {
            key: Key::from_spki(certificate.spki(), &Ring).unwrap().hash(),
            certificate: (*certificate).clone(),
            purposes: Purposes::ALL,
        };
        let anchors = anchors.iter().map(anchor).collect();
        self.authority(
            name,
            scope,
            AuthorityKind::X509 { anchors, crls, profile: Profile::Rfc5280 },
        )
    }

    pub(super) fn pin(
        &mut self,
        name: &str,
        peer: &str,
        protocols: &[&str],
        keys: &[&Key],
    ) -> usize {
        let pin = Pin {
            peer: Name::parse(peer).unwrap(),
            protocols: (!protocols.is_empty()).then(|| list(protocols)),
            keys: keys.iter().map(|key| key.hash()).collect(),
            certificates: Vec::new(),
            until: None,
            place: Place::default(),
        };
        self.authority(name, Scope::default(), AuthorityKind::Pin { pins: vec![pin] })
    }

    pub(super) fn rule(&mut self, peers: &[&str], protocols: &[&str], accept: Accept) -> &mut Rule {
        self.policy.rules.push(Rule {
            peers: (!peers.is_empty()).then(|| patterns(peers)),
            protocols: (!protocols.is_empty()).then(|| list(protocols)),
            applications: None,
            role: None,
            until: None,
            mode: None,
            accept,
            place: Place { line: 7, ..Place::default() },
        });
        self.policy.rules.last_mut().unwrap()
    }

    pub(super) fn deny(&mut self, target: DenialTarget) {
        let place = Place::default();
        self.policy.denials.push(Denial {
            target,
            certificate: None,
            reason: None,
            until: None,
            place,
        });
    }

    pub(super) fn constrain(&mut self, ca: &Certificate, peers: &[&str]) {
        self.constrain_to(ca, scope(peers, &[]));
    }

    pub(super) fn constrain_to(&mut self, ca: &Certificate, scope: Scope) {
        self.policy.constraints.push(Constraint {
            cas: vec![Key::from_spki(ca.spki(), &Ring).unwrap().hash()],
            certificates: Vec::new(),
            scope,
            place: Place::default(),
        });
    }

    pub(super) fn with<T>(&self, query: &Query, ask: impl FnOnce(&mut Decision<'_>) -> T) -> T {
        self.with_crypto(query, &Ring, ask)
    }

    pub(super) fn with_crypto<T>(
        &self,
        query: &Query,
        crypto: &dyn Crypto,
        ask: impl FnOnce(&mut Decision<'_>) -> T,
    ) -> T {
        self.compiled(|policy| ask(&mut Decision::new(policy, query, crypto).unwrap()))
    }

    pub(super) fn at_store<T>(&self, query: &Query, ask: impl FnOnce(&mut Decision<'_>) -> T) -> T {
        self.compiled(|policy| ask(&mut Decision::at_store(policy, query, &Ring).unwrap()))
    }

    pub(super) fn compiled<T>(&self, ask: impl FnOnce(&Compiled) -> T) -> T {
        let mut compiled = self.compiled.borrow_mut();
        let (_, policy) = compiled.get_or_insert_with(|| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(crate::store::file_name());
            write(&self.policy, &path, NOW).unwrap();
            let opened = Compiled::open(path.to_str().unwrap()).unwrap();
            (folder, opened)
        });
        ask(policy)
    }

    /// From now on the policy is one of which nothing was asked yet.
    pub(super) fn afresh(&self) {
        self.compiled.take();
    }

    pub(super) fn verdict(&self, query: &Query, application: &Application) -> Verdict {
        self.with(query, |decision| decision.conclude(application).unwrap())
    }

    pub(super) fn accepts(&self, query: &Query, application: &Application) -> bool {
        self.verdict(query, application).is_accept()
    }

    pub(super) fn reason(&self, query: &Query, application: &Application) -> Reason {
        match self.verdict(query, application).outcome() {
            Outcome::Reject(reason) => reason.clone(),
            Outcome::Accept(basis) => panic!("accepted: {basis}"),
        }
    }
}

pub(super) fn scope(peers: &[&str], protocols: &[&str]) -> Scope {
    Scope {
        peers: (!peers.is_empty()).then(|| patterns(peers)),
        protocols: (!protocols.is_empty()).then(|| list(protocols)),
        until: None,
    }
}

fn patterns(peers: &[&str]) -> Vec<Pattern> {
    peers.iter().map(|peer| Pattern::parse(peer).unwrap()).collect()
}

fn list(protocols: &[&str]) -> Vec<Protocol> {
    protocols.iter().map(|name| Protocol::parse(name).unwrap()).collect()
}

pub(super) fn any(of: &[usize]) -> Accept {
    Accept::Any(of.iter().map(|index| Accept::Authority(*index)).collect())
}

pub(super) fn all(of: &[usize]) -> Accept {
    Accept::All(of.iter().map(|index| Accept::Authority(*index)).collect())
}

/// A server that is expected to be `peer`, over a known protocol.
pub(super) fn server(peer: &str, protocol: &str, leaf: &Leaf, cas: &[&Ca]) -> Query {
    let expected = match Name::parse(peer).unwrap() {
        Name::Host(host) => {
            ExpectedPeer { hosts: vec![ExpectedHost::Exact(host)], ..ExpectedPeer::default() }
        }
        Name::Address(address) => {
            ExpectedPeer { address: Some(address), ..ExpectedPeer::default() }
        }
        Name::Email(email) => ExpectedPeer { email: Some(email), ..ExpectedPeer::default() },
    };
    Query { peer: Peer::Expected(expected), ..claim(Role::Server, protocol, leaf, cas) }
}

/// A peer that nobody in particular is expected to be.
pub(super) fn claim(role: Role, protocol: &str, leaf: &Leaf, cas: &[&Ca]) -> Query {
    Query {
        role,
        peer: Peer::Claimed,
        locator: None,
        protocol: Protocol::parse(protocol).into(),
        port: None,
        application: Fact::Known("/usr/bin/curl".into()),
        key: leaf.key(),
        evidence: Evidence {
            leaf: Some(leaf.certificate.clone()),
            intermediates: cas.iter().map(|ca| ca.certificate()).collect(),
        },
        time: NOW,
    }
}

pub(super) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

/// A program that does not know the authority.
pub(super) fn no_path() -> Application {
    Application::Refuses { faults: vec![Fault::NoTrustedPath], why: "unknown issuer".into() }
}
