#![forbid(unsafe_code)]
//! What is recorded of a verification, and when.

use std::borrow::Cow;
use std::sync::Arc;

use peerkey_core::crypto::Crypto;
use peerkey_core::decide::Application;
use peerkey_core::query::Evidence;
use peerkey_core::record::{Anchor, Circumstances, Draft, Level, Log, Question, Told};
use peerkey_core::store::Compiled;
use peerkey_core::verdict::{Reason, Verdict};
use peerkey_guest::entry::guarded;
use peerkey_guest::fork::process_id;
use peerkey_guest::policy::CannotDecide;
use peerkey_guest::record::{Entry, user};

use crate::certified::Certified;
use crate::context::Context;
use crate::facts::Facts;
use crate::openssl::OpenSsl;
use crate::remembered::Top;

/// A verification that is decided.
pub(crate) struct Decided<'d> {
    /// It.
    context: Context<'d>,
    /// The policy, if one could be read.
    policy: Option<&'d Compiled>,
    /// What was asked, as far as that could be told.
    question: Option<Question<'d>>,
    /// The certificates as the peer presented them.
    presented: &'d [Certified<'d>],
    /// The same as it was read, where that is at hand.
    evidence: Option<&'d Evidence>,
    /// To tell keys.
    crypto: Option<&'d dyn Crypto>,
    /// What the program's own verification says.
    native: &'d Application,
    /// Where it took place.
    level: Level,
    /// Whether the verdict holds the program to it.
    enforced: bool,
}

/// A decision that waits for the end of its handshake.
pub(crate) struct Noted {
    draft: Draft,
    verdict: Verdict,
    chain: Vec<Cow<'static, [u8]>>,
}

/// A longer chain is not kept.
const LONGEST: usize = 128 << 10;

impl<'d> Decided<'d> {
    /// A verification with this outcome, of which nothing else is known.
    pub(crate) fn new(
        context: Context<'d>,
        level: Level,
        native: &'d Application,
        enforced: bool,
    ) -> Self {
        Self {
            context,
            policy: None,
            question: None,
            presented: &[],
            evidence: None,
            crypto: None,
            native,
            level,
            enforced,
        }
    }

    /// Under this policy.
    pub(crate) fn under(self, policy: Option<&'d Compiled>) -> Self {
        Self { policy, ..self }
    }

    /// About this question, of which these certificates were presented.
    pub(crate) fn about(
        self,
        question: Option<Question<'d>>,
        presented: &'d [Certified<'d>],
    ) -> Self {
        Self { question, presented, ..self }
    }

    /// With what came with the key, as far as it could be read, and what tells keys.
    pub(crate) fn with(self, evidence: Option<&'d Evidence>, crypto: &'d dyn Crypto) -> Self {
        Self { evidence, crypto: Some(crypto), ..self }
    }

    /// Writes it into the record, if the policy says so. Where there is none, refusals are.
    pub(crate) fn record(&self, verdict: &Verdict) {
        guarded("record", (), || {
            let openssl = self.context.openssl();
            if self.log().wants(verdict, false) && openssl.record.admits(!verdict.is_accept()) {
                openssl.quietly(|| {
                    self.with_circumstances(|about| {
                        let told = Told::Now(self.question.as_ref(), about);
                        let entry = Entry { told, verdict, first: false, chain: &self.chain() };
                        openssl.record.write(&openssl.books, &entry);
                    });
                });
            }
        });
    }

    /// Keeps a first use until it shows whether the key is remembered.
    pub(crate) fn first_use(&self, verdict: &Verdict) -> Option<Noted> {
        guarded("record_first", None, || {
            let note = || Noted {
                draft: self
                    .with_circumstances(|about| Draft::new(self.question.as_ref(), verdict, about)),
                verdict: verdict.clone(),
                chain: self.chain().into_iter().map(|der| der.into_owned().into()).collect(),
            };
            let wanted = self.log() != Log::None;
            wanted.then(|| self.context.openssl().quietly(note))
        })
    }

    fn log(&self) -> Log {
        self.policy.map_or(Log::default(), |policy| policy.meta().log)
    }

    fn with_circumstances<T>(&self, tell: impl FnOnce(&Circumstances<'_>) -> T) -> T {
        let anchor = (*self.native == Application::Accepts).then(|| self.anchor()).flatten();
        tell(&Circumstances {
            pid: process_id(),
            uid: user(),
            enforced: self.enforced,
            policy: self.policy.map(|policy| policy.meta().digest.as_str()),
            level: self.level,
            native: self.native,
            anchor: anchor.as_deref().map(|top| Anchor { subject: &top.subject, key: top.key }),
        })
    }

    /// The top of the chain that the program's own verification found.
    fn anchor(&self) -> Option<Arc<Top>> {
        let top = *self.context.chain().last()?;
        self.context.openssl().policies.remembered().top(top, self.crypto?)
    }

    /// What was presented, in DER; nothing if it is too long.
    fn chain(&self) -> Vec<Cow<'d, [u8]>> {
        let read = self.evidence.map(|evidence| {
            let all = evidence.leaf.iter().chain(&evidence.intermediates);
            all.map(|certificate| Cow::Borrowed(certificate.der())).collect::<Vec<_>>()
        });
        // What could not be read is kept, too.
        let read = read.filter(|read| read.len() == self.presented.len());
        let chain = read.unwrap_or_else(|| {
            self.presented.iter().map(|certified| Cow::Owned(certified.der())).collect()
        });
        let octets: usize = chain.iter().map(|der| der.len()).sum();
        if octets > LONGEST { Vec::new() } else { chain }
    }
}

/// Records that no decision was possible, also where no policy says what is recorded; with as much of the
/// question as can be told.
pub(crate) fn undecided(
    context: Context<'_>,
    level: Level,
    native: Option<&Application>,
    why: &CannotDecide,
    enforced: bool,
) {
    let openssl = context.openssl();
    let verdict = Verdict::cannot_decide(why.0.clone());
    let native = native.unwrap_or(&Application::NotAsked);
    let record = |question: Option<Question<'_>>, presented: &[Certified<'_>]| {
        Decided::new(context, level, native, enforced).about(question, presented).record(&verdict);
    };
    guarded("record_undecided", (), || {
        let facts = openssl.quietly(|| match level {
            Level::Handshake => Facts::of(context, false),
            Level::Store => Facts::at_store(context, false),
        });
        let Ok(mut facts) = facts else { return record(None, &[]) };
        let host = openssl.quietly(|| facts.crypto());
        host.with(|crypto| {
            let executable = &openssl.settings.executable;
            match facts.query(executable, crypto) {
                Ok(query) => record(Some(Question::from(&query)), &facts.presented),
                Err(_) => record(Some(facts.question(executable)), &facts.presented),
            }
        });
    });
}

impl Noted {
    /// The handshake has finished, and the key is remembered; or it is not, for this reason.
    pub(crate) fn finished(mut self, openssl: &OpenSsl, lost: Option<&Reason>) {
        guarded("record_finished", (), || {
            if let Some(reason) = lost {
                self.verdict = Verdict::refused(reason.clone());
            }
            if openssl.record.admits(lost.is_some()) {
                let entry = Entry {
                    told: Told::Later(&self.draft),
                    verdict: &self.verdict,
                    first: lost.is_none(),
                    chain: &self.chain,
                };
                openssl.record.write(&openssl.books, &entry);
            }
        });
    }
}
