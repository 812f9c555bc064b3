//! `keys accept`: the held key of a peer, or the one that it shows now.

use peerkey_core::certificate::printable;
use peerkey_core::keys::{Book, Given, Keys, KnownKey, PERSON, Service, State};
use peerkey_core::peer::Name;
use peerkey_core::protocol::Protocol;

use super::add::{deeds, host_and_port};
use super::choose::{agrees, comparable, listed, narrow, own_port};
use super::report::Deed;
use super::{Desk, Stop, found, no, peer, picture, protocol};
use crate::args::keys::AcceptArgs;
use crate::clock::relative;
use crate::commands::{FINE, NO};
use crate::connect::Target;

pub(super) fn run(desk: &Desk<'_>, args: &AcceptArgs) -> Result<u8, Stop> {
    let peer = peer(&args.peer)?;
    let known = desk.book(&peer)?;
    let given = match waiting(desk, args, &known)? {
        Some(held) => again(desk, args, &peer, &held),
        None => shown_now(desk, args, &peer, &known)?,
    };
    let here: Vec<_> = known.into_iter().filter(|key| key.service == given.service).collect();
    let own = here.iter().find(|key| key.key == given.key);
    if own.is_some_and(|own| own.holds(desk.now) && own.until.is_none()) {
        let words =
            format!("{peer}, {}: its key is accepted already: {}", given.service, given.key);
        return no(words);
    }
    desk.warn(&given)?;
    let shown = compared(desk, &peer, &given, &here);
    let question = format!("Accept the new key of {peer}, {}?", given.service);
    if !agrees(desk, &args.sure, &given.key, &shown, &question)? {
        desk.screen.complain("nothing was changed\n");
        return Ok(NO);
    }
    // What is accepted for a time only, or beside others, ends nothing.
    let replaces = !args.beside && args.sure.for_.is_none();
    let is_old = |key: &&KnownKey| key.state == State::Remembered && key.key != given.key;
    let old: Vec<_> = here.iter().filter(is_old).filter(|_| replaces).cloned().collect();
    write(desk, &peer, &given, old)
}

fn write(desk: &Desk<'_>, peer: &Name, given: &Given, old: Vec<KnownKey>) -> Result<u8, Stop> {
    let mut keys = desk.write()?;
    let what = format!("accept a key of {peer}, {}", given.service);
    let done = desk.edit(&mut keys, &what, |edit| {
        edit.put(given, true)?;
        old.iter().try_for_each(|key| edit.forget(key))
    })?;
    let mut said = deeds("accepted", keys.keys_of(peer)?, given);
    said.extend(old.into_iter().map(|key| Deed { word: "forgotten", key }));
    desk.report(&said, done.change)?;
    Ok(FINE)
}

impl Desk<'_> {
    /// What is known of a peer in the file that is changed.
    pub(super) fn book(&self, peer: &Name) -> Result<Vec<KnownKey>, Stop> {
        let path = self.path()?;
        let keys: Option<Keys> = crate::book::read(&path)?;
        Ok(keys.map(|keys| keys.keys_of(peer)).transpose()?.unwrap_or_default())
    }
}

/// The one key that waits, or that `--key` names.
fn waiting(
    desk: &Desk<'_>,
    args: &AcceptArgs,
    known: &[KnownKey],
) -> Result<Option<KnownKey>, Stop> {
    if args.connect.is_some() {
        return Ok(None);
    }
    let mut meant = narrow(known.to_vec(), &args.which)?;
    let is_named = args.which.key.is_some();
    meant.retain(|key| is_named || key.state == State::Held);
    match meant.len() {
        0 if is_named => no(format!(
            "no such key of {} is known; to write one down: {}",
            printable(&args.peer),
            desk.command("add PEER --protocol PROTOCOL --spki HASH")
        )),
        0 => Ok(None),
        1 => Ok(meant.pop()),
        _ => no(format!(
            "several keys wait; say which one with --protocol, --port or --key:{}",
            listed(&meant)
        )),
    }
}

fn again(desk: &Desk<'_>, args: &AcceptArgs, peer: &Name, held: &KnownKey) -> Given {
    Given {
        peer: peer.clone(),
        service: held.service.clone(),
        key: held.key,
        spki: held.spki.clone(),
        certificate: None,
        state: State::Remembered,
        origin: PERSON.into(),
        until: desk.until(args.sure.for_),
    }
}

/// The key that the peer shows, where none waits: a changed key is refused, and not written down.
fn shown_now(
    desk: &Desk<'_>,
    args: &AcceptArgs,
    peer: &Name,
    known: &[KnownKey],
) -> Result<Given, Stop> {
    let (spoken, service) = service(desk, args, peer, known)?;
    let host = match own_port(&service) {
        Some(port) => host_and_port(peer, port),
        None => peer.to_string(),
    };
    let text = args.connect.as_deref().unwrap_or_default();
    let target = Target::new(text, Some(&host), Some(&spoken))?;
    if args.connect.is_none() {
        desk.screen.complain(&format!(
            "no key of {peer} waits; asking {target} for the one that it has now\n"
        ));
    }
    let found = found::call(&target, &spoken, peer, args.sure.timeout)?;
    Ok(found.given(peer, &service, PERSON, desk.until(args.sure.for_)))
}

/// Over what to ask: what is said, or the one service that is known.
fn service(
    desk: &Desk<'_>,
    args: &AcceptArgs,
    peer: &Name,
    known: &[KnownKey],
) -> Result<(Protocol, Service), Stop> {
    let mut services: Vec<Service> = Vec::new();
    for key in narrow(known.to_vec(), &args.which)? {
        if !services.contains(&key.service) {
            services.push(key.service);
        }
    }
    let said = args.which.protocol.as_deref().map(protocol).transpose()?;
    match (said, &services[..]) {
        (Some(said), [one]) => Ok((said, one.clone())),
        (Some(said), []) => {
            let service = Service::new(&said, args.which.port);
            Ok((said, service))
        }
        (None, [one]) => Ok((protocol(&one.protocol)?, one.clone())),
        (None, []) => no(format!(
            "no key of {peer} is held or known in {}; say over what to ask for it: --protocol https",
            desk.path()?.display()
        )),
        (_, several) => no(format!(
            "{peer} is known for several services ({}); say which one with --protocol or --port",
            several.iter().map(Service::to_string).collect::<Vec<_>>().join(", ")
        )),
    }
}

/// Old and new, for whoever compares.
fn compared(desk: &Desk<'_>, peer: &Name, given: &Given, here: &[KnownKey]) -> String {
    let mut shown = String::new();
    for old in here.iter().filter(|key| key.key != given.key && key.state != State::Held) {
        let title = format!(
            "{} until now: known since {}, seen on {}, last {} ({})",
            old.state.as_str(),
            relative(old.first_seen, desk.now),
            picture::days(old.sightings),
            relative(old.last_seen, desk.now),
            old.origin
        );
        shown.push_str(&comparable(desk, &title, &old.key, &old.spki));
    }
    let title = format!("the new key of {peer}, {}", given.service);
    shown + &comparable(desk, &title, &given.key, &given.spki)
}
