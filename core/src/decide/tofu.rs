//! What trust on first use finds: a key that the peer had before, a stranger's first key, or another
//! key than the one that is known.

use super::Decision;
use super::authority::{Found, Strength};
use super::cases::{CaseState, spoken};
use crate::keys::{KnownKey, Service, State};
use crate::peer::Name;
use crate::rule::Tofu;
use crate::store::StoreError;
use crate::time_text::{ago, day};

/// What is to be written of a finding, if its verdict holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// The key is known.
    Known {
        /// When it was seen last.
        last_seen: i64,
        /// Whether a certificate around it is kept.
        has_certificate: bool,
    },
    /// A stranger's key, and the first.
    First,
    /// A stranger's key, which waits for a person's word.
    FirstHeld,
    /// Another key beside known ones, by the word of these.
    Rotated(String),
    /// Another key than those that are known.
    Other,
    /// Nothing is written of this one.
    Nothing,
}

impl Decision<'_> {
    /// What the remembered keys say.
    pub(super) fn remembered(
        &mut self,
        authority: usize,
        peer: &Name,
        case: &CaseState,
    ) -> Result<Found, StoreError> {
        let tofu = self.policy.tofu(authority)?;
        let (found, memory) = self.weigh(&tofu, peer, case)?;
        let asked = (authority, case.subject.clone(), case.protocol.clone());
        self.findings.memories.insert(asked, memory);
        Ok(found)
    }

    fn weigh(
        &mut self,
        tofu: &Tofu,
        peer: &Name,
        case: &CaseState,
    ) -> Result<(Found, Memory), StoreError> {
        let nothing = |text: String| Ok((Found::silent(text), Memory::Nothing));
        if !case.expected {
            return nothing("a peer that is only claimed has no remembered keys".into());
        }
        let Some(service) = self.service()? else {
            return nothing(
                "over what is not known, and keys are remembered for a protocol".into(),
            );
        };
        let Some(book) = self.book else {
            return nothing("this program cannot read remembered keys".into());
        };
        let known = match book.keys_of(peer) {
            Ok(known) => current(known, tofu, self.query.time),
            Err(error) => return nothing(error.to_string()),
        };
        let here: Vec<_> = known.iter().filter(|known| known.service == service).collect();
        let own = |known: &&&KnownKey| self.query.key.hashes().contains(&known.key);
        if let Some(own) = here.iter().find(own) {
            return Ok(known_before(own, tofu, peer, self.query.time));
        }
        if let Some(by) = self.rotates(tofu, case)? {
            let text = format!("a new key beside a known one of {peer}, vouched for by {by}");
            return Ok((Found::vouches(Strength::Binding, text), Memory::Rotated(by)));
        }
        Ok(match (here.first(), known.first()) {
            (Some(here), _) => (Found::silent(changed(here, peer, self.query.time)), Memory::Other),
            (None, Some(other)) => {
                let text = format!(
                    "{peer} is known for {} only, and not for {service}; {}",
                    other.service,
                    remedy(peer)
                );
                (Found::silent(text), Memory::Other)
            }
            (None, None) => match first(tofu, peer) {
                (_, Memory::First) if let Err(why) = book.may_remember() => {
                    let (why, path) = (why.why(), why.path());
                    let text = format!("its first key cannot be remembered: {why} ({path})");
                    (Found::silent(text), Memory::Nothing)
                }
                found => found,
            },
        })
    }

    /// Whether keys that users remember can count for the query; None where no keys can, because no rule
    /// hangs on them.
    #[cfg(feature = "source")]
    pub fn users_keys_count(&mut self) -> Result<Option<bool>, StoreError> {
        let (mut any, mut users) = (false, false);
        for index in 0..self.prepared.cases.len() {
            let Some(case) = self.prepared.cases.get(index).cloned() else { continue };
            for authority in self.remembering(index)? {
                let scope = &self.authority(authority)?.scope;
                any |= scope.is_current(self.query.time)
                    && scope.has_peer(case.subject.as_ref())
                    && scope.has_protocol(case.protocol.as_ref());
                users |= self.policy.tofu(authority)?.users;
            }
        }
        Ok(any.then_some(users))
    }

    /// Whether a person said that the key is not the peer's, where a rule hangs on remembered keys.
    #[cfg(feature = "nss")]
    pub(crate) fn is_denied_by_a_person(&mut self) -> Result<bool, StoreError> {
        let (Some(book), Some(service)) = (self.book, self.service()?) else { return Ok(false) };
        for index in 0..self.prepared.cases.len() {
            let subject = self.prepared.cases.get(index).and_then(|case| case.subject.clone());
            let Some(peer) = subject else { continue };
            for authority in self.remembering(index)? {
                let tofu = self.policy.tofu(authority)?;
                let known = book.keys_of(&peer).unwrap_or_default();
                let own = |known: &KnownKey| {
                    known.service == service && self.query.key.hashes().contains(&known.key)
                };
                let known = current(known, &tofu, self.query.time);
                if known.iter().any(|known| own(known) && known.state == State::Denied) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The service that the query is about, if its protocol is known: the policy may say what a program
    /// speaks.
    pub(super) fn service(&self) -> Result<Option<Service>, StoreError> {
        let spoken = spoken(self.policy, self.query)?;
        Ok(spoken.known().map(|protocol| Service::new(protocol, self.query.port)))
    }

    /// Who of those that may change keys vouches.
    fn rotates(&mut self, tofu: &Tofu, case: &CaseState) -> Result<Option<String>, StoreError> {
        for other in &tofu.rotate_with {
            if self.find(*other, case)?.vouches.is_some() {
                return Ok(Some(self.authority(*other)?.name.clone()));
            }
        }
        Ok(None)
    }
}

/// The keys that count: the machine's beat the user's, and what was not seen for long is forgotten.
fn current(known: Vec<KnownKey>, tofu: &Tofu, now: i64) -> Vec<KnownKey> {
    let machine: Vec<_> =
        known.iter().filter(|k| k.of_machine).map(|k| k.service.clone()).collect();
    let counts = |key: &KnownKey| {
        let fresh = match tofu.forget_after {
            Some(after) if key.state == State::Remembered => now - key.last_seen <= after,
            _ => true,
        };
        key.of_machine || (tofu.users && fresh && !machine.contains(&key.service))
    };
    known.into_iter().filter(counts).collect()
}

fn known_before(own: &KnownKey, tofu: &Tofu, peer: &Name, now: i64) -> (Found, Memory) {
    let silent = |text: String| (Found::silent(text), Memory::Nothing);
    match own.state {
        State::Denied => return silent(format!("this key was denied for {peer} by a person")),
        State::Held => {
            let text = format!("this key of {peer} waits to be accepted; {}", remedy(peer));
            return (Found::silent(text), Memory::FirstHeld);
        }
        State::Remembered => {}
    }
    if !own.holds(now) {
        return silent(format!("this key was accepted for {peer} for a time that is over"));
    }
    let (age, seen) = (now - own.first_seen, own.sightings);
    let (last_seen, has_certificate) = (own.last_seen, own.has_certificate);
    let memory = Memory::Known { last_seen, has_certificate };
    if age < tofu.min_age || seen < i64::from(tofu.min_sightings) {
        let text = format!(
            "this key of {peer} is known since {} only, and was seen on {seen} days",
            day(own.first_seen)
        );
        return (Found::silent(text), memory);
    }
    let text = format!("{peer} had this key since {} ({})", day(own.first_seen), own.origin);
    (Found::vouches(Strength::Binding, text), memory)
}

fn first(tofu: &Tofu, peer: &Name) -> (Found, Memory) {
    if tofu.holds {
        let text = format!("it never met {peer}; {}", remedy(peer));
        return (Found::silent(text), Memory::FirstHeld);
    }
    if tofu.min_age > 0 || tofu.min_sightings > 1 {
        let text = format!("{peer} was never met before, and its key counts after some time only");
        return (Found::silent(text), Memory::First);
    }
    (Found::vouches(Strength::Binding, format!("the first key of {peer}")), Memory::First)
}

fn changed(before: &KnownKey, peer: &Name, now: i64) -> String {
    format!(
        "the key of {peer} changed; {}; it was {} since {}, seen on {} days, last {}",
        remedy(peer),
        before.key,
        day(before.first_seen),
        before.sightings,
        ago(now - before.last_seen),
    )
}

fn remedy(peer: &Name) -> String {
    format!("to accept it: peerkey keys accept {peer}")
}
