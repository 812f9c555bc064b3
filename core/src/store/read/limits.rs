//! What nobody may vouch for: limits on CAs, and denials.

use rusqlite::Row;
use sha2::{Digest, Sha256};

use super::{Compiled, Shown, scope_at};
use crate::certificate::Certificate;
use crate::key::KeyHash;
use crate::store::StoreError;
use crate::store::entry::{A, B, D, Kind, SUB};
use crate::store::memo::all;
use crate::store::schema::StoredScope;

/// A limit on a CA.
#[derive(Clone, Debug)]
pub(crate) struct StoredLimit {
    pub(crate) scope: StoredScope,
    pub(crate) place: String,
}

/// A denial, for the reason.
#[derive(Clone, Debug)]
pub(crate) struct StoredDenial {
    pub(crate) until: Option<i64>,
    pub(crate) reason: Option<String>,
    pub(crate) place: String,
}

impl Compiled {
    /// The limits on CAs with any of these keys.
    pub(crate) fn limits(&self, keys: &[KeyHash]) -> Result<Vec<StoredLimit>, StoreError> {
        if self.meta.constraints == 0 {
            return Ok(Vec::new());
        }
        let read = |row: &Row<'_>| {
            Ok(StoredLimit { scope: scope_at(row, A)?, place: row.get::<_, Shown>(D)?.0 })
        };
        all(&self.known.limits, keys, |key| self.look_up(Kind::Limit, key.0, read))
    }

    /// The denials that hit any of these keys.
    pub(crate) fn key_denials(&self, keys: &[KeyHash]) -> Result<Vec<StoredDenial>, StoreError> {
        if self.meta.denials == 0 {
            return Ok(Vec::new());
        }
        all(&self.known.key_denials, keys, |key| self.denials_of(Kind::KeyDenial, &key.0))
    }

    /// The denials that hit this certificate, by what is signed or by issuer and serial.
    pub(crate) fn certificate_denials(
        &self,
        certificate: &Certificate,
    ) -> Result<Vec<StoredDenial>, StoreError> {
        if self.meta.denials == 0 {
            return Ok(Vec::new());
        }
        // What is signed holds the issuer and the serial number, too.
        all(&self.known.certificate_denials, &[certificate.signed_fingerprint()], |signed| {
            let mut denials = self.denials_of(Kind::CertificateDenial, signed)?;
            let serial = serial_hash(certificate.issuer(), certificate.serial());
            denials.extend(self.denials_of(Kind::SerialDenial, &serial)?);
            Ok(denials)
        })
    }

    fn denials_of(&self, kind: Kind, value: &[u8; 32]) -> Result<Vec<StoredDenial>, StoreError> {
        self.look_up(kind, value, |row| {
            let reason = row.get::<_, Option<Shown>>(B)?.map(|shown| shown.0);
            Ok(StoredDenial { until: row.get(A)?, reason, place: row.get::<_, Shown>(SUB)?.0 })
        })
    }
}

/// One value for an issuer and a serial number, of one length. Leading zeros say nothing.
pub(in super::super) fn serial_hash(issuer: &[u8], serial: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((issuer.len() as u64).to_be_bytes());
    hash.update(issuer);
    hash.update(&serial[serial.iter().take_while(|octet| **octet == 0).count()..]);
    hash.finalize().into()
}
