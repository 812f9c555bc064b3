//! Certification paths (RFC 5280 section 6), built and checked by webpki.

mod known;

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use known::KnownPath;
use rustls_pki_types::{
    CertificateDer, Der, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
};
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, Error, ExpirationPolicy,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath,
};

use super::Decision;
use super::authority::{Found, Strength};
use super::cases::{CaseState, Requirement};
use super::limits::Limits;
use super::purpose::Purpose;
use super::puzzle;
use super::strict::{self, Asked, Link, Place};
use crate::certificate::{Certificate, Purposes};
use crate::peer::Name;
use crate::rule::Profile;
use crate::store::{StoreError, StoredAnchor};
use crate::verdict::Reason;

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
        if puzzle::is_too_large(leaf, &search.intermediates) {
            return Ok(Found::silent(puzzle::TOO_LARGE));
        }
        // Without constraints, a path is one for whatever the certificate names.
        let differs =
            (self.policy.meta().constraints > 0).then(|| (peer.clone(), case.protocol.clone()));
        let question = (authority, search.purpose, differs);
        self.findings.searches.once(question, || search.run())
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

/// An anchor that a path may end in.
struct End {
    certificate: Certificate,
    trusted: Arc<TrustAnchor<'static>>,
    link: Link,
}

impl End {
    fn trusted(&self) -> TrustAnchor<'_> {
        TrustAnchor {
            subject: Der::from_slice(&self.trusted.subject),
            subject_public_key_info: Der::from_slice(&self.trusted.subject_public_key_info),
            name_constraints: self.trusted.name_constraints.as_deref().map(Der::from_slice),
        }
    }
}

impl Search<'_> {
    fn run(&self) -> Result<Found, StoreError> {
        if self.is_plain()
            && let Some(text) = self.decision.policy.paths().find(|path| path.answer(self))
        {
            return Ok(Found::vouches(Strength::Path, text));
        }
        if let Some(found) = self.itself()? {
            return Ok(found);
        }
        let leaf = match self.examine(self.leaf, Place::Leaf) {
            Ok(link) => link,
            Err(flaw) => return Ok(Found::silent(flaw)),
        };
        let mut why_no_anchor = None;
        let anchors = self.anchors(&mut why_no_anchor)?;
        if anchors.is_empty() {
            return Ok(Found::silent(why_no_anchor.unwrap_or_else(|| self.no_issuer())));
        }
        let crls = self.crls()?;
        self.search(&leaf, &anchors, &crls)
    }

    /// Whether a path is one for every peer, and for as long as its certificates hold; and these are no
    /// more than is kept in the host's memory.
    fn is_plain(&self) -> bool {
        const LARGEST: usize = 16 << 10;
        let meta = self.decision.policy.meta();
        let octets = || -> usize { self.evidence().map(|one| one.der().len()).sum() };
        meta.denials == 0 && meta.constraints == 0 && meta.crls == 0 && octets() <= LARGEST
    }

    /// The peer's certificate, and what may stand above it.
    fn evidence(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(self.leaf).chain(self.intermediates.iter().copied())
    }

    /// When all certificates of a path hold.
    fn span(&self, path: &VerifiedPath<'_>, end: &End) -> RangeInclusive<i64> {
        let through = self.through(path).chain([self.leaf, &end.certificate]);
        let both = |(from, until): (i64, i64), (begins, ends): (i64, i64)| {
            (from.max(begins), until.min(ends))
        };
        let (from, until) = through.map(Certificate::validity).fold((i64::MIN, i64::MAX), both);
        from..=until
    }

    /// An anchor that is itself the presented certificate vouches for it, if it is valid now.
    fn itself(&self) -> Result<Option<Found>, StoreError> {
        let policy = self.decision.policy;
        let Some(anchor) = policy.anchor_itself(self.authority, self.leaf)? else {
            return Ok(None);
        };
        let leaf = self.leaf;
        Ok(Some(match self.fit(leaf, Place::Own, anchor)? {
            Err(why) => Found::silent(why),
            Ok(_) => {
                let text = format!("the certificate {leaf} is itself an anchor");
                Found::vouches(Strength::Path, text)
            }
        }))
    }

    /// The anchors that a path from here can end in; else why one that was found may not be used.
    fn anchors(&self, why_not: &mut Option<String>) -> Result<Vec<End>, StoreError> {
        let mut anchors = Vec::new();
        for issuer in self.issuers_above() {
            let stored = self.decision.policy.anchors(self.authority, issuer)?;
            for StoredAnchor { purposes, certificate, trusted } in stored.iter() {
                match self.fit(certificate, Place::Anchor, *purposes)? {
                    Ok(link) => anchors.extend(trusted.as_ref().map(|trusted| End {
                        certificate: certificate.clone(),
                        trusted: Arc::clone(trusted),
                        link,
                    })),
                    Err(why) => *why_not = Some(why),
                }
            }
        }
        Ok(anchors)
    }

    /// Whether a certificate may be an anchor for this case; else why not. What it says of itself
    /// holds as if another had said it.
    fn fit(
        &self,
        anchor: &Certificate,
        place: Place,
        purposes: Purposes,
    ) -> Result<Result<Link, String>, StoreError> {
        let (not_before, not_after) = anchor.validity();
        let time = self.decision.query.time;
        if time < not_before || time > not_after {
            let state = if time > not_after { "has expired" } else { "is not valid yet" };
            return Ok(Err(format!("its anchor {anchor} {state}")));
        }
        let own = anchor.limits().purposes.unwrap_or(Purposes::ALL);
        if !self.purpose.is_in(purposes.and(own)) {
            return Ok(Err(format!("its anchor {anchor} is not for {}", self.purpose.text())));
        }
        Ok(match self.ruled_out(anchor)? {
            Some(reason) => Err(reason.to_string()),
            None => self.examine(anchor, place),
        })
    }

    /// What the checks beyond webpki's make of a certificate at its place in a path.
    fn examine(&self, certificate: &Certificate, place: Place) -> Result<Link, String> {
        let asked = Asked { place, purpose: self.purpose, profile: self.profile };
        strict::examine(certificate, asked)
            .map_err(|row| format!("the certificate {certificate} {} ({})", row.wrong, row.id))
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

    /// Each issuer of a certificate in the evidence, once.
    fn issuers_above(&self) -> Vec<&[u8]> {
        let mut issuers: Vec<&[u8]> = vec![self.leaf.issuer()];
        issuers.extend(self.intermediates.iter().map(|certificate| certificate.issuer()));
        issuers.sort_unstable();
        issuers.dedup();
        issuers
    }

    fn crls(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        if !self.decision.policy.has_crls() {
            return Ok(Vec::new());
        }
        let mut crls = Vec::new();
        for issuer in self.issuers_above() {
            crls.extend(self.decision.policy.crls(self.authority, issuer)?);
        }
        Ok(crls)
    }

    fn search(&self, leaf: &Link, ends: &[End], crls: &[Vec<u8>]) -> Result<Found, StoreError> {
        let trusted: Vec<_> = ends.iter().map(End::trusted).collect();
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
        let end_of = |path: &VerifiedPath<'_>| {
            let is_it = |one: &TrustAnchor<'_>| std::ptr::addr_eq(one, path.anchor());
            ends.get(trusted.iter().position(is_it)?)
        };
        let judged = RefCell::new(None);
        let judge = |path: &VerifiedPath<'_>| {
            let why = match end_of(path) {
                Some(end) => self.judge(leaf, path, end),
                None => return Err(Error::UnknownIssuer),
            };
            let holds = matches!(why, Ok(None));
            if !holds {
                *judged.borrow_mut() = Some(why);
            }
            holds.then_some(()).ok_or(Error::UnknownIssuer)
        };
        let time = u64::try_from(self.decision.query.time).unwrap_or(0);
        let verify = |algorithms: &[&dyn SignatureVerificationAlgorithm]| {
            end_entity.verify_for_usage(
                algorithms,
                &trusted,
                &intermediates,
                UnixTime::since_unix_epoch(Duration::from_secs(time)),
                self.purpose.usage(),
                revocation,
                Some(&judge),
            )
        };
        let signatures = &self.decision.findings.searches.signatures;
        let result = signatures.within_bounds(self.decision.crypto.algorithms(), verify);
        let ruled_out = judged.into_inner().transpose()?.flatten();
        Ok(match result {
            Ok(path) => {
                let end = end_of(&path);
                let text = self.describe(&path, end);
                if let (Some(end), true) = (end, self.is_plain()) {
                    let known = KnownPath::new(self, self.span(&path, end), text.clone());
                    self.decision.policy.paths().keep(known);
                }
                Found::vouches(Strength::Path, text)
            }
            Err(error) => Found::silent(ruled_out.unwrap_or_else(|| self.sentence(&error))),
        })
    }

    /// Asked by webpki of each path that holds: why it may not be taken all the same.
    fn judge(
        &self,
        leaf: &Link,
        path: &VerifiedPath<'_>,
        end: &End,
    ) -> Result<Option<String>, StoreError> {
        let mut links = Vec::new();
        for certificate in self.through(path) {
            if let Some(reason) = self.ruled_out(certificate)? {
                return Ok(Some(reason.to_string()));
            }
            match self.examine(certificate, Place::Ca) {
                Ok(link) => links.push(link),
                Err(flaw) => return Ok(Some(flaw)),
            }
        }
        let links: Vec<&Link> = [leaf].into_iter().chain(&links).chain([&end.link]).collect();
        let broken = strict::broken(&links, self.profile);
        Ok(broken.map(|row| {
            let (leaf, end) = (self.leaf, &end.certificate);
            format!("the path from {leaf} to its anchor {end} {} ({})", row.wrong, row.id)
        }))
    }

    /// The CAs between the peer's certificate and the anchor.
    fn through<'p>(&'p self, path: &'p VerifiedPath<'_>) -> impl Iterator<Item = &'p Certificate> {
        path.intermediate_certificates().filter_map(|certificate| {
            let der = certificate.der();
            self.intermediates.iter().find(|own| own.der() == der.as_ref()).copied()
        })
    }

    fn describe(&self, path: &VerifiedPath<'_>, end: Option<&End>) -> String {
        let anchor = end.map_or_else(|| "an anchor".to_owned(), |end| end.certificate.to_string());
        let through: Vec<_> = self.through(path).map(ToString::to_string).collect();
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
        let is_known = |issuer: &[u8]| self.intermediates.iter().any(|c| c.subject() == issuer);
        let open = self.evidence().filter(|c| !is_known(c.issuer()) || c.issuer() == c.subject());
        let mut open: Vec<_> = open.map(|c| format!("\"{}\"", c.issuer_text())).collect();
        open.dedup();
        open.truncate(3);
        open.join(" or ")
    }

    /// The failure that webpki reports, naming the certificate where it can be told.
    fn sentence(&self, error: &Error) -> String {
        let leaf = self.leaf;
        match error {
            Error::UnknownIssuer => self.no_issuer(),
            Error::CertExpired { not_after, .. } => {
                let ended = i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX);
                let own = self.evidence().find(|c| c.validity().1 == ended).unwrap_or(leaf);
                format!("the certificate {own} has expired")
            }
            Error::CertNotValidYet { not_before, .. } => {
                let begins = i64::try_from(not_before.as_secs()).unwrap_or(i64::MAX);
                let own = self.evidence().find(|c| c.validity().0 == begins).unwrap_or(leaf);
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
            Error::UnsupportedCertVersion => {
                let own = self.evidence().find(|c| c.limits().version != 3).unwrap_or(leaf);
                format!("the certificate {own} is not of version 3")
            }
            Error::UnsupportedCriticalExtension => {
                "a certificate of the path has a critical extension that is not known here".into()
            }
            Error::MaximumPathBuildCallsExceeded
            | Error::MaximumPathDepthExceeded
            | Error::MaximumSignatureChecksExceeded
            | Error::MaximumNameConstraintComparisonsExceeded => puzzle::TOO_LARGE.into(),
            Error::InvalidCertValidity => "a certificate of the path ends before it begins".into(),
            Error::SignatureAlgorithmMismatch => {
                "a certificate of the path names two signature algorithms".into()
            }
            Error::UnsupportedSignatureAlgorithmContext(_)
            | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                "a certificate of the path is signed in a way, or by a key, that is not taken"
                    .into()
            }
            Error::BadDer
            | Error::BadDerTime
            | Error::ExtensionValueInvalid
            | Error::MalformedExtensions
            | Error::TrailingData(_) => "a certificate of the path is malformed".into(),
            other => format!("the path from {leaf} does not hold ({other:?})"),
        }
    }
}
