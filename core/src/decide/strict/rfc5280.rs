//! What RFC 5280 demands of one certificate, and how strong keys and signatures must be.

use std::collections::HashSet;

use x509_parser::extensions::{GeneralName, ParsedExtension as Parsed, X509Extension};

use super::facts::{Facts, oid, usage};
use super::{
    ANCHOR, CA, Check, Demand, ENDS, EVERYWHERE, ISSUED, LEAF, PEER, Row, SIGNING, always, check,
    der, key,
};
use crate::decide::purpose::Purpose;

/// 2050-01-01T00:00:00Z.
const YEAR_2050: i64 = 2_524_608_000;

/// The rows, in the order in which the first failure is reported.
pub(super) const CHECKS: &[Check] = &[
    check(always("der", "is not DER throughout", "RFC 5280 4.1; X.690 10"), EVERYWHERE, |f| {
        !der::is_one(f.own.der()) || f.extensions().any(is_not_der)
    }),
    check(
        always("extension-malformed", "has an extension that is malformed", "RFC 5280 4.2"),
        EVERYWHERE,
        |f| f.extensions().any(is_malformed),
    ),
    check(always("extension-twice", "has an extension twice", "RFC 5280 4.2"), EVERYWHERE, |f| {
        f.parsed.extensions_map().is_err()
    }),
    check(
        always(
            "extension-empty",
            "has an extension that is an empty list",
            "RFC 5280 4.2.1.4 to 4.2.1.6, 4.2.1.10 to 4.2.1.13, 4.2.2.1, 4.2.2.2",
        ),
        EVERYWHERE,
        |f| f.extensions().any(is_empty_list),
    ),
    check(
        always(
            "critical-unknown",
            "has a critical extension that is not processed here",
            "RFC 5280 4.2, 6.1.4 (o), 6.1.5 (f)",
        ),
        ENDS,
        |f| f.extensions().any(|e| e.critical && !is_processed(e)),
    ),
    check(
        always(
            "version",
            "is of a version above 3, or has extensions and is not of version 3",
            "RFC 5280 4.1.2.1",
        ),
        ENDS,
        |f| match f.parsed.version().0 {
            2 => false,
            0 | 1 => f.extensions().next().is_some(),
            _ => true,
        },
    ),
    check(
        always(
            "serial",
            "has a serial number that is not 1 to 20 octets of a positive number",
            "RFC 5280 4.1.2.2; BR 7.1.2.7",
        ),
        ISSUED,
        |f| {
            let serial = f.own.serial();
            let negative = serial.first().is_none_or(|first| first & 0x80 != 0);
            negative || serial.len() > 20 || serial.iter().all(|octet| *octet == 0)
        },
    ),
    check(
        always("subject-empty", "is a CA's and has an empty subject", "RFC 5280 4.1.2.4, 4.1.2.6"),
        SIGNING,
        |f| f.has_empty_subject(),
    ),
    check(
        always("time-form", "has a time before 2050 that is not a UTCTime", "RFC 5280 4.1.2.5"),
        ISSUED,
        |f| {
            let validity = f.parsed.validity();
            let times = [validity.not_before, validity.not_after];
            times.iter().any(|time| time.timestamp() < YEAR_2050 && !time.is_utctime())
        },
    ),
    check(
        always("unique-id", "has an issuerUniqueID or a subjectUniqueID", "RFC 5280 4.1.2.8"),
        ENDS,
        |f| f.parsed.issuer_uid.is_some() || f.parsed.subject_uid.is_some(),
    ),
    check(
        always(
            "name-malformed",
            "has a subjectAltName that no name of its kind can be",
            "RFC 5280 4.2.1.6",
        ),
        ISSUED,
        |f| f.names().any(is_malformed_name),
    ),
    check(
        always(
            "san-not-critical",
            "has an empty subject and a subjectAltName that is not critical",
            "RFC 5280 4.1.2.6, 4.2.1.6",
        ),
        LEAF,
        |f| f.has_empty_subject() && f.has(is_san, false),
    ),
    check(
        always(
            "ca-basic-constraints",
            "is used as a CA's and has no critical basicConstraints",
            "RFC 5280 4.2.1.9",
        ),
        CA,
        |f| !f.has(is_basic_constraints, true),
    ),
    check(
        always(
            "anchor-no-ca",
            "is an anchor whose basicConstraints say that it is no CA",
            "RFC 5280 4.2.1.9",
        ),
        ANCHOR,
        |f| f.own.limits().is_ca == Some(false),
    ),
    check(
        always(
            "path-length-without-ca",
            "has a pathLenConstraint and is no CA's",
            "RFC 5280 4.2.1.9",
        ),
        LEAF,
        |f| f.path_length().is_some() && !f.is_ca(),
    ),
    check(always("ca-key-usage", "is a CA's and has no keyUsage", "RFC 5280 4.2.1.3"), CA, |f| {
        f.key_usage().is_none()
    }),
    check(
        always(
            "ca-not-signing",
            "has a keyUsage without keyCertSign",
            "RFC 5280 4.2.1.3, 6.1.4 (n)",
        ),
        SIGNING,
        |f| f.key_usage().is_some_and(|bits| bits & usage::KEY_CERT_SIGN == 0),
    ),
    check(
        always(
            "signing-without-ca",
            "has a keyUsage with keyCertSign and is no CA's",
            "RFC 5280 4.2.1.3, 4.2.1.9",
        ),
        LEAF,
        |f| f.key_usage().is_some_and(|bits| bits & usage::KEY_CERT_SIGN != 0) && !f.is_ca(),
    ),
    check(
        always(
            "key-usage",
            "has a keyUsage that does not allow what it is used for",
            "RFC 5280 4.2.1.3, 4.2.1.12; RFC 4055 1.2; RFC 8813 3; RFC 9295 3; RFC 9881 5",
        ),
        PEER,
        |f| {
            let wanted = wanted_usage(f.purpose) & !key::idle_usage(f);
            f.key_usage().is_some_and(|bits| bits & wanted == 0)
        },
    ),
    // Of certificates that a CA issued: who wrote an anchor down did not choose its bits, and they
    // open nothing that such a key could do.
    check(
        always(
            "key-usage-kind",
            "has a keyUsage with bits that a key of its kind must not have",
            "RFC 9881 5",
        ),
        ISSUED,
        |f| f.key_usage().is_some_and(|bits| bits & key::forbidden_usage(f) != 0),
    ),
    check(
        always("name-constraints-place", "has nameConstraints and is no CA's", "RFC 5280 4.2.1.10"),
        LEAF,
        |f| f.extension(is_name_constraints).is_some() && !f.is_ca(),
    ),
    // The Baseline Requirements allow it (7.1.2.10.8), and webpki obeys them either way.
    check(
        Row {
            id: "name-constraints-not-critical",
            wrong: "has nameConstraints that are not critical",
            source: "RFC 5280 4.2.1.10",
            demand: Demand::Rfc5280,
        },
        CA,
        |f| f.has(is_name_constraints, false),
    ),
    check(
        always(
            "policy-limit-not-critical",
            "has policyConstraints or inhibitAnyPolicy that are not critical",
            "RFC 5280 4.2.1.11, 4.2.1.14",
        ),
        ISSUED,
        |f| f.has(is_policy_limit, false),
    ),
    check(
        always("policy-twice", "names a certificate policy twice", "RFC 5280 4.2.1.4"),
        ISSUED,
        names_a_policy_twice,
    ),
    check(
        always(
            "authority-key-id-half",
            "has an authorityKeyIdentifier with an issuer and no serial number, or the reverse",
            "RFC 5280 4.2.1.1",
        ),
        ISSUED,
        |f| f.extensions().any(is_half_key_id),
    ),
    check(
        always(
            "rsa-short",
            "has an RSA key below 2048 bits, or of a length that is no multiple of 8",
            "NIST SP 800-57 part 1, 5.6.1; BR 6.1.5",
        ),
        EVERYWHERE,
        key::is_short,
    ),
    check(
        always(
            "rsa-numbers",
            "has an RSA key with an even modulus, or an exponent that is even or below 3",
            "RFC 8017 3.1; BR 6.1.6",
        ),
        EVERYWHERE,
        key::has_odd_numbers,
    ),
    check(
        always(
            "curve",
            "has an EC key on a curve other than P-256, P-384 and P-521, or spells it out",
            "RFC 5480 2.1.1; NIST SP 800-57 part 1, 5.6.1; BR 6.1.5, 7.1.3.1.2",
        ),
        EVERYWHERE,
        key::is_on_other_curve,
    ),
    check(
        always(
            "ec-point",
            "has an EC key that is neither an uncompressed nor a compressed point of its curve",
            "RFC 5480 2.2",
        ),
        EVERYWHERE,
        key::has_odd_point,
    ),
    check(
        always(
            "key-kind",
            "has a key that is neither RSA nor EC nor Ed25519 nor Ed448 nor ML-DSA",
            "RFC 8446 4.2.3; RFC 9881 2",
        ),
        EVERYWHERE,
        |f| !key::is_known(f),
    ),
    check(
        always(
            "key-parameters",
            "has an RSA key without NULL parameters, or an Ed25519, Ed448 or ML-DSA key with parameters",
            "RFC 3279 2.3.1; RFC 8410 3; RFC 9881 2",
        ),
        EVERYWHERE,
        key::has_odd_parameters,
    ),
    check(
        always(
            "signature-weak",
            "is signed over SHA-1, MD5 or an older hash",
            "RFC 6194; RFC 6151; BR 7.1.3.2",
        ),
        ISSUED,
        key::is_weakly_signed,
    ),
];

/// The extensions whose values are walked: those of RFC 5280's two arcs.
fn is_not_der(extension: &X509Extension<'_>) -> bool {
    let id = extension.oid.as_bytes();
    let ours = [oid::ID_CE, oid::ID_PE].iter().any(|arc| id.starts_with(arc));
    ours && !der::is_one(extension.value)
}

fn is_malformed(extension: &X509Extension<'_>) -> bool {
    match extension.parsed_extension() {
        Parsed::ParseError { .. } => true,
        // x509-parser takes anything for an OID.
        Parsed::ExtendedKeyUsage(_) => !der::is_list_of(0x06, extension.value),
        Parsed::SubjectAlternativeName(names) => has_unreadable(&names.general_names),
        Parsed::IssuerAlternativeName(names) => has_unreadable(&names.general_names),
        _ => false,
    }
}

fn has_unreadable(names: &[GeneralName<'_>]) -> bool {
    names.iter().any(|name| matches!(name, GeneralName::Invalid(..)))
}

/// Whether it is `SEQUENCE {}` where RFC 5280 wants one element or more.
fn is_empty_list(extension: &X509Extension<'_>) -> bool {
    let is_list = match extension.oid.as_bytes() {
        // subject and issuer alternative names, name constraints, CRL distribution points,
        // certificate policies, policy mappings, policy constraints, extended key usage, freshest CRL
        [0x55, 0x1d, last] => [17, 18, 30, 31, 32, 33, 36, 37, 46].contains(last),
        // authority and subject information access
        [rest @ .., last] => rest == oid::ID_PE && [1, 11].contains(last),
        [] => false,
    };
    is_list && extension.value == [0x30, 0]
}

/// Whether webpki or these tables act on it: keyUsage, subjectAltName, basicConstraints,
/// nameConstraints, cRLDistributionPoints, extKeyUsage.
fn is_processed(extension: &X509Extension<'_>) -> bool {
    match extension.oid.as_bytes() {
        [0x55, 0x1d, last] => [15, 17, 19, 30, 31, 37].contains(last),
        _ => false,
    }
}

/// What a host name, an address or a mailbox cannot be. A name of digits and dots or with an
/// asterisk somewhere is let pass: it matches nobody.
fn is_malformed_name(name: &GeneralName<'_>) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.*".contains(&b);
    match name {
        GeneralName::DNSName(text) => text.is_empty() || !text.bytes().all(plain),
        GeneralName::IPAddress(octets) => ![4, 16].contains(&octets.len()),
        GeneralName::RFC822Name(text) => {
            !text.contains('@') || !text.bytes().all(|b| b.is_ascii_graphic())
        }
        _ => false,
    }
}

fn wanted_usage(purpose: Purpose) -> u16 {
    use usage::{CONTENT_COMMITMENT, DIGITAL_SIGNATURE, KEY_AGREEMENT, KEY_ENCIPHERMENT};
    match purpose {
        Purpose::Server => DIGITAL_SIGNATURE | KEY_ENCIPHERMENT | KEY_AGREEMENT,
        Purpose::Client => DIGITAL_SIGNATURE | KEY_AGREEMENT,
        Purpose::Email => DIGITAL_SIGNATURE | CONTENT_COMMITMENT | KEY_ENCIPHERMENT | KEY_AGREEMENT,
    }
}

fn names_a_policy_twice(facts: &Facts<'_>) -> bool {
    facts.extensions().any(|extension| match extension.parsed_extension() {
        Parsed::CertificatePolicies(policies) => {
            let mut seen = HashSet::new();
            !policies.iter().all(|policy| seen.insert(policy.policy_id.as_bytes()))
        }
        _ => false,
    })
}

fn is_half_key_id(extension: &X509Extension<'_>) -> bool {
    match extension.parsed_extension() {
        Parsed::AuthorityKeyIdentifier(id) => {
            id.authority_cert_issuer.is_some() != id.authority_cert_serial.is_some()
        }
        _ => false,
    }
}

fn is_san(parsed: &Parsed<'_>) -> bool {
    matches!(parsed, Parsed::SubjectAlternativeName(_))
}

fn is_basic_constraints(parsed: &Parsed<'_>) -> bool {
    matches!(parsed, Parsed::BasicConstraints(_))
}

fn is_name_constraints(parsed: &Parsed<'_>) -> bool {
    matches!(parsed, Parsed::NameConstraints(_))
}

fn is_policy_limit(parsed: &Parsed<'_>) -> bool {
    matches!(parsed, Parsed::PolicyConstraints(_) | Parsed::InhibitAnyPolicy(_))
}
