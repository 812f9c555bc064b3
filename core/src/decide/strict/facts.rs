//! A certificate, taken apart once for all checks.

use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::certificate::Certificate;
use crate::decide::purpose::Purpose;

/// What the checks look at.
pub(super) struct Facts<'a> {
    pub(super) parsed: X509Certificate<'a>,
    pub(super) own: &'a Certificate,
    pub(super) purpose: Purpose,
}

/// Content octets of object identifiers of RFC 5280.
pub(super) mod oid {
    /// id-ce, the arc of the standard extensions.
    pub(in super::super) const ID_CE: &[u8] = &[0x55, 0x1d];
    /// id-pe, the arc of the Internet's own.
    pub(in super::super) const ID_PE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1];
}

impl<'a> Facts<'a> {
    pub(super) fn of(own: &'a Certificate, purpose: Purpose) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(own.der()).ok()?;
        Some(Self { parsed, own, purpose })
    }

    pub(super) fn extensions(&self) -> impl Iterator<Item = &X509Extension<'a>> {
        self.parsed.extensions().iter()
    }

    /// The first extension of a kind.
    pub(super) fn extension(
        &self,
        is_it: fn(&ParsedExtension<'_>) -> bool,
    ) -> Option<&X509Extension<'a>> {
        self.extensions().find(|extension| is_it(extension.parsed_extension()))
    }

    /// Whether an extension of this kind is there and has this criticality.
    pub(super) fn has(&self, is_it: fn(&ParsedExtension<'_>) -> bool, critical: bool) -> bool {
        self.extensions().any(|e| e.critical == critical && is_it(e.parsed_extension()))
    }

    pub(super) fn has_empty_subject(&self) -> bool {
        self.parsed.subject().iter().next().is_none()
    }

    /// The subjectAltNames as they stand there.
    pub(super) fn names(&self) -> impl Iterator<Item = &GeneralName<'a>> {
        let names = self.extensions().find_map(|e| match e.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(san) => Some(&san.general_names),
            _ => None,
        });
        names.into_iter().flatten()
    }

    /// The bits of keyUsage, bit 0 the lowest.
    pub(super) fn key_usage(&self) -> Option<u16> {
        self.extensions().find_map(|e| match e.parsed_extension() {
            ParsedExtension::KeyUsage(usage) => Some(usage.flags),
            _ => None,
        })
    }

    /// pathLenConstraint.
    pub(super) fn path_length(&self) -> Option<u32> {
        self.extensions().find_map(|e| match e.parsed_extension() {
            ParsedExtension::BasicConstraints(basic) => basic.path_len_constraint,
            _ => None,
        })
    }

    /// Whether it says that it is a CA's.
    pub(super) fn is_ca(&self) -> bool {
        self.own.limits().is_ca == Some(true)
    }
}

/// keyUsage bits (RFC 5280 section 4.2.1.3).
pub(super) mod usage {
    pub(in super::super) const DIGITAL_SIGNATURE: u16 = 1 << 0;
    pub(in super::super) const CONTENT_COMMITMENT: u16 = 1 << 1;
    pub(in super::super) const KEY_ENCIPHERMENT: u16 = 1 << 2;
    pub(in super::super) const DATA_ENCIPHERMENT: u16 = 1 << 3;
    pub(in super::super) const KEY_AGREEMENT: u16 = 1 << 4;
    pub(in super::super) const KEY_CERT_SIGN: u16 = 1 << 5;
    pub(in super::super) const ENCIPHER_ONLY: u16 = 1 << 7;
    pub(in super::super) const DECIPHER_ONLY: u16 = 1 << 8;
}
