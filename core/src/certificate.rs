//! A certificate as evidence: what peerkey reads in it (RFC 5280).

mod text;

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

pub(crate) use text::is_shown;
pub use text::printable;
use text::{name_text, shown};

use crate::crypto::Crypto;
#[cfg(feature = "pkix")]
use crate::decide::{Asked, Examined, foresee};
use crate::key::{Key, KeyError};
use crate::peer::{Email, HostName, Name, address_from_octets};
#[cfg(feature = "pkix")]
use crate::query::Role;
use crate::slot::Slot;

/// A longer certificate is not read. TLS stacks refuse whole chains of less (OpenSSL: 100 kB), and what
/// post-quantum signatures make is half as long.
pub const LONGEST: usize = 128 << 10;

/// A parsed certificate, with its DER. A copy is the same one.
#[derive(Clone)]
pub struct Certificate(Arc<Content>);

struct Content {
    der: Vec<u8>,
    places: Places,
    not_before: i64,
    not_after: i64,
    names: Names,
    subject_text: String,
    limits: Limits,
    /// SHA-256 of what is signed, once it was asked for.
    signed: Slot<Option<[u8; 32]>>,
    /// Once it was asked for.
    key: Slot<Option<Key>>,
    #[cfg(feature = "pkix")]
    examined: Slot<Examined>,
}

/// Where in the DER of a certificate its parts are.
struct Places {
    /// The TBSCertificate.
    tbs: Range<usize>,
    subject: Range<usize>,
    issuer: Range<usize>,
    /// The content octets.
    serial: Range<usize>,
    spki: Range<usize>,
}

/// The names in a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The subjectAltNames of a supported kind, in order.
    pub supported: Vec<CertificateName>,
    /// Whether some subjectAltName is of another kind, or not usable.
    pub unsupported_kind: bool,
    /// What makes the certificate speak of more than `supported` says: a kind of name that peerkey
    /// does not compare, or a common name that is not among the subjectAltNames.
    pub beyond: Option<String>,
    /// What of `beyond` stands among the subjectAltNames, or cannot be read.
    pub unknown: Option<String>,
    /// Names of peers in the subject: a common name that is a mailbox, an address, or a host name with
    /// a dot, and emailAddress. (A common name is free text: `Acme Software` and `Example CA` name
    /// nobody who could be connected to.)
    pub in_subject: Vec<CertificateName>,
}

impl Names {
    /// Each name of a peer once, wherever it stands.
    pub fn anywhere(&self) -> impl Iterator<Item = &CertificateName> {
        let more = self.in_subject.iter().filter(|name| !self.supported.contains(name));
        self.supported.iter().chain(more)
    }
}

/// A subjectAltName of a supported kind (RFC 5280 section 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CertificateName {
    /// One name.
    Exact(Name),
    /// `*.example.org`: each name of one label below (RFC 9525 section 6.3).
    Wildcard(HostName),
}

impl CertificateName {
    /// Whether the certificate, by this name, speaks of `name`. `*.org` speaks of nobody, as for every
    /// TLS library (X509_check_host(3)); claimed, it is held to the rules for all below.
    pub fn covers(&self, name: &Name) -> bool {
        match (self, name) {
            (Self::Exact(own), name) => own == name,
            (Self::Wildcard(domain), Name::Host(host)) => {
                domain.parent().is_some() && host.parent().as_ref() == Some(domain)
            }
            _ => false,
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Wildcard(domain) => write!(f, "*.{domain}"),
        }
    }
}

/// What a certificate says of its own use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// basicConstraints with cA TRUE; None without the extension.
    pub is_ca: Option<bool>,
    /// keyUsage has keyCertSign; None without the extension.
    pub signs_certificates: Option<bool>,
    /// extKeyUsage; None without the extension.
    pub purposes: Option<Purposes>,
    /// The value of nameConstraints, a DER NameConstraints.
    pub name_constraints: Option<Vec<u8>>,
    /// X.509 version, 1 to 3.
    pub version: u32,
}

/// For what a certificate or an anchor may be used (RFC 5280 section 4.2.1.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purposes {
    /// TLS server authentication.
    pub server: bool,
    /// TLS client authentication.
    pub client: bool,
    /// E-mail protection.
    pub email: bool,
}

impl Purposes {
    /// Everything.
    pub const ALL: Self = Self { server: true, client: true, email: true };

    /// What both allow.
    pub fn and(self, other: Self) -> Self {
        Self {
            server: self.server && other.server,
            client: self.client && other.client,
            email: self.email && other.email,
        }
    }
}

/// Why bytes are no certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateError(String);

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CertificateError {}

impl Certificate {
    /// Reads one DER certificate, and nothing behind it. No signature is checked.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        Self::taken_apart(der).map(|(certificate, _)| certificate)
    }

    /// The same for a peer's certificate (`is_leaf`) or a CA's that is likely to stand in a path: what is
    /// checked there is looked at while it is taken apart anyway.
    #[cfg(feature = "pkix")]
    pub fn from_der_for_path(
        der: &[u8],
        role: Role,
        is_leaf: bool,
    ) -> Result<Self, CertificateError> {
        Self::foreseen(der, Asked::of_path(role, is_leaf))
    }

    /// The same for an anchor.
    #[cfg(feature = "pkix")]
    pub(crate) fn from_der_for_anchor(der: &[u8]) -> Result<Self, CertificateError> {
        Self::foreseen(der, Asked::of_anchor())
    }

    #[cfg(feature = "pkix")]
    fn foreseen(der: &[u8], asked: Asked) -> Result<Self, CertificateError> {
        let (certificate, parsed) = Self::taken_apart(der)?;
        foresee(&certificate, parsed, asked);
        Ok(certificate)
    }

    fn taken_apart(der: &[u8]) -> Result<(Self, X509Certificate<'_>), CertificateError> {
        if der.len() > LONGEST {
            let why = format!("{} bytes are too long for a certificate", der.len());
            return Err(CertificateError(why));
        }
        let (rest, parsed) = X509Certificate::from_der(der)
            .map_err(|error| CertificateError(format!("not a DER certificate ({error})")))?;
        if !rest.is_empty() {
            return Err(CertificateError(format!("{} bytes behind the certificate", rest.len())));
        }
        let limits = limits(&parsed)?;
        // Each is a part of the DER.
        let place = |part: &[u8]| {
            let begins = part.as_ptr().addr().saturating_sub(der.as_ptr().addr());
            begins..begins + part.len()
        };
        let certificate = Self(Arc::new(Content {
            places: Places {
                tbs: place(parsed.tbs_certificate.as_ref()),
                subject: place(parsed.subject().as_raw()),
                issuer: place(parsed.issuer().as_raw()),
                serial: place(parsed.tbs_certificate.raw_serial()),
                spki: place(parsed.public_key().raw),
            },
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            names: names(&parsed),
            subject_text: shown(&name_text(parsed.subject())),
            limits,
            der: der.to_vec(),
            signed: Slot::default(),
            key: Slot::default(),
            #[cfg(feature = "pkix")]
            examined: Slot::default(),
        }));
        Ok((certificate, parsed))
    }

    /// Whether both are one certificate.
    #[cfg(feature = "pkix")]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.der == other.0.der
    }

    /// The certificate itself.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// SHA-256 of the DER.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.der()).into()
    }

    /// SHA-256 of what is signed, the TBSCertificate: an issuer's ECDSA signature has a second valid
    /// form that anyone can compute, so the whole DER does not identify a certificate.
    pub fn signed_fingerprint(&self) -> [u8; 32] {
        self.0.signed.get_or(|| Sha256::digest(self.part(&self.0.places.tbs)).into())
    }

    fn part(&self, place: &Range<usize>) -> &[u8] {
        self.0.der.get(place.clone()).unwrap_or_default()
    }

    /// Whether this is what its issuer signed, the TBSCertificate, with the signature that it has
    /// (RFC 5280 section 4.1.1).
    pub fn has_signature(&self, tbs: &[u8], signature: &[u8]) -> bool {
        self.part(&self.0.places.tbs) == tbs && self.0.der.ends_with(signature)
    }

    /// The subject, a DER Name.
    pub fn subject(&self) -> &[u8] {
        self.part(&self.0.places.subject)
    }

    /// The issuer, a DER Name.
    pub fn issuer(&self) -> &[u8] {
        self.part(&self.0.places.issuer)
    }

    /// The content octets of the serial number.
    pub fn serial(&self) -> &[u8] {
        self.part(&self.0.places.serial)
    }

    /// The key as it is encoded here, a DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        self.part(&self.0.places.spki)
    }

    /// Its key, in the form in which keys are compared. `crypto` uncompresses EC points.
    pub fn key(&self, crypto: &dyn Crypto) -> Result<Key, KeyError> {
        if let Some(key) = self.0.key.with(|known| known.clone()).flatten() {
            return Ok(key);
        }
        let key = Key::from_spki(self.spki(), crypto)?;
        self.0.key.with(|known| *known = Some(key.clone()));
        Ok(key)
    }

    /// What the checks of paths remember of it.
    #[cfg(feature = "pkix")]
    pub(crate) fn examined(&self) -> &Slot<Examined> {
        &self.0.examined
    }

    /// The first and the last second of validity, since 1970.
    pub fn validity(&self) -> (i64, i64) {
        (self.0.not_before, self.0.not_after)
    }

    /// The names that it speaks of.
    pub fn names(&self) -> &Names {
        &self.0.names
    }

    /// What it says of its own use.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The subject for people, escaped and not too long; may be empty.
    pub fn subject_text(&self) -> &str {
        &self.0.subject_text
    }

    /// The issuer for people, escaped and not too long.
    pub fn issuer_text(&self) -> String {
        X509Name::from_der(self.issuer())
            .map_or_else(|_| String::new(), |(_, name)| shown(&name_text(&name)))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({self})")
    }
}

impl fmt::Display for Certificate {
    /// Its subject, or where that is empty its first name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.subject_text(), self.names().supported.first()) {
            ("", Some(name)) => write!(f, "a certificate for {name}"),
            ("", None) => f.write_str("a certificate without a name"),
            (subject, _) => write!(f, "\"{subject}\""),
        }
    }
}

fn limits(parsed: &X509Certificate<'_>) -> Result<Limits, CertificateError> {
    let malformed =
        |what: &str| CertificateError(format!("its {what} is malformed or twice there"));
    let basic = parsed.basic_constraints().map_err(|_| malformed("basicConstraints"))?;
    let usage = parsed.key_usage().map_err(|_| malformed("keyUsage"))?;
    let purposes = parsed.extended_key_usage().map_err(|_| malformed("extKeyUsage"))?;
    let constraints = parsed.name_constraints().map_err(|_| malformed("nameConstraints"))?;
    let constraints_der = constraints.is_some().then(|| {
        parsed.extensions().iter().find_map(|e| {
            matches!(e.parsed_extension(), ParsedExtension::NameConstraints(_))
                .then(|| e.value.to_vec())
        })
    });
    Ok(Limits {
        is_ca: basic.map(|b| b.value.ca),
        signs_certificates: usage.map(|u| u.value.key_cert_sign()),
        purposes: purposes.map(|p| Purposes {
            server: p.value.any || p.value.server_auth,
            client: p.value.any || p.value.client_auth,
            email: p.value.any || p.value.email_protection,
        }),
        name_constraints: constraints_der.flatten(),
        version: parsed.version().0 + 1,
    })
}

fn names(parsed: &X509Certificate<'_>) -> Names {
    let mut names = Names::default();
    match parsed.subject_alternative_name() {
        Ok(Some(extension)) => {
            for name in &extension.value.general_names {
                match supported(name) {
                    Some(name) => names.supported.push(name),
                    None => {
                        names.unsupported_kind = true;
                        names.unknown = Some(format!("the name {}", shown(&name.to_string())));
                    }
                }
            }
        }
        Ok(None) => {}
        Err(_) => names.unknown = Some("a malformed subjectAltName".into()),
    }
    names.beyond = names.unknown.clone();
    read_subject(parsed, &mut names);
    let stranger = {
        let mut commons = parsed.subject().iter_common_name().peekable();
        // Both can be many: each is read once.
        let own: HashSet<_> =
            commons.peek().map(|_| names.supported.iter()).into_iter().flatten().collect();
        let texts = commons.map(|common| common.as_str().unwrap_or(""));
        let mut strangers =
            texts.filter(|text| !common_name(text).is_some_and(|n| own.contains(&n)));
        strangers.next().map(shown)
    };
    if let Some(text) = stranger {
        names.beyond = Some(format!("the common name \"{text}\", which no subjectAltName repeats"));
    }
    names
}

/// The names of peers that the subject holds.
fn read_subject(parsed: &X509Certificate<'_>, names: &mut Names) {
    let subject = parsed.subject();
    for (attribute, is_mailbox) in subject
        .iter_common_name()
        .map(|attribute| (attribute, false))
        .chain(subject.iter_email().map(|attribute| (attribute, true)))
    {
        let text = attribute.as_str().ok();
        match text.and_then(in_subject) {
            Some(name) => names.in_subject.push(name),
            None if is_mailbox || text.is_none() => {
                names.unknown = Some("a name in its subject that cannot be read".into());
            }
            None => {}
        }
    }
}

/// A common name as the name of a peer, if it is one.
fn in_subject(text: &str) -> Option<CertificateName> {
    if let Some(domain) = text.strip_prefix("*.") {
        return HostName::parse(domain).map(CertificateName::Wildcard);
    }
    let name = Name::parse(text)?;
    let is_free_text = matches!(&name, Name::Host(host) if host.parent().is_none());
    (!is_free_text).then_some(CertificateName::Exact(name))
}

fn supported(name: &GeneralName<'_>) -> Option<CertificateName> {
    match name {
        GeneralName::DNSName(text) => match text.strip_prefix("*.") {
            Some(domain) => HostName::parse(domain).map(CertificateName::Wildcard),
            None => HostName::parse(text).map(|h| CertificateName::Exact(Name::Host(h))),
        },
        GeneralName::IPAddress(octets) => {
            address_from_octets(octets).map(|a| CertificateName::Exact(Name::Address(a)))
        }
        GeneralName::RFC822Name(text) => {
            Email::parse(text).map(|e| CertificateName::Exact(Name::Email(e)))
        }
        _ => None,
    }
}

/// A common name as a subjectAltName would say it.
fn common_name(text: &str) -> Option<CertificateName> {
    match text.strip_prefix("*.") {
        Some(domain) => HostName::parse(domain).map(CertificateName::Wildcard),
        None => Name::parse(text).map(CertificateName::Exact),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_cover_one_label() {
        let wildcard = CertificateName::Wildcard(HostName::parse("example.org").unwrap());
        let covers = |text| wildcard.covers(&Name::parse(text).unwrap());
        assert!(covers("a.example.org"));
        assert!(!covers("example.org"));
        assert!(!covers("a.b.example.org"));
        assert!(!covers("a@example.org"));
        let whole = CertificateName::Wildcard(HostName::parse("org").unwrap());
        assert!(!whole.covers(&Name::parse("example.org").unwrap()));
    }

    #[test]
    fn a_certificate_has_one_signature() {
        let key = rcgen::KeyPair::generate().unwrap();
        let make = |name: &str| {
            let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            let made = parameters.self_signed(&key).unwrap();
            Certificate::from_der(made.der()).unwrap()
        };
        let [one, other] = [make("one.example"), make("other.example")];
        let parts = |of: &Certificate| {
            let (_, parsed) = X509Certificate::from_der(of.der()).unwrap();
            let signature = parsed.signature_value.data.to_vec();
            (parsed.tbs_certificate.as_ref().to_vec(), signature)
        };
        let ((tbs, signature), (others_tbs, others_signature)) = (parts(&one), parts(&other));
        assert!(one.has_signature(&tbs, &signature));
        assert!(!one.has_signature(&others_tbs, &signature));
        assert!(!one.has_signature(&tbs, &others_signature));
        assert!(!one.has_signature(&tbs[1..], &signature));
    }

    #[test]
    fn bytes_that_are_no_certificate_are_refused() {
        for bytes in [&b""[..], b"x", &[0x30, 0x82, 0xff, 0xff], &[0x30, 0]] {
            assert!(Certificate::from_der(bytes).is_err());
        }
    }
}
