//! What NSS is told: made when a policy is compiled, and only looked up here.
//!
//! PKCS#11 asks for a certificate's trust by its issuer and serial number, and for certificates by these
//! or by their subject. Each row holds for a span of time, so that nothing has to be computed when an
//! `until` of the policy passes.

use data_encoding::HEXLOWER;
use rusqlite::Row;
use rusqlite::params;
use sha2::{Digest, Sha256};

use super::StoreError;
use super::read::{Compiled, Shown};
#[cfg(feature = "nss")]
use crate::certificate::Certificate;
#[cfg(feature = "nss")]
use crate::der::tlv;

/// What NSS may make of a certificate (its `CKT_NSS_*` and `CKT_TRUST_*` values).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trust {
    /// It anchors paths: `CKT_NSS_TRUSTED_DELEGATOR`.
    Delegator,
    /// It is trusted itself, and anchors nothing: `CKT_NSS_TRUSTED`.
    Trusted,
    /// It is refused, and all below it: `CKT_NSS_NOT_TRUSTED`.
    NotTrusted,
    /// It is what a path makes of it, and no anchor: `CKT_NSS_MUST_VERIFY_TRUST`.
    MustVerify,
}

impl Trust {
    const ALL: [Self; 4] = [Self::Delegator, Self::Trusted, Self::NotTrusted, Self::MustVerify];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|trust| trust.number() == number)
    }

    /// As it stands in the table.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Delegator => 0,
            Self::Trusted => 1,
            Self::NotTrusted => 2,
            Self::MustVerify => 3,
        }
    }
}

/// The trust object of one certificate. A usage that is None has no attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrustRow {
    /// As, or for, a TLS server's.
    pub server: Option<Trust>,
    /// As, or for, a TLS client's.
    pub client: Option<Trust>,
    /// As, or for, an e-mail signer's.
    pub email: Option<Trust>,
    /// As, or for, a code signer's.
    pub code: Option<Trust>,
    /// SHA-1 of the certificate; None where the object is to have no hash.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256 of the certificate; None where the object is to have no hash.
    pub sha256: Option<[u8; 32]>,
}

/// One certificate that NSS can find.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateRow {
    /// Its number in this compiled policy.
    pub id: i64,
    /// The issuer, a DER Name.
    pub issuer: Vec<u8>,
    /// The serial number, a DER INTEGER with tag and length.
    pub serial: Vec<u8>,
    /// The subject, a DER Name.
    pub subject: Vec<u8>,
    /// The certificate itself.
    pub der: Vec<u8>,
    /// What it is called in lists; printable.
    pub label: String,
    /// Whether it is a CA's.
    pub is_ca: bool,
}

#[cfg(feature = "nss")]
impl CertificateRow {
    /// A certificate as it is, without a number.
    pub fn of(certificate: &Certificate) -> Self {
        Self {
            id: 0,
            issuer: certificate.issuer().to_vec(),
            serial: tlv(2, certificate.serial()),
            subject: certificate.subject().to_vec(),
            der: certificate.der().to_vec(),
            label: title(certificate),
            is_ca: certificate.limits().is_ca == Some(true),
        }
    }

    /// A trust in this very certificate. Code is never trusted.
    pub fn trust(&self, server: Trust, client: Trust, email: Trust) -> TrustRow {
        TrustRow {
            server: Some(server),
            client: Some(client),
            email: Some(email),
            code: Some(Trust::MustVerify),
            sha1: Some(sha1::Sha1::digest(&self.der).into()),
            sha256: Some(Sha256::digest(&self.der).into()),
        }
    }
}

/// The certificates that hold at the moment `?2`.
macro_rules! certificates {
    ($which:literal) => {
        concat!(
            "SELECT id, issuer, serial, subject, der, label, is_ca FROM nss_certificate
                WHERE begins <= ?2 AND ?2 <= ends AND ",
            $which
        )
    };
}

impl Compiled {
    /// What NSS is to be told of the certificate with this issuer (a DER Name) and serial number (a
    /// whole DER INTEGER), at the moment `now`.
    pub fn nss_trust(
        &self,
        issuer: &[u8],
        serial: &[u8],
        now: i64,
    ) -> Result<Option<TrustRow>, StoreError> {
        let sql = "SELECT server, client, email, code, sha1, sha256 FROM nss_trust
            WHERE place = ?1 AND begins <= ?2 AND ?2 <= ends ORDER BY rank LIMIT 1";
        self.first(sql, params![place(issuer, serial), now], trust_row)
    }

    /// The certificate with this issuer and serial number.
    pub fn nss_certificate(
        &self,
        issuer: &[u8],
        serial: &[u8],
        now: i64,
    ) -> Result<Option<CertificateRow>, StoreError> {
        let sql = certificates!("place = ?1");
        self.first(sql, params![place(issuer, serial), now], certificate_row)
    }

    /// The certificate with this number.
    pub fn nss_certificate_by_id(
        &self,
        id: i64,
        now: i64,
    ) -> Result<Option<CertificateRow>, StoreError> {
        let sql = certificates!("id = ?1");
        self.first(sql, params![id, now], certificate_row)
    }

    /// The certificates that have this subject, a DER Name.
    pub fn nss_by_subject(
        &self,
        subject: &[u8],
        now: i64,
    ) -> Result<Vec<CertificateRow>, StoreError> {
        let sql = certificates!("subject = ?1 ORDER BY id");
        self.collect(sql, params![subject, now], certificate_row)
    }

    /// The next certificates behind the one with the number `after`, at most `count`; from 0 on.
    pub fn nss_page(
        &self,
        after: i64,
        count: usize,
        now: i64,
    ) -> Result<Vec<CertificateRow>, StoreError> {
        let sql = certificates!("id > ?1 ORDER BY id LIMIT ?3");
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.collect(sql, params![after, now, count], certificate_row)
    }

    /// Whether this issuer and serial number are those of a CA that programs, or the policy, know. Only
    /// policies that remember keys say it: what is said of a remembered certificate must not spoil what is
    /// known of a CA's.
    pub fn nss_is_of_a_ca(&self, issuer: &[u8], serial: &[u8]) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM word WHERE what = 'nss-ca' AND word = ?1 LIMIT 1";
        let place = HEXLOWER.encode(&place(issuer, serial));
        Ok(self.first(sql, params![place], |row| row.get::<_, i64>(0))?.is_some())
    }

    /// Whether a certificate of which nothing is known is no anchor: `[default]` asks for more than what
    /// the program itself says.
    pub fn nss_closed(&self) -> bool {
        self.meta().nss_closed
    }
}

/// What a certificate is called in lists.
#[cfg(feature = "nss")]
pub(crate) fn title(certificate: &Certificate) -> String {
    let subject = certificate.subject_text();
    let common = subject.rsplit_once("CN=").map_or(subject, |(_, name)| name);
    common.split(", ").next().unwrap_or(common).to_owned()
}

fn trust_row(row: &Row<'_>) -> rusqlite::Result<TrustRow> {
    let trust = |at| -> rusqlite::Result<Option<Trust>> {
        let number: Option<u8> = row.get(at)?;
        // A number that nobody wrote trusts nothing.
        Ok(number.map(|number| Trust::from_number(number).unwrap_or(Trust::NotTrusted)))
    };
    Ok(TrustRow {
        server: trust(0)?,
        client: trust(1)?,
        email: trust(2)?,
        code: trust(3)?,
        sha1: row.get(4)?,
        sha256: row.get(5)?,
    })
}

fn certificate_row(row: &Row<'_>) -> rusqlite::Result<CertificateRow> {
    Ok(CertificateRow {
        id: row.get(0)?,
        issuer: row.get(1)?,
        serial: row.get(2)?,
        subject: row.get(3)?,
        der: row.get(4)?,
        label: row.get::<_, Shown>(5)?.0,
        is_ca: row.get(6)?,
    })
}

/// One value for an issuer and a serial number, of one length: what both tables are searched by.
pub(crate) fn place(issuer: &[u8], serial: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((issuer.len() as u64).to_be_bytes());
    hash.update(issuer);
    hash.update(serial);
    hash.finalize().into()
}
