//! `keys list`.

use peerkey_core::certificate::printable;
use peerkey_core::keys::{Filter, KnownKey, State};
use peerkey_core::peer::HostName;
use serde_json::json;

use super::{Desk, Stop, no, peer, protocol, report};
use crate::args::keys::{ListArgs, StateArg};
use crate::clock::{relative, rfc3339};
use crate::commands::FINE;
use crate::render::{count, json, table};

/// More rows than anybody reads are only shown if they are asked for.
const ROWS: u64 = 1000;

pub(super) fn run(desk: &Desk<'_>, args: &ListArgs) -> Result<u8, Stop> {
    let filter = filter(desk, args)?;
    match desk.json {
        true => as_json(desk, &filter, args.limit)?,
        false => for_people(desk, &filter, args.limit.unwrap_or(ROWS))?,
    }
    Ok(FINE)
}

fn filter(desk: &Desk<'_>, args: &ListArgs) -> Result<Filter, Stop> {
    let before = |length: Option<_>| desk.until(length).map(|then| 2 * desk.now - then);
    Ok(Filter {
        peer: args.peer.as_deref().map(peer_or_domain).transpose()?,
        protocol: family(args.protocol.as_deref())?,
        port: None,
        state: args.state.map(|state| match state {
            StateArg::Remembered => State::Remembered,
            StateArg::Held => State::Held,
            StateArg::Denied => State::Denied,
        }),
        origin: args.authority.clone(),
        last_before: before(args.unseen_for),
        first_from: before(args.newer_than),
    })
}

/// A protocol, with and without STARTTLS the same.
pub(super) fn family(text: Option<&str>) -> Result<Option<String>, Stop> {
    Ok(text.map(protocol).transpose()?.map(|protocol| protocol.family().to_string()))
}

/// A peer, or a domain with a dot before it.
pub(super) fn peer_or_domain(text: &str) -> Result<String, Stop> {
    match text.strip_prefix('.') {
        None => peer(text).map(|peer| peer.to_string()),
        Some(domain) => match HostName::parse(domain) {
            Some(domain) => Ok(format!(".{domain}")),
            None => no(format!("\"{}\" is no domain", printable(text))),
        },
    }
}

fn for_people(desk: &Desk<'_>, filter: &Filter, limit: u64) -> Result<(), Stop> {
    let path = desk.published()?;
    let Some(keys) = desk.read()? else {
        let words = format!("nothing is remembered yet: there is no {}\n", path.display());
        return Ok(desk.screen.print(&words)?);
    };
    let all = keys.count(filter)?;
    let mut rows = Vec::new();
    keys.each(filter, |key, _| {
        let goes_on = (rows.len() as u64) < limit;
        if goes_on {
            rows.push(row(&key, desk.now));
        }
        goes_on
    })?;
    let shown = rows.len() as u64;
    let mut text = match rows.is_empty() {
        true => String::new(),
        false => table::table(
            desk.screen.lines,
            &["peer", "service", "key", "state", "since", "last seen", "days", "origin"],
            rows,
        ),
    };
    text.push_str(&count(usize::try_from(all).unwrap_or(usize::MAX), "key"));
    text.push_str(&match all - shown.min(all) {
        0 => format!(" in {}\n", path.display()),
        more => format!(" in {}; {more} more with --limit {all}\n", path.display()),
    });
    Ok(desk.screen.print(&text)?)
}

fn row(key: &KnownKey, now: i64) -> Vec<String> {
    let mut state = key.state.as_str().to_owned();
    if let Some(until) = key.until {
        let word = if until < now { "until (over)" } else { "until" };
        state.push_str(&format!(" {word} {}", rfc3339(until)));
    }
    vec![
        key.peer.clone(),
        key.service.to_string(),
        key.key.to_string(),
        state,
        relative(key.first_seen, now),
        relative(key.last_seen, now),
        key.sightings.to_string(),
        key.origin.clone(),
    ]
}

/// One document, written as the keys are read: there can be millions.
fn as_json(desk: &Desk<'_>, filter: &Filter, limit: Option<u64>) -> Result<(), Stop> {
    let file = json!(desk.published()?.display().to_string());
    let version = json::VERSION;
    desk.screen.print(&format!("{{\"version\": {version}, \"file\": {file}, \"keys\": ["))?;
    let (mut page, mut number, mut output) = (String::new(), 0u64, Ok(()));
    if let Some(keys) = desk.read()? {
        keys.each(filter, |key, _| {
            if limit.is_some_and(|limit| number >= limit) {
                return false;
            }
            page.push_str(if number == 0 { "\n" } else { ",\n" });
            page.push_str(&report::key(&key, desk.now).to_string());
            number += 1;
            if page.len() > 200_000 {
                output = desk.screen.print(&std::mem::take(&mut page));
            }
            output.is_ok()
        })?;
    }
    output?;
    Ok(desk.screen.print(&format!("{page}\n]}}\n"))?)
}
