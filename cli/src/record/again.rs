//! Asks a policy again what was asked before: the program's own word is taken as it was recorded.

use peerkey_core::certificate::Certificate;
use peerkey_core::crypto::Crypto;
use peerkey_core::decide::{Application, Decision, Shortfall};
use peerkey_core::key::KeyHash;
use peerkey_core::keys::Book;
use peerkey_core::query::Query;
use peerkey_core::store::{Compiled, StoreError};
use peerkey_core::verdict::Reason;

use super::Level;
use super::asked::{Asked, Said};
use crate::inquiry::Answer;

/// The answer to a question that was asked before.
#[derive(Debug)]
pub struct Again {
    /// The answer.
    pub answer: Answer,
    /// Whether it hangs on keys that are remembered: those of now were looked at.
    pub by_memory: bool,
    /// Whether the program could have found another chain than the one that the policy rules out.
    pub other_path: bool,
    /// Why the program's own word is not known, where it is needed. Then it counts as silent.
    pub unsaid: Option<&'static str>,
}

/// What is asked.
pub struct Inquiry<'a> {
    /// The policy.
    pub policy: &'a Compiled,
    /// Checks signatures.
    pub crypto: &'a dyn Crypto,
    /// The keys that are remembered; None where those of that user cannot be looked at.
    pub book: Option<&'a dyn Book>,
    /// The digest of the policy that decided then.
    pub recorded: Option<&'a str>,
}

impl<'a> Inquiry<'a> {
    /// Asks.
    pub fn ask(&self, asked: &Asked) -> Result<Again, StoreError> {
        let mut decision = self.decision(asked)?;
        let by_memory = decision.consults_book()?;
        let Word { application, other_path } = self.word(&decision, asked)?;
        let mut unsaid = None;
        if application == Application::NotAsked {
            // A refusal stays one, whatever the program says.
            let best = match decision.consults_application() {
                true => Application::Accepts,
                false => Application::NotAsked,
            };
            unsaid = decision.conclude(&best)?.is_accept().then_some(match asked.native {
                Said::RuledOut { .. } => {
                    "the chain that the program found was ruled out, and it is not recorded which CA \
                     was at its top"
                }
                _ => "what the program itself says was not asked then, and is needed now",
            });
        }
        let verdict = decision.conclude(&application)?;
        let answer = Answer { verdict, application };
        Ok(Again { answer, by_memory, other_path, unsaid })
    }

    /// What the question falls short of.
    pub fn shortfall(&self, asked: &Asked, said: &Application) -> Result<Shortfall, StoreError> {
        self.decision(asked)?.shortfall(said)
    }

    fn word(&self, decision: &Decision<'_>, asked: &Asked) -> Result<Word, StoreError> {
        let plain = |application| Ok(Word { application, other_path: false });
        let (anchor, was_out) = match &asked.native {
            Said::NotAsked => return plain(Application::NotAsked),
            Said::Refuses { faults, why } => {
                return plain(Application::Refuses { faults: faults.clone(), why: why.clone() });
            }
            Said::Accepts(anchor) => (anchor, None),
            Said::RuledOut { anchor, reason } => (anchor, Some(reason)),
        };
        if let Some(reason) = ruled_out(decision, &asked.query, anchor.as_ref())? {
            // Where a chain was ruled out then, the program had looked for another.
            let other_path = was_out.is_none();
            return Ok(Word { application: Application::RuledOut(reason), other_path });
        }
        let meta = self.policy.meta();
        if let Some(reason) = was_out
            && self.recorded == Some(meta.digest.as_str())
        {
            return plain(Application::RuledOut(reason.clone()));
        }
        // Of a chain that was ruled out, its anchor may not be known: then it cannot be judged.
        if was_out.is_some() && anchor.is_none() && meta.denials + meta.constraints > 0 {
            return plain(Application::NotAsked);
        }
        plain(Application::Accepts)
    }

    fn decision<'d>(&self, asked: &'d Asked) -> Result<Decision<'d>, StoreError>
    where
        'a: 'd,
    {
        let query: &'d Query = &asked.query;
        let decision = match asked.level {
            Level::Store => return Decision::at_store(self.policy, query, self.crypto),
            Level::Handshake => Decision::new(self.policy, query, self.crypto)?,
        };
        Ok(match self.book {
            Some(book) => decision.with_book(book),
            None => decision,
        })
    }
}

/// What the program says under a policy.
struct Word {
    application: Application,
    other_path: bool,
}

/// Why the chain that the program found may not be used, as far as it is known: its anchor, and of what
/// the peer presented that through which it must have gone.
fn ruled_out(
    decision: &Decision<'_>,
    query: &Query,
    anchor: Option<&(String, KeyHash)>,
) -> Result<Option<Reason>, StoreError> {
    if let Some((subject, key)) = anchor
        && let Some(reason) = decision.rules_out_key(subject, *key)?
    {
        return Ok(Some(reason));
    }
    let given = &query.evidence.intermediates;
    let out = decision.excluded();
    let Some(mut below) = query.evidence.leaf.as_ref().filter(|_| !out.is_empty()) else {
        return Ok(None);
    };
    for _ in 0..given.len() {
        let issues = |(_, ca): &(usize, &Certificate)| {
            ca.subject() == below.issuer() && ca.subject() != below.subject()
        };
        let mut issuers = given.iter().enumerate().filter(issues).peekable();
        let Some((_, first)) = issuers.peek().copied() else { return Ok(None) };
        match issuers.find(|(index, _)| !out.contains(index)) {
            Some((_, issuer)) => below = issuer,
            None => return decision.rules_out(first),
        }
    }
    Ok(None)
}
