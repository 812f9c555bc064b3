//! Objects and their attributes: certificates, and what NSS is told of its trust in them.

use pkcs11_sys::{
    CK_ATTRIBUTE_TYPE, CK_CERTIFICATE_CATEGORY_AUTHORITY, CK_CERTIFICATE_CATEGORY_OTHER_ENTITY,
    CK_OBJECT_CLASS, CK_ULONG, CKA_CERTIFICATE_CATEGORY, CKA_CERTIFICATE_TYPE, CKA_CLASS, CKA_ID,
    CKA_ISSUER, CKA_LABEL, CKA_MODIFIABLE, CKA_NAME_HASH_ALGORITHM, CKA_PRIVATE, CKA_SERIAL_NUMBER,
    CKA_SUBJECT, CKA_TOKEN, CKA_TRUSTED, CKA_VALUE, CKC_X_509, CKM_SHA256, CKO_CERTIFICATE,
};

use peerkey_core::store::{CertificateRow, Trust, TrustRow};

use crate::vendor::{
    CKA_HASH_OF_CERTIFICATE, CKA_NSS_CERT_SHA1_HASH, CKA_NSS_TRUST_CLIENT_AUTH,
    CKA_NSS_TRUST_CODE_SIGNING, CKA_NSS_TRUST_EMAIL_PROTECTION, CKA_NSS_TRUST_SERVER_AUTH,
    CKA_NSS_TRUST_STEP_UP_APPROVED, CKA_TRUST_CLIENT_AUTH, CKA_TRUST_CODE_SIGNING,
    CKA_TRUST_EMAIL_PROTECTION, CKA_TRUST_SERVER_AUTH, CKO_NSS_TRUST, CKO_TRUST, CKT_NOT_TRUSTED,
    CKT_NSS_MUST_VERIFY_TRUST, CKT_NSS_NOT_TRUSTED, CKT_NSS_TRUSTED, CKT_NSS_TRUSTED_DELEGATOR,
    CKT_TRUST_ANCHOR, CKT_TRUST_MUST_VERIFY_TRUST, CKT_TRUSTED,
};

/// An object of the token.
#[derive(Debug)]
pub(crate) enum Object {
    Certificate(Certificate),
    Trust(TrustObject),
}

/// A certificate: an anchor, a twin of one, or a peer's own.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) row: CertificateRow,
    /// Whether every server may be vouched for with it, as p11-kit's programs understand it.
    pub(crate) trusted: bool,
}

/// How far NSS trusts a certificate.
#[derive(Debug)]
pub(crate) struct TrustObject {
    pub(crate) kind: TrustKind,
    pub(crate) row: TrustRow,
    /// Of which certificate; of none if it is the same for many.
    pub(crate) about: Option<(Vec<u8>, Vec<u8>)>,
}

/// In whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TrustKind {
    /// PKCS#11 3.2, for which NSS 3.114 and newer ask first.
    Standard,
    /// NSS's own.
    Nss,
}

/// An attribute's value.
pub(crate) enum Value<'a> {
    Flag([u8; 1]),
    Number([u8; size_of::<CK_ULONG>()]),
    Bytes(&'a [u8]),
}

impl Value<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Flag(flag) => flag,
            Self::Number(number) => number,
            Self::Bytes(bytes) => bytes,
        }
    }
}

fn flag(flag: bool) -> Option<Value<'static>> {
    Some(Value::Flag([flag.into()]))
}

fn number(number: CK_ULONG) -> Option<Value<'static>> {
    Some(Value::Number(number.to_ne_bytes()))
}

fn bytes(bytes: &[u8]) -> Option<Value<'_>> {
    Some(Value::Bytes(bytes))
}

impl Object {
    /// The value of an attribute, if the object has it.
    pub(crate) fn attribute(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<Value<'_>> {
        match kind {
            CKA_TOKEN => flag(true),
            CKA_PRIVATE | CKA_MODIFIABLE => flag(false),
            _ => match self {
                Self::Certificate(certificate) => certificate.attribute(kind),
                Self::Trust(trust) => trust.attribute(kind),
            },
        }
    }
}

impl Certificate {
    fn attribute(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<Value<'_>> {
        let row = &self.row;
        match kind {
            CKA_CLASS => number(CKO_CERTIFICATE),
            CKA_CERTIFICATE_TYPE => number(CKC_X_509),
            CKA_CERTIFICATE_CATEGORY => number(if row.is_ca {
                CK_CERTIFICATE_CATEGORY_AUTHORITY
            } else {
                CK_CERTIFICATE_CATEGORY_OTHER_ENTITY
            }),
            CKA_TRUSTED => flag(self.trusted),
            CKA_LABEL => bytes(row.label.as_bytes()),
            // With an identifier NSS would look for its key.
            CKA_ID => bytes(&[]),
            CKA_SUBJECT => bytes(&row.subject),
            CKA_ISSUER => bytes(&row.issuer),
            CKA_SERIAL_NUMBER => bytes(&row.serial),
            CKA_VALUE => bytes(&row.der),
            _ => None,
        }
    }
}

impl TrustKind {
    pub(crate) const ALL: [Self; 2] = [Self::Standard, Self::Nss];

    pub(crate) fn class(self) -> CK_OBJECT_CLASS {
        match self {
            Self::Standard => CKO_TRUST,
            Self::Nss => CKO_NSS_TRUST,
        }
    }

    fn level(self, trust: Trust) -> CK_ULONG {
        match (self, trust) {
            (Self::Standard, Trust::Delegator) => CKT_TRUST_ANCHOR,
            (Self::Standard, Trust::Trusted) => CKT_TRUSTED,
            (Self::Standard, Trust::NotTrusted) => CKT_NOT_TRUSTED,
            (Self::Standard, Trust::MustVerify) => CKT_TRUST_MUST_VERIFY_TRUST,
            (Self::Nss, Trust::Delegator) => CKT_NSS_TRUSTED_DELEGATOR,
            (Self::Nss, Trust::Trusted) => CKT_NSS_TRUSTED,
            (Self::Nss, Trust::NotTrusted) => CKT_NSS_NOT_TRUSTED,
            (Self::Nss, Trust::MustVerify) => CKT_NSS_MUST_VERIFY_TRUST,
        }
    }
}

impl TrustObject {
    /// The same level for every use, of whatever certificate.
    pub(crate) fn everywhere(kind: TrustKind, trust: Trust) -> Self {
        let trust = Some(trust);
        let row = TrustRow {
            server: trust,
            client: trust,
            email: trust,
            code: trust,
            sha1: None,
            sha256: None,
        };
        Self { kind, row, about: None }
    }

    fn attribute(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<Value<'_>> {
        match kind {
            CKA_CLASS => number(self.kind.class()),
            CKA_LABEL => bytes(b"peerkey"),
            CKA_ISSUER => self.about.as_ref().and_then(|(issuer, _)| bytes(issuer)),
            CKA_SERIAL_NUMBER => self.about.as_ref().and_then(|(_, serial)| bytes(serial)),
            _ => self.level(kind).or_else(|| self.hash(kind)),
        }
    }

    fn level(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<Value<'_>> {
        let trust = match (self.kind, kind) {
            (TrustKind::Standard, CKA_TRUST_SERVER_AUTH)
            | (TrustKind::Nss, CKA_NSS_TRUST_SERVER_AUTH) => self.row.server,
            (TrustKind::Standard, CKA_TRUST_CLIENT_AUTH)
            | (TrustKind::Nss, CKA_NSS_TRUST_CLIENT_AUTH) => self.row.client,
            (TrustKind::Standard, CKA_TRUST_EMAIL_PROTECTION)
            | (TrustKind::Nss, CKA_NSS_TRUST_EMAIL_PROTECTION) => self.row.email,
            (TrustKind::Standard, CKA_TRUST_CODE_SIGNING)
            | (TrustKind::Nss, CKA_NSS_TRUST_CODE_SIGNING) => self.row.code,
            _ => None,
        };
        trust.and_then(|trust| number(self.kind.level(trust)))
    }

    fn hash(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<Value<'_>> {
        match (self.kind, kind) {
            (TrustKind::Nss, CKA_NSS_TRUST_STEP_UP_APPROVED) => flag(false),
            (TrustKind::Nss, CKA_NSS_CERT_SHA1_HASH) => bytes(self.row.sha1.as_ref()?),
            (TrustKind::Standard, CKA_HASH_OF_CERTIFICATE) => bytes(self.row.sha256.as_ref()?),
            (TrustKind::Standard, CKA_NAME_HASH_ALGORITHM) => {
                self.row.sha256.as_ref().and_then(|_| number(CKM_SHA256))
            }
            _ => None,
        }
    }
}
