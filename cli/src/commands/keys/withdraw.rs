//! `keys deny` and `keys forget`.

use peerkey_core::certificate::printable;
use peerkey_core::key::KeyHash;
use peerkey_core::keys::{Book, Given, KnownKey, Service, State};
use peerkey_core::peer::Name;

use super::add::deeds;
use super::choose::{listed, narrow};
use super::report::Deed;
use super::{Desk, Stop, no, peer, protocol};
use crate::args::keys::ForgetArgs;
use crate::commands::FINE;

/// The origin of a key that a person denied.
const DENIED: &str = "denied by a person";

pub(super) fn deny(desk: &Desk<'_>, args: &ForgetArgs) -> Result<u8, Stop> {
    let peer = peer(&args.peer)?;
    let mut known = narrow(desk.book(&peer)?, &args.which)?;
    known.retain(|key| key.state != State::Denied);
    if known.is_empty()
        && let Some(given) = unmet(args, &peer)?
    {
        let mut keys = desk.write()?;
        let what = format!("deny a key of {peer}, {}", given.service);
        let done = desk.edit(&mut keys, &what, |edit| edit.put(&given, false))?;
        desk.report(&deeds("denied", keys.keys_of(&peer)?, &given), done.change)?;
        return Ok(FINE);
    }
    let meant = meant(desk, args, &peer, known)?;
    let mut keys = desk.write()?;
    let what = format!("deny {} of {peer}", keys_in_words(&meant));
    let done = desk.edit(&mut keys, &what, |edit| {
        meant.iter().try_for_each(|key| edit.set(key.id, State::Denied, DENIED, None))
    })?;
    report(desk, "denied", meant, done.change)
}

pub(super) fn forget(desk: &Desk<'_>, args: &ForgetArgs) -> Result<u8, Stop> {
    let peer = peer(&args.peer)?;
    let known = narrow(desk.book(&peer)?, &args.which)?;
    let meant = meant(desk, args, &peer, known)?;
    let mut keys = desk.write()?;
    let what = format!("forget {} of {peer}", keys_in_words(&meant));
    let done =
        desk.edit(&mut keys, &what, |edit| meant.iter().try_for_each(|key| edit.forget(key)))?;
    report(desk, "forgotten", meant, done.change)
}

fn report(
    desk: &Desk<'_>,
    word: &'static str,
    keys: Vec<KnownKey>,
    change: Option<i64>,
) -> Result<u8, Stop> {
    let deeds: Vec<_> = keys.into_iter().map(|key| Deed { word, key }).collect();
    desk.report(&deeds, change)?;
    Ok(FINE)
}

fn keys_in_words(keys: &[KnownKey]) -> String {
    crate::render::count(keys.len(), "key")
}

/// One key, or all that are left if that was asked for.
fn meant(
    desk: &Desk<'_>,
    args: &ForgetArgs,
    peer: &Name,
    known: Vec<KnownKey>,
) -> Result<Vec<KnownKey>, Stop> {
    match known.len() {
        0 => no(format!("no such key of {peer} is known in {}", desk.path()?.display())),
        1 => Ok(known),
        _ if args.all => Ok(known),
        _ => no(format!(
            "several keys of {peer} are known; say --all, or which one with --protocol, --port or \
             --key:{}",
            listed(&known)
        )),
    }
}

/// A key that nobody met yet can be denied by its whole fingerprint.
fn unmet(args: &ForgetArgs, peer: &Name) -> Result<Option<Given>, Stop> {
    let Some(key) = args.which.key.as_deref().and_then(KeyHash::parse) else { return Ok(None) };
    let Some(spoken) = &args.which.protocol else {
        return no(format!(
            "no such key of {} is known; to deny one that was never met, say --protocol too",
            printable(&args.peer)
        ));
    };
    Ok(Some(Given {
        peer: peer.clone(),
        service: Service::new(&protocol(spoken)?, args.which.port),
        key,
        spki: Vec::new(),
        certificate: None,
        state: State::Denied,
        origin: DENIED.into(),
        until: None,
    }))
}
