//! Every function of the list, called with nothing good.

use std::ffi::c_void;

use pkcs11_sys::{CK_BYTE, CK_NOTIFICATION, CK_RV, CK_SESSION_HANDLE, CK_ULONG};

use super::Library;

/// An argument with nothing in it.
trait Argument {
    /// Null, or this number cut to its type.
    fn of(number: u64) -> Self;
}

impl Argument for CK_ULONG {
    fn of(number: u64) -> Self {
        number
    }
}

impl Argument for CK_BYTE {
    fn of(number: u64) -> Self {
        number as Self
    }
}

impl<T> Argument for *mut T {
    fn of(_: u64) -> Self {
        std::ptr::null_mut()
    }
}

type Notify = unsafe extern "C" fn(CK_SESSION_HANDLE, CK_NOTIFICATION, *mut c_void) -> CK_RV;

impl Argument for Option<Notify> {
    fn of(_: u64) -> Self {
        None
    }
}

trait Function {
    fn with(self, number: u64) -> CK_RV;
}

macro_rules! function {
    ($($argument:ident)*) => {
        impl<$($argument: Argument),*> Function for unsafe extern "C" fn($($argument),*) -> CK_RV {
            fn with(self, number: u64) -> CK_RV {
                // SAFETY: what no function may trip over: null pointers and wrong numbers.
                unsafe { self($($argument::of(number)),*) }
            }
        }
    };
}

function!(A);
function!(A B);
function!(A B C);
function!(A B C D);
function!(A B C D E);
function!(A B C D E F);
function!(A B C D E F G);
function!(A B C D E F G H);

macro_rules! every {
    ($($name:ident)*) => {
        impl Library {
            /// Calls every function but C_Initialize, C_Finalize last, with null for each pointer and this for each
            /// number: its name, and what it returned.
            pub fn call_every_with(&self, number: u64) -> Vec<(&'static str, CK_RV)> {
                vec![$((stringify!($name), self.functions.$name.unwrap().with(number))),*]
            }
        }
    };
}

every!(
    C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo C_GetTokenInfo C_GetMechanismList
    C_GetMechanismInfo C_InitToken C_InitPIN C_SetPIN C_OpenSession C_CloseSession C_CloseAllSessions
    C_GetSessionInfo C_GetOperationState C_SetOperationState C_Login C_Logout C_CreateObject C_CopyObject
    C_DestroyObject C_GetObjectSize C_GetAttributeValue C_SetAttributeValue C_FindObjectsInit
    C_FindObjects C_FindObjectsFinal C_EncryptInit C_Encrypt C_EncryptUpdate C_EncryptFinal C_DecryptInit
    C_Decrypt C_DecryptUpdate C_DecryptFinal C_DigestInit C_Digest C_DigestUpdate C_DigestKey C_DigestFinal
    C_SignInit C_Sign C_SignUpdate C_SignFinal C_SignRecoverInit C_SignRecover C_VerifyInit C_Verify
    C_VerifyUpdate C_VerifyFinal C_VerifyRecoverInit C_VerifyRecover C_DigestEncryptUpdate
    C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate C_GenerateKey C_GenerateKeyPair C_WrapKey
    C_UnwrapKey C_DeriveKey C_SeedRandom C_GenerateRandom C_GetFunctionStatus C_CancelFunction
    C_WaitForSlotEvent C_Finalize
);
