//! OpenSSL's `TRUSTED CERTIFICATE`: a certificate, and what its owner lets it be used for.

use crate::certificate::{Certificate, Purposes};
use crate::der;

const SERVER: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
const EMAIL: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 4];
const ANY: &[u8] = &[0x55, 0x1d, 0x25, 0];

/// Reads a certificate with an X509_CERT_AUX behind it (OpenSSL `x_x509a.c`), or without:
/// `SEQUENCE { trust SEQUENCE OF OID OPTIONAL, reject [0] SEQUENCE OF OID OPTIONAL, … }`.
pub(super) fn read(der: &[u8]) -> Result<(Certificate, Purposes), String> {
    let (_, behind) = der::read(0x30, der).ok_or("not a DER certificate")?;
    let certificate = &der[..der.len() - behind.len()];
    let certificate = Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    if behind.is_empty() {
        return Ok((certificate, Purposes::ALL));
    }
    let settings = "its trust settings are malformed";
    let (aux, rest) = der::read(0x30, behind).ok_or(settings)?;
    if !rest.is_empty() {
        return Err(format!("{} bytes behind its trust settings", rest.len()));
    }
    let (trust, aux) = optional(0x30, aux).ok_or(settings)?;
    let (reject, rest) = optional(0xa0, aux).ok_or(settings)?;
    // alias, keyid and other say nothing about trust; but they end the structure properly.
    [0x0c, 0x04, 0xa1]
        .into_iter()
        .try_fold(rest, |rest, tag| optional(tag, rest).map(|(_, rest)| rest))
        .filter(|rest| rest.is_empty())
        .ok_or(settings)?;
    // A list of trust that is there and empty trusts nothing (OpenSSL obj_trust).
    let trusted = trust.map_or(Some(Purposes::ALL), purposes).ok_or(settings)?;
    let rejected = reject.map_or(Some(Purposes::default()), purposes).ok_or(settings)?;
    let kept =
        Purposes { server: !rejected.server, client: !rejected.client, email: !rejected.email };
    Ok((certificate, trusted.and(kept)))
}

type Optional<'a> = (Option<&'a [u8]>, &'a [u8]);

/// An element that may be there. None where it is there and broken.
fn optional(tag: u8, der: &[u8]) -> Option<Optional<'_>> {
    if der.first() != Some(&tag) {
        return Some((None, der));
    }
    der::read(tag, der).map(|(content, rest)| (Some(content), rest))
}

/// The purposes in a list of object identifiers.
fn purposes(mut list: &[u8]) -> Option<Purposes> {
    let mut out = Purposes::default();
    while !list.is_empty() {
        let (oid, rest) = der::read(6, list)?;
        out.server |= oid == SERVER || oid == ANY;
        out.client |= oid == CLIENT || oid == ANY;
        out.email |= oid == EMAIL || oid == ANY;
        list = rest;
    }
    Some(out)
}
