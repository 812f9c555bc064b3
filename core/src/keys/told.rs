//! What NSS is told of the certificate around a remembered key.
//!
//! NSS asks about certificates, never about a peer: so what holds for a key of a peer is told of a
//! certificate only if the policy says the same of every name in it, without anybody else's word. It is
//! asked when NSS asks; a certificate that nobody remembers costs one look-up.

use super::{Book, KeysError, KnownKey};
use crate::certificate::{Certificate, CertificateName};
use crate::crypto::NoCrypto;
use crate::decide::{Decision, Fault};
use crate::peer::Name;
use crate::protocol::Protocol;
use crate::query::{Evidence, ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};
use crate::store::{CertificateRow, Compiled, StoreError, Trust, TrustRow};

/// A certificate with more names than this is told nothing of.
const MOST_NAMES: usize = 16;

/// What NSS is told of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The certificate.
    pub row: CertificateRow,
    /// How far it is trusted: as itself, or not at all.
    pub trust: TrustRow,
}

impl Told {
    /// Whether it is refused by a person's word.
    pub fn is_denial(&self) -> bool {
        self.trust.server == Some(Trust::NotTrusted)
    }
}

/// What is told of a certificate; None for nothing.
pub fn told(
    policy: &Compiled,
    book: &dyn Book,
    der: &[u8],
    now: i64,
) -> Result<Option<Told>, StoreError> {
    let Ok(certificate) = Certificate::from_der(der) else { return Ok(None) };
    let row = CertificateRow::of(&certificate);
    // A hash that is not that of a CA's certificate would void all that NSS knows of the CA.
    let names = names(&certificate);
    if names.is_empty() || policy.nss_is_of_a_ca(&row.issuer, &row.serial)? {
        return Ok(None);
    }
    let book = Known(book);
    let asked = Asked { policy, book: &book, certificate: &certificate, now };
    let (mut accepted, mut denied) = (0, 0);
    for name in &names {
        let Some((accepts, denies)) = asked.about(name)? else { return Ok(None) };
        accepted += usize::from(accepts);
        denied += usize::from(denies);
    }
    let trust = match (accepted, denied) {
        (0, 1..) => {
            let no = Trust::NotTrusted;
            TrustRow { code: Some(no), ..row.trust(no, no, no) }
        }
        (all, 0) if all == names.len() && is_safe(&certificate, now) => {
            row.trust(Trust::Delegator, Trust::Trusted, Trust::MustVerify)
        }
        _ => return Ok(None),
    };
    Ok(Some(Told { row, trust }))
}

/// The peers that a certificate names, if it names nobody else. (Mailboxes are nobody that could be
/// connected to.)
fn names(certificate: &Certificate) -> Vec<Name> {
    let names = certificate.names();
    let mut all = Vec::new();
    for name in &names.supported {
        match name {
            CertificateName::Exact(Name::Email(_)) => {}
            CertificateName::Exact(name) if all.len() < MOST_NAMES => all.push(name.clone()),
            _ => return Vec::new(),
        }
    }
    // Without a DNS name, older code takes the common name for one.
    let has_host = all.iter().any(|name| matches!(name, Name::Host(_)));
    if names.unknown.is_some() || (!has_host && names.beyond.is_some()) {
        return Vec::new();
    }
    all
}

/// Whether NSS takes it for nobody's but its own: what is not explicitly no CA's it takes for a CA's.
fn is_safe(certificate: &Certificate, now: i64) -> bool {
    let (limits, (from, to)) = (certificate.limits(), certificate.validity());
    limits.version == 3 && limits.is_ca == Some(false) && (from..=to).contains(&now)
}

/// What is known already: NSS tells nobody whom it meets, so there is no first use.
struct Known<'a>(&'a dyn Book);

impl Book for Known<'_> {
    fn keys_of(&self, peer: &Name) -> Result<Vec<KnownKey>, KeysError> {
        self.0.keys_of(peer)
    }

    fn may_remember(&self) -> Result<(), KeysError> {
        Err(KeysError::new("", "NSS tells nobody whom it meets"))
    }
}

/// A certificate that is asked about.
struct Asked<'a> {
    policy: &'a Compiled,
    book: &'a dyn Book,
    certificate: &'a Certificate,
    now: i64,
}

impl Asked<'_> {
    /// Whether the policy accepts its key for this peer although the program does not, and whether a
    /// person denied it. None if its key cannot be told.
    fn about(&self, name: &Name) -> Result<Option<(bool, bool)>, StoreError> {
        let Some(query) = self.query(name) else { return Ok(None) };
        let mut decision = Decision::new(self.policy, &query, &NoCrypto)?.with_book(self.book);
        let accepts = decision.overrules(&[Fault::NoTrustedPath])?;
        Ok(Some((accepts, decision.is_denied_by_a_person()?)))
    }

    fn query(&self, name: &Name) -> Option<Query> {
        let mut expected = ExpectedPeer::default();
        match name {
            Name::Host(host) => expected.hosts.push(ExpectedHost::Exact(host.clone())),
            Name::Address(address) => expected.address = Some(*address),
            Name::Email(_) => return None,
        }
        Some(Query {
            role: Role::Server,
            peer: Peer::Expected(expected),
            locator: None,
            protocol: Fact::Known(Protocol::parse("https")?),
            port: None,
            application: Fact::Unknown,
            key: self.certificate.key(&NoCrypto).ok()?,
            evidence: Evidence { leaf: Some(self.certificate.clone()), ..Evidence::default() },
            time: self.now,
        })
    }
}
