//! Who can vouch: authorities, their anchors and CRLs, and the keys that they bind.

use std::sync::Arc;

use rusqlite::{Row, params};

use super::{Compiled, Shown, scope_at};
#[cfg(feature = "pkix")]
use crate::certificate::{Certificate, Purposes};
use crate::key::KeyHash;
use crate::peer::Name;
use crate::rule::{Profile, Tofu};
use crate::store::StoreError;
use crate::store::schema::StoredScope;

/// An authority, as decisions read it.
#[derive(Clone, Debug)]
pub(crate) struct StoredAuthority {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) profile: Profile,
    pub(crate) scope: StoredScope,
}

#[cfg(feature = "pkix")]
/// A trust anchor, as decisions read it.
#[derive(Clone, Debug)]
pub(crate) struct StoredAnchor {
    pub(crate) purposes: Purposes,
    pub(crate) certificate: Certificate,
}

/// A binding of the peer that was asked about.
#[derive(Clone, Debug)]
pub(crate) struct StoredBinding {
    pub(crate) key: KeyHash,
    pub(crate) protocol: String,
    pub(crate) until: Option<i64>,
    pub(crate) place: String,
}

impl Compiled {
    pub(crate) fn authority(&self, index: usize) -> Result<Arc<StoredAuthority>, StoreError> {
        let find = |index: &usize| self.find_authority(*index).map(Arc::new);
        self.known.authorities.or(index, find)
    }

    fn find_authority(&self, index: usize) -> Result<StoredAuthority, StoreError> {
        let read = |row: &Row<'_>| {
            let cabf = row.get::<_, String>(5)? == "cabf";
            Ok(StoredAuthority {
                name: row.get::<_, Shown>(0)?.0,
                kind: row.get(1)?,
                profile: if cabf { Profile::Cabf } else { Profile::Rfc5280 },
                scope: scope_at(row, 2)?,
            })
        };
        self.statement(
            "SELECT name, kind, peers, protocols, until, profile FROM authority WHERE id = ?1",
        )?
        .query_row([index], read)
        .map_err(|error| self.error(error))
    }

    /// How an authority trusts on first use.
    pub(crate) fn tofu(&self, authority: usize) -> Result<Tofu, StoreError> {
        let sql = "SELECT holds, users, rotate_with, keys_per_peer, forget_after, min_age,
             min_sightings FROM tofu WHERE authority = ?1";
        let read = |row: &Row<'_>| {
            let others: String = row.get(2)?;
            Ok(Tofu {
                holds: row.get(0)?,
                users: row.get(1)?,
                rotate_with: others.split(',').filter_map(|id| id.parse().ok()).collect(),
                keys_per_peer: row.get(3)?,
                forget_after: row.get(4)?,
                min_age: row.get(5)?,
                min_sightings: row.get(6)?,
            })
        };
        self.statement(sql)?.query_row([authority], read).map_err(|error| self.error(error))
    }

    #[cfg(feature = "pkix")]
    /// The anchors of an authority that have this subject, a DER Name.
    pub(crate) fn anchors(
        &self,
        authority: usize,
        subject: &[u8],
    ) -> Result<Arc<[StoredAnchor]>, StoreError> {
        let sql = "SELECT purposes, certificate FROM anchor WHERE subject = ?1 AND authority = ?2";
        self.known.anchors.or((authority, subject.to_vec()), |_| {
            let read = |row: &Row<'_>| {
                // The sources were validated: one that does not read back vouches for nobody.
                let certificate = Certificate::from_der_for_anchor(row.get_ref(1)?.as_blob()?).ok();
                let purposes = purposes(row)?;
                Ok(certificate.map(|certificate| StoredAnchor { purposes, certificate }))
            };
            let found = self.collect(sql, params![subject, authority], read)?;
            Ok(found.into_iter().flatten().collect())
        })
    }

    #[cfg(feature = "pkix")]
    /// For what an authority has this very certificate as an anchor, if it has.
    pub(crate) fn anchor_itself(
        &self,
        authority: usize,
        certificate: &Certificate,
    ) -> Result<Option<Purposes>, StoreError> {
        let anchors = self.anchors(authority, certificate.subject())?;
        let is_it =
            |anchor: &&StoredAnchor| anchor.certificate.fingerprint() == certificate.fingerprint();
        Ok(anchors.iter().find(is_it).map(|anchor| anchor.purposes))
    }

    #[cfg(feature = "pkix")]
    /// Whether there are CRLs at all.
    pub(crate) fn has_crls(&self) -> Result<bool, StoreError> {
        if let Some(known) = self.known.has_crls.get() {
            return Ok(*known);
        }
        let found = self.first("SELECT 1 FROM crl LIMIT 1", [], |_| Ok(()))?.is_some();
        Ok(*self.known.has_crls.get_or_init(|| found))
    }

    #[cfg(feature = "pkix")]
    /// The CRLs that an authority has of this issuer, each a DER CertificateList.
    pub(crate) fn crls(&self, authority: usize, issuer: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT crl FROM crl WHERE issuer = ?1 AND authority = ?2";
        self.collect(sql, params![issuer, authority], |row| row.get(0))
    }

    /// The keys that an authority binds to this peer.
    pub(crate) fn bindings(
        &self,
        authority: usize,
        peer: &Name,
    ) -> Result<Arc<[StoredBinding]>, StoreError> {
        let question = (authority, peer.clone());
        let find = |_: &_| self.find_bindings(authority, peer).map(Into::into);
        self.known.bindings.or(question, find)
    }

    fn find_bindings(
        &self,
        authority: usize,
        peer: &Name,
    ) -> Result<Vec<StoredBinding>, StoreError> {
        let sql =
            "SELECT key, protocol, until, place FROM binding WHERE peer = ?1 AND authority = ?2";
        self.collect(sql, params![peer.to_string(), authority], |row| {
            Ok(StoredBinding {
                key: KeyHash(row.get(0)?),
                protocol: row.get::<_, Shown>(1)?.0,
                until: row.get(2)?,
                place: row.get::<_, Shown>(3)?.0,
            })
        })
    }
}

#[cfg(feature = "pkix")]
fn purposes(row: &Row<'_>) -> rusqlite::Result<Purposes> {
    let bits: u8 = row.get(0)?;
    Ok(Purposes { server: bits & 1 != 0, client: bits & 2 != 0, email: bits & 4 != 0 })
}
