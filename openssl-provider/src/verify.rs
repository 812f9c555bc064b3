#![forbid(unsafe_code)]
//! One verification from its beginning to its end: what is asked when, and what OpenSSL is told.

use std::ffi::c_int;

use peerkey_core::certificate::{Certificate, CertificateError};
use peerkey_core::decide::{Application, Decision};
use peerkey_core::keys::{Seen, Sighting};
use peerkey_core::rule::Enforce;
use peerkey_core::store::{Compiled, StoreError};
use peerkey_core::verdict::{Outcome, Reason, Verdict};

use crate::bindings::{X509_V_ERR_APPLICATION_VERIFICATION, X509_V_OK};
use crate::certified::Certified;
use crate::context::Context;
use crate::evp::HostCrypto;
use crate::facts::{Facts, now};
use crate::native::{self, Native};
use crate::openssl::OpenSsl;
use crate::params::OnError;
use crate::pending;
use crate::sentence::Sentence;
use crate::session::{self, Accepted};
use crate::ssl::Ssl;
use peerkey_guest::entry::guarded;
use peerkey_guest::policy::{Borrowed, CannotDecide};

/// Answers libssl: 1 to accept, 0 to refuse with an error recorded.
pub(crate) fn verify_peer(context: Context<'_>) -> c_int {
    let mut judge = Judge { context, always: false, native: None };
    guarded("verify_peer", Err(CannotDecide::failed()), || judge.verify())
        .unwrap_or_else(|why| judge.cannot_decide(&why))
}

/// Answers libssl where nothing can be asked.
pub(crate) fn cannot_verify(context: Context<'_>) -> c_int {
    Judge { context, always: false, native: None }.cannot_decide(&CannotDecide::failed())
}

/// One verification under way.
struct Judge<'a> {
    context: Context<'a>,
    /// Whether to decide where the program switched verification off.
    always: bool,
    /// What the program's own verification found, once it ran: it runs once at most.
    native: Option<Native>,
}

impl Judge<'_> {
    fn verify(&mut self) -> Result<c_int, CannotDecide> {
        let openssl = self.context.openssl();
        openssl.refusals.put_back(openssl);
        if openssl.settings.unread {
            return Err(CannotDecide::failed());
        }
        let Some(policy) = openssl.policies.in_force()? else {
            return Ok(self.context.verify_natively());
        };
        session::unknown(self.context);
        pending::forget(self.context);
        self.always = policy.meta().enforce == Enforce::Always;
        self.judge(&policy)
    }

    fn judge(&mut self, policy: &Borrowed<'_>) -> Result<c_int, CannotDecide> {
        let openssl = self.context.openssl();
        let has_paths = policy.meta().anchors > 0;
        let mut facts = openssl.quietly(|| Facts::of(self.context, has_paths))?;
        let host = openssl.quietly(|| facts.crypto());
        host.with(|crypto| {
            let query = match facts.query(&openssl.settings.executable, crypto) {
                Ok(query) => query,
                Err(reason) => return Ok(self.refuse(&reason, None)),
            };
            let book;
            let mut decision =
                Decision::new(policy, &query, crypto).map_err(|error| self.explain(&error))?;
            if decision.consults_book().map_err(|error| self.explain(&error))? {
                book = openssl.books.reader();
                decision = decision.with_book(&book);
            }
            self.decide(policy, &facts, &host, &mut decision)
        })
    }

    fn decide(
        &mut self,
        policy: &Borrowed<'_>,
        facts: &Facts<'_>,
        host: &HostCrypto<'_>,
        decision: &mut Decision<'_>,
    ) -> Result<c_int, CannotDecide> {
        let consults = decision.consults_application();
        // What needs look-ups only is answered at once. Of a path the program's own verification finds
        // out most.
        if !consults && (decision.is_denied() || policy.meta().anchors == 0) {
            let verdict = self.conclude(decision, &Application::NotAsked)?;
            if let Outcome::Reject(reason) = verdict.outcome() {
                self.remember_held(decision, &Application::NotAsked, &verdict)?;
                return Ok(self.refuse(reason, None));
            }
        }
        let native = self.native.insert(native::run(self.context, facts, decision)?).clone();
        if let Some(failed) = native.failed {
            return Err(failed);
        }
        if native.signatures {
            host.take_over(&self.context.chain());
        }
        let (mut application, mut broken) = (native.application, None);
        if consults && application == Application::Accepts {
            broken = ruled_out(self.context, policy, decision, |one| host.read(one))?;
        }
        if let Some((_, reason)) = &broken
            && !native::again_without(self.context, facts, decision)?
        {
            application = Application::RuledOut(reason.clone());
        }
        let verdict = self.conclude(decision, &application)?;
        Ok(match verdict.outcome() {
            Outcome::Accept(_) if native.returned == 1 => {
                let seen = decision.sightings(&application, &verdict);
                let seen = seen.map_err(|error| self.explain(&error))?;
                let accepted = Accepted::of(self.context, policy.file(), facts);
                self.accept(seen, accepted)
            }
            Outcome::Accept(_) => native.returned,
            Outcome::Reject(reason @ Reason::Application(_)) => {
                self.as_the_program_says(reason, native.returned)
            }
            Outcome::Reject(reason) => {
                self.remember_held(decision, &application, &verdict)?;
                self.refuse(reason, broken.map(|(depth, _)| depth))
            }
        })
    }

    /// Accepts; what was seen is written once the handshake has finished.
    fn accept(&self, seen: Vec<Sighting>, accepted: Option<Accepted>) -> c_int {
        let (openssl, ssl) = (self.context.openssl(), self.context.ssl());
        let is_first = seen.iter().any(|sighting| sighting.seen == Seen::First);
        if let (false, Some(ssl)) = (seen.is_empty(), ssl) {
            let insists = self.always || !self.is_lenient();
            // A first key that loses is not to be resumed either.
            let later = if is_first { accepted } else { note(openssl, ssl, accepted) };
            if !pending::wait(openssl, ssl, seen, later, insists) && is_first {
                let why = "the end of its handshake would not be seen".to_owned();
                return self.refuse(&Reason::NotRemembered(why), None);
            }
        } else if let Some(ssl) = ssl {
            note(openssl, ssl, accepted);
        }
        1
    }

    /// Writes a stranger's key down that a person has to accept. Where that fails, the person has to name
    /// the key.
    fn remember_held(
        &self,
        decision: &mut Decision<'_>,
        application: &Application,
        verdict: &Verdict,
    ) -> Result<(), CannotDecide> {
        let seen = decision.sightings(application, verdict).map_err(|e| self.explain(&e))?;
        if !seen.is_empty() {
            let _ = self.context.openssl().books.remember(&seen, now());
        }
        Ok(())
    }

    fn conclude(
        &self,
        decision: &mut Decision<'_>,
        application: &Application,
    ) -> Result<Verdict, CannotDecide> {
        decision.conclude(application).map_err(|error| self.explain(&error))
    }

    /// The program's own refusal, untouched: it may go on all the same, and look at the error later.
    /// Where it must not go on, it hears why.
    fn as_the_program_says(&self, reason: &Reason, returned: c_int) -> c_int {
        if !self.always {
            return returned;
        }
        if returned == 1 || self.is_lenient() {
            self.raise(&Sentence::new("enforce = \"always\": ", reason), true);
        }
        self.insist()
    }

    /// Records a refusal, with its sentence. An error of the program's own verification stays.
    fn refuse(&self, reason: &Reason, depth: Option<usize>) -> c_int {
        let context = self.context;
        if context.error() == X509_V_OK {
            let depth = depth.unwrap_or(0);
            let at = context.chain().get(depth).copied().or_else(|| context.leaf());
            context.set_error(X509_V_ERR_APPLICATION_VERIFICATION);
            context.set_error_at(c_int::try_from(depth).unwrap_or(0), at);
        }
        self.raise(&Sentence::new("", reason), self.always || !self.is_lenient());
        if self.always { self.insist() } else { 0 }
    }

    fn raise(&self, sentence: &Sentence, fails: bool) {
        let openssl = self.context.openssl();
        openssl.refusals.raise(openssl, sentence, fails);
    }

    /// Whether the program switched verification off.
    fn is_lenient(&self) -> bool {
        self.context.ssl().is_some_and(Ssl::verifies_nothing)
    }

    /// A refusal holds although the program switched verification off.
    fn insist(&self) -> c_int {
        if let Some(ssl) = self.context.ssl().filter(|ssl| ssl.verifies_nothing()) {
            ssl.verify_peer();
        }
        0
    }

    /// No decision is possible: refuse, or leave it to the program, as openssl.cnf says.
    fn cannot_decide(&self, why: &CannotDecide) -> c_int {
        let leave_it = self.context.openssl().settings.on_error == OnError::Application;
        match &self.native {
            None if leave_it => self.context.verify_natively(),
            Some(native) if leave_it && !native.overruled => native.returned,
            _ => self.refuse(&Reason::CannotDecide(why.0.clone()), None),
        }
    }

    fn explain(&self, error: &StoreError) -> CannotDecide {
        self.context.openssl().policies.explain(error)
    }
}

fn note(openssl: &OpenSsl, ssl: Ssl<'_>, accepted: Option<Accepted>) -> Option<Accepted> {
    if let Some(accepted) = accepted {
        accepted.note(openssl, ssl);
    }
    None
}

/// The first certificate of the chain that was found through which no path may go.
pub(crate) fn ruled_out<'a>(
    context: Context<'a>,
    policy: &Compiled,
    decision: &Decision<'_>,
    read: impl Fn(Certified<'a>) -> Result<Certificate, CertificateError>,
) -> Result<Option<(usize, Reason)>, CannotDecide> {
    if policy.meta().denials == 0 && policy.meta().constraints == 0 {
        return Ok(None);
    }
    for (depth, certified) in context.chain().into_iter().enumerate() {
        let reason = rules_out(decision, read(certified));
        let reason = reason.map_err(|error| context.openssl().policies.explain(&error))?;
        if let Some(reason) = reason {
            return Ok(Some((depth, reason)));
        }
    }
    Ok(None)
}

/// Why no path may go through a certificate of the host's. One that cannot be read could be any.
pub(crate) fn rules_out(
    decision: &Decision<'_>,
    read: Result<Certificate, CertificateError>,
) -> Result<Option<Reason>, StoreError> {
    match read {
        Ok(certificate) => decision.rules_out(&certificate),
        Err(error) => {
            Ok(Some(Reason::CannotDecide(format!("a CA certificate cannot be read: {error}"))))
        }
    }
}
