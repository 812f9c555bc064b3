//! Null, wrong numbers, wrong sizes.

use std::ptr::null_mut;

use peerkey_tests::call;
use peerkey_tests::pkcs11::{NOT_TRUSTED, TRUST_CLASSES, number, template};
use peerkey_tests::site::Site;
use pkcs11_sys::*;

use super::{initialised, loaded};

/// What each function returns for nothing good.
#[track_caller]
fn expect(calls: Vec<(&str, CK_RV)>, expected: &[(&[&str], CK_RV)], otherwise: CK_RV) {
    assert_eq!(calls.len(), 67);
    for (name, returned) in calls {
        let listed = expected.iter().find(|(names, _)| names.contains(&name));
        let expected = listed.map_or(otherwise, |(_, code)| *code);
        assert_eq!(returned, expected, "{name}");
    }
}

const THERE: &[&str] = &[
    "C_Finalize",
    "C_GetInfo",
    "C_GetSlotList",
    "C_GetSlotInfo",
    "C_GetTokenInfo",
    "C_GetMechanismList",
    "C_GetMechanismInfo",
    "C_OpenSession",
    "C_CloseSession",
    "C_CloseAllSessions",
    "C_GetSessionInfo",
    "C_GetAttributeValue",
    "C_FindObjectsInit",
    "C_FindObjects",
    "C_FindObjectsFinal",
];
const BAD: (&[&str], CK_RV) = (&["C_GetFunctionList"], CKR_ARGUMENTS_BAD);
const SERIAL: (&[&str], CK_RV) =
    (&["C_GetFunctionStatus", "C_CancelFunction"], CKR_FUNCTION_NOT_PARALLEL);

#[test]
fn before_it_is_initialised_and_after_it_is_finalised() {
    let module = loaded();
    for again in [false, true] {
        if again {
            assert_eq!(module.library.initialise(""), CKR_OK);
            assert_eq!(call!(module.library, C_Finalize, null_mut()), CKR_OK);
        }
        for number in [0, 1, u64::MAX] {
            expect(
                module.library.call_every_with(number),
                &[(THERE, CKR_CRYPTOKI_NOT_INITIALIZED), BAD, SERIAL],
                CKR_FUNCTION_NOT_SUPPORTED,
            );
        }
    }
}

#[test]
fn nothing_good() {
    let site = Site::new();
    for number in [0, 2, u64::MAX] {
        let module = initialised(&site, "");
        let slots: &[&str] = &[
            "C_GetSlotInfo",
            "C_GetTokenInfo",
            "C_GetMechanismList",
            "C_GetMechanismInfo",
            "C_OpenSession",
            "C_CloseAllSessions",
        ];
        let sessions: &[&str] = &[
            "C_CloseSession",
            "C_GetSessionInfo",
            "C_GetAttributeValue",
            "C_FindObjectsInit",
            "C_FindObjects",
            "C_FindObjectsFinal",
        ];
        let nulls: &[&str] = &["C_GetInfo", "C_GetFunctionList", "C_GetSlotList"];
        // The last one ends it.
        for (name, code) in module.library.call_every_with(number) {
            let expected = match name {
                _ if slots.contains(&name) => CKR_SLOT_ID_INVALID,
                _ if sessions.contains(&name) => CKR_SESSION_HANDLE_INVALID,
                _ if nulls.contains(&name) => CKR_ARGUMENTS_BAD,
                _ if SERIAL.0.contains(&name) => SERIAL.1,
                "C_Finalize" => CKR_OK,
                _ => CKR_FUNCTION_NOT_SUPPORTED,
            };
            assert_eq!(code, expected, "{name} with {number}");
        }
    }
}

#[test]
fn null_where_all_else_is_right() {
    let site = Site::new();
    let module = initialised(&site, "");
    let library = &module.library;
    let session = library.session().unwrap();
    let bad = CKR_ARGUMENTS_BAD;
    assert_eq!(call!(library, C_GetSlotInfo, 1, null_mut()), bad);
    assert_eq!(call!(library, C_GetTokenInfo, 1, null_mut()), bad);
    assert_eq!(call!(library, C_GetMechanismList, 1, null_mut(), null_mut()), bad);
    let flags = CKF_SERIAL_SESSION;
    assert_eq!(call!(library, C_OpenSession, 1, flags, null_mut(), None, null_mut()), bad);
    assert_eq!(call!(library, C_GetSessionInfo, session, null_mut()), bad);
    assert_eq!(call!(library, C_FindObjectsInit, session, null_mut(), 1), bad);
    assert_eq!(call!(library, C_FindObjectsInit, session, null_mut(), 0), CKR_OK);
    let mut count = 7;
    let mut handle = 0;
    assert_eq!(call!(library, C_FindObjects, session, null_mut(), 1, &raw mut count), bad);
    assert_eq!(call!(library, C_FindObjects, session, &raw mut handle, 1, null_mut()), bad);
    // A call that was refused has not ended the search.
    let end = call!(library, C_FindObjects, session, &raw mut handle, 1, &raw mut count);
    assert_eq!((end, count), (CKR_OK, 0));
    assert_eq!(call!(library, C_Finalize, (&raw mut count).cast()), bad);
}

#[test]
fn templates_that_are_none() {
    let site = Site::new();
    let module = initialised(&site, "");
    let library = &module.library;
    let session = library.session().unwrap();
    let begin = |kind, value: *mut u8, length, count| {
        let mut one = CK_ATTRIBUTE { type_: kind, pValue: value.cast(), ulValueLen: length };
        call!(library, C_FindObjectsInit, session, &raw mut one, count)
    };
    let mut byte = 0_u8;
    let byte = &raw mut byte;
    // More attributes, and longer ones, than there are: nothing of them is looked at.
    for count in [257, u64::from(u32::MAX), u64::MAX] {
        assert_eq!(begin(CKA_CLASS, byte, 1, count), CKR_ARGUMENTS_BAD, "{count}");
    }
    for length in [1 << 40, u64::MAX / 2 + 1, u64::MAX] {
        let code = begin(CKA_SUBJECT, byte, length, 1);
        assert_eq!(code, CKR_ATTRIBUTE_VALUE_INVALID, "{length}");
    }
    assert_eq!(begin(CKA_SUBJECT, null_mut(), 1, 1), CKR_ATTRIBUTE_VALUE_INVALID);
    // What is no class, no flag and no name matches nothing, and breaks nothing.
    for kind in [CKA_CLASS, CKA_TOKEN, CKA_SUBJECT, CKA_ISSUER, 0, u64::MAX] {
        assert_eq!(begin(kind, byte, 1, 1), CKR_OK, "{kind}");
        assert_eq!(begin(kind, null_mut(), 0, 1), CKR_OK, "{kind}");
    }
}

/// Without a policy every certificate has a trust object, so there is one to read.
#[test]
fn places_for_values() {
    let site = Site::new();
    let module = initialised(&site, "");
    let library = &module.library;
    let session = library.session().unwrap();
    let wanted = [
        (CKA_CLASS, number(TRUST_CLASSES[0])),
        (CKA_ISSUER, vec![1]),
        (CKA_SERIAL_NUMBER, vec![2]),
    ];
    let object = library.find(session, &wanted).unwrap()[0];
    let mut place = [0_u8; 9];
    let mut read = |kind, room: Option<u64>, handle| {
        let value = room.map_or(null_mut(), |_| place.as_mut_ptr().cast());
        let mut one = CK_ATTRIBUTE { type_: kind, pValue: value, ulValueLen: room.unwrap_or(99) };
        let code = call!(library, C_GetAttributeValue, session, handle, &raw mut one, 1);
        (code, one.ulValueLen)
    };
    let missing = CK_UNAVAILABLE_INFORMATION;
    assert_eq!(read(CKA_CLASS, None, object), (CKR_OK, 8));
    assert_eq!(read(CKA_CLASS, Some(9), object), (CKR_OK, 8));
    assert_eq!(read(CKA_CLASS, Some(8), object), (CKR_OK, 8));
    assert_eq!(read(CKA_CLASS, Some(7), object), (CKR_BUFFER_TOO_SMALL, missing));
    assert_eq!(read(CKA_CLASS, Some(0), object), (CKR_BUFFER_TOO_SMALL, missing));
    assert_eq!(read(CKA_VALUE, Some(9), object), (CKR_ATTRIBUTE_TYPE_INVALID, missing));
    assert_eq!(read(u64::MAX, None, object), (CKR_ATTRIBUTE_TYPE_INVALID, missing));
    for handle in [0, object + 1000, u64::MAX] {
        assert_eq!(read(CKA_CLASS, None, handle).0, CKR_OBJECT_HANDLE_INVALID, "{handle}");
    }
    // One that is missing keeps no other back.
    let values = [(CKA_VALUE, vec![0; 8]), (CKA_CLASS, vec![0; 8]), (CKA_LABEL, vec![0; 1])];
    let mut places = template(&values);
    let code = call!(library, C_GetAttributeValue, session, object, places.as_mut_ptr(), 3);
    assert_eq!(code, CKR_ATTRIBUTE_TYPE_INVALID);
    assert_eq!(values[1].1, number(TRUST_CLASSES[0]));
    assert_eq!([0, 1, 2].map(|i| places[i].ulValueLen), [missing, 8, missing]);
    assert_ne!(number(NOT_TRUSTED[0]), values[1].1);
}

#[test]
fn a_slot_as_nss_wants_it() {
    let site = Site::new();
    let module = initialised(&site, "");
    let library = &module.library;
    let mut count = 0;
    assert_eq!(call!(library, C_GetSlotList, CK_TRUE, null_mut(), &raw mut count), CKR_OK);
    assert_eq!(count, 1);
    let mut slots = [0; 2];
    count = 0;
    let short = call!(library, C_GetSlotList, CK_TRUE, slots.as_mut_ptr(), &raw mut count);
    assert_eq!((short, count), (CKR_BUFFER_TOO_SMALL, 1));
    // SAFETY: numbers and bytes.
    let mut slot: CK_SLOT_INFO = unsafe { std::mem::zeroed() };
    assert_eq!(call!(library, C_GetSlotInfo, 1, &raw mut slot), CKR_OK);
    assert_eq!(slot.flags, CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE, "no CKF_HW_SLOT");
    // SAFETY: numbers and bytes.
    let mut token: CK_TOKEN_INFO = unsafe { std::mem::zeroed() };
    assert_eq!(call!(library, C_GetTokenInfo, 1, &raw mut token), CKR_OK);
    assert_eq!(token.flags, CKF_TOKEN_INITIALIZED | CKF_WRITE_PROTECTED, "and no login");
    assert_eq!(String::from_utf8_lossy(&token.label).trim_end(), "peerkey policy");
    count = 9;
    assert_eq!(call!(library, C_GetMechanismList, 1, null_mut(), &raw mut count), CKR_OK);
    assert_eq!(count, 0);
    let mut handle = 0;
    let mut open =
        |flags| call!(library, C_OpenSession, 1, flags, null_mut(), None, &raw mut handle);
    assert_eq!(open(CKF_SERIAL_SESSION | CKF_RW_SESSION), CKR_TOKEN_WRITE_PROTECTED);
    assert_eq!(open(0), CKR_SESSION_PARALLEL_NOT_SUPPORTED);
}
