//! The OpenSSL 3 provider through which unmodified programs follow peerkey's policy.
//!
//! It offers no algorithm. OpenSSL loads it because openssl.cnf names it, and that is its occasion to
//! put a verify callback into every SSL_CTX. docs/openssl.md says what of OpenSSL it relies on.

mod algorithms;
mod bindings;
mod candidates;
mod certified;
mod context;
mod evp;
mod facts;
mod hello;
mod hook;
mod inert;
mod keys;
mod marks;
mod memory;
mod native;
mod objects;
mod openssl;
mod parameters;
mod params;
mod pending;
mod recorded;
mod refusal;
mod registries;
mod remembered;
mod running;
mod sentence;
mod session;
mod ssl;
mod store;
mod tickets;
mod verify;
mod watched;

use std::ffi::{CStr, c_int, c_void};
use std::mem::transmute;

use bindings::{
    OSSL_CORE_HANDLE, OSSL_DISPATCH, OSSL_FUNC_PROVIDER_GET_PARAMS,
    OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, OSSL_FUNC_PROVIDER_TEARDOWN, OSSL_PARAM,
};
use params::Settings;
use peerkey_guest::entry::{guarded, silence_panics};

/// provider(7): called by libcrypto when it has loaded us. It always succeeds: OpenSSL goes on
/// without a provider that fails, and nobody would notice.
///
/// # Safety
///
/// The arguments are those that libcrypto passes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_provider_init(
    handle: *const OSSL_CORE_HANDLE,
    core: *const OSSL_DISPATCH,
    functions: *mut *const OSSL_DISPATCH,
    state: *mut *mut c_void,
) -> c_int {
    silence_panics();
    #[cfg(planted_panic)]
    peerkey_guest::entry::plant(planted);
    // SAFETY: as libcrypto passes them.
    let hooked = unsafe {
        guarded("init", None, || hook_into_caller(handle, core, Settings::read).or(Some(false)))
            // At least every peer is refused then, with a reason: nobody notices that we are not there.
            .or_else(|| {
                guarded("init again", None, || {
                    hook_into_caller(handle, core, |_, _| Settings::unread())
                })
            })
            .unwrap_or(false)
    };
    let inert = || {
        // SAFETY: as above; the table has its last entry at least.
        let function = unsafe { (*core).function }.map(|function| function as *const c_void);
        let met = |words: &'static CStr| {
            // SAFETY: as above.
            let note = || unsafe { inert::note(&Settings::read(handle, table(core)), words) };
            guarded("inert note", (), note);
        };
        guarded("inert", c"inert", || inert::because(function, met)).as_ptr()
    };
    // SAFETY: libcrypto passes places for both.
    unsafe {
        *functions = FUNCTIONS.0.as_ptr();
        *state = if hooked { ACTIVE } else { inert().cast_mut().cast() };
    }
    1
}

/// Panics in the entry that the environment names: in the library of that name that tests build, and
/// nowhere else.
#[cfg(planted_panic)]
fn planted(entry: &str) {
    assert!(std::env::var("PEERKEY_PLANTED_PANIC").as_deref() != Ok(entry), "planted");
}

/// How the settings are asked for.
type Ask = unsafe fn(*const OSSL_CORE_HANDLE, &[OSSL_DISPATCH]) -> Settings;

/// Hooks the copy of OpenSSL that calls us. None where it cannot be told from another.
unsafe fn hook_into_caller(
    handle: *const OSSL_CORE_HANDLE,
    core: *const OSSL_DISPATCH,
    ask: Ask,
) -> Option<bool> {
    // SAFETY: as promised.
    let core = unsafe { table(core) };
    let function = core.first()?.function? as *const c_void;
    // SAFETY: handle and functions as libcrypto passes them.
    let settings = || unsafe { ask(handle, core) };
    Some(hook::register(openssl::copy_with(function, settings)?))
}

/// # Safety
///
/// libcrypto's dispatch table, which ends with number 0.
unsafe fn table<'a>(core: *const OSSL_DISPATCH) -> &'a [OSSL_DISPATCH] {
    // SAFETY: as promised.
    unsafe {
        let length = (0..).take_while(|&i| (*core.add(i)).function_id != 0).count();
        std::slice::from_raw_parts(core, length)
    }
}

/// What libcrypto hands back to us as our state where the hook is in place; else it is a C string that
/// says why not.
const ACTIVE: *mut c_void = std::ptr::without_provenance_mut(1);

struct Functions([OSSL_DISPATCH; 4]);

static FUNCTIONS: Functions = Functions([
    // SAFETY: core_dispatch.h gives the functions of these numbers these types, and libcrypto calls
    // them through those.
    function(OSSL_FUNC_PROVIDER_TEARDOWN, unsafe {
        transmute::<unsafe extern "C" fn(*mut c_void), Function>(teardown)
    }),
    // SAFETY: as above.
    function(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, unsafe {
        transmute::<unsafe extern "C" fn(*mut c_void) -> *const OSSL_PARAM, Function>(
            gettable_params,
        )
    }),
    // SAFETY: as above.
    function(OSSL_FUNC_PROVIDER_GET_PARAMS, unsafe {
        transmute::<unsafe extern "C" fn(*mut c_void, *mut OSSL_PARAM) -> c_int, Function>(
            get_params,
        )
    }),
    OSSL_DISPATCH { function_id: 0, function: None },
]);

type Function = unsafe extern "C" fn();

const fn function(function_id: c_int, function: Function) -> OSSL_DISPATCH {
    OSSL_DISPATCH { function_id, function: Some(function) }
}

/// Nothing to do: the hook stays, as contexts may that have it.
unsafe extern "C" fn teardown(_: *mut c_void) {}

unsafe extern "C" fn gettable_params(_: *mut c_void) -> *const OSSL_PARAM {
    params::gettable()
}

unsafe extern "C" fn get_params(state: *mut c_void, params: *mut OSSL_PARAM) -> c_int {
    // SAFETY: libcrypto passes an array that ends with a null key, and the state that we gave it.
    guarded("get_params", 0, || unsafe {
        let inert = (state != ACTIVE).then(|| CStr::from_ptr(state.cast()));
        params::answer(params, inert).into()
    })
}

#[cfg(test)]
mod host;
