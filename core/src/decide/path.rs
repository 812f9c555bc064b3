//! Certification paths (RFC 5280 section 6), built and checked by webpki.

use std::cell::RefCell;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, Error, ExpirationPolicy,
    KeyUsage, RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath,
    anchor_from_trusted_cert,
};

use super::Decision;
use super::authority::{Found, Strength};
use super::cases::{CaseState, Requirement};
use super::limits::Limits;
use super::strict::{self, Place};
use crate::certificate::{Certificate, Purposes};
use crate::peer::Name;
use crate::query::Role;
use crate::rule::Profile;
use crate::store::{StoreError, StoredAnchor};
use crate::verdict::Reason;

/// id-kp-emailProtection, 1.3.6.1.5.5.7.3.4.
const EMAIL_PROTECTION: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 4];

impl Decision<'_> {
    /// Whether a path leads from the peer's certificate to an anchor of the authority's.
    pub(super) fn path(
        &self,
        authority: usize,
        peer: &Name,
        profile: Profile,
        case: &CaseState,
    ) -> Result<Found, StoreError> {
        let Some(leaf) = &self.query.evidence.leaf else {
            return Ok(Found::silent("there is no certificate to build a path from"));
        };
        if !leaf.names().supported.iter().any(|name| name.covers(peer)) {
            return Ok(Found::silent(format!("the certificate {leaf} does not name {peer}")));
        }
        let evidence = self.query.evidence.intermediates.iter().enumerate();
        let search = Search {
            decision: self,
            authority,
            profile,
            case,
            leaf,
            purpose: Purpose::of(case, self.query.role),
            intermediates: evidence
                .filter(|(index, _)| !self.excluded.contains(index))
                .map(|(_, certificate)| certificate)
                .collect(),
        };
        search.run()
    }
}

/// For what the path is wanted.
#[derive(Clone, Copy)]
enum Purpose {
    Server,
    Client,
    Email,
}

impl Purpose {
    fn of(case: &CaseState, role: Role) -> Self {
        match role {
            _ if case.protocol.as_ref().is_some_and(|p| p.as_str() == "smime") => Self::Email,
            Role::Server => Self::Server,
            Role::Client => Self::Client,
        }
    }

    fn is_in(self, purposes: Purposes) -> bool {
        match self {
            Self::Server => purposes.server,
            Self::Client => purposes.client,
            Self::Email => purposes.email,
        }
    }

    fn usage(self) -> KeyUsage {
        match self {
            Self::Server => KeyUsage::server_auth(),
            Self::Client => KeyUsage::client_auth(),
            Self::Email => KeyUsage::required_if_present(EMAIL_PROTECTION),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Server => "TLS servers",
            Self::Client => "TLS clients",
            Self::Email => "e-mail",
        }
    }
}

struct Search<'d> {
    decision: &'d Decision<'d>,
    authority: usize,
    profile: Profile,
    case: &'d CaseState,
    leaf: &'d Certificate,
    purpose: Purpose,
    intermediates: Vec<&'d Certificate>,
}

impl Search<'_> {
    fn run(&self) -> Result<Found, StoreError> {
        if let Some(found) = self.itself()? {
            return Ok(found);
        }
        if let Some(flaw) = self.flaw(self.leaf, Place::Leaf) {
            return Ok(Found::silent(flaw));
        }
        let mut why_no_anchor = None;
        let anchors = self.anchors(&mut why_no_anchor)?;
        if anchors.is_empty() {
            return Ok(Found::silent(why_no_anchor.unwrap_or_else(|| self.no_issuer())));
        }
        let crls = self.crls()?;
        self.search(&anchors, &crls)
    }

    /// An anchor that is itself the presented certificate vouches for it, if it is valid now.
    fn itself(&self) -> Result<Option<Found>, StoreError> {
        let policy = self.decision.policy;
        let Some(anchor) = policy.anchor_itself(self.authority, &self.leaf.fingerprint())? else {
            return Ok(None);
        };
        let leaf = self.leaf;
        Ok(Some(if let Some(why) = self.unfit(leaf, Place::Own, anchor.purposes)? {
            Found::silent(why)
        } else {
            Found::vouches(Strength::Path, format!("the certificate {leaf} is itself an anchor"))
        }))
    }

    /// The anchors that a path from here can end in; else why one that was found may not be used.
    fn anchors(&self, why_not: &mut Option<String>) -> Result<Vec<Certificate>, StoreError> {
        let mut anchors = Vec::new();
        let mut issuers: Vec<&[u8]> = vec![self.leaf.issuer()];
        issuers.extend(self.intermediates.iter().map(|certificate| certificate.issuer()));
        issuers.sort_unstable();
        issuers.dedup();
        for issuer in issuers {
            for StoredAnchor { purposes, certificate } in
                self.decision.policy.anchors(self.authority, issuer)?
            {
                let Ok(certificate) = Certificate::from_der(&certificate) else { continue };
                match self.unfit(&certificate, Place::Anchor, purposes)? {
                    None => anchors.push(certificate),
                    Some(why) => *why_not = Some(why),
                }
            }
        }
        Ok(anchors)
    }

    /// Why a certificate may not be an anchor for this case.
    fn unfit(
        &self,
        anchor: &Certificate,
        place: Place,
        purposes: Purposes,
    ) -> Result<Option<String>, StoreError> {
        let (not_before, not_after) = anchor.validity();
        let time = self.decision.query.time;
        if time < not_before || time > not_after {
            let state = if time > not_after { "has expired" } else { "is not valid yet" };
            return Ok(Some(format!("its anchor {anchor} {state}")));
        }
        if !self.purpose.is_in(purposes) {
            return Ok(Some(format!("its anchor {anchor} is not for {}", self.purpose.text())));
        }
        if let Some(flaw) = self.flaw(anchor, place) {
            return Ok(Some(flaw));
        }
        Ok(self.ruled_out(anchor)?.map(|reason| reason.to_string()))
    }

    /// What is wrong with a certificate at its place in a path.
    fn flaw(&self, certificate: &Certificate, place: Place) -> Option<String> {
        let check = strict::flaw(certificate, place, self.profile)?;
        Some(format!("the certificate {certificate} {} ({})", check.wrong, check.id))
    }

    fn ruled_out(&self, certificate: &Certificate) -> Result<Option<Reason>, StoreError> {
        let limits = Limits {
            policy: self.decision.policy,
            query: self.decision.query,
            crypto: self.decision.crypto,
        };
        let own = std::slice::from_ref(self.case);
        limits.rule_out(certificate, &Requirement::Case(0), own)
    }

    fn crls(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut issuers: Vec<&[u8]> = vec![self.leaf.issuer()];
        issuers.extend(self.intermediates.iter().map(|certificate| certificate.issuer()));
        issuers.sort_unstable();
        issuers.dedup();
        let mut crls = Vec::new();
        for issuer in issuers {
            crls.extend(self.decision.policy.crls(self.authority, issuer)?);
        }
        Ok(crls)
    }

    fn search(&self, anchors: &[Certificate], crls: &[Vec<u8>]) -> Result<Found, StoreError> {
        let ders: Vec<_> = anchors.iter().map(|a| CertificateDer::from(a.der())).collect();
        let trusted: Vec<TrustAnchor<'_>> =
            ders.iter().filter_map(|der| anchor_from_trusted_cert(der).ok()).collect();
        let leaf_der = CertificateDer::from(self.leaf.der());
        let end_entity = match EndEntityCert::try_from(&leaf_der) {
            Ok(end_entity) => end_entity,
            Err(error) => return Ok(Found::silent(self.sentence(&error))),
        };
        let intermediates: Vec<_> =
            self.intermediates.iter().map(|c| CertificateDer::from(c.der())).collect();
        let crls: Vec<CertRevocationList<'_>> = crls
            .iter()
            .filter_map(|crl| BorrowedCertRevocationList::from_der(crl).ok().map(Into::into))
            .collect();
        let crls: Vec<&CertRevocationList<'_>> = crls.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&crls).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Allow)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        let judged = RefCell::new(Judged::default());
        let judge = |path: &VerifiedPath<'_>| self.judge(path, &judged);
        let time = u64::try_from(self.decision.query.time).unwrap_or(0);
        let result = end_entity.verify_for_usage(
            self.decision.crypto.algorithms(),
            &trusted,
            &intermediates,
            UnixTime::since_unix_epoch(Duration::from_secs(time)),
            self.purpose.usage(),
            revocation,
            Some(&judge),
        );
        let judged = judged.into_inner();
        if let Some(error) = judged.failed {
            return Err(error);
        }
        Ok(match result {
            Ok(path) => Found::vouches(Strength::Path, self.describe(&path, anchors)),
            Err(error) => Found::silent(judged.ruled_out.unwrap_or_else(|| self.sentence(&error))),
        })
    }

    /// Called by webpki for each path that holds: whether denials and constraints leave it standing.
    fn judge(&self, path: &VerifiedPath<'_>, judged: &RefCell<Judged>) -> Result<(), Error> {
        for certificate in path.intermediate_certificates() {
            let der = certificate.der();
            let Some(own) = self.intermediates.iter().find(|own| own.der() == der.as_ref()) else {
                return Err(Error::UnknownIssuer);
            };
            if let Some(flaw) = self.flaw(own, Place::Ca) {
                judged.borrow_mut().ruled_out = Some(flaw);
                return Err(Error::UnknownIssuer);
            }
            match self.ruled_out(own) {
                Ok(None) => {}
                Ok(Some(reason)) => {
                    judged.borrow_mut().ruled_out = Some(reason.to_string());
                    return Err(Error::UnknownIssuer);
                }
                Err(error) => {
                    judged.borrow_mut().failed = Some(error);
                    return Err(Error::UnknownIssuer);
                }
            }
        }
        Ok(())
    }

    fn describe(&self, path: &VerifiedPath<'_>, anchors: &[Certificate]) -> String {
        let (subject, key) = (&path.anchor().subject, &path.anchor().subject_public_key_info);
        let is_end = |own: &&Certificate| {
            own.subject().ends_with(subject.as_ref()) && own.spki().ends_with(key.as_ref())
        };
        let anchor = anchors.iter().find(is_end);
        let anchor = anchor.map_or_else(|| "an anchor".to_owned(), ToString::to_string);
        let through = path.intermediate_certificates().filter_map(|certificate| {
            let der = certificate.der();
            self.intermediates.iter().find(|own| own.der() == der.as_ref())
        });
        let through: Vec<_> = through.map(ToString::to_string).collect();
        if through.is_empty() {
            format!("a path to its anchor {anchor}")
        } else {
            format!("a path through {} to its anchor {anchor}", through.join(", "))
        }
    }

    fn no_issuer(&self) -> String {
        format!(
            "no path from {} to one of its anchors (the issuer is {})",
            self.leaf,
            self.issuers()
        )
    }

    /// The issuers that nothing in the evidence is the certificate of.
    fn issuers(&self) -> String {
        let certificates = || std::iter::once(&self.leaf).chain(&self.intermediates);
        let is_known = |issuer: &[u8]| self.intermediates.iter().any(|c| c.subject() == issuer);
        let open = certificates().filter(|c| !is_known(c.issuer()) || c.issuer() == c.subject());
        let mut open: Vec<_> = open.map(|c| format!("\"{}\"", c.issuer_text())).collect();
        open.dedup();
        open.truncate(3);
        open.join(" or ")
    }

    /// The failure that webpki reports, naming the certificate where it can be told.
    fn sentence(&self, error: &Error) -> String {
        let leaf = self.leaf;
        let in_path = || std::iter::once(&self.leaf).chain(&self.intermediates);
        match error {
            Error::UnknownIssuer => self.no_issuer(),
            Error::CertExpired { not_after, .. } => {
                let ended = i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX);
                let own = in_path().find(|c| c.validity().1 == ended).unwrap_or(&leaf);
                format!("the certificate {own} has expired")
            }
            Error::CertNotValidYet { not_before, .. } => {
                let begins = i64::try_from(not_before.as_secs()).unwrap_or(i64::MAX);
                let own = in_path().find(|c| c.validity().0 == begins).unwrap_or(&leaf);
                format!("the certificate {own} is not valid yet")
            }
            Error::CertRevoked => {
                "a certificate of the path is revoked by a CRL of the policy".into()
            }
            Error::CrlExpired { .. } => {
                "a CRL of the policy has expired; put a new one in place and run peerkey apply"
                    .into()
            }
            Error::CaUsedAsEndEntity => format!("the certificate {leaf} is a CA's, not a peer's"),
            Error::EndEntityUsedAsCa => {
                "a certificate that is no CA's stands above another in the path".into()
            }
            Error::RequiredEkuNotFoundContext(_) => {
                format!("a certificate of the path is not for {}", self.purpose.text())
            }
            Error::NameConstraintViolation => {
                format!("a CA of the path may not issue for the names in {leaf} (name constraints)")
            }
            Error::PathLenConstraintViolated => "the path is longer than a CA in it allows".into(),
            Error::InvalidSignatureForPublicKey => {
                "a signature in the path is wrong: a certificate was changed or forged".into()
            }
            Error::UnsupportedCertVersion => format!("the certificate {leaf} is not of version 3"),
            Error::UnsupportedCriticalExtension => {
                "a certificate of the path has a critical extension that is not known here".into()
            }
            Error::MaximumPathBuildCallsExceeded
            | Error::MaximumPathDepthExceeded
            | Error::MaximumSignatureChecksExceeded
            | Error::MaximumNameConstraintComparisonsExceeded => {
                "the certificates presented make too large a puzzle".into()
            }
            other => format!("the path from {leaf} does not hold ({other:?})"),
        }
    }
}

/// What the judging of paths left behind.
#[derive(Default)]
struct Judged {
    ruled_out: Option<String>,
    failed: Option<StoreError>,
}
