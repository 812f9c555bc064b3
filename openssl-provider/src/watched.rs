#![forbid(unsafe_code)]
//! Verifications of which no program sees anything: under a policy that only monitors, and under one that
//! says what each program says. They are looked at afterwards, to be recorded.

use std::ffi::c_int;

use peerkey_core::crypto::Crypto;
use peerkey_core::decide::{Application, Decision, Fault, only_watched};
use peerkey_core::query::Query;
use peerkey_core::record::{Level, Question};
use peerkey_core::store::Compiled;
use peerkey_core::verdict::{Reason, Verdict};

use crate::bindings::X509_V_OK;
use crate::certified::Certified;
use crate::context::Context;
use crate::evp::HostCrypto;
use crate::facts::Facts;
use crate::native::{fault_of, holds_without};
use crate::recorded::Decided;
use crate::ssl::Ssl;
use crate::verify::ruled_out;
use peerkey_guest::entry::guarded;
use peerkey_guest::policy::{CannotDecide, Standing, Watched};

/// The program's own verification, as if we were not there.
pub(crate) fn verify(context: Context<'_>, watched: Watched) -> c_int {
    let returned = context.verify_natively();
    let refused = returned != 1 || context.error() != X509_V_OK;
    if watched == Watched::Everything || (watched == Watched::Refusals && refused) {
        guarded("watched", (), || {
            context.openssl().quietly(|| look(context, returned));
        });
    }
    returned
}

fn look(context: Context<'_>, returned: c_int) {
    // Meanwhile it may have been replaced, or damaged: the next verification sees that.
    let Ok((policy, standing)) = context.openssl().policies.to_watch() else { return };
    if standing == Standing::Decides {
        return;
    }
    let has_paths = policy.meta().anchors > 0;
    let watch = Watch { context, policy: &policy, returned };
    match Facts::of(context, has_paths) {
        Ok(facts) => watch.facts(facts),
        Err(why) => {
            let application = watch.application();
            let verdict = only_watched(&application, watch.would(Reason::CannotDecide(why.0)));
            watch.decided(None, &[], &application).record(&verdict);
        }
    }
}

struct Watch<'w> {
    context: Context<'w>,
    policy: &'w Compiled,
    returned: c_int,
}

impl<'w> Watch<'w> {
    fn facts(&self, mut facts: Facts<'w>) {
        let openssl = self.context.openssl();
        let host = facts.crypto();
        host.with(|crypto| {
            let query = facts.query(&openssl.settings.executable, crypto);
            let mut application = self.application();
            let verdict = match &query {
                Err(reason) => only_watched(&application, self.would(reason.clone())),
                Ok(query) => {
                    let decided = self.decide(&facts, query, &host, crypto, &mut application);
                    decided.unwrap_or_else(|why| {
                        only_watched(&application, self.would(Reason::CannotDecide(why.0)))
                    })
                }
            };
            let question = match &query {
                Ok(query) => Question::from(query),
                Err(_) => facts.question(&openssl.settings.executable),
            };
            let presented = &facts.presented;
            let evidence = query.as_ref().ok().map(|query| &query.evidence);
            self.decided(Some(question), presented, &application)
                .with(evidence, crypto)
                .record(&verdict);
        });
    }

    fn decide(
        &self,
        facts: &Facts<'_>,
        query: &Query,
        host: &HostCrypto<'_>,
        crypto: &dyn Crypto,
        application: &mut Application,
    ) -> Result<Verdict, CannotDecide> {
        let openssl = self.context.openssl();
        let explain = |error| openssl.policies.explain(&error);
        let book;
        let mut decision = Decision::new(self.policy, query, crypto).map_err(explain)?;
        if decision.consults_book().map_err(explain)? {
            book = openssl.books.reader();
            decision = decision.with_book(&book);
        }
        if *application == Application::Accepts
            && let Some((_, reason)) =
                ruled_out(self.context, self.policy, &decision, |one| host.read(one))?
            && !holds_without(self.context, facts, &mut decision)?
        {
            *application = Application::RuledOut(reason);
        }
        decision.conclude(application).map_err(explain)
    }

    /// What the policy would have said in the place of the program, where it only monitors.
    fn would(&self, reason: Reason) -> Option<Reason> {
        (self.policy.meta().mode == peerkey_core::rule::Mode::Monitor).then_some(reason)
    }

    /// What the program's own verification came to, as it stands in its context.
    fn application(&self) -> Application {
        let code = self.context.error();
        if self.returned == 1 && code == X509_V_OK {
            return Application::Accepts;
        }
        let why = match code {
            X509_V_OK => "a check of the program's own".to_owned(),
            code => self.context.openssl().error_text(code),
        };
        let uses_dane = self.context.ssl().is_some_and(Ssl::uses_dane);
        let fault = fault_of(code).filter(|_| !uses_dane);
        Application::Refuses {
            faults: vec![fault.unwrap_or_else(|| Fault::Other(why.clone()))],
            why,
        }
    }

    fn decided<'d>(
        &'d self,
        question: Option<Question<'d>>,
        presented: &'d [Certified<'d>],
        native: &'d Application,
    ) -> Decided<'d> {
        // What a policy that only monitors says, nobody is held to. Under the other, the program's word is
        // the policy's: it holds, unless the program itself does not mind.
        let lenient = self.context.ssl().is_some_and(Ssl::verifies_nothing);
        let monitors = self.policy.meta().mode == peerkey_core::rule::Mode::Monitor;
        let passed_over = self.returned == 1 && *native != Application::Accepts;
        let enforced = !monitors && !lenient && !passed_over;
        Decided::new(self.context, Level::Handshake, native, enforced)
            .under(Some(self.policy))
            .about(question, presented)
    }
}
