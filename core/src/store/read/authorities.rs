//! Who can vouch: authorities, their anchors and CRLs, and the keys that they bind.

use std::sync::Arc;

use rusqlite::Row;
#[cfg(feature = "pkix")]
use rustls_pki_types::{CertificateDer, TrustAnchor};
#[cfg(feature = "pkix")]
use webpki::anchor_from_trusted_cert;

use super::{Compiled, Shown, scope_at};
use crate::certificate::printable;
#[cfg(feature = "pkix")]
use crate::certificate::{Certificate, Purposes};
use crate::key::KeyHash;
use crate::peer::Name;
use crate::rule::{Profile, Tofu};
use crate::store::StoreError;
use crate::store::entry::{A, B, C, D, E, F, G, Kind, SUB, said_by};
#[cfg(feature = "pkix")]
use crate::store::entry::{ALL, KEY};
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
    /// What webpki takes it for; None if no path can end in it.
    pub(crate) trusted: Option<Arc<TrustAnchor<'static>>>,
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
            let cabf = row.get::<_, String>(G)? == "cabf";
            Ok(StoredAuthority {
                name: row.get::<_, Shown>(A)?.0,
                kind: row.get(B)?,
                profile: if cabf { Profile::Cabf } else { Profile::Rfc5280 },
                scope: scope_at(row, C)?,
            })
        };
        self.named(Kind::Authority, index, read)
    }

    /// How an authority trusts on first use.
    pub(crate) fn tofu(&self, authority: usize) -> Result<Tofu, StoreError> {
        self.named(Kind::Tofu, authority, |row| {
            let others: String = row.get(C)?;
            Ok(Tofu {
                holds: row.get(A)?,
                users: row.get(B)?,
                rotate_with: others.split(',').filter_map(|id| id.parse().ok()).collect(),
                keys_per_peer: row.get(D)?,
                forget_after: row.get(E)?,
                min_age: row.get(F)?,
                min_sightings: row.get(G)?,
            })
        })
    }

    #[cfg(feature = "pkix")]
    /// The anchors of an authority that have this subject, a DER Name.
    pub(crate) fn anchors(
        &self,
        authority: usize,
        subject: &[u8],
    ) -> Result<Arc<[StoredAnchor]>, StoreError> {
        self.known.anchors.or((authority, subject.to_vec()), |_| {
            if !self.may_be_anchored(authority, subject)? {
                return Ok(Arc::from([]));
            }
            let read = |row: &Row<'_>| Ok((purposes(row)?, row.get(B)?));
            let found = self.look_up(Kind::Anchor, said_by(authority, subject), read)?;
            let mut anchors = Vec::new();
            for (purposes, id) in found {
                // The sources were validated: one that does not read back vouches for nobody.
                let der = CertificateDer::from(self.bulk(id)?);
                if let Ok(certificate) = Certificate::from_der_for_anchor(&der) {
                    let trusted = anchor_from_trusted_cert(&der).ok();
                    let trusted = trusted.map(|own| Arc::new(own.to_owned()));
                    anchors.push(StoredAnchor { purposes, certificate, trusted });
                }
            }
            Ok(anchors.into())
        })
    }

    #[cfg(feature = "pkix")]
    /// Whether an authority can have anchors with a subject. A process that meets ever new CAs asks this of
    /// a set, where the policy has few anchors: SQLite, asked each time, takes the processor's caches from
    /// the host.
    fn may_be_anchored(&self, authority: usize, subject: &[u8]) -> Result<bool, StoreError> {
        /// So many look-ups cost less than the set.
        const SEVERAL: usize = 16;
        const FEW: u64 = 1000;
        let all = &self.known.anchored;
        if let Some(all) = all.get() {
            return Ok(all.contains(&said_by(authority, subject)));
        }
        let asked = self.known.anchors_asked.replace(self.known.anchors_asked.get() + 1);
        if asked == SEVERAL && self.meta.anchors <= FEW {
            let keys = self.collect(ALL, [Kind::Anchor], |row| row.get(KEY))?;
            let keys = all.get_or_init(|| keys.into_iter().collect());
            return Ok(keys.contains(&said_by(authority, subject)));
        }
        Ok(true)
    }

    #[cfg(feature = "pkix")]
    /// For what an authority has this very certificate as an anchor, if it has.
    pub(crate) fn anchor_itself(
        &self,
        authority: usize,
        certificate: &Certificate,
    ) -> Result<Option<Purposes>, StoreError> {
        let anchors = self.anchors(authority, certificate.subject())?;
        let is_it = |anchor: &&StoredAnchor| anchor.certificate.is_same(certificate);
        Ok(anchors.iter().find(is_it).map(|anchor| anchor.purposes))
    }

    #[cfg(feature = "pkix")]
    /// Whether there are CRLs at all.
    pub(crate) fn has_crls(&self) -> bool {
        self.meta.crls > 0
    }

    #[cfg(feature = "pkix")]
    /// The CRLs that an authority has of this issuer, each a DER CertificateList.
    pub(crate) fn crls(&self, authority: usize, issuer: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
        let found = self.look_up(Kind::Crl, said_by(authority, issuer), |row| row.get(A))?;
        found.into_iter().map(|id| self.bulk(id)).collect()
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
        let key = said_by(authority, peer.to_string().as_bytes());
        let read = |row: &Row<'_>| {
            let bound = row.get_ref(SUB)?.as_blob()?.split_first_chunk();
            // One that does not read back binds nothing.
            let Some((key, protocol)) = bound else { return Ok(None) };
            Ok(Some(StoredBinding {
                key: KeyHash(*key),
                protocol: printable(&String::from_utf8_lossy(protocol)),
                until: row.get(A)?,
                place: row.get::<_, Shown>(B)?.0,
            }))
        };
        Ok(self.look_up(Kind::Binding, key, read)?.into_iter().flatten().collect())
    }
}

#[cfg(feature = "pkix")]
fn purposes(row: &Row<'_>) -> rusqlite::Result<Purposes> {
    let bits: u8 = row.get(A)?;
    Ok(Purposes { server: bits & 1 != 0, client: bits & 2 != 0, email: bits & 4 != 0 })
}
