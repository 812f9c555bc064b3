//! Writing down what was seen: a first use, a key that others vouched for, a key that came again.

use std::fmt;

use rusqlite::{Connection, TransactionBehavior, params};

use super::read::of_peer;
use super::{Keys, KeysError, KnownKey, Service, State, wrapped};
use crate::key::KeyHash;
use crate::peer::Name;

/// A key that came again is written down no more often than this, in seconds.
pub(crate) const DAY: i64 = 86_400;

/// No more keys of one peer wait for a person's word.
const HELD_AT_MOST: i64 = 8;

/// What the origin of a key begins with that a person accepted.
pub const PERSON: &str = "accepted by a person";

/// What the origin of a key begins with that a person took over from another program.
pub const IMPORTED: &str = "imported from ";

/// What a verdict saw, to be written once its handshake has finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Whose key.
    pub peer: Name,
    /// For which service.
    pub service: Service,
    /// The key's canonical hash.
    pub key: KeyHash,
    /// Its SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// The certificate around it, in DER.
    pub certificate: Option<Vec<u8>>,
    /// On what occasion.
    pub seen: Seen,
    /// How many keys this service of the peer may have.
    pub keys_per_peer: u32,
    /// Keys that were not seen since this second are forgotten; None for never.
    pub forget_before: Option<i64>,
}

/// The occasion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nobody knew the peer: its first key is taken as its own.
    First,
    /// These vouched for the key: it takes its place beside others.
    Vouched(String),
    /// It was known already.
    Again,
    /// It is not accepted yet: a person has to.
    Held,
}

/// Why a first use came to nothing: somebody else wrote another key, or this one's denial, meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// What stands there.
    pub other: KnownKey,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KnownKey { peer, service, key, state, .. } = &self.other;
        write!(f, "meanwhile {key} is {} for {peer} over {service}; ", state.as_str())?;
        write!(f, "to accept this one: peerkey keys accept {peer}")
    }
}

impl Keys {
    /// Writes sightings down, all or none. A first use is only one if the peer is a stranger still: of
    /// two processes that meet it at once with different keys, one is told that it lost.
    pub fn remember(&mut self, seen: &[Sighting], now: i64) -> Result<Option<Lost>, KeysError> {
        self.write(seen, now).map_err(|error| self.error(&error))
    }

    fn write(&mut self, seen: &[Sighting], now: i64) -> rusqlite::Result<Option<Lost>> {
        let behavior = TransactionBehavior::Immediate;
        let findable = self.finds_certificates();
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        for sighting in seen {
            if let Some(other) = write_one(&transaction, sighting, now)? {
                return Ok(Some(Lost { other }));
            }
            if findable {
                make_findable(&transaction, sighting)?;
            }
        }
        transaction.commit()?;
        Ok(None)
    }
}

/// What stands in the way of a first use, if anything does.
fn write_one(
    connection: &Connection,
    sighting: &Sighting,
    now: i64,
) -> rusqlite::Result<Option<KnownKey>> {
    forget(connection, sighting)?;
    let known = keys_of(connection, sighting)?;
    let own = known.iter().find(|k| k.service == sighting.service && k.key == sighting.key);
    match (own, &sighting.seen) {
        (Some(own), Seen::Vouched(by)) if own.state == State::Held => {
            let sql = "UPDATE key SET state = 'remembered', origin = ?2 WHERE id = ?1";
            connection.execute(sql, params![own.id, by])?;
        }
        (Some(own), Seen::First) if own.state != State::Remembered => return Ok(Some(own.clone())),
        (Some(own), _) => again(connection, own, sighting, now)?,
        (None, Seen::First) => match known.into_iter().next() {
            Some(other) => return Ok(Some(other)),
            None => insert(connection, sighting, State::Remembered, "first use", now)?,
        },
        (None, Seen::Vouched(by)) => {
            insert(connection, sighting, State::Remembered, by, now)?;
            trim(connection, sighting)?;
        }
        (None, Seen::Held) => {
            let held = known.iter().filter(|known| known.state == State::Held).count();
            if held < HELD_AT_MOST as usize {
                insert(connection, sighting, State::Held, "met", now)?;
            }
        }
        // Somebody made it forgotten meanwhile.
        (None, Seen::Again) => {}
    }
    Ok(None)
}

/// Counts a key that came again, once a day, with the certificate that it has now.
fn again(
    connection: &Connection,
    own: &KnownKey,
    sighting: &Sighting,
    now: i64,
) -> rusqlite::Result<()> {
    let sql = "UPDATE key SET last_seen = max(last_seen, ?2), sightings = sightings + 1,
         certificate = coalesce(?4, certificate) WHERE id = ?1 AND last_seen <= ?2 - ?3";
    let certificate = wrapped::kept(sighting.certificate.as_deref());
    connection.execute(sql, params![own.id, now, DAY, certificate])?;
    // It was written down by its hash.
    let sql = "UPDATE key SET certificate = ?2 WHERE id = ?1 AND certificate IS NULL";
    connection.execute(sql, params![own.id, certificate]).map(drop)
}

/// Lets the certificate of a sighting, if it is kept, be found.
fn make_findable(connection: &Connection, sighting: &Sighting) -> rusqlite::Result<()> {
    if wrapped::kept(sighting.certificate.as_deref()).is_none() {
        return Ok(());
    }
    let Service { protocol, port } = &sighting.service;
    let of_it = "peer = ?1 AND protocol = ?2 AND port = ?3 AND hash = ?4";
    let named = params![sighting.peer.to_string(), protocol, port, sighting.key.0];
    wrapped::note_all(connection, of_it, named)
}

fn keys_of(connection: &Connection, sighting: &Sighting) -> rusqlite::Result<Vec<KnownKey>> {
    of_peer(connection, &sighting.peer, false)
}

fn insert(
    connection: &Connection,
    sighting: &Sighting,
    state: State,
    origin: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let Service { protocol, port } = &sighting.service;
    let sql = "INSERT INTO key VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, 1, NULL)";
    connection.prepare_cached(sql)?.execute(params![
        sighting.peer.to_string(),
        protocol,
        port,
        sighting.key.0,
        sighting.spki,
        wrapped::kept(sighting.certificate.as_deref()),
        state.as_str(),
        origin,
        now
    ])?;
    Ok(())
}

/// Forgets what was not seen for long enough. What a person denied stays denied.
fn forget(connection: &Connection, sighting: &Sighting) -> rusqlite::Result<()> {
    let Some(before) = sighting.forget_before else { return Ok(()) };
    let sql = "DELETE FROM key WHERE peer = ?1 AND last_seen < ?2 AND state = 'remembered'";
    connection.prepare_cached(sql)?.execute(params![sighting.peer.to_string(), before])?;
    Ok(())
}

/// Keeps the keys that people accepted, and then those that were seen last.
fn trim(connection: &Connection, sighting: &Sighting) -> rusqlite::Result<()> {
    let Service { protocol, port } = &sighting.service;
    let sql = "DELETE FROM key WHERE id IN (SELECT id FROM key WHERE peer = ?1 AND protocol = ?2
       AND port = ?3 AND state = 'remembered'
       ORDER BY instr(origin, ?5) = 1 OR instr(origin, ?6) = 1 DESC, last_seen DESC, id DESC LIMIT -1 OFFSET ?4)";
    let most = sighting.keys_per_peer.max(1);
    connection
        .execute(sql, params![sighting.peer.to_string(), protocol, port, most, PERSON, IMPORTED])?;
    Ok(())
}
