//! `keys undo` and `keys repair`.

use std::fs;
use std::path::{Path, PathBuf};

use peerkey_core::certificate::printable;
use peerkey_core::keys::{Change, Filter, Keys, Undone};
use serde_json::{Value, json};

use super::{Desk, Stop, no};
use crate::args::keys::UndoArgs;
use crate::book;
use crate::clock::{relative, rfc3339};
use crate::commands::{FINE, NO};
use crate::render::{GOOD, ODD, count, json, styled, table};

pub(super) fn run(desk: &Desk<'_>, args: &UndoArgs) -> Result<u8, Stop> {
    if args.list {
        return list(desk);
    }
    let path = desk.path()?;
    if !book::look(&path)? {
        return no(format!("nothing was changed yet: there is no {}", path.display()));
    }
    let mut keys = desk.write()?;
    match keys.undo(args.change)? {
        Undone::Change(change) => {
            desk.publish(&keys)?;
            done(desk, &path, &change)
        }
        Undone::Nothing => match args.change {
            Some(change) => no(format!(
                "there is no change {change} in {}; see {}",
                path.display(),
                desk.command("undo --list")
            )),
            None => no(format!("no change is left to undo in {}", path.display())),
        },
        Undone::After(later) => no(format!(
            "change {} ({}) touched the same keys later; undo that one first",
            later.id,
            printable(&later.what)
        )),
    }
}

fn done(desk: &Desk<'_>, path: &Path, change: &Change) -> Result<u8, Stop> {
    let path = path.display().to_string();
    desk.screen.print(&match desk.json {
        true => json::text(&json!({
            "version": json::VERSION,
            "file": path,
            "undone": as_json(change),
        })),
        false => {
            let keys = count(usize::try_from(change.keys).unwrap_or(0), "key");
            let (id, what) = (change.id, printable(&change.what));
            let ago = relative(change.at, desk.now);
            let word = styled(GOOD, "undone");
            format!("{word}: change {id} of {ago}, {what} ({keys})\nin {path}\n")
        }
    })?;
    Ok(FINE)
}

fn as_json(change: &Change) -> Value {
    json!({
        "change": change.id,
        "at": rfc3339(change.at),
        "what": printable(&change.what),
        "keys": change.keys,
    })
}

fn list(desk: &Desk<'_>) -> Result<u8, Stop> {
    let path = desk.path()?;
    let changes = match book::read(&path)? {
        Some(keys) => keys.changes()?,
        None => Vec::new(),
    };
    let path = path.display().to_string();
    desk.screen.print(&match (desk.json, changes.is_empty()) {
        (true, _) => json::text(&json!({
            "version": json::VERSION,
            "file": path,
            "changes": changes.iter().map(as_json).collect::<Vec<_>>(),
        })),
        (false, true) => format!("no change is left to undo in {path}\n"),
        (false, false) => {
            let row = |change: &Change| {
                let ago = relative(change.at, desk.now);
                vec![change.id.to_string(), ago, printable(&change.what), change.keys.to_string()]
            };
            let rows = changes.iter().map(row).collect();
            table::table(desk.screen.lines, &["change", "when", "what", "keys"], rows)
        }
    })?;
    Ok(FINE)
}

/// Sets a damaged file aside, and saves what can be read of it. A file that is whole stays.
pub(super) fn repair(desk: &Desk<'_>) -> Result<u8, Stop> {
    let path = desk.path()?;
    if !book::look(&path)? {
        return no(format!("there is nothing to repair: there is no {}", path.display()));
    }
    let old = book::read(&path);
    let why = match &old {
        Ok(keys) => keys.as_ref().and_then(Keys::damage),
        Err(error) if error.is_damage() => Some(error.to_string()),
        // Of another program or version: not damaged, and not ours to move.
        Err(error) => return Err(error.clone().into()),
    };
    let Some(why) = why else { return whole(desk, &path) };
    let fresh = suffixed(&path, &format!("repaired-{}", std::process::id()));
    let _ = fs::remove_file(&fresh);
    let mut saved = 0;
    let mut keys = book::write(&fresh)?;
    if let Ok(Some(old)) = &old {
        saved = keys.salvage(old)?;
    }
    drop((keys, old));
    let aside = free(&path, desk.now);
    let moved = fs::hard_link(&path, &aside).and_then(|()| fs::rename(&fresh, &path));
    if let Err(error) = moved {
        let _ = fs::remove_file(&fresh);
        return no(format!("cannot set {} aside: {error}", path.display()));
    }
    // What a killed process left to be rolled back belongs to the damaged file.
    let _ = fs::rename(suffixed_plain(&path, "-journal"), suffixed_plain(&aside, "-journal"));
    let keys = book::write(&path)?;
    desk.publish(&keys)?;
    let left = keys.count(&Filter::default())?;
    said(desk, &path, &aside, &printable(&why.replace('\n', " ")), saved.max(left))
}

/// Of a whole file of the machine's only what is published of it may be damaged.
fn whole(desk: &Desk<'_>, path: &Path) -> Result<u8, Stop> {
    let words = if desk.system && desk.read().is_err() {
        desk.publish(&desk.write()?)?;
        format!("published again: {}\n", desk.published()?.display())
    } else {
        format!("{} is whole; nothing was changed\n", path.display())
    };
    desk.screen.print(&words)?;
    Ok(FINE)
}

fn said(desk: &Desk<'_>, path: &Path, aside: &Path, why: &str, saved: u64) -> Result<u8, Stop> {
    desk.screen.print(&match desk.json {
        true => json::text(&json!({
            "version": json::VERSION,
            "file": path.display().to_string(),
            "damaged": aside.display().to_string(),
            "why": why,
            "saved": saved,
        })),
        false => {
            let saved = count(usize::try_from(saved).unwrap_or(usize::MAX), "key");
            let word = styled(ODD, "set aside");
            format!(
                "{}: {why}\n{word}: {}\nsaved from it: {saved}; what was lost counts as never met: \
                 the next key of such a peer is a first use\n",
                path.display(),
                aside.display()
            )
        }
    })?;
    Ok(NO)
}

/// A name that nothing has yet.
fn free(path: &Path, now: i64) -> PathBuf {
    let mut names = (now..).map(|at| suffixed(path, &format!("damaged-{at}")));
    names.find(|name| name.symlink_metadata().is_err()).unwrap_or_default()
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    suffixed_plain(path, &format!(".{suffix}"))
}

fn suffixed_plain(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
