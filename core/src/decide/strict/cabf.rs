//! What the CA/Browser Forum's Baseline Requirements (BR, 2.2.6) demand of public servers, beyond
//! RFC 5280.

use std::net::IpAddr;

use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, ParsedExtension as Parsed};

use super::facts::{Facts, usage};
use super::{CA, Check, Demand, EVERYWHERE, ISSUED, LEAF, Row, check, key, suffix};
use crate::decide::purpose::Purpose;
use crate::peer::{HostName, address_from_octets};

/// The rows, in the order in which the first failure is reported.
pub(super) const CHECKS: &[Check] = &[
    check(
        cabf("cabf-subject-key-id", "is a CA's and has no subjectKeyIdentifier", "BR 7.1.2.6.1"),
        CA,
        |f| f.extension(|e| matches!(e, Parsed::SubjectKeyIdentifier(_))).is_none(),
    ),
    check(
        cabf(
            "cabf-authority-key-id",
            "has no authorityKeyIdentifier with a key identifier",
            "BR 7.1.2.11.1",
        ),
        ISSUED,
        |f| f.extension(names_a_key).is_none(),
    ),
    check(
        cabf("cabf-key-kind", "has a key that is neither rsaEncryption nor EC", "BR 7.1.3.1"),
        EVERYWHERE,
        |f| ![key::RSA, key::EC].contains(&key::kind(f)),
    ),
    check(
        cabf(
            "cabf-eku",
            "has no extKeyUsage that names its use, or one that names anyExtendedKeyUsage, code, \
             e-mail, time stamps or OCSP",
            "BR 7.1.2.7.10",
        ),
        LEAF,
        |f| !purposes(f).is_some_and(|eku| is_for(eku, f.purpose) && !is_for_other_things(eku)),
    ),
    check(
        cabf(
            "cabf-key-usage",
            "has a keyUsage with bits that a server's certificate must not have",
            "BR 7.1.2.7.11",
        ),
        LEAF,
        |f| f.key_usage().is_some_and(|bits| bits & !allowed_usage(key::kind(f)) != 0),
    ),
    check(
        cabf(
            "cabf-san",
            "has a subjectAltName of another kind than a host or an address",
            "BR 7.1.2.7.12",
        ),
        LEAF,
        |f| f.names().any(is_other_kind),
    ),
    check(
        cabf(
            "cabf-common-name",
            "has two common names, or one that no subjectAltName repeats letter for letter",
            "BR 7.1.4.3",
        ),
        LEAF,
        |f| !common_name_is_repeated(f),
    ),
    check(
        cabf(
            "cabf-internal-name",
            "names a host of one label or one for reverse look-ups, or an address that is reserved",
            "BR 4.2.2, 7.1.2.7.12",
        ),
        LEAF,
        |f| f.names().any(is_internal),
    ),
    check(cabf("cabf-wildcard", "has a wildcard over a public suffix", "BR 3.2.2.6"), LEAF, |f| {
        f.names().any(is_public_wildcard)
    }),
    check(
        cabf(
            "cabf-lifetime",
            "is valid for longer than was allowed when it was issued (398 days; 200 from \
             2026-03-15, 100 from 2027-03-15, 47 from 2029-03-15)",
            "BR 6.3.2",
        ),
        LEAF,
        |f| is_long_lived(f.own.validity()),
    ),
];

const fn cabf(id: &'static str, wrong: &'static str, source: &'static str) -> Row {
    Row { id, wrong, source, demand: Demand::Cabf }
}

/// From which day on a certificate may be valid for how many days, the newest first.
const LIFETIMES: [(i64, i64); 4] = [
    (1_868_227_200, 47),  // 2029-03-15
    (1_805_068_800, 100), // 2027-03-15
    (1_773_532_800, 200), // 2026-03-15
    (i64::MIN, 398),
];

/// Both ends belong to the validity, and a second more than a day is another day.
fn is_long_lived((not_before, not_after): (i64, i64)) -> bool {
    let (_, days) = LIFETIMES.iter().find(|(from, _)| not_before >= *from).unwrap_or(&(0, 47));
    not_after.saturating_sub(not_before) >= days * 86_400
}

fn names_a_key(parsed: &Parsed<'_>) -> bool {
    matches!(parsed, Parsed::AuthorityKeyIdentifier(id) if id.key_identifier.is_some())
}

fn purposes<'f, 'a>(facts: &'f Facts<'a>) -> Option<&'f ExtendedKeyUsage<'a>> {
    facts.extensions().find_map(|extension| match extension.parsed_extension() {
        Parsed::ExtendedKeyUsage(eku) => Some(eku),
        _ => None,
    })
}

fn is_for(eku: &ExtendedKeyUsage<'_>, purpose: Purpose) -> bool {
    match purpose {
        Purpose::Server => eku.server_auth,
        Purpose::Client => eku.client_auth,
        Purpose::Email => eku.email_protection,
    }
}

fn is_for_other_things(eku: &ExtendedKeyUsage<'_>) -> bool {
    eku.any || eku.code_signing || eku.email_protection || eku.time_stamping || eku.ocsp_signing
}

fn allowed_usage(kind: &[u8]) -> u16 {
    let encipherment = usage::KEY_ENCIPHERMENT | usage::DATA_ENCIPHERMENT;
    let own = if kind == key::EC { usage::KEY_AGREEMENT } else { encipherment };
    usage::DIGITAL_SIGNATURE | own
}

fn is_other_kind(name: &GeneralName<'_>) -> bool {
    match name {
        GeneralName::DNSName(text) => {
            let host = text.strip_prefix("*.").unwrap_or(text);
            // Underscores and the root's dot are for other records (BR 7.1.2.7.12).
            HostName::parse(host).is_none() || host.contains('_') || host.ends_with('.')
        }
        GeneralName::IPAddress(octets) => address_from_octets(octets).is_none(),
        _ => true,
    }
}

fn common_name_is_repeated(facts: &Facts<'_>) -> bool {
    let mut common = facts.parsed.subject().iter_common_name();
    let Some(first) = common.next() else { return true };
    let text = first.as_str().unwrap_or("");
    let is_it = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(own) => *own == text,
        GeneralName::IPAddress(octets) => {
            address_from_octets(octets).is_some_and(|address| address.to_string() == text)
        }
        _ => false,
    };
    common.next().is_none() && facts.names().any(is_it)
}

fn is_internal(name: &GeneralName<'_>) -> bool {
    match name {
        GeneralName::DNSName(text) => {
            let text = text.to_ascii_lowercase();
            let reverse = [".in-addr.arpa", ".ip6.arpa"].iter().any(|zone| text.ends_with(zone));
            !text.contains('.') || reverse
        }
        GeneralName::IPAddress(octets) => address_from_octets(octets).is_some_and(is_reserved),
        _ => false,
    }
}

/// Whether IANA's registries of special-purpose addresses (RFC 6890) keep it from the public.
fn is_reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let shared = a == 100 && b & 0xc0 == 64;
            let benchmarks = a == 198 && b & 0xfe == 18;
            let protocols = (a, b, c) == (192, 0, 0);
            let named = v4.is_private() || v4.is_loopback() || v4.is_link_local();
            let odd = a == 0 || a >= 224 || v4.is_documentation();
            named || odd || shared || benchmarks || protocols
        }
        // Of IPv6 only 2000::/3 is given out, and in it 2001:db8::/32 and 3fff::/20 are for books.
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            let books = (first, second) == (0x2001, 0xdb8) || first == 0x3fff && second < 0x1000;
            first & 0xe000 != 0x2000 || books
        }
    }
}

fn is_public_wildcard(name: &GeneralName<'_>) -> bool {
    let GeneralName::DNSName(text) = name else { return false };
    let domain = text.strip_prefix("*.").and_then(HostName::parse);
    domain.is_some_and(|domain| suffix::is_public(domain.as_str()))
}
