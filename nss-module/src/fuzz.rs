//! The entry point of the fuzz target: calls with templates of any kind, and what must hold of the answers.
//!
//! `nss-module/fuzz` calls it with what libFuzzer makes up (`make fuzz`), and a test with the inputs that are
//! kept in `nss-module/fuzz/corpus` (`make test`).
#![allow(clippy::unwrap_used, reason = "what must hold, holds, or the target has found something")]

use std::path::PathBuf;
use std::ptr::{NonNull, null_mut};
use std::sync::LazyLock;

use peerkey_core::crypto::NoCrypto;
use peerkey_core::{source, store};
use pkcs11_sys::*;

use crate::list::FUNCTIONS;
use crate::vendor::*;

/// Which attributes are asked for.
const KINDS: [CK_ATTRIBUTE_TYPE; 24] = [
    CKA_CLASS,
    CKA_TOKEN,
    CKA_PRIVATE,
    CKA_MODIFIABLE,
    CKA_LABEL,
    CKA_ID,
    CKA_VALUE,
    CKA_ISSUER,
    CKA_SERIAL_NUMBER,
    CKA_SUBJECT,
    CKA_CERTIFICATE_TYPE,
    CKA_CERTIFICATE_CATEGORY,
    CKA_TRUSTED,
    CKA_NSS_TRUST_SERVER_AUTH,
    CKA_NSS_TRUST_CLIENT_AUTH,
    CKA_NSS_TRUST_EMAIL_PROTECTION,
    CKA_NSS_TRUST_CODE_SIGNING,
    CKA_NSS_TRUST_STEP_UP_APPROVED,
    CKA_NSS_CERT_SHA1_HASH,
    CKA_TRUST_SERVER_AUTH,
    CKA_TRUST_EMAIL_PROTECTION,
    CKA_HASH_OF_CERTIFICATE,
    CKA_NAME_HASH_ALGORITHM,
    CKA_START_DATE,
];

/// A policy, and values that are in it.
struct World {
    parameters: String,
    values: Vec<Vec<u8>>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    const FILES: [(&str, &[u8]); 3] = [
        ("root.pem", include_bytes!("../../core/fuzz/world/root.pem")),
        ("other.der", include_bytes!("../../core/fuzz/world/other.der")),
        ("policy.toml", include_bytes!("../fuzz/world/policy.toml")),
    ];
    let memory = PathBuf::from("/dev/shm");
    let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = place.join(format!("peerkey-nss-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, content) in FILES {
        std::fs::write(folder.join(name), content).unwrap();
    }
    let loaded = source::load(&folder, &NoCrypto, 1_800_000_000);
    let policy = loaded.unwrap_or_else(|errors| panic!("{errors:?}")).policy;
    let path = folder.join(store::file_name());
    let _ = std::fs::remove_file(&path);
    store::write(&policy, &path, 1_800_000_000).unwrap();
    let compiled = store::Compiled::open(path.to_str().unwrap()).unwrap();
    let numbers =
        [CKO_CERTIFICATE, CKO_TRUST, CKO_NSS_TRUST, CKC_X_509, 2].map(CK_ULONG::to_ne_bytes);
    let mut values: Vec<_> = numbers.iter().map(|number| number.to_vec()).collect();
    values.extend([vec![CK_TRUE], vec![CK_FALSE], vec![2, 2, 0x0a, 0x1b]]);
    let rows = compiled.nss_page(0, 100, 1_800_000_000).unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        values.extend([row.issuer, row.serial, row.subject, row.der, row.label.into_bytes()]);
    }
    World { parameters: format!("state-dir={}\0", folder.display()), values }
});

/// Input, read from its front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn kind(&mut self) -> CK_ATTRIBUTE_TYPE {
        let byte = self.byte();
        KINDS.get(usize::from(byte)).copied().unwrap_or_else(|| CK_ULONG::from(byte) << 24)
    }
}

macro_rules! call {
    ($name:ident, $($argument:expr),*) => {{
        let function = FUNCTIONS.$name.unwrap();
        #[allow(clippy::macro_metavars_in_unsafe)]
        // SAFETY: as a program must have it: every pointer is null, or leads to as much as is said.
        unsafe { function($($argument),*) }
    }};
}

/// Calls of C_FindObjectsInit and C_GetAttributeValue, one behind the other.
pub fn templates(input: &[u8]) {
    let mut arguments = CK_C_INITIALIZE_ARGS {
        CreateMutex: None,
        DestroyMutex: None,
        LockMutex: None,
        UnlockMutex: None,
        flags: CKF_OS_LOCKING_OK,
        pReserved: WORLD.parameters.as_ptr().cast_mut().cast(),
    };
    call!(C_Initialize, (&raw mut arguments).cast());
    let mut session = 0;
    let opened = call!(C_OpenSession, 1, CKF_SERIAL_SESSION, null_mut(), None, &raw mut session);
    assert_eq!(opened, CKR_OK);
    let mut input = Input(input);
    let mut handles = vec![0, 1, 2, 3, 4, CK_OBJECT_HANDLE::MAX];
    while !input.0.is_empty() {
        if input.byte() % 2 == 0 {
            let found = find(session, &mut input);
            handles.extend(found);
        } else {
            let handle = handles[usize::from(input.byte()) % handles.len()];
            read(session, handle, &mut input);
        }
    }
    assert_eq!(call!(C_CloseSession, session), CKR_OK);
}

/// Searches; all that is found has what was asked for.
fn find(session: CK_SESSION_HANDLE, input: &mut Input<'_>) -> Vec<CK_OBJECT_HANDLE> {
    let count = usize::from(input.byte() % 8);
    let wanted: Vec<_> = (0..count).map(|_| (input.kind(), value(input))).collect();
    let mut template: Vec<_> = wanted.iter().map(|(kind, value)| value.attribute(*kind)).collect();
    let length = template.len() as CK_ULONG;
    let begun = call!(C_FindObjectsInit, session, template.as_mut_ptr(), length);
    if wanted.iter().any(|(_, value)| matches!(value, Asked::TooLong(_) | Asked::Nowhere(1..))) {
        assert_eq!(begun, CKR_ATTRIBUTE_VALUE_INVALID);
        return Vec::new();
    }
    assert_eq!(begun, CKR_OK);
    let most = usize::from(input.byte());
    let mut found = vec![0; most];
    let mut number = 0;
    let next = call!(C_FindObjects, session, found.as_mut_ptr(), most as CK_ULONG, &raw mut number);
    assert_eq!(next, CKR_OK);
    assert_eq!(call!(C_FindObjectsFinal, session), CKR_OK);
    found.truncate(usize::try_from(number).unwrap());
    assert_eq!(found.len() as CK_ULONG, number, "no more than there was room for");
    for handle in &found {
        for (kind, value) in &wanted {
            let own = value_of(session, *handle, *kind);
            // What is the same for many certificates says of none which it is.
            let many = own.is_none() && matches!(*kind, CKA_ISSUER | CKA_SERIAL_NUMBER);
            assert!(many || own.as_deref() == Some(value.bytes()), "{kind:x} of {handle}");
        }
    }
    found
}

/// A value that is asked for.
enum Asked {
    Bytes(Vec<u8>),
    /// Null, with this length.
    Nowhere(u8),
    /// A place, and a length that no value has: it is not looked at.
    TooLong(u8),
}

fn value(input: &mut Input<'_>) -> Asked {
    match input.byte() {
        0 => Asked::Nowhere(input.byte()),
        1 => Asked::TooLong(input.byte()),
        2..64 => {
            let length = usize::from(input.byte());
            Asked::Bytes(input.take(length).to_vec())
        }
        byte => Asked::Bytes(WORLD.values[usize::from(byte) % WORLD.values.len()].clone()),
    }
}

impl Asked {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Nowhere(_) | Self::TooLong(_) => &[],
        }
    }

    fn attribute(&self, kind: CK_ATTRIBUTE_TYPE) -> CK_ATTRIBUTE {
        let dangling = NonNull::<u8>::dangling().as_ptr();
        let (value, length) = match self {
            Self::Bytes(bytes) => (bytes.as_ptr().cast_mut(), bytes.len() as CK_ULONG),
            Self::Nowhere(length) => (null_mut(), CK_ULONG::from(*length)),
            Self::TooLong(byte) => (dangling, CK_ULONG::MAX - CK_ULONG::from(*byte)),
        };
        CK_ATTRIBUTE { type_: kind, pValue: value.cast(), ulValueLen: length }
    }
}

/// Reads some attributes into places of some sizes: nothing is written beyond them.
fn read(session: CK_SESSION_HANDLE, handle: CK_OBJECT_HANDLE, input: &mut Input<'_>) {
    let count = usize::from(input.byte() % 8);
    let kinds: Vec<_> = (0..count).map(|_| input.kind()).collect();
    let mut rooms: Vec<_> = (0..count)
        .map(|_| input.byte())
        .map(|byte| (byte != 255).then(|| vec![0_u8; usize::from(byte) * 4]))
        .collect();
    let mut places: Vec<_> = kinds
        .iter()
        .zip(&mut rooms)
        .map(|(kind, room)| CK_ATTRIBUTE {
            type_: *kind,
            ulValueLen: room.as_ref().map_or(7, |room| room.len() as CK_ULONG),
            pValue: room.as_mut().map_or(null_mut(), |room| room.as_mut_ptr().cast()),
        })
        .collect();
    let length = places.len() as CK_ULONG;
    let code = call!(C_GetAttributeValue, session, handle, places.as_mut_ptr(), length);
    if code == CKR_OBJECT_HANDLE_INVALID {
        return;
    }
    for (place, room) in places.iter().zip(&rooms) {
        let own = value_of(session, handle, place.type_);
        let missing = place.ulValueLen == CK_UNAVAILABLE_INFORMATION;
        match (own, room) {
            (None, _) => assert!(missing && code == CKR_ATTRIBUTE_TYPE_INVALID),
            (Some(own), None) => assert_eq!(place.ulValueLen, own.len() as CK_ULONG),
            (Some(own), Some(room)) if room.len() < own.len() => {
                assert!(missing && code != CKR_OK, "{code}");
            }
            (Some(own), Some(room)) => assert_eq!(room[..own.len()], own),
        }
    }
}

/// An attribute's value, with room for exactly that.
fn value_of(
    session: CK_SESSION_HANDLE,
    handle: CK_OBJECT_HANDLE,
    kind: CK_ATTRIBUTE_TYPE,
) -> Option<Vec<u8>> {
    let mut place = CK_ATTRIBUTE { type_: kind, pValue: null_mut(), ulValueLen: 0 };
    match call!(C_GetAttributeValue, session, handle, &raw mut place, 1) {
        CKR_ATTRIBUTE_TYPE_INVALID => return None,
        code => assert_eq!(code, CKR_OK),
    }
    let mut value = vec![0_u8; usize::try_from(place.ulValueLen).unwrap()];
    // An empty value has no place of its own.
    place.pValue = value.as_mut_ptr().cast();
    assert_eq!(call!(C_GetAttributeValue, session, handle, &raw mut place, 1), CKR_OK);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_inputs() {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            templates(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0);
        let folder = WORLD.parameters.trim_start_matches("state-dir=").trim_end_matches('\0');
        std::fs::remove_dir_all(folder).unwrap();
    }
}
