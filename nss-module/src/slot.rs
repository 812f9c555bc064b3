//! The one slot, and the token in it, as docs/nss.md says that NSS wants them.

use pkcs11_sys::{
    CK_EFFECTIVELY_INFINITE, CK_FLAGS, CK_INFO, CK_SESSION_INFO, CK_SLOT_ID, CK_SLOT_INFO,
    CK_TOKEN_INFO, CK_UNAVAILABLE_INFORMATION, CK_VERSION, CKF_REMOVABLE_DEVICE,
    CKF_SERIAL_SESSION, CKF_TOKEN_INITIALIZED, CKF_TOKEN_PRESENT, CKF_WRITE_PROTECTED,
    CKS_RO_PUBLIC_SESSION,
};

use crate::failure::Failure;

/// The slot's number.
pub(crate) const SLOT: CK_SLOT_ID = 1;

const MAKER: &str = "peerkey";
const TOKEN: &str = "peerkey policy";
const VERSION: CK_VERSION = CK_VERSION {
    major: decimal(env!("CARGO_PKG_VERSION_MAJOR")),
    minor: decimal(env!("CARGO_PKG_VERSION_MINOR")),
};
const NO_VERSION: CK_VERSION = CK_VERSION { major: 0, minor: 0 };

/// Without CKF_HW_SLOT: NSS keeps the trust objects of hardware by their issuers alone. Removable: only
/// then NSS asks again whether the token is still the same.
const SLOT_FLAGS: CK_FLAGS = CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE;
const TOKEN_FLAGS: CK_FLAGS = CKF_TOKEN_INITIALIZED | CKF_WRITE_PROTECTED;

/// Fails for another slot than ours.
pub(crate) fn check(slot: CK_SLOT_ID) -> Result<(), Failure> {
    if slot == SLOT { Ok(()) } else { Err(Failure::SlotIdInvalid) }
}

pub(crate) fn library() -> CK_INFO {
    CK_INFO {
        cryptokiVersion: CK_VERSION { major: 2, minor: 40 },
        manufacturerID: padded(MAKER),
        flags: 0,
        libraryDescription: padded("peerkey trust module"),
        libraryVersion: VERSION,
    }
}

pub(crate) fn slot() -> CK_SLOT_INFO {
    CK_SLOT_INFO {
        slotDescription: padded(MAKER),
        manufacturerID: padded(MAKER),
        flags: SLOT_FLAGS,
        hardwareVersion: NO_VERSION,
        firmwareVersion: VERSION,
    }
}

pub(crate) fn token(sessions: usize) -> CK_TOKEN_INFO {
    CK_TOKEN_INFO {
        label: padded(TOKEN),
        manufacturerID: padded(MAKER),
        model: padded("1"),
        serialNumber: padded("1"),
        flags: TOKEN_FLAGS,
        ulMaxSessionCount: CK_EFFECTIVELY_INFINITE,
        ulSessionCount: sessions as u64,
        // None.
        ulMaxRwSessionCount: CK_UNAVAILABLE_INFORMATION,
        ulRwSessionCount: 0,
        ulMaxPinLen: 0,
        ulMinPinLen: 0,
        ulTotalPublicMemory: CK_UNAVAILABLE_INFORMATION,
        ulFreePublicMemory: CK_UNAVAILABLE_INFORMATION,
        ulTotalPrivateMemory: CK_UNAVAILABLE_INFORMATION,
        ulFreePrivateMemory: CK_UNAVAILABLE_INFORMATION,
        hardwareVersion: NO_VERSION,
        firmwareVersion: VERSION,
        utcTime: padded(""),
    }
}

pub(crate) fn session() -> CK_SESSION_INFO {
    CK_SESSION_INFO {
        slotID: SLOT,
        state: CKS_RO_PUBLIC_SESSION,
        flags: CKF_SERIAL_SESSION,
        ulDeviceError: 0,
    }
}

/// A text as PKCS#11 wants it: with blanks behind it, and no null.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [b' '; N];
    field.iter_mut().zip(text.bytes()).for_each(|(field, byte)| *field = byte);
    field
}

const fn decimal(text: &str) -> u8 {
    match u8::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => 0,
    }
}
