//! The objects that were found, by their handles.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, LazyLock};

use pkcs11_sys::CK_OBJECT_HANDLE;

use peerkey_core::map::Map;
use peerkey_core::store::Trust;

use crate::module::Origin;
use crate::object::{Object, TrustKind, TrustObject};

/// What is said of many certificates alike. These are always there, whatever happens to a policy: what
/// is denied stays denied if NSS reads the object later.
static FIXED: LazyLock<[(Fixed, Arc<Object>); 4]> = LazyLock::new(|| {
    [
        (TrustKind::Standard, Trust::NotTrusted),
        (TrustKind::Nss, Trust::NotTrusted),
        (TrustKind::Standard, Trust::MustVerify),
        (TrustKind::Nss, Trust::MustVerify),
    ]
    .map(|(kind, trust)| {
        ((kind, trust), Arc::new(Object::Trust(TrustObject::everywhere(kind, trust))))
    })
});

type Fixed = (TrustKind, Trust);

/// The handle of what is said of many certificates alike: they are not trusted at all (NotTrusted), or
/// no anchors, whoever else says so (MustVerify without a hash, which makes NSS forget what other
/// tokens say of the certificate).
pub(crate) fn everywhere(kind: TrustKind, trust: Trust) -> Option<CK_OBJECT_HANDLE> {
    let place = FIXED.iter().position(|(fixed, _)| *fixed == (kind, trust))?;
    Some(place as CK_OBJECT_HANDLE + 1)
}

/// Handles of this process. Each object is here once for each policy, and for each change of remembered
/// keys: so their number is bounded by what these say, and not by what programs ask.
#[derive(Default)]
pub(crate) struct Objects {
    /// What they come from.
    origin: Option<Origin>,
    now: Generation,
    /// Those of the policy before: NSS may have found them, and not yet read them.
    before: Generation,
    last: CK_OBJECT_HANDLE,
    hasher: RandomState,
}

#[derive(Default)]
struct Generation {
    handles: Map<u64, CK_OBJECT_HANDLE>,
    objects: Map<CK_OBJECT_HANDLE, Arc<Object>>,
}

impl Objects {
    /// The object of a handle.
    pub(crate) fn get(&self, handle: CK_OBJECT_HANDLE) -> Option<Arc<Object>> {
        let fixed = usize::try_from(handle).ok()?.checked_sub(1).and_then(|place| FIXED.get(place));
        if let Some((_, object)) = fixed {
            return Some(Arc::clone(object));
        }
        let kept = self.now.objects.get(&handle).or_else(|| self.before.objects.get(&handle));
        kept.cloned()
    }

    /// The handle of the object that is there under this key, if there is one yet.
    pub(crate) fn known(&mut self, origin: Origin, key: impl Hash) -> Option<CK_OBJECT_HANDLE> {
        self.turn_to(origin);
        self.now.handles.get(&self.hasher.hash_one(key)).copied()
    }

    /// The handle of the object that is there under this key.
    pub(crate) fn handle(
        &mut self,
        origin: Origin,
        key: impl Hash,
        object: impl FnOnce() -> Object,
    ) -> CK_OBJECT_HANDLE {
        self.turn_to(origin);
        let (now, last) = (&mut self.now, &mut self.last);
        *now.handles.entry(self.hasher.hash_one(key)).or_insert_with(|| {
            *last = (*last).max(FIXED.len() as CK_OBJECT_HANDLE) + 1;
            now.objects.insert(*last, Arc::new(object()));
            *last
        })
    }

    fn turn_to(&mut self, origin: Origin) {
        if self.origin != Some(origin) {
            self.origin = Some(origin);
            self.before = std::mem::take(&mut self.now);
        }
    }

    /// Forgets all of them; their handles are not used again.
    pub(crate) fn forget(&mut self) {
        (self.origin, self.now, self.before) = Default::default();
    }
}
