#![forbid(unsafe_code)]
//! One verification from its beginning to its end: what is asked when, and what OpenSSL is told.

use std::ffi::c_int;
use std::sync::Arc;

use peerkey_core::certificate::{Certificate, CertificateError};
use peerkey_core::crypto::Crypto;
use peerkey_core::decide::{Application, Decision};
use peerkey_core::keys::{Seen, Sighting};
use peerkey_core::query::Query;
use peerkey_core::record::{Level, Log, Question};
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
use crate::recorded::{Decided, undecided};
use crate::sentence::Sentence;
use crate::session::{self, Accepted};
use crate::ssl::Ssl;
use crate::watched;
use peerkey_guest::entry::guarded;
use peerkey_guest::policy::{Borrowed, CannotDecide};

/// Answers libssl: 1 to accept, 0 to refuse with an error recorded.
pub(crate) fn verify_peer(context: Context<'_>) -> c_int {
    let mut judge = Judge::new(context);
    guarded("verify_peer", Err(CannotDecide::failed()), || judge.verify())
        .unwrap_or_else(|why| judge.cannot_decide(&why))
}

/// Answers libssl where nothing can be asked.
pub(crate) fn cannot_verify(context: Context<'_>) -> c_int {
    Judge::new(context).cannot_decide(&CannotDecide::failed())
}

/// One verification under way.
struct Judge<'a> {
    context: Context<'a>,
    /// Whether to decide where the program switched verification off.
    always: bool,
    /// Whether the policy wants nothing recorded.
    silent: bool,
    /// What the program's own verification found, once it ran: it runs once at most.
    native: Option<Native>,
}

/// What is asked, and of which policy.
#[derive(Clone, Copy)]
struct Asked<'q> {
    policy: &'q Borrowed<'q>,
    facts: &'q Facts<'q>,
    query: &'q Query,
    host: &'q HostCrypto<'q>,
    crypto: &'q dyn Crypto,
}

impl<'a> Judge<'a> {
    fn new(context: Context<'a>) -> Self {
        Self { context, always: false, silent: false, native: None }
    }

    fn verify(&mut self) -> Result<c_int, CannotDecide> {
        let openssl = self.context.openssl();
        openssl.refusals.put_back(openssl);
        if openssl.settings.unread {
            return Err(CannotDecide::failed());
        }
        let policy = match openssl.policies.to_decide()? {
            Ok(policy) => policy,
            Err(watched) => return Ok(watched::verify(self.context, watched)),
        };
        session::unknown(self.context);
        pending::forget(self.context);
        self.always = policy.meta().enforce == Enforce::Always;
        self.silent = policy.meta().log == Log::None;
        self.judge(&policy)
    }

    fn judge(&mut self, policy: &Borrowed<'_>) -> Result<c_int, CannotDecide> {
        let openssl = self.context.openssl();
        let has_paths = policy.meta().anchors > 0;
        let mut facts = openssl.quietly(|| Facts::of(self.context, has_paths))?;
        let host = openssl.quietly(|| facts.crypto());
        host.with(|crypto| {
            let executable = &openssl.settings.executable;
            let query = match facts.query(executable, crypto) {
                Ok(query) => query,
                Err(reason) => {
                    let question = facts.question(executable);
                    let verdict = Verdict::refused(reason.clone());
                    let about = (Some(policy), Some(question), facts.presented.as_slice());
                    self.decided(about, &Application::NotAsked, &verdict).record(&verdict);
                    return Ok(self.refuse(&reason, None));
                }
            };
            let book;
            let mut decision =
                Decision::new(policy, &query, crypto).map_err(|error| self.explain(&error))?;
            if decision.consults_book().map_err(|error| self.explain(&error))? {
                book = openssl.books.reader();
                decision = decision.with_book(&book);
            }
            let asked = Asked { policy, facts: &facts, query: &query, host: &host, crypto };
            self.decide(asked, &mut decision)
        })
    }

    fn decide(
        &mut self,
        asked: Asked<'_>,
        decision: &mut Decision<'_>,
    ) -> Result<c_int, CannotDecide> {
        let consults = decision.consults_application();
        // What needs look-ups only is answered at once. Of a path the program's own verification finds
        // out most.
        if !consults && (decision.is_denied() || asked.policy.meta().anchors == 0) {
            let verdict = self.conclude(decision, &Application::NotAsked)?;
            if let Outcome::Reject(reason) = verdict.outcome() {
                self.remember_held(decision, &Application::NotAsked, &verdict)?;
                self.record(asked, &Application::NotAsked, &verdict);
                return Ok(self.refuse(reason, None));
            }
        }
        let (returned, application, depth) = self.ask_the_program(asked, decision, consults)?;
        let verdict = self.conclude(decision, &application)?;
        match verdict.outcome() {
            Outcome::Accept(_) if returned == 1 => {
                let seen = decision.sightings(&application, &verdict);
                let seen = seen.map_err(|error| self.explain(&error))?;
                return Ok(self.accept(asked, seen, &application, &verdict));
            }
            Outcome::Accept(_) | Outcome::Reject(Reason::Application(_)) => {}
            Outcome::Reject(_) => self.remember_held(decision, &application, &verdict)?,
        }
        self.record(asked, &application, &verdict);
        Ok(match verdict.outcome() {
            Outcome::Accept(_) => returned,
            Outcome::Reject(reason @ Reason::Application(_)) => {
                self.as_the_program_says(reason, returned)
            }
            Outcome::Reject(reason) => self.refuse(reason, depth),
        })
    }

    /// Has the program's own verification run: what it returned and what it comes to; and where in its chain
    /// a CA stands that is ruled out, if its word counts (`consults`).
    fn ask_the_program(
        &mut self,
        asked: Asked<'_>,
        decision: &mut Decision<'_>,
        consults: bool,
    ) -> Result<(c_int, Application, Option<usize>), CannotDecide> {
        let native = native::run(self.context, asked.facts, decision)?;
        let native = self.native.insert(native).clone();
        if let Some(failed) = native.failed {
            return Err(failed);
        }
        if native.signatures
            && decision.looks_for_paths()
            && !asked.facts.ssl.is_some_and(Ssl::uses_dane)
        {
            asked.host.take_over(&self.context.chain());
        }
        let (mut application, mut broken) = (native.application, None);
        if consults && application == Application::Accepts {
            broken = ruled_out(self.context, asked.policy, decision, |one| asked.host.read(one))?;
        }
        if let Some((_, reason)) = &broken
            && !native::again_without(self.context, asked.facts, decision)?
        {
            application = Application::RuledOut(reason.clone());
        }
        Ok((native.returned, application, broken.map(|(depth, _)| depth)))
    }

    /// Accepts; what was seen is written once the handshake has finished.
    fn accept(
        &self,
        asked: Asked<'_>,
        seen: Vec<Sighting>,
        application: &Application,
        verdict: &Verdict,
    ) -> c_int {
        let (openssl, ssl) = (self.context.openssl(), self.context.ssl());
        let accepted = Accepted::of(self.context, asked.policy.file(), asked.facts);
        let is_first = seen.iter().any(|sighting| sighting.seen == Seen::First) && ssl.is_some();
        let decided = self
            .decided(asked.about(), application, verdict)
            .with(Some(&asked.query.evidence), asked.crypto);
        if let (false, Some(ssl)) = (seen.is_empty(), ssl) {
            let insists = self.always || !self.is_lenient();
            // A first key that loses is not to be resumed either.
            let later = if is_first { accepted } else { note(openssl, ssl, accepted) };
            let noted = if is_first { decided.first_use(verdict) } else { None };
            if !pending::wait(openssl, ssl, seen, noted, later, insists) && is_first {
                let why = "the end of its handshake would not be seen".to_owned();
                let reason = Reason::NotRemembered(why);
                decided.record(&Verdict::refused(reason.clone()));
                return self.refuse(&reason, None);
            }
        } else if let Some(ssl) = ssl {
            note(openssl, ssl, accepted);
        }
        if !is_first {
            decided.record(verdict);
        }
        1
    }

    fn record(&self, asked: Asked<'_>, application: &Application, verdict: &Verdict) {
        self.decided(asked.about(), application, verdict)
            .with(Some(&asked.query.evidence), asked.crypto)
            .record(verdict);
    }

    /// The verification as the record takes it.
    fn decided<'d>(
        &'d self,
        (policy, question, presented): About<'d>,
        native: &'d Application,
        verdict: &Verdict,
    ) -> Decided<'d> {
        let passed_over = matches!(verdict.outcome(), Outcome::Reject(Reason::Application(_)))
            && self.native.as_ref().is_some_and(|native| native.returned == 1);
        let holds = self.always || (!self.is_lenient() && !passed_over);
        let enforced = holds && !is_only_monitored(verdict);
        Decided::new(self.context, Level::Handshake, native, enforced)
            .under(policy.map(|policy| &**policy))
            .about(question, presented)
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
    ) -> Result<Arc<Verdict>, CannotDecide> {
        decision.conclude_shared(application).map_err(|error| self.explain(&error))
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
        let program = match &self.native {
            None if leave_it => Some(None),
            Some(native) if leave_it && !native.overruled => Some(Some(native.returned)),
            _ => None,
        };
        if !self.silent {
            let native = self.native.as_ref().map(|native| &native.application);
            let enforced = program.is_none() && (self.always || !self.is_lenient());
            undecided(self.context, Level::Handshake, native, why, enforced);
        }
        match program {
            Some(returned) => returned.unwrap_or_else(|| self.context.verify_natively()),
            None => self.refuse(&Reason::CannotDecide(why.0.clone()), None),
        }
    }

    fn explain(&self, error: &StoreError) -> CannotDecide {
        self.context.openssl().policies.explain(error)
    }
}

/// The policy, the question, and the certificates that came with it.
type About<'d> = (Option<&'d Borrowed<'d>>, Option<Question<'d>>, &'d [Certified<'d>]);

impl<'q> Asked<'q> {
    fn about(self) -> About<'q> {
        (Some(self.policy), Some(Question::from(self.query)), &self.facts.presented)
    }
}

/// Whether nobody is held to what the rules say.
pub(crate) fn is_only_monitored(verdict: &Verdict) -> bool {
    let cases = &verdict.trace().cases;
    verdict.would().is_some() || (!cases.is_empty() && cases.iter().all(|case| case.monitored))
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
