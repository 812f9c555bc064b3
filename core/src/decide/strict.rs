//! What a certificate in a path must be, beyond what webpki checks: a table, one row a check.
//!
//! `core/docs/strict.md` is this table for people; a test holds the two together.

use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::certificate::{Certificate, CertificateName};
use crate::peer::Name;
use crate::rule::Profile;

/// Where in a path a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The peer's certificate.
    Leaf,
    /// A CA between the peer's certificate and the anchor.
    Ca,
    /// The anchor at the end.
    Anchor,
    /// The peer's certificate, which is an anchor itself.
    Own,
}

/// A row of the table.
pub(super) struct Check {
    /// A stable word, as in the docs and the tests.
    pub(super) id: &'static str,
    /// What is wrong, as a predicate of the certificate: `has a serial number that …`.
    pub(super) wrong: &'static str,
    /// The section that says so.
    #[cfg_attr(not(test), allow(dead_code))]
    pub(super) source: &'static str,
    /// The profile from which on it is demanded.
    pub(super) profile: Profile,
    /// Where in a path it is demanded.
    places: &'static [Place],
    is_wrong: fn(&Facts<'_>) -> bool,
}

/// A certificate, taken apart once for all checks.
struct Facts<'a> {
    parsed: X509Certificate<'a>,
    own: &'a Certificate,
}

/// The first check that the certificate fails at this place; None if it fails none.
pub(super) fn flaw(
    certificate: &Certificate,
    place: Place,
    profile: Profile,
) -> Option<&'static Check> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate.der()) else {
        return CHECKS.first();
    };
    let facts = Facts { parsed, own: certificate };
    CHECKS.iter().find(|check| {
        (check.profile == Profile::Rfc5280 || profile == Profile::Cabf)
            && check.places.contains(&place)
            && (check.is_wrong)(&facts)
    })
}

const EVERYWHERE: &[Place] = &[Place::Leaf, Place::Ca, Place::Anchor, Place::Own];
const ISSUED: &[Place] = &[Place::Leaf, Place::Ca];
const SIGNING: &[Place] = &[Place::Ca, Place::Anchor];
const CA: &[Place] = &[Place::Ca];
const LEAF: &[Place] = &[Place::Leaf];

const fn check(
    id: &'static str,
    wrong: &'static str,
    source: &'static str,
    places: &'static [Place],
    is_wrong: fn(&Facts<'_>) -> bool,
) -> Check {
    Check { id, wrong, source, profile: Profile::Rfc5280, places, is_wrong }
}

const fn cabf(
    id: &'static str,
    wrong: &'static str,
    source: &'static str,
    places: &'static [Place],
    is_wrong: fn(&Facts<'_>) -> bool,
) -> Check {
    Check { id, wrong, source, profile: Profile::Cabf, places, is_wrong }
}

/// Every check, in the order in which the first failure is reported.
pub(super) const CHECKS: &[Check] = &[
    check(
        "extension-malformed",
        "has an extension that is malformed",
        "RFC 5280 4.2",
        EVERYWHERE,
        |f| f.extensions().any(|e| e.parsed_extension().error().is_some()),
    ),
    check("extension-twice", "has an extension twice", "RFC 5280 4.2", EVERYWHERE, |f| {
        f.parsed.extensions_map().is_err()
    }),
    check(
        "critical-unknown",
        "has a critical extension that is not known here",
        "RFC 5280 4.2",
        EVERYWHERE,
        |f| f.extensions().any(|e| e.critical && e.parsed_extension().unsupported()),
    ),
    check(
        "version",
        "has extensions and is not of version 3",
        "RFC 5280 4.1.2.1",
        EVERYWHERE,
        |f| f.parsed.version().0 != 2 && f.extensions().next().is_some(),
    ),
    check(
        "serial",
        "has a serial number that is not 1 to 20 octets of a positive number",
        "RFC 5280 4.1.2.2",
        ISSUED,
        |f| {
            let serial = f.own.serial();
            let negative = serial.first().is_none_or(|first| first & 0x80 != 0);
            negative || serial.len() > 20 || serial.iter().all(|octet| *octet == 0)
        },
    ),
    check("issuer-empty", "has an empty issuer", "RFC 5280 4.1.2.4", ISSUED, |f| {
        f.parsed.issuer().iter().next().is_none()
    }),
    check(
        "subject-empty",
        "is a CA's and has an empty subject",
        "RFC 5280 4.1.2.6",
        SIGNING,
        |f| f.parsed.subject().iter().next().is_none(),
    ),
    check(
        "san-not-critical",
        "has an empty subject and a subjectAltName that is not critical",
        "RFC 5280 4.2.1.6",
        LEAF,
        |f| {
            let empty = f.parsed.subject().iter().next().is_none();
            empty && f.extension(is_san).is_some_and(|e| !e.critical)
        },
    ),
    check("san-empty", "has an empty subjectAltName", "RFC 5280 4.2.1.6", EVERYWHERE, |f| {
        f.extensions().any(|e| match e.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(san) => san.general_names.is_empty(),
            _ => false,
        })
    }),
    check("validity", "has a notAfter before its notBefore", "RFC 5280 4.1.2.5", EVERYWHERE, |f| {
        f.own.validity().0 > f.own.validity().1
    }),
    check(
        "time-form",
        "has a time before 2050 that is not a UTCTime",
        "RFC 5280 4.1.2.5",
        ISSUED,
        |f| {
            let validity = f.parsed.validity();
            [validity.not_before, validity.not_after]
                .iter()
                .any(|time| time.timestamp() < YEAR_2050 && !time.is_utctime())
        },
    ),
    check(
        "unique-id",
        "has an issuerUniqueID or subjectUniqueID",
        "RFC 5280 4.1.2.8",
        ISSUED,
        |f| f.parsed.issuer_uid.is_some() || f.parsed.subject_uid.is_some(),
    ),
    check(
        "ca-basic-constraints",
        "is used as a CA's without a critical basicConstraints that says so",
        "RFC 5280 4.2.1.9",
        CA,
        |f| {
            let critical = f.extension(is_basic_constraints).is_some_and(|e| e.critical);
            f.own.limits().is_ca != Some(true) || !critical
        },
    ),
    check(
        "anchor-no-ca",
        "is an anchor whose basicConstraints say that it is no CA",
        "RFC 5280 4.2.1.9",
        &[Place::Anchor],
        |f| f.own.limits().is_ca == Some(false),
    ),
    check("ca-key-usage", "is a CA's and has no keyUsage", "RFC 5280 4.2.1.3", CA, |f| {
        f.own.limits().signs_certificates.is_none()
    }),
    check(
        "ca-not-signing",
        "has a keyUsage without keyCertSign",
        "RFC 5280 4.2.1.3",
        SIGNING,
        |f| f.own.limits().signs_certificates == Some(false),
    ),
    check(
        "leaf-key-usage",
        "has a keyUsage that allows no signature and no key exchange",
        "RFC 5280 4.2.1.3",
        LEAF,
        |f| match f.parsed.key_usage() {
            Ok(Some(usage)) => {
                let usage = usage.value;
                !(usage.digital_signature() || usage.key_agreement() || usage.key_encipherment())
            }
            _ => false,
        },
    ),
    check(
        "key-usage-empty",
        "has a keyUsage that allows nothing",
        "RFC 5280 4.2.1.3",
        EVERYWHERE,
        |f| matches!(f.parsed.key_usage(), Ok(Some(usage)) if usage.value.flags == 0),
    ),
    check(
        "path-length-without-ca",
        "has a pathLenConstraint and is no CA's",
        "RFC 5280 4.2.1.9",
        LEAF,
        |f| match f.parsed.basic_constraints() {
            Ok(Some(basic)) => basic.value.path_len_constraint.is_some() && !basic.value.ca,
            _ => false,
        },
    ),
    check(
        "name-constraints-place",
        "has nameConstraints that are not critical, or not in a CA's certificate",
        "RFC 5280 4.2.1.10",
        ISSUED,
        |f| {
            f.extension(is_name_constraints)
                .is_some_and(|e| !e.critical || f.own.limits().is_ca != Some(true))
        },
    ),
    check(
        "policy-constraints",
        "has policyConstraints or inhibitAnyPolicy that are not critical",
        "RFC 5280 4.2.1.11, 4.2.1.14",
        ISSUED,
        |f| f.extensions().any(|e| is_policy_limit(e) && !e.critical),
    ),
    check(
        "key-id-critical",
        "has a critical key identifier, or critical access information",
        "RFC 5280 4.2.1.1, 4.2.1.2, 4.2.2",
        EVERYWHERE,
        |f| f.extensions().any(|e| is_key_id_or_access(e) && e.critical),
    ),
    check(
        "eku-empty",
        "has an empty extKeyUsage",
        "RFC 5280 4.2.1.12",
        EVERYWHERE,
        |f| matches!(f.parsed.extended_key_usage(), Ok(Some(eku)) if no_purpose(eku.value)),
    ),
    check(
        "rsa-short",
        "has an RSA key below 2048 bits, or of a length that is no multiple of 8",
        "NIST SP 800-57 part 1, 5.6.1; CA/Browser Forum BR 6.1.5",
        EVERYWHERE,
        |f| {
            crate::key::Key::rsa_bits(f.own.spki()).is_some_and(|bits| bits < 2048 || bits % 8 != 0)
        },
    ),
    check(
        "rsa-exponent",
        "has an RSA key with an exponent that is even or below 3",
        "RFC 8017 3.1",
        EVERYWHERE,
        |f| match f.parsed.public_key().parsed() {
            Ok(PublicKey::RSA(rsa)) => {
                let exponent = strip_zeros(rsa.exponent);
                matches!(exponent, [] | [1]) || exponent.last().is_some_and(|e| e % 2 == 0)
            }
            _ => false,
        },
    ),
    check(
        "curve",
        "has an EC key on a curve other than P-256, P-384 and P-521",
        "NIST SP 800-57 part 1, 5.6.1; CA/Browser Forum BR 6.1.5",
        EVERYWHERE,
        |f| {
            let algorithm = &f.parsed.public_key().algorithm;
            let curve = || algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok());
            algorithm.algorithm.as_bytes() == EC_PUBLIC_KEY
                && !curve().is_some_and(|c| CURVES.contains(&c.as_bytes()))
        },
    ),
    check(
        "key-kind",
        "has a key that is neither RSA nor EC nor Ed25519 nor Ed448",
        "RFC 8446 4.2.3",
        EVERYWHERE,
        |f| !KEY_KINDS.contains(&f.parsed.public_key().algorithm.algorithm.as_bytes()),
    ),
    check(
        "signature-weak",
        "is signed with SHA-1 or MD5",
        "RFC 6194; RFC 6151; CA/Browser Forum BR 7.1.3.2",
        ISSUED,
        |f| WEAK_SIGNATURES.contains(&f.parsed.signature_algorithm.algorithm.as_bytes()),
    ),
    cabf(
        "cabf-subject-key-id",
        "is a CA's and has no subjectKeyIdentifier",
        "CA/Browser Forum BR 7.1.2.10.3; RFC 5280 4.2.1.2",
        CA,
        |f| f.extension(is_subject_key_id).is_none(),
    ),
    cabf(
        "cabf-authority-key-id",
        "has no authorityKeyIdentifier with a key identifier",
        "CA/Browser Forum BR 7.1.2.11.1; RFC 5280 4.2.1.1",
        ISSUED,
        |f| !f.extensions().any(names_authority_key),
    ),
    cabf(
        "cabf-eku",
        "has no extKeyUsage that names serverAuth, or names anyExtendedKeyUsage",
        "CA/Browser Forum BR 7.1.2.7.10",
        LEAF,
        |f| match f.parsed.extended_key_usage() {
            Ok(Some(eku)) => !eku.value.server_auth || eku.value.any,
            _ => true,
        },
    ),
    cabf(
        "cabf-common-name",
        "has a common name that no subjectAltName repeats",
        "CA/Browser Forum BR 7.1.4.3",
        LEAF,
        |f| !f.common_names_are_repeated(),
    ),
    cabf(
        "cabf-san",
        "has no subjectAltName, or one of a kind other than a host or an address",
        "CA/Browser Forum BR 7.1.2.7.12",
        LEAF,
        |f| {
            let names = f.own.names();
            names.supported.is_empty()
                || names.unsupported_kind
                || names
                    .supported
                    .iter()
                    .any(|n| matches!(n, CertificateName::Exact(Name::Email(_))))
        },
    ),
    cabf(
        "cabf-wildcard",
        "has a wildcard over a public suffix",
        "CA/Browser Forum BR 3.2.2.6",
        LEAF,
        |f| f.own.names().supported.iter().any(is_public_wildcard),
    ),
    cabf(
        "cabf-lifetime",
        "is valid for more than 398 days",
        "CA/Browser Forum BR 6.3.2",
        LEAF,
        |f| f.own.validity().1 - f.own.validity().0 >= 398 * 86_400,
    ),
    cabf(
        "cabf-ca-eku",
        "is a CA's and has an extKeyUsage without serverAuth",
        "CA/Browser Forum BR 7.1.2.10.6",
        CA,
        |f| match f.parsed.extended_key_usage() {
            Ok(Some(eku)) => !eku.value.server_auth && !eku.value.any,
            _ => false,
        },
    ),
];

/// 2050-01-01T00:00:00Z.
const YEAR_2050: i64 = 2_524_608_000;

const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// secp256r1, secp384r1, secp521r1 (RFC 5480 section 2.1.1.1).
const CURVES: [&[u8]; 3] = [
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    &[0x2b, 0x81, 0x04, 0x00, 0x22],
    &[0x2b, 0x81, 0x04, 0x00, 0x23],
];

/// rsaEncryption, RSASSA-PSS, id-ecPublicKey, Ed25519, Ed448.
const KEY_KINDS: [&[u8]; 5] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a],
    EC_PUBLIC_KEY,
    &[0x2b, 0x65, 0x70],
    &[0x2b, 0x65, 0x71],
];

/// md2/md5/sha1WithRSAEncryption, ecdsa-with-SHA1, dsa-with-sha1.
const WEAK_SIGNATURES: [&[u8]; 5] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x02],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],
    &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03],
];

impl<'a> Facts<'a> {
    fn extensions(&self) -> impl Iterator<Item = &X509Extension<'a>> {
        self.parsed.extensions().iter()
    }

    fn extension(&self, is_it: fn(&ParsedExtension<'_>) -> bool) -> Option<&X509Extension<'a>> {
        self.extensions().find(|extension| is_it(extension.parsed_extension()))
    }

    fn common_names_are_repeated(&self) -> bool {
        self.parsed.subject().iter_common_name().all(|common| {
            let text = common.as_str().unwrap_or("");
            self.own.names().supported.iter().any(|name| name.to_string() == text)
        })
    }
}

fn is_san(parsed: &ParsedExtension<'_>) -> bool {
    matches!(parsed, ParsedExtension::SubjectAlternativeName(_))
}

fn is_basic_constraints(parsed: &ParsedExtension<'_>) -> bool {
    matches!(parsed, ParsedExtension::BasicConstraints(_))
}

fn is_name_constraints(parsed: &ParsedExtension<'_>) -> bool {
    matches!(parsed, ParsedExtension::NameConstraints(_))
}

fn is_subject_key_id(parsed: &ParsedExtension<'_>) -> bool {
    matches!(parsed, ParsedExtension::SubjectKeyIdentifier(_))
}

fn is_policy_limit(extension: &X509Extension<'_>) -> bool {
    matches!(
        extension.parsed_extension(),
        ParsedExtension::PolicyConstraints(_) | ParsedExtension::InhibitAnyPolicy(_)
    )
}

fn is_key_id_or_access(extension: &X509Extension<'_>) -> bool {
    matches!(
        extension.parsed_extension(),
        ParsedExtension::SubjectKeyIdentifier(_)
            | ParsedExtension::AuthorityKeyIdentifier(_)
            | ParsedExtension::AuthorityInfoAccess(_)
            | ParsedExtension::SubjectInfoAccess(_)
    )
}

fn names_authority_key(extension: &X509Extension<'_>) -> bool {
    match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.is_some(),
        _ => false,
    }
}

fn no_purpose(eku: &x509_parser::extensions::ExtendedKeyUsage<'_>) -> bool {
    let known = eku.any
        || eku.server_auth
        || eku.client_auth
        || eku.code_signing
        || eku.email_protection
        || eku.time_stamping
        || eku.ocsp_signing;
    !known && eku.other.is_empty()
}

fn strip_zeros(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|octet| *octet != 0).unwrap_or(number.len());
    &number[start..]
}

fn is_public_wildcard(name: &CertificateName) -> bool {
    let CertificateName::Wildcard(domain) = name else { return false };
    let domain = domain.as_str().as_bytes();
    psl::suffix(domain)
        .is_some_and(|suffix| suffix.typ() == Some(psl::Type::Icann) && suffix.as_bytes() == domain)
}
