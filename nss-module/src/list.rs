//! The list of functions: those that a token of certificates has, and all others, which say that they
//! are not there.

use pkcs11_sys::{CK_FUNCTION_LIST, CK_RV, CK_VERSION, CKR_FUNCTION_NOT_SUPPORTED};

use crate::entries as e;

/// A function that is in the list, whatever its arguments are, and does nothing.
trait Absent {
    const ABSENT: Self;
}

macro_rules! absent {
    ($($argument:ident)*) => {
        impl<$($argument),*> Absent for Option<unsafe extern "C" fn($($argument),*) -> CK_RV> {
            const ABSENT: Self = {
                unsafe extern "C" fn absent<$($argument),*>($(_: $argument),*) -> CK_RV {
                    CKR_FUNCTION_NOT_SUPPORTED
                }
                Some(absent::<$($argument),*>)
            };
        }
    };
}

absent!(A);
absent!(A B);
absent!(A B C);
absent!(A B C D);
absent!(A B C D E);
absent!(A B C D E F);
absent!(A B C D E F G);
absent!(A B C D E F G H);

/// PKCS#11 2.40 section 3.6.
pub(crate) static FUNCTIONS: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
    version: CK_VERSION { major: 2, minor: 40 },
    C_Initialize: Some(e::initialize),
    C_Finalize: Some(e::finalize),
    C_GetInfo: Some(e::get_info),
    C_GetFunctionList: Some(crate::C_GetFunctionList),
    C_GetSlotList: Some(e::get_slot_list),
    C_GetSlotInfo: Some(e::get_slot_info),
    C_GetTokenInfo: Some(e::get_token_info),
    C_GetMechanismList: Some(e::get_mechanism_list),
    C_GetMechanismInfo: Some(e::get_mechanism_info),
    C_InitToken: Absent::ABSENT,
    C_InitPIN: Absent::ABSENT,
    C_SetPIN: Absent::ABSENT,
    C_OpenSession: Some(e::open_session),
    C_CloseSession: Some(e::close_session),
    C_CloseAllSessions: Some(e::close_all_sessions),
    C_GetSessionInfo: Some(e::get_session_info),
    C_GetOperationState: Absent::ABSENT,
    C_SetOperationState: Absent::ABSENT,
    C_Login: Absent::ABSENT,
    C_Logout: Absent::ABSENT,
    C_CreateObject: Absent::ABSENT,
    C_CopyObject: Absent::ABSENT,
    C_DestroyObject: Absent::ABSENT,
    C_GetObjectSize: Absent::ABSENT,
    C_GetAttributeValue: Some(e::get_attribute_value),
    C_SetAttributeValue: Absent::ABSENT,
    C_FindObjectsInit: Some(e::find_objects_init),
    C_FindObjects: Some(e::find_objects),
    C_FindObjectsFinal: Some(e::find_objects_final),
    C_EncryptInit: Absent::ABSENT,
    C_Encrypt: Absent::ABSENT,
    C_EncryptUpdate: Absent::ABSENT,
    C_EncryptFinal: Absent::ABSENT,
    C_DecryptInit: Absent::ABSENT,
    C_Decrypt: Absent::ABSENT,
    C_DecryptUpdate: Absent::ABSENT,
    C_DecryptFinal: Absent::ABSENT,
    C_DigestInit: Absent::ABSENT,
    C_Digest: Absent::ABSENT,
    C_DigestUpdate: Absent::ABSENT,
    C_DigestKey: Absent::ABSENT,
    C_DigestFinal: Absent::ABSENT,
    C_SignInit: Absent::ABSENT,
    C_Sign: Absent::ABSENT,
    C_SignUpdate: Absent::ABSENT,
    C_SignFinal: Absent::ABSENT,
    C_SignRecoverInit: Absent::ABSENT,
    C_SignRecover: Absent::ABSENT,
    C_VerifyInit: Absent::ABSENT,
    C_Verify: Absent::ABSENT,
    C_VerifyUpdate: Absent::ABSENT,
    C_VerifyFinal: Absent::ABSENT,
    C_VerifyRecoverInit: Absent::ABSENT,
    C_VerifyRecover: Absent::ABSENT,
    C_DigestEncryptUpdate: Absent::ABSENT,
    C_DecryptDigestUpdate: Absent::ABSENT,
    C_SignEncryptUpdate: Absent::ABSENT,
    C_DecryptVerifyUpdate: Absent::ABSENT,
    C_GenerateKey: Absent::ABSENT,
    C_GenerateKeyPair: Absent::ABSENT,
    C_WrapKey: Absent::ABSENT,
    C_UnwrapKey: Absent::ABSENT,
    C_DeriveKey: Absent::ABSENT,
    C_SeedRandom: Absent::ABSENT,
    C_GenerateRandom: Absent::ABSENT,
    C_GetFunctionStatus: Some(e::not_parallel),
    C_CancelFunction: Some(e::not_parallel),
    C_WaitForSlotEvent: Absent::ABSENT,
};
