//! `keys add`.

use peerkey_core::keys::{Book, Given, KnownKey, PERSON, Put, Service, State};
use peerkey_core::peer::Name;

use super::choose::{agrees, comparable, fingerprint};
use super::found::{self, Found};
use super::report::Deed;
use super::{Desk, Stop, no, peer, protocol};
use crate::args::keys::AddArgs;
use crate::commands::{FINE, NO};
use crate::connect::Target;
use crate::crypto::System;
use crate::question::Presented;

pub(super) fn run(desk: &Desk<'_>, args: &AddArgs) -> Result<u8, Stop> {
    let peer = peer(&args.peer)?;
    let (given, place) = given(desk, args, &peer)?;
    let mut keys = desk.write()?;
    let before = keys.keys_of(&peer)?;
    desk.warn(&given)?;
    if let Some(spoken_for) = machine_denial(desk, &given)? {
        return no(spoken_for);
    }
    if args.connect.is_some() {
        let title = format!("the key of {peer}, {}, {place}", given.service);
        let mut shown = comparable(desk, &title, &given.key, &given.spki);
        shown.push_str(&others(&before, &given));
        let question = format!("Is this the key of {peer}?");
        if !agrees(desk, &args.sure, &given.key, &shown, &question)? {
            desk.screen.complain("nothing was changed\n");
            return Ok(NO);
        }
    } else if args.sure.expect.is_some() {
        agrees(desk, &args.sure, &given.key, "", "")?;
    }
    let what = format!("add a key of {peer}, {}", given.service);
    let done = desk.edit(&mut keys, &what, |edit| edit.put(&given, true))?;
    let word = match done.value {
        Put::Added => "added",
        Put::Changed => "accepted",
        Put::AsItWas => "known already",
    };
    desk.report(&deeds(word, keys.keys_of(&peer)?, &given), done.change)?;
    Ok(FINE)
}

fn given(desk: &Desk<'_>, args: &AddArgs, peer: &Name) -> Result<(Given, String), Stop> {
    let spoken = protocol(&args.protocol)?;
    let until = desk.until(args.sure.for_);
    let origin = |how: &str| format!("{PERSON}, {how}");
    let mut service = Service::new(&spoken, args.port);
    if let Some(text) = &args.spki {
        let given = Given {
            peer: peer.clone(),
            service,
            key: fingerprint(text)?,
            spki: Vec::new(),
            certificate: None,
            state: State::Remembered,
            origin: origin("by its hash"),
            until,
        };
        return Ok((given, "by its hash".into()));
    }
    let crypto = System::start();
    let from = |presented: Result<_, _>, place: String| match presented {
        Ok(presented) => Ok(Found { presented, place }),
        Err(why) => no(format!("{why}")),
    };
    let found = if let Some(file) = &args.chain {
        from(Presented::chain_file(file, &crypto), format!("from {}", file.display()))?
    } else if let Some(file) = &args.key {
        from(Presented::key_file(file, &crypto), format!("from {}", file.display()))?
    } else {
        let text = args.connect.as_deref().unwrap_or_default();
        let host = match args.port {
            Some(port) => host_and_port(peer, port),
            None => peer.to_string(),
        };
        let target = Target::new(text, Some(&host), Some(&spoken))?;
        service = Service::new(&spoken, args.port.or(Some(target.port)));
        found::call(&target, &spoken, peer, args.sure.timeout)?
    };
    Ok((found.given(peer, &service, &origin(&found.place), until), found.place))
}

/// As a target is written.
pub(super) fn host_and_port(peer: &Name, port: u16) -> String {
    match peer {
        Name::Address(address) if address.is_ipv6() => format!("[{address}]:{port}"),
        peer => format!("{peer}:{port}"),
    }
}

/// The machine's word goes first: a key that it denies cannot be added by a user.
fn machine_denial(desk: &Desk<'_>, given: &Given) -> Result<Option<String>, Stop> {
    if desk.system {
        return Ok(None);
    }
    let machine = Desk { system: true, ..*desk };
    let known = match machine.read()? {
        Some(keys) => keys.keys_of(&given.peer)?,
        None => Vec::new(),
    };
    let speaks = |key: &&KnownKey| key.service == given.service && key.state == State::Denied;
    Ok(known.iter().filter(speaks).find(|key| key.key == given.key).map(|_| {
        format!("this machine's administrator denied the key {} for {}", given.key, given.peer)
    }))
}

/// What else is known of the service, for whoever compares.
fn others(before: &[KnownKey], given: &Given) -> String {
    let here = before.iter().filter(|key| key.service == given.service && key.key != given.key);
    let line = |key: &KnownKey| {
        format!("  {} until now ({}): {}\n", key.state.as_str(), key.origin, key.key)
    };
    here.map(line).collect()
}

/// What is said of one key.
pub(super) fn deeds(word: &'static str, after: Vec<KnownKey>, given: &Given) -> Vec<Deed> {
    let is_it = |key: &KnownKey| key.service == given.service && key.key == given.key;
    after.into_iter().filter(is_it).map(|key| Deed { word, key }).collect()
}
