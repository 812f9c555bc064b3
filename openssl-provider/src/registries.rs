//! What is kept in OpenSSL's objects, and in whose registry of ex_data indices.
//!
//! Each library context has a registry. An object is made, copied and freed under that of the context
//! which is the thread's default at the moment (OSSL_LIB_CTX_set0_default(3)): not that of its own, and
//! not the same each time. A number means our data in one registry, and the host's in another. So ours
//! have the same numbers in each registry in which we are, and nothing is read or written in an object
//! without the mark that says that it was made in one of them.

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_void};
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::{Mutex, OnceLock};

use crate::bindings::{
    CRYPTO_EX_DATA, CRYPTO_EX_INDEX_SSL, CRYPTO_EX_INDEX_SSL_CTX, CRYPTO_EX_INDEX_X509_STORE_CTX,
    CRYPTO_EX_dup, CRYPTO_EX_free, CRYPTO_EX_new, Libcrypto, OSSL_LIB_CTX,
};
use crate::openssl::OpenSsl;
use crate::{hook, pending, store};

/// What is kept in which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    /// X509_STORE_CTX: the mark.
    Watched,
    /// X509_STORE_CTX: what is kept for a verification outside of TLS.
    Watch,
    /// SSL: the mark.
    Listening,
    /// SSL: the protocols that it offered.
    Offer,
    /// SSL: what is to be remembered of it.
    Pending,
    /// SSL_CTX: the policy that its cache is of. A number; nobody takes it for a pointer.
    Era,
}

struct Class {
    class: c_int,
    new: CRYPTO_EX_new,
    dup: CRYPTO_EX_dup,
    free: CRYPTO_EX_free,
}

const fn class(class: c_int) -> Class {
    Class { class, new: None, dup: None, free: None }
}

/// In the order of `Index`. The functions fit what is put there.
const CLASSES: [Class; 6] = [
    class(CRYPTO_EX_INDEX_X509_STORE_CTX),
    Class { free: Some(store::free_watch), ..class(CRYPTO_EX_INDEX_X509_STORE_CTX) },
    Class { new: Some(mark_new_ssl), ..class(CRYPTO_EX_INDEX_SSL) },
    Class {
        dup: Some(hook::forget_offer),
        free: Some(hook::free_offer),
        ..class(CRYPTO_EX_INDEX_SSL)
    },
    Class {
        dup: Some(hook::forget_offer),
        free: Some(pending::freed),
        ..class(CRYPTO_EX_INDEX_SSL)
    },
    class(CRYPTO_EX_INDEX_SSL_CTX),
];

/// The indices of one copy of OpenSSL.
#[derive(Default)]
pub(crate) struct Registries {
    numbers: OnceLock<[c_int; CLASSES.len()]>,
    /// Two threads can read their configuration at the same time.
    pub(crate) registering: Mutex<()>,
}

impl Registries {
    /// The number of an index; -1, under which nothing can be kept, before any is taken.
    pub(crate) fn number(&self, index: Index) -> c_int {
        self.numbers.get().and_then(|numbers| numbers.get(index as usize)).map_or(-1, |n| *n)
    }
}

/// Whether an object whose data is about to go was made where our indices are its own; `index` is that
/// of its mark.
///
/// # Safety
///
/// `data` is the data of an object of this copy of OpenSSL.
pub(crate) unsafe fn is_marked(
    openssl: &OpenSsl,
    data: *const CRYPTO_EX_DATA,
    index: Index,
    object: *mut c_void,
) -> bool {
    let number = openssl.registries.number(index);
    // SAFETY: as promised; there is null under a number that nothing was put under.
    mark(object) == unsafe { openssl.crypto.CRYPTO_get_ex_data(data, number) }
}

/// Takes the indices in the registry of this thread, with the numbers that they have elsewhere. False if
/// one is in use there.
pub(crate) fn takes_indices(openssl: &'static OpenSsl) -> bool {
    let numbers = &openssl.registries.numbers;
    if numbers.get().is_none() && numbers.set(CLASSES.each_ref().map(|c| next(openssl, c))).is_ok()
    {
        return numbers.get().is_some_and(|numbers| numbers.iter().all(|number| *number >= 0));
    }
    let Some(ours) = numbers.get() else { return false };
    CLASSES.iter().zip(ours).all(|(class, ours)| {
        // Those below ours are never used.
        let next = || next(openssl, class);
        std::iter::repeat_with(next).find(|new| !(0..*ours).contains(new)) == Some(*ours)
    })
}

fn next(openssl: &'static OpenSsl, what: &Class) -> c_int {
    let state = std::ptr::from_ref(openssl).cast_mut().cast();
    let Class { class, new, dup, free } = *what;
    // SAFETY: the functions fit the class, and the state lives as long as the process.
    unsafe { openssl.crypto.CRYPTO_get_ex_new_index(class, 0, state, new, dup, free) }
}

/// The library context in whose registry this thread makes objects.
pub(crate) fn current_registry(crypto: &Libcrypto) -> *mut OSSL_LIB_CTX {
    // SAFETY: OSSL_LIB_CTX_set0_default(3): null changes nothing.
    unsafe { crypto.OSSL_LIB_CTX_set0_default(null_mut()) }
}

/// What says that an object was made in a registry of ours. A copy of the object is none, and no data of
/// a host's looks like it.
pub(crate) fn mark(object: *mut c_void) -> *mut c_void {
    static OURS: u8 = 0;
    without_provenance_mut((&raw const OURS).addr() ^ object.addr())
}

/// Marks an SSL that is being made.
unsafe extern "C" fn mark_new_ssl(
    ssl: *mut c_void,
    _: *mut c_void,
    data: *mut CRYPTO_EX_DATA,
    index: c_int,
    _: c_long,
    state: *mut c_void,
) {
    // SAFETY: `next` gave this state.
    let openssl = unsafe { &*state.cast::<OpenSsl>() };
    if index == openssl.registries.number(Index::Listening) {
        // SAFETY: the object's own data, and the index that we are called for.
        unsafe { openssl.crypto.CRYPTO_set_ex_data(data, index, mark(ssl)) };
    }
}

thread_local! {
    /// While this thread asks whether it is in one of our registries: whether we were called.
    static ASKED: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether a new X509_STORE_CTX comes to us in the registry of this thread. There is no way to ask for
/// it: one is made.
pub(crate) fn is_ours(openssl: &OpenSsl) -> bool {
    ASKED.set(Some(false));
    let crypto = &openssl.crypto;
    // SAFETY: X509_STORE_CTX_init(3) takes null for all three, and X509_STORE_CTX_free for a context.
    unsafe {
        let context = crypto.X509_STORE_CTX_new();
        if !context.is_null() {
            crypto.X509_STORE_CTX_init(context, null_mut(), null_mut(), null_mut());
            crypto.X509_STORE_CTX_free(context);
        }
    }
    ASKED.take() == Some(true)
}

/// Called for each new X509_STORE_CTX: whether it is only there to see that.
pub(crate) fn is_asked() -> bool {
    let asked = ASKED.get().is_some();
    if asked {
        ASKED.set(Some(true));
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    #[test]
    fn each_object_has_its_own_mark() {
        let [a, b] = [1, 2].map(without_provenance_mut);
        assert_ne!(mark(a), mark(b));
        assert_eq!(mark(a), mark(a));
    }

    #[test]
    fn the_numbers_stay() {
        let openssl = host::openssl();
        assert_eq!(Registries::default().number(Index::Watch), -1);
        takes_indices(openssl);
        let number = openssl.registries.number(Index::Watch);
        // In this registry they are in use: by ourselves.
        assert!(number > 0 && !takes_indices(openssl));
        assert_eq!(openssl.registries.number(Index::Watch), number);
    }
}
