//! Why a call does nothing.

use pkcs11_sys::{
    CK_RV, CKR_ARGUMENTS_BAD, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_BUFFER_TOO_SMALL, CKR_CRYPTOKI_ALREADY_INITIALIZED, CKR_CRYPTOKI_NOT_INITIALIZED,
    CKR_MECHANISM_INVALID, CKR_OBJECT_HANDLE_INVALID, CKR_OK, CKR_OPERATION_NOT_INITIALIZED,
    CKR_SESSION_COUNT, CKR_SESSION_HANDLE_INVALID, CKR_SESSION_PARALLEL_NOT_SUPPORTED,
    CKR_SLOT_ID_INVALID, CKR_TOKEN_WRITE_PROTECTED,
};

/// PKCS#11 2.40 section 5.1, as far as it happens here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    AlreadyInitialised,
    ArgumentsBad,
    AttributeTypeInvalid,
    AttributeValueInvalid,
    BufferTooSmall,
    MechanismInvalid,
    NoSearch,
    NotInitialised,
    ObjectHandleInvalid,
    ParallelSession,
    SessionHandleInvalid,
    SlotIdInvalid,
    TooManySessions,
    WriteProtected,
}

impl Failure {
    fn code(self) -> CK_RV {
        match self {
            Self::AlreadyInitialised => CKR_CRYPTOKI_ALREADY_INITIALIZED,
            Self::ArgumentsBad => CKR_ARGUMENTS_BAD,
            Self::AttributeTypeInvalid => CKR_ATTRIBUTE_TYPE_INVALID,
            Self::AttributeValueInvalid => CKR_ATTRIBUTE_VALUE_INVALID,
            Self::BufferTooSmall => CKR_BUFFER_TOO_SMALL,
            Self::MechanismInvalid => CKR_MECHANISM_INVALID,
            Self::NoSearch => CKR_OPERATION_NOT_INITIALIZED,
            Self::NotInitialised => CKR_CRYPTOKI_NOT_INITIALIZED,
            Self::ObjectHandleInvalid => CKR_OBJECT_HANDLE_INVALID,
            Self::ParallelSession => CKR_SESSION_PARALLEL_NOT_SUPPORTED,
            Self::SessionHandleInvalid => CKR_SESSION_HANDLE_INVALID,
            Self::SlotIdInvalid => CKR_SLOT_ID_INVALID,
            Self::TooManySessions => CKR_SESSION_COUNT,
            Self::WriteProtected => CKR_TOKEN_WRITE_PROTECTED,
        }
    }
}

/// What a call returns.
pub(crate) fn code(result: Result<(), Failure>) -> CK_RV {
    result.map_or_else(Failure::code, |()| CKR_OK)
}
