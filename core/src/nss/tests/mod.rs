//! Plans for policies as people write them.

// Everything here is a test, also the helpers that the lint does not take for one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cas;
mod lines;
mod names;
mod pins;
mod region;

use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls_pki_types::SignatureVerificationAlgorithm;

use super::{Objects, plan};
use crate::certificate::Certificate;
use crate::crypto::Crypto;
use crate::policy::Policy;
use crate::source;
use crate::store::{Trust, TrustRow};

/// 2026-01-01.
const NOW: i64 = 1_767_225_600;

struct Ring;

impl Crypto for Ring {
    fn uncompressed_point(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn algorithms(&self) -> &[&dyn SignatureVerificationAlgorithm] {
        webpki::ALL_VERIFICATION_ALGS
    }
}

/// A CA of the tests.
struct Issuer(CertifiedIssuer<'static, KeyPair>);

impl Issuer {
    fn root(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(ca(name), key).unwrap())
    }

    fn below(&self, name: &str) -> Self {
        self.certify(name, KeyPair::generate().unwrap())
    }

    fn certify(&self, name: &str, key: KeyPair) -> Self {
        Self(CertifiedIssuer::signed_by(ca(name), key, &self.0).unwrap())
    }

    fn key(&self) -> KeyPair {
        KeyPair::from_pem(&self.0.key().serialize_pem()).unwrap()
    }

    fn certificate(&self) -> Certificate {
        Certificate::from_der(self.0.der()).unwrap()
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

fn ca(name: &str) -> CertificateParams {
    let mut params = params(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn params(name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if !name.is_empty() {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

/// A policy of this text, with these files beside it.
fn policy(text: &str, files: &[(&str, &str)]) -> Policy {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    fs::write(folder.path().join("policy.toml"), format!("version = 1\n{text}")).unwrap();
    let loaded = source::load(folder.path(), &Ring, NOW);
    let mut policy = loaded.unwrap_or_else(|errors| panic!("{errors:#?}")).policy;
    // What the machine has that tests.
    policy.system = Vec::new();
    policy
}

fn objects(policy: &Policy) -> Objects {
    plan(policy, NOW).objects
}

impl Objects {
    /// What is known of this certificate now.
    fn trust(&self, certificate: &Certificate) -> Option<TrustRow> {
        self.trust_of(certificate.issuer(), &crate::der::tlv(2, certificate.serial()), NOW)
    }

    fn trust_of(&self, issuer: &[u8], serial: &[u8], now: i64) -> Option<TrustRow> {
        let mut found: Vec<_> = self
            .trust
            .iter()
            .filter(|t| t.issuer == issuer && t.serial == serial)
            .filter(|t| (t.span.begins..=t.span.ends).contains(&now))
            .collect();
        found.sort_by_key(|t| !t.is_denial);
        found.first().map(|t| t.row.clone())
    }

    /// The twins of a CA: each with its trust for servers, clients and e-mail.
    fn twins(&self, certificate: &Certificate) -> Vec<(Certificate, [Option<Trust>; 3])> {
        self.twins_at(certificate, NOW)
    }

    fn twins_at(
        &self,
        certificate: &Certificate,
        now: i64,
    ) -> Vec<(Certificate, [Option<Trust>; 3])> {
        let twins = self.certificates.iter().filter(|own| {
            own.row.subject == certificate.subject()
                && own.row.issuer != certificate.issuer()
                && (own.span.begins..=own.span.ends).contains(&now)
        });
        let twins = twins.map(|own| {
            let row = self.trust_of(&own.row.issuer, &own.row.serial, now).unwrap();
            (Certificate::from_der(&own.row.der).unwrap(), three(&row))
        });
        twins.collect()
    }
}

fn three(row: &TrustRow) -> [Option<Trust>; 3] {
    [row.server, row.client, row.email]
}

const TD: Option<Trust> = Some(Trust::Delegator);
const T: Option<Trust> = Some(Trust::Trusted);
const NT: Option<Trust> = Some(Trust::NotTrusted);
const MV: Option<Trust> = Some(Trust::MustVerify);
