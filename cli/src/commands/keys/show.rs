//! `keys show`.

use peerkey_core::keys::{Book, KnownKey, State};
use serde_json::json;

use super::choose::narrow;
use super::{Desk, Stop, no, peer, picture, report};
use crate::args::keys::ShowArgs;
use crate::clock::{relative, rfc3339};
use crate::commands::FINE;
use crate::render::tree::Branch;
use crate::render::{BAD, BOLD, GOOD, ODD, json, styled};
use crate::screen::Lines;

pub(super) fn run(desk: &Desk<'_>, args: &ShowArgs) -> Result<u8, Stop> {
    let peer = peer(&args.peer)?;
    let known = desk.read()?.map(|keys| keys.keys_of(&peer)).transpose()?.unwrap_or_default();
    let known = narrow(known, &args.which)?;
    if known.is_empty() {
        let path = desk.published()?;
        return no(format!("no such key of {peer} is known in {}", path.display()));
    }
    desk.screen.print(&match desk.json {
        true => json::text(&json!({
            "version": json::VERSION,
            "file": desk.published()?.display().to_string(),
            "keys": known.iter().map(|key| report::key(key, desk.now)).collect::<Vec<_>>(),
        })),
        false => known.iter().map(|key| one(key, desk)).collect(),
    })?;
    Ok(FINE)
}

fn one(key: &KnownKey, desk: &Desk<'_>) -> String {
    let style = match key.state {
        State::Remembered if key.holds(desk.now) => GOOD,
        State::Remembered | State::Held => ODD,
        State::Denied => BAD,
    };
    let moment = |at| format!("{} ({})", rfc3339(at), relative(at, desk.now));
    let title = Branch::new(styled(BOLD, format!("{}, {}", key.peer, key.service)));
    let mut tree = title
        .with(Branch::fact("state", styled(style, key.state.as_str())))
        .with(Branch::fact("sha256", key.key.to_string()))
        .with(Branch::fact("hex", picture::hex(&key.key)))
        .with(Branch::fact("kind", picture::kind(&key.spki)))
        .with(Branch::fact("origin", &key.origin))
        .with(Branch::fact("first seen", moment(key.first_seen)))
        .with(Branch::fact("last seen", moment(key.last_seen)))
        .with(Branch::fact("seen on", picture::days(key.sightings)));
    if let Some(until) = key.until {
        tree = tree.with(Branch::fact("until", moment(until)));
    }
    let mut text = tree.draw(desk.screen.lines);
    if desk.screen.lines != Lines::Indented {
        text.push_str(&picture::picture(&key.key, &key.spki));
    }
    text
}
