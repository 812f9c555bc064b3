//! What NSS is told: made when a policy is compiled, and only looked up here.
//!
//! PKCS#11 asks for a certificate's trust by its issuer and serial number, and for certificates by these
//! or by their subject. Each row holds for a span of time, so that nothing has to be computed when an
//! `until` of the policy passes.

use rusqlite::Row;
use sha2::{Digest, Sha256};

use super::StoreError;
use super::entry::{A, B, BETWEEN, C, D, E, F, G, H, KEY, Kind, SUB};
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

impl Compiled {
    /// What NSS is to be told of the certificate with this issuer (a DER Name) and serial number (a
    /// whole DER INTEGER), at the moment `now`.
    pub fn nss_trust(
        &self,
        issuer: &[u8],
        serial: &[u8],
        now: i64,
    ) -> Result<Option<TrustRow>, StoreError> {
        let read = |row: &Row<'_>| holds(row, now, trust_row);
        let found = self.look_up(Kind::NssTrust, place(issuer, serial), read)?;
        Ok(found.into_iter().flatten().next())
    }

    /// The certificate with this issuer and serial number.
    pub fn nss_certificate(
        &self,
        issuer: &[u8],
        serial: &[u8],
        now: i64,
    ) -> Result<Option<CertificateRow>, StoreError> {
        let found = self.nss_certificates(Kind::NssByPlace, &place(issuer, serial), now)?;
        Ok(found.into_iter().next())
    }

    /// The certificate with this number.
    pub fn nss_certificate_by_id(
        &self,
        id: i64,
        now: i64,
    ) -> Result<Option<CertificateRow>, StoreError> {
        let read = |row: &Row<'_>| holds(row, now, certificate_row);
        let found = self.look_up_first(Kind::NssCertificate, id, read)?.flatten();
        found.map(|found| self.whole(found)).transpose()
    }

    /// The certificates that have this subject, a DER Name.
    pub fn nss_by_subject(
        &self,
        subject: &[u8],
        now: i64,
    ) -> Result<Vec<CertificateRow>, StoreError> {
        self.nss_certificates(Kind::NssBySubject, subject, now)
    }

    fn nss_certificates(
        &self,
        by: Kind,
        key: &[u8],
        now: i64,
    ) -> Result<Vec<CertificateRow>, StoreError> {
        let ids: Vec<i64> = self.look_up(by, key, |row| row.get(SUB))?;
        let found = ids.into_iter().map(|id| self.nss_certificate_by_id(id, now));
        found.filter_map(Result::transpose).collect()
    }

    /// The next certificates behind the one with the number `after`, at most `count`; from 0 on.
    pub fn nss_page(
        &self,
        after: i64,
        count: usize,
        now: i64,
    ) -> Result<Vec<CertificateRow>, StoreError> {
        let (mut after, mut page) = (after, Vec::new());
        // Those that do not hold now take a place in what is read, and none in the page.
        while page.len() < count {
            let missing = i64::try_from(count - page.len()).unwrap_or(i64::MAX);
            let read = |row: &Row<'_>| Ok((row.get(KEY)?, holds(row, now, certificate_row)?));
            let range = (Kind::NssCertificate, after, i64::MAX, missing);
            let rows: Vec<(i64, Option<_>)> = self.collect(BETWEEN, range, read)?;
            let Some((last, _)) = rows.last() else { break };
            after = *last;
            for row in rows.into_iter().filter_map(|(_, row)| row) {
                page.push(self.whole(row)?);
            }
        }
        Ok(page)
    }

    /// With the certificate itself.
    fn whole(&self, (row, bulk): (CertificateRow, i64)) -> Result<CertificateRow, StoreError> {
        Ok(CertificateRow { der: self.bulk(bulk)?, ..row })
    }

    /// Whether this issuer and serial number are those of a CA that programs, or the policy, know. Only
    /// policies that remember keys say it: what is said of a remembered certificate must not spoil what is
    /// known of a CA's.
    pub fn nss_is_of_a_ca(&self, issuer: &[u8], serial: &[u8]) -> Result<bool, StoreError> {
        Ok(self.look_up_first(Kind::NssCa, place(issuer, serial), |_| Ok(()))?.is_some())
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

/// What an entry says, if it holds at the moment `now`.
fn holds<T>(
    row: &Row<'_>,
    now: i64,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    let span = row.get(A)?..=row.get(B)?;
    if span.contains(&now) { read(row).map(Some) } else { Ok(None) }
}

fn trust_row(row: &Row<'_>) -> rusqlite::Result<TrustRow> {
    let trust = |at| -> rusqlite::Result<Option<Trust>> {
        let number: Option<u8> = row.get(at)?;
        // A number that nobody wrote trusts nothing.
        Ok(number.map(|number| Trust::from_number(number).unwrap_or(Trust::NotTrusted)))
    };
    Ok(TrustRow {
        server: trust(C)?,
        client: trust(D)?,
        email: trust(E)?,
        code: trust(F)?,
        sha1: row.get(G)?,
        sha256: row.get(H)?,
    })
}

/// A certificate without its octets, and where these are.
fn certificate_row(row: &Row<'_>) -> rusqlite::Result<(CertificateRow, i64)> {
    let certificate = CertificateRow {
        id: row.get(KEY)?,
        issuer: row.get(C)?,
        serial: row.get(D)?,
        subject: row.get(E)?,
        der: Vec::new(),
        label: row.get::<_, Shown>(G)?.0,
        is_ca: row.get(H)?,
    };
    Ok((certificate, row.get(F)?))
}

/// One value for an issuer and a serial number, of one length: what both are found by.
pub(crate) fn place(issuer: &[u8], serial: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((issuer.len() as u64).to_be_bytes());
    hash.update(issuer);
    hash.update(serial);
    hash.finalize().into()
}
