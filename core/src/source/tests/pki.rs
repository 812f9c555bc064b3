//! Certificates, keys and CRLs for the tests, made once in a run.

use std::sync::OnceLock;

use data_encoding::BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, SerialNumber, date_time_ymd,
};

use super::Folder;
use crate::certificate::Certificate;
use crate::crypto::NoCrypto;
use crate::key::{Key, KeyHash};

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// What the tests have.
pub(super) struct Pki {
    pub(super) root: Certificate,
    pub(super) other: Certificate,
    pub(super) old: Certificate,
    pub(super) young: Certificate,
    pub(super) mail: Certificate,
    pub(super) crl: Vec<u8>,
    pub(super) stale_crl: Vec<u8>,
    private: String,
}

pub(super) fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| {
        let root = ca("Root", (2020, 2040), &[]);
        let der = |issuer: &Issuer| Certificate::from_der(issuer.der()).unwrap();
        Pki {
            other: der(&ca("Other", (2020, 2040), &[])),
            old: der(&ca("Old", (2010, 2011), &[])),
            young: der(&ca("Young", (2035, 2040), &[])),
            mail: der(&ca("Mail", (2020, 2040), &[ExtendedKeyUsagePurpose::EmailProtection])),
            crl: crl(&root, 2040),
            stale_crl: crl(&root, 2021),
            private: root.key().serialize_pem(),
            root: der(&root),
        }
    })
}

fn ca(name: &str, years: (i32, i32), purposes: &[ExtendedKeyUsagePurpose]) -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params.extended_key_usages = purposes.to_vec();
    Issuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn crl(issuer: &Issuer, next: i32) -> Vec<u8> {
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(next, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().der().to_vec()
}

/// A PEM block, in lines of 64.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

pub(super) fn key(certificate: &Certificate) -> KeyHash {
    Key::from_spki(certificate.spki(), &NoCrypto).unwrap().hash()
}

pub(super) fn write_all(folder: &Folder) {
    let pki = pki();
    let certificate = |c: &Certificate| pem("CERTIFICATE", c.der());
    folder.write("pki/root.pem", certificate(&pki.root));
    folder.write("pki/root.der", pki.root.der());
    folder.write("pki/other.pem", certificate(&pki.other));
    folder.write("pki/old.pem", certificate(&pki.old));
    folder.write("pki/young.pem", certificate(&pki.young));
    folder.write("pki/mail.pem", certificate(&pki.mail));
    folder.write("pki/both.pem", certificate(&pki.root) + &certificate(&pki.other));
    folder.write("pki/key.pem", pem("PUBLIC KEY", pki.root.spki()));
    folder.write("pki/key.der", pki.root.spki());
    folder.write("pki/private.pem", &pki.private);
    folder.write("pki/root.crl", pem("X509 CRL", &pki.crl));
    folder.write("pki/crl.der", &pki.crl);
    folder.write("pki/stale.crl", pem("X509 CRL", &pki.stale_crl));
}
