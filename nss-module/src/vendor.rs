//! What PKCS#11 3.0's headers do not name: NSS's own objects (pkcs11n.h), and the trust objects of
//! PKCS#11 3.2, for which NSS 3.114 and newer ask first.

use pkcs11_sys::{CK_ATTRIBUTE_TYPE, CK_OBJECT_CLASS, CK_ULONG};

/// The part of the vendor-defined range that is NSS's.
const NSS: CK_ULONG = 0x8000_0000 | 0x4E53_4350;

/// A trust object as NSS has always had them.
pub(crate) const CKO_NSS_TRUST: CK_OBJECT_CLASS = NSS + 3;
pub(crate) const CKA_NSS_TRUST_SERVER_AUTH: CK_ATTRIBUTE_TYPE = NSS + 0x2000 + 8;
pub(crate) const CKA_NSS_TRUST_CLIENT_AUTH: CK_ATTRIBUTE_TYPE = NSS + 0x2000 + 9;
pub(crate) const CKA_NSS_TRUST_CODE_SIGNING: CK_ATTRIBUTE_TYPE = NSS + 0x2000 + 10;
pub(crate) const CKA_NSS_TRUST_EMAIL_PROTECTION: CK_ATTRIBUTE_TYPE = NSS + 0x2000 + 11;
pub(crate) const CKA_NSS_TRUST_STEP_UP_APPROVED: CK_ATTRIBUTE_TYPE = NSS + 0x2000 + 16;
pub(crate) const CKA_NSS_CERT_SHA1_HASH: CK_ATTRIBUTE_TYPE = NSS + 0x2000 + 100;

pub(crate) const CKT_NSS_TRUSTED: CK_ULONG = NSS + 1;
pub(crate) const CKT_NSS_TRUSTED_DELEGATOR: CK_ULONG = NSS + 2;
pub(crate) const CKT_NSS_MUST_VERIFY_TRUST: CK_ULONG = NSS + 3;
pub(crate) const CKT_NSS_NOT_TRUSTED: CK_ULONG = NSS + 10;

/// A trust object of PKCS#11 3.2 (section 4.16).
pub(crate) const CKO_TRUST: CK_OBJECT_CLASS = 0xb;
pub(crate) const CKA_TRUST_SERVER_AUTH: CK_ATTRIBUTE_TYPE = 0x62c;
pub(crate) const CKA_TRUST_CLIENT_AUTH: CK_ATTRIBUTE_TYPE = 0x62d;
pub(crate) const CKA_TRUST_CODE_SIGNING: CK_ATTRIBUTE_TYPE = 0x62e;
pub(crate) const CKA_TRUST_EMAIL_PROTECTION: CK_ATTRIBUTE_TYPE = 0x62f;
pub(crate) const CKA_HASH_OF_CERTIFICATE: CK_ATTRIBUTE_TYPE = 0x635;

pub(crate) const CKT_TRUSTED: CK_ULONG = 1;
pub(crate) const CKT_TRUST_ANCHOR: CK_ULONG = 2;
pub(crate) const CKT_NOT_TRUSTED: CK_ULONG = 3;
pub(crate) const CKT_TRUST_MUST_VERIFY_TRUST: CK_ULONG = 4;
