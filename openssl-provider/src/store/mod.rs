//! Verifications that belong to no handshake of ours: `openssl verify`, signed mail, OCSP, and TLS
//! programs with a certificate verification callback of their own.
//!
//! Each new X509_STORE_CTX is watched if the policy has anything to say here. Our `verify` step runs
//! when a chain was found; our callback, which hears of errors, is there only where a rule for S/MIME
//! could overrule one. docs/openssl.md, "The X509_STORE level", says what is decided.

mod judge;
mod purpose;

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_long, c_void};
use std::ptr::fn_addr_eq;
use std::sync::atomic::Ordering;

use peerkey_core::decide::{Application, Fault};

use crate::bindings::{
    CRYPTO_EX_DATA, CRYPTO_EX_INDEX_X509_STORE_CTX, OSSL_LIB_CTX, X509_STORE_CTX,
    X509_STORE_CTX_verify_cb, X509_STORE_CTX_verify_fn, X509_V_ERR_APPLICATION_VERIFICATION,
    X509_V_OK,
};
use crate::context::Context;
use crate::native::{fault_of, fault_words, tell};
use crate::openssl::{OpenSsl, SLOTS, copy, per_slot};
use crate::registries::{self, Index, current_registry, mark};
use peerkey_guest::entry::guarded;

/// From now on every new X509_STORE_CTX of this copy is looked at.
pub(crate) fn register(openssl: &'static OpenSsl) -> bool {
    let state = std::ptr::from_ref(openssl).cast_mut().cast();
    // SAFETY: the callbacks fit the class, and the state lives as long as the process.
    let index = unsafe {
        openssl.crypto.CRYPTO_get_ex_new_index(
            CRYPTO_EX_INDEX_X509_STORE_CTX,
            0,
            state,
            Some(new_context),
            None,
            None,
        )
    };
    index >= 0
}

/// Leaves a verification alone: the TLS hook judges it, or it is our own.
pub(crate) fn leave(context: Context<'_>) {
    let Some(watch) = watch(context) else { return };
    watch.left.set(true);
    give_callback_back(context, watch);
    if verify_of(context).is_some_and(|verify| is_ours(context, verify)) && watch.verify.is_some() {
        set_verify(context, watch.verify);
    }
}

/// Whether what stands in this context under libssl's index is an SSL: for the TLS hook libssl has just put
/// it there, else the context may be of a registry where the number is the host's.
pub(crate) fn may_show_ssl(context: Context<'_>) -> bool {
    watch(context).is_none_or(|watch| {
        let registry = context.openssl().ssl_registry.load(Ordering::Acquire);
        watch.left.get() || watch.registry == registry
    })
}

/// What is kept for a verification: what stood in our places, and what was found so far.
struct Watch {
    /// Where it was made.
    registry: *mut OSSL_LIB_CTX,
    left: Cell<bool>,
    verify: X509_STORE_CTX_verify_fn,
    program: X509_STORE_CTX_verify_cb,
    faults: RefCell<Vec<Fault>>,
    /// The first fault in OpenSSL's words.
    words: RefCell<String>,
    overruled: Cell<bool>,
}

/// What the program's own verification came to, before we say anything.
struct Found {
    application: Application,
    /// Whether it only came so far because a fault was overruled.
    overruled: bool,
}

impl Watch {
    fn found(&self, fault: Fault, context: Context<'_>) {
        let mut words = self.words.borrow_mut();
        if words.is_empty() {
            *words = fault_words(context);
        }
        self.faults.borrow_mut().push(fault);
    }

    /// Takes out what was found. An error that the program passed over is recorded in the context.
    fn take(&self, context: Context<'_>) -> Found {
        let mut faults = self.faults.take();
        let mut why = self.words.take();
        let code = context.error();
        if faults.is_empty() && code != X509_V_OK {
            why = context.openssl().error_text(code);
            faults.push(Fault::Other(why.clone()));
        }
        let application = match faults.is_empty() {
            true => Application::Accepts,
            false => Application::Refuses { faults, why },
        };
        Found { application, overruled: self.overruled.take() }
    }
}

/// The last that X509_STORE_CTX_init(3) does. The purpose, the names and the SSL come later.
unsafe extern "C" fn new_context(
    raw: *mut c_void,
    _: *mut c_void,
    _: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    state: *mut c_void,
) {
    if registries::is_asked() {
        return;
    }
    // SAFETY: `register` gave this state.
    let openssl = unsafe { &*state.cast::<OpenSsl>() };
    // SAFETY: the object of this class that is being made.
    let context = unsafe { Context::new(openssl, raw.cast()) };
    let watched = guarded("new_context", None, || match openssl.policies.at_stores() {
        Ok(None) => Some(()),
        Ok(Some(policy)) => begin(context, policy.grants),
        // What cannot be read now will be asked again.
        Err(_) => begin(context, false),
    });
    if watched.is_none() {
        // Without a watch our step refuses: nothing slips through for want of memory.
        set_verify(context, STEPS.get(openssl.slot()).copied());
    }
}

fn begin(context: Context<'_>, grants: bool) -> Option<()> {
    if watch(context).is_some() {
        // The hook is there twice.
        return Some(());
    }
    let slot = context.openssl().slot();
    let program = context.verify_callback().filter(|callback| !is_our_callback(slot, *callback));
    let watch = Box::into_raw(Box::new(Watch {
        registry: current_registry(&context.openssl().crypto),
        left: Cell::new(false),
        verify: verify_of(context).filter(|verify| !is_ours(context, *verify)),
        program,
        faults: RefCell::default(),
        words: RefCell::default(),
        overruled: Cell::new(false),
    }));
    let mark = mark(context.raw().cast());
    if !keep(context, Index::Watched, mark) || !keep(context, Index::Watch, watch.cast()) {
        // SAFETY: nobody else has seen it.
        drop(unsafe { Box::from_raw(watch) });
        return None;
    }
    set_verify(context, Some(*STEPS.get(slot)?));
    if grants {
        context.set_verify_callback(Some(*CALLBACKS.get(slot)?));
    }
    Some(())
}

fn keep(context: Context<'_>, index: Index, what: *mut c_void) -> bool {
    let (crypto, index) = (&context.openssl().crypto, context.openssl().registries.number(index));
    // SAFETY: the context is valid, and being made where the index is ours.
    unsafe { crypto.X509_STORE_CTX_set_ex_data(context.raw(), index, what) == 1 }
}

/// Frees a watch with its context.
pub(crate) unsafe extern "C" fn free_watch(
    context: *mut c_void,
    watch: *mut c_void,
    data: *mut CRYPTO_EX_DATA,
    _: c_int,
    _: c_long,
    state: *mut c_void,
) {
    // SAFETY: OpenSSL calls this once, for what stands under our index, with the state of that. If the
    // context is marked, `begin` put it there.
    guarded("free_watch", (), || unsafe {
        let openssl = &*state.cast();
        if !watch.is_null() && registries::is_marked(openssl, data, Index::Watched, context) {
            drop(Box::from_raw(watch.cast::<Watch>()));
        }
    });
}

/// X509_STORE_CTX_set_verify(3): checks the signatures of the chain that was found, and then its use.
fn verify(context: Context<'_>) -> Option<c_int> {
    let watch = watch(context)?;
    let original = watch.verify?;
    // SAFETY: what OpenSSL, or the program, meant for this context.
    let returned = unsafe { original(context.raw()) };
    if returned <= 0 || context.parent().is_some() {
        return Some(returned);
    }
    // What comes after is the program's alone: nothing of it may be overruled.
    give_callback_back(context, watch);
    Some(judge::judge(context, watch.take(context), returned))
}

/// OpenSSL found a certificate right (`ok`), or reports an error, where a rule could overrule it.
fn step(ok: c_int, context: Context<'_>) -> c_int {
    if let Some(above) = context.parent() {
        // The verification of a CRL's issuer: its errors are nobody's to overrule.
        return tell(watch(above).and_then(|watch| watch.program), ok, context);
    }
    let Some(watch) = watch(context) else { return ok };
    let mut ok = ok;
    if ok == 0 {
        let code = context.error();
        let fault = fault_of(code);
        let fault = fault.unwrap_or_else(|| Fault::Other(context.openssl().error_text(code)));
        watch.found(fault, context);
        if judge::overrules(context, &watch.faults.borrow()) {
            context.set_error(X509_V_OK);
            watch.overruled.set(true);
            ok = 1;
        }
    }
    let goes_on = tell(watch.program, ok, context);
    if ok != 0 && goes_on == 0 {
        watch.found(Fault::Other("a check of the program's own".into()), context);
    }
    if ok == 0 && goes_on != 0 && context.error() == X509_V_OK {
        // The program takes this upon itself: so it accepts.
        watch.faults.borrow_mut().pop();
    }
    goes_on
}

fn watch(context: Context<'_>) -> Option<&Watch> {
    let kept = |index| {
        let openssl = context.openssl();
        let number = openssl.registries.number(index);
        // SAFETY: the context is valid; a number below 0 gives null.
        unsafe { openssl.crypto.X509_STORE_CTX_get_ex_data(context.raw(), number) }
    };
    let is_ours = kept(Index::Watched) == mark(context.raw().cast());
    // SAFETY: with the mark stands null under our index, or what `begin` put there and `free_watch` frees
    // with the context.
    is_ours.then(|| unsafe { kept(Index::Watch).cast::<Watch>().as_ref() })?
}

/// Puts the program's callback where ours stands. One that it has set since stays.
fn give_callback_back(context: Context<'_>, watch: &Watch) {
    let slot = context.openssl().slot();
    if context.verify_callback().is_some_and(|callback| is_our_callback(slot, callback)) {
        context.set_verify_callback(watch.program);
    }
}

/// What checks the signatures of the chain that was found.
pub(crate) fn verify_of(context: Context<'_>) -> X509_STORE_CTX_verify_fn {
    // SAFETY: the context is valid.
    unsafe { context.openssl().crypto.X509_STORE_CTX_get_verify(context.raw()) }
}

fn set_verify(context: Context<'_>, verify: X509_STORE_CTX_verify_fn) {
    // SAFETY: the context is valid, and functions of this type take it.
    unsafe { context.openssl().crypto.X509_STORE_CTX_set_verify(context.raw(), verify) }
}

fn is_ours(context: Context<'_>, verify: Step) -> bool {
    STEPS.get(context.openssl().slot()).is_some_and(|ours| fn_addr_eq(*ours, verify))
}

fn is_our_callback(slot: usize, callback: Callback) -> bool {
    CALLBACKS.get(slot).is_some_and(|ours| fn_addr_eq(*ours, callback))
}

type Step = unsafe extern "C" fn(*mut X509_STORE_CTX) -> c_int;
type Callback = unsafe extern "C" fn(c_int, *mut X509_STORE_CTX) -> c_int;

/// One a slot: neither has an argument that says which copy of OpenSSL calls.
static STEPS: [Step; SLOTS] = per_slot!(on_verify);
static CALLBACKS: [Callback; SLOTS] = per_slot!(on_step);

/// X509_STORE_CTX_set_verify(3).
unsafe extern "C" fn on_verify<const SLOT: usize>(raw: *mut X509_STORE_CTX) -> c_int {
    entered::<SLOT>(raw, verify)
}

/// X509_STORE_CTX_set_verify_cb(3).
unsafe extern "C" fn on_step<const SLOT: usize>(ok: c_int, raw: *mut X509_STORE_CTX) -> c_int {
    entered::<SLOT>(raw, |context| Some(step(ok, context)))
}

fn entered<const SLOT: usize>(
    raw: *mut X509_STORE_CTX,
    body: impl FnOnce(Context<'_>) -> Option<c_int>,
) -> c_int {
    let Some(openssl) = copy(SLOT) else { return 0 };
    // SAFETY: OpenSSL's context, for as long as this call lasts.
    let context = unsafe { Context::new(openssl, raw) };
    guarded("store", None, || body(context)).unwrap_or_else(|| {
        guarded("store_failed", (), || judge::say_that_it_failed(context));
        context.set_error(X509_V_ERR_APPLICATION_VERIFICATION);
        0
    })
}
