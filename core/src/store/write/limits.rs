//! Writing what nobody may vouch for: limits on CAs, and denials.

use rusqlite::ToSql;

use super::Writer;
use crate::policy::{Denial, DenialTarget, Policy};
use crate::store::entry::Kind;
use crate::store::read::serial_hash;

impl Writer<'_> {
    pub(super) fn limits(&self, policy: &Policy) -> rusqlite::Result<()> {
        for (id, constraint) in policy.constraints.iter().enumerate() {
            let (peers, protocols) = self.scope(&constraint.scope);
            let (until, place) = (&constraint.scope.until, constraint.place.to_string());
            for key in &constraint.cas {
                let values: [&dyn ToSql; 4] = [&peers, &protocols, until, &place];
                self.put(Kind::Limit, &key.0, &id, &values)?;
            }
        }
        Ok(())
    }

    pub(super) fn denials(&self, policy: &Policy) -> rusqlite::Result<()> {
        let mut denials: Vec<_> = policy.denials.iter().map(|own| (found_by(own), own)).collect();
        denials.sort_by_key(|((kind, value), _)| (*kind as u8, *value));
        for ((kind, value), denial) in denials {
            let values: [&dyn ToSql; 2] = [&denial.until, &denial.reason];
            self.put(kind, &value, &denial.place.to_string(), &values)?;
        }
        Ok(())
    }
}

fn found_by(denial: &Denial) -> (Kind, [u8; 32]) {
    match &denial.target {
        DenialTarget::Key(key) => (Kind::KeyDenial, key.0),
        DenialTarget::Certificate(fingerprint) => (Kind::CertificateDenial, *fingerprint),
        DenialTarget::IssuerSerial { issuer, serial } => {
            (Kind::SerialDenial, serial_hash(issuer, serial))
        }
    }
}
