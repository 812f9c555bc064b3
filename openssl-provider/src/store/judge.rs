#![forbid(unsafe_code)]
//! What the policy says of a verification that belongs to no handshake of ours.

use std::ffi::c_int;

use peerkey_core::crypto::Crypto;
use peerkey_core::decide::{Application, Decision, Fault};
use peerkey_core::query::Query;
use peerkey_core::record::{Level, Log, Question};
use peerkey_core::rule::Enforce;
use peerkey_core::store::Compiled;
use peerkey_core::verdict::{Outcome, Reason, Verdict};

use super::{Found, purpose};
use crate::bindings::{X509_V_ERR_APPLICATION_VERIFICATION, X509_V_OK};
use crate::certified::Certified;
use crate::context::Context;
use crate::evp::HostCrypto;
use crate::facts::Facts;
use crate::native::{self, tell};
use crate::params::OnError;
use crate::recorded::{Decided, undecided};
use crate::sentence::Sentence;
use crate::ssl::Ssl;
use crate::verify::{is_only_monitored, ruled_out};
use peerkey_guest::entry::guarded;
use peerkey_guest::policy::CannotDecide;

/// The program's own verification found a chain and took it: whether the policy lets it. `returned` is
/// what it says.
pub(super) fn judge(context: Context<'_>, found: Found, returned: c_int) -> c_int {
    let openssl = context.openssl();
    let mut judge = Judge { context, found, returned, always: false, silent: false };
    if judge.ssl().is_some() {
        openssl.refusals.put_back(openssl);
    }
    guarded("store_judge", Err(CannotDecide::failed()), || judge.judge())
        .unwrap_or_else(|why: CannotDecide| judge.cannot_decide(&why))
}

/// Whether a rule for S/MIME accepts although the program's own verification found these faults.
pub(super) fn overrules(context: Context<'_>, faults: &[Fault]) -> bool {
    let ask = |policy: &Compiled| {
        with_decision(
            context,
            policy,
            |_, _| {},
            |_, decision| {
                decision
                    .overrules(faults)
                    .map_err(|error| context.openssl().policies.explain(&error))
            },
        )
    };
    guarded("store_overrules", false, || {
        context.openssl().quietly(|| match context.openssl().policies.in_force() {
            Ok(Some(policy)) if policy.meta().smime_rules > 0 => {
                matches!(ask(&policy), Ok(Ok(true)))
            }
            _ => false,
        })
    })
}

/// Gives the reason where nothing else can be done but to refuse.
pub(super) fn say_that_it_failed(context: Context<'_>) {
    let reason = Reason::CannotDecide(CannotDecide::failed().0);
    context.openssl().refusals.raise(context.openssl(), &Sentence::new("", &reason), false);
}

/// Runs `body` with the decision for this verification; the inner error is a key that has none.
fn with_decision<T>(
    context: Context<'_>,
    policy: &Compiled,
    unusable: impl FnOnce(&Facts<'_>, &Reason),
    body: impl FnOnce(Asked<'_>, &mut Decision<'_>) -> Result<T, CannotDecide>,
) -> Result<Result<T, Reason>, CannotDecide> {
    let openssl = context.openssl();
    let asks = context.known_ssl().is_none()
        && (policy.meta().smime_rules > 0 || policy.meta().constraints > 0);
    let (mut facts, host) = openssl.quietly(|| -> Result<_, CannotDecide> {
        let facts = Facts::at_store(context, asks && purpose::is_smime(context))?;
        let host = facts.crypto();
        Ok((facts, host))
    })?;
    host.with(|crypto| {
        let query = match facts.query(&openssl.settings.executable, crypto) {
            Ok(query) => query,
            Err(reason) => {
                unusable(&facts, &reason);
                return Ok(Err(reason));
            }
        };
        let mut decision = Decision::at_store(policy, &query, crypto)
            .map_err(|error| openssl.policies.explain(&error))?;
        let asked = Asked { policy, facts: &facts, query: &query, host: &host, crypto };
        body(asked, &mut decision).map(Ok)
    })
}

/// What is asked, and of which policy.
#[derive(Clone, Copy)]
struct Asked<'q> {
    policy: &'q Compiled,
    facts: &'q Facts<'q>,
    query: &'q Query,
    host: &'q HostCrypto<'q>,
    crypto: &'q dyn Crypto,
}

struct Judge<'a> {
    context: Context<'a>,
    found: Found,
    returned: c_int,
    /// Whether to decide where the program switched verification off.
    always: bool,
    /// Whether the policy wants nothing recorded.
    silent: bool,
}

impl<'a> Judge<'a> {
    fn judge(&mut self) -> Result<c_int, CannotDecide> {
        let context = self.context;
        let policy = match context.openssl().policies.in_force()? {
            Some(policy) => policy,
            // The policy under which a fault was overruled is gone.
            None if self.found.overruled => return Err("the policy was replaced".into()),
            None => return Ok(self.returned),
        };
        self.always = policy.meta().enforce == Enforce::Always;
        self.silent = policy.meta().log == Log::None;
        let unusable = |facts: &Facts<'_>, reason: &Reason| {
            let question = facts.question(&context.openssl().settings.executable);
            let verdict = Verdict::refused(reason.clone());
            let native = &self.found.application;
            self.decided(&policy, question, &facts.presented, native, true).record(&verdict);
        };
        let refusal = with_decision(context, &policy, unusable, |asked, decision| {
            self.refusal(asked, decision)
        })?;
        Ok(match refusal {
            Ok(None) => self.returned,
            // The program passed over an error, and knows.
            Ok(Some((Reason::Application(_), _))) if !self.found.overruled => self.returned,
            Ok(Some((reason, depth))) => self.refuse(&reason, depth),
            Err(reason) => self.refuse(&reason, None),
        })
    }

    /// Why the policy refuses, if it does, and where in the chain.
    fn refusal(
        &self,
        asked: Asked<'_>,
        decision: &mut Decision<'_>,
    ) -> Result<Option<(Reason, Option<usize>)>, CannotDecide> {
        let mut application = self.found.application.clone();
        let mut depth = None;
        // A grant has looked for a way of its own, and at every certificate on it.
        if !self.found.overruled
            && let Some((at, reason)) =
                ruled_out(self.context, asked.policy, decision, |one| asked.host.read(one))?
        {
            let holds = application == Application::Accepts
                && native::again_without(self.context, asked.facts, decision)?;
            if !holds {
                application = Application::RuledOut(reason);
                depth = Some(at);
            }
        }
        let verdict = decision.conclude(&application);
        let verdict = verdict.map_err(|error| self.context.openssl().policies.explain(&error))?;
        let passed_over = matches!(verdict.outcome(), Outcome::Reject(Reason::Application(_)));
        let holds = (!passed_over || self.found.overruled) && !is_only_monitored(&verdict);
        let (question, presented) = (Question::from(asked.query), &asked.facts.presented);
        self.decided(asked.policy, question, presented, &application, holds)
            .with(Some(&asked.query.evidence), asked.crypto)
            .record(&verdict);
        Ok(match verdict.outcome() {
            Outcome::Accept(_) => None,
            Outcome::Reject(reason) => Some((reason.clone(), depth)),
        })
    }

    /// The verification as the record takes it.
    fn decided<'d>(
        &'d self,
        policy: &'d Compiled,
        question: Question<'d>,
        presented: &'d [Certified<'d>],
        native: &'d Application,
        holds: bool,
    ) -> Decided<'d> {
        let enforced = holds && (self.always || !self.is_lenient());
        Decided::new(self.context, Level::Store, native, enforced)
            .under(Some(policy))
            .about(Some(question), presented)
    }

    /// Whether a TLS program switched verification off.
    fn is_lenient(&self) -> bool {
        self.ssl().is_some_and(Ssl::verifies_nothing)
    }

    /// Records a refusal, with its sentence, and tells the program's callback: programs keep a record
    /// of their own. What the callback answers changes nothing.
    fn refuse(&self, reason: &Reason, depth: Option<usize>) -> c_int {
        let (context, openssl) = (self.context, self.context.openssl());
        let lenient = self.is_lenient();
        let fails = self.ssl().is_some() && (self.always || !lenient);
        openssl.refusals.raise(openssl, &Sentence::new("", reason), fails);
        if context.error() == X509_V_OK {
            let depth = depth.unwrap_or(0);
            let at = context.chain().get(depth).copied().or_else(|| context.leaf());
            context.set_error(X509_V_ERR_APPLICATION_VERIFICATION);
            context.set_error_at(c_int::try_from(depth).unwrap_or(0), at);
            tell(context.verify_callback(), 0, context);
            if context.error() == X509_V_OK {
                context.set_error(X509_V_ERR_APPLICATION_VERIFICATION);
            }
        }
        if let Some(ssl) = self.ssl().filter(|_| self.always && lenient) {
            ssl.verify_peer();
        }
        0
    }

    /// No decision is possible: refuse, or leave it to the program, as openssl.cnf says.
    fn cannot_decide(&self, why: &CannotDecide) -> c_int {
        let leave_it = self.context.openssl().settings.on_error == OnError::Application;
        let passes = leave_it && !self.found.overruled;
        if !self.silent {
            let enforced = !passes && (self.always || !self.is_lenient());
            undecided(self.context, Level::Store, Some(&self.found.application), why, enforced);
        }
        if passes {
            return self.returned;
        }
        self.refuse(&Reason::CannotDecide(why.0.clone()), None)
    }

    /// The connection, where a TLS program verifies by a callback of its own.
    fn ssl(&self) -> Option<Ssl<'a>> {
        self.context.known_ssl().map(|(ssl, _)| ssl)
    }
}
