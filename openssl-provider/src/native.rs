//! The program's own verification, with our hand on what it is told.

use std::ffi::c_int;

use peerkey_core::decide::{Application, Decision, Fault};

use crate::bindings::{
    RPK_UNTRUSTED, X509_STORE_CTX, X509_STORE_CTX_verify_cb, X509_V_ERR_APPLICATION_VERIFICATION,
    X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_UNTRUSTED, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
    X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH, X509_V_ERR_NO_ISSUER_PUBLIC_KEY,
    X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
    X509_V_OK,
};
use crate::candidates::{Candidates, living};
use crate::certified::Stack;
use crate::context::Context;
use crate::facts::Facts;
use crate::openssl::{SLOTS, copy, per_slot};
use crate::running;
use crate::ssl::Ssl;
use crate::store;
use peerkey_guest::entry::guarded;
use peerkey_guest::policy::CannotDecide;

/// What the program's own verification came to.
#[derive(Clone)]
pub(crate) struct Native {
    /// What it returned: 0 or 1.
    pub(crate) returned: c_int,
    /// What it says, as the decision takes it.
    pub(crate) application: Application,
    /// Whether a fault of it was overruled.
    pub(crate) overruled: bool,
    /// Whether libcrypto found the signature of each certificate in the chain right, with the key of the
    /// next one; where DANE is not in use, which stops at what a TLSA record names.
    pub(crate) signatures: bool,
    /// Why the decision failed meanwhile.
    pub(crate) failed: Option<CannotDecide>,
}

/// Verifies with the program's own anchors and settings. Where the policy accepts in spite of a fault,
/// the program's callback never hears of it: programs keep a record of their own.
pub(crate) fn run(
    context: Context<'_>,
    facts: &Facts<'_>,
    decision: &mut Decision<'_>,
) -> Result<Native, CannotDecide> {
    let mut run = Run::new(context, facts, decision, Kind::First);
    // What was overruled leaves no error behind: servers with an error in the queue fail later.
    let returned = context.openssl().with_errors(|| {
        let returned = run.verify(context);
        (returned, !run.overruled)
    });
    Ok(run.into_native(returned, context))
}

/// Verifies once more as if what is ruled out did not exist, neither among the certificates presented
/// nor in the program's store. If that holds, its chain takes the place of the first one.
pub(crate) fn again_without(
    context: Context<'_>,
    facts: &Facts<'_>,
    decision: &mut Decision<'_>,
) -> Result<bool, CannotDecide> {
    verify_without(context, facts, decision, Kind::Again)
}

/// The same for nobody to see: neither the program nor the context hears of it.
pub(crate) fn holds_without(
    context: Context<'_>,
    facts: &Facts<'_>,
    decision: &mut Decision<'_>,
) -> Result<bool, CannotDecide> {
    verify_without(context, facts, decision, Kind::Unseen)
}

fn verify_without(
    context: Context<'_>,
    facts: &Facts<'_>,
    decision: &mut Decision<'_>,
    kind: Kind,
) -> Result<bool, CannotDecide> {
    let openssl = context.openssl();
    if facts.ssl.is_some_and(Ssl::uses_dane) {
        return Ok(false);
    }
    let kept = facts.kept(decision.excluded());
    let candidates = openssl
        .quietly(|| Candidates::of(context, &kept, decision))
        .map_err(|error| openssl.policies.explain(&error))?;
    let allowed = candidates.allowed();
    let living = openssl.quietly(|| living(kept, &allowed));
    let trusted = Stack::of(openssl, &allowed).ok_or("no memory")?;
    let untrusted = Stack::of(openssl, &living).ok_or("no memory")?;
    let again = context.another(&untrusted, &trusted).ok_or("no memory")?;
    let mut run = Run::new(context, facts, decision, kind);
    let returned = openssl.quietly(|| run.verify(again.context()));
    if let Some(failed) = run.failed {
        return Err(failed);
    }
    let holds = returned == 1 && again.context().error() == X509_V_OK;
    // A server that builds its own chain shows nothing to build it from, and sends what was found.
    let shows = facts.ssl.is_some() || !context.untrusted().is_empty();
    if holds && kind == Kind::Again && shows {
        context.take_over(again.context());
    }
    Ok(holds)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    First,
    /// A second one hears of no fault, and tells the program of none.
    Again,
    /// And this one tells the program of nothing at all.
    Unseen,
}

/// One run of X509_verify_cert. Its callbacks find it by the context.
struct Run<'r, 'd> {
    ssl: Option<Ssl<'r>>,
    program: X509_STORE_CTX_verify_cb,
    decision: &'r mut Decision<'d>,
    kind: Kind,
    faults: Vec<Fault>,
    /// The faults in OpenSSL's words.
    words: Vec<String>,
    overruled: bool,
    /// Whether anything was found wrong, whatever became of it.
    reported: bool,
    /// Whether a part of it was the program's.
    replaced: bool,
    failed: Option<CannotDecide>,
}

impl<'r, 'd> Run<'r, 'd> {
    fn new(
        context: Context<'_>,
        facts: &Facts<'r>,
        decision: &'r mut Decision<'d>,
        kind: Kind,
    ) -> Self {
        Self {
            ssl: facts.ssl,
            program: context.verify_callback().filter(|_| kind != Kind::Unseen),
            decision,
            kind,
            faults: Vec::new(),
            words: Vec::new(),
            overruled: false,
            reported: false,
            replaced: false,
            failed: None,
        }
    }

    fn verify(&mut self, context: Context<'_>) -> c_int {
        let ours = STEP_CALLBACKS.get(context.openssl().slot()).copied();
        let program = self.program;
        running::during(context, std::ptr::from_mut(self).cast(), || {
            context.set_verify_callback(ours);
            let standing = || {
                let callback = context.verify_callback().map(|callback| callback as usize);
                (store::verify_of(context).map(|verify| verify as usize), callback)
            };
            let before = standing();
            let returned = context.verify_natively();
            self.replaced = standing() != before || context.store_verifies();
            context.set_verify_callback(program);
            returned
        })
    }

    /// OpenSSL found a certificate right (`ok`), or reports an error.
    fn step(&mut self, ok: c_int, context: Context<'_>) -> c_int {
        if ok != 0 {
            let goes_on = tell(self.program, ok, context);
            if goes_on == 0 {
                self.found(Fault::Other("a check of the program's own".into()), context);
            }
            return goes_on;
        }
        if self.kind != Kind::First {
            return 0;
        }
        let code = context.error();
        self.reported = true;
        self.found(self.fault(code, context), context);
        if self.is_overruled(context) {
            context.set_error(X509_V_OK);
            self.overruled = true;
            let goes_on = tell(self.program, 1, context);
            if goes_on == 0 {
                self.found(Fault::Other("a check of the program's own".into()), context);
            }
            return goes_on;
        }
        let goes_on = tell(self.program, 0, context);
        if goes_on != 0 && context.error() == X509_V_OK {
            // The program takes this upon itself: so it accepts.
            self.faults.pop();
            self.words.pop();
        }
        goes_on
    }

    fn found(&mut self, fault: Fault, context: Context<'_>) {
        self.words.push(fault_words(context));
        self.faults.push(fault);
    }

    fn is_overruled(&mut self, context: Context<'_>) -> bool {
        if self.failed.is_some() {
            return false;
        }
        let (decision, faults) = (&mut *self.decision, &self.faults);
        match context.openssl().quietly(|| decision.overrules(faults)) {
            Ok(overruled) => overruled,
            Err(error) => {
                self.failed = Some(context.openssl().policies.explain(&error));
                false
            }
        }
    }

    fn fault(&self, code: c_int, context: Context<'_>) -> Fault {
        match fault_of(code) {
            Some(fault) if !self.ssl.is_some_and(Ssl::uses_dane) => fault,
            _ => Fault::Other(context.openssl().error_text(code)),
        }
    }

    fn into_native(mut self, returned: c_int, context: Context<'_>) -> Native {
        let code = context.error();
        let accepts = returned == 1 && code == X509_V_OK;
        if !accepts && self.faults.is_empty() {
            self.found(Fault::Other(context.openssl().error_text(code)), context);
        }
        let signatures = accepts && !self.reported && !self.replaced;
        let application = match self.words.into_iter().next() {
            None => Application::Accepts,
            Some(why) => Application::Refuses { faults: self.faults, why },
        };
        Native { returned, application, overruled: self.overruled, signatures, failed: self.failed }
    }
}

/// The closed list of errors that a grant may overrule.
pub(crate) fn fault_of(code: c_int) -> Option<Fault> {
    match code {
        X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
        | X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
        | X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
        | X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        | X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE
        | X509_V_ERR_NO_ISSUER_PUBLIC_KEY
        | X509_V_ERR_CERT_UNTRUSTED
        | RPK_UNTRUSTED => Some(Fault::NoTrustedPath),
        X509_V_ERR_CERT_HAS_EXPIRED => Some(Fault::Expired),
        X509_V_ERR_HOSTNAME_MISMATCH | X509_V_ERR_IP_ADDRESS_MISMATCH => Some(Fault::NameMismatch),
        _ => None,
    }
}

/// What a verification just found wrong, in OpenSSL's words.
pub(crate) fn fault_words(context: Context<'_>) -> String {
    match context.error() {
        X509_V_OK => "a check of the program's own".into(),
        code => context.openssl().error_text(code),
    }
}

/// Asks the program's own callback.
pub(crate) fn tell(program: X509_STORE_CTX_verify_cb, ok: c_int, context: Context<'_>) -> c_int {
    // SAFETY: the program's callback, with the context that OpenSSL meant for it.
    program.map_or(ok, |program| unsafe { program(ok, context.raw()) })
}

type StepCallback = unsafe extern "C" fn(c_int, *mut X509_STORE_CTX) -> c_int;

/// One a slot: the callback has no argument that says which copy of OpenSSL calls.
const STEP_CALLBACKS: [StepCallback; SLOTS] = per_slot!(on_step);

/// X509_STORE_CTX_set_verify_cb(3).
unsafe extern "C" fn on_step<const SLOT: usize>(ok: c_int, raw: *mut X509_STORE_CTX) -> c_int {
    let Some(openssl) = copy(SLOT) else { return 0 };
    // SAFETY: OpenSSL's context, for as long as this call lasts.
    let context = unsafe { Context::new(openssl, raw) };
    guarded("on_step", None, || Some(step(ok, context)))
        .or_else(|| guarded("give_up", None, || Some(give_up(ok, context))))
        .unwrap_or_else(|| {
            context.set_error(X509_V_ERR_APPLICATION_VERIFICATION);
            0
        })
}

/// A step failed: the program's own verification goes on as it is, and there is no decision of ours.
fn give_up(ok: c_int, context: Context<'_>) -> c_int {
    let Some(run) = running::of(context) else { return 0 };
    // SAFETY: as for `step`, which is over.
    let run = unsafe { run.cast::<Run<'_, '_>>().as_mut() };
    run.failed = Some(CannotDecide::failed());
    match run.kind {
        Kind::First => tell(run.program, ok, context),
        Kind::Again | Kind::Unseen => 0,
    }
}

fn step(ok: c_int, context: Context<'_>) -> c_int {
    if let Some(run) = running::of(context) {
        // SAFETY: `Run::verify` gave it, and waits for this verification.
        return unsafe { run.cast::<Run<'_, '_>>().as_mut() }.step(ok, context);
    }
    // The verification of a CRL's issuer, inside of ours: its errors are nobody's to overrule.
    let Some(above) = context.parent().and_then(running::of) else { return 0 };
    // SAFETY: as above.
    tell(unsafe { above.cast::<Run<'_, '_>>().as_ref() }.program, ok, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_overruled_is_a_closed_list() {
        let overrulable: Vec<_> = (0..256).filter(|code| fault_of(*code).is_some()).collect();
        assert_eq!(overrulable, [2, 10, 18, 19, 20, 21, 24, 27, 62, 64, 95]);
    }
}
