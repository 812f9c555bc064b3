//! What is only for a while: `apply --confirm` and `confirm`, `off` and `on`.

use std::io;
use std::path::Path;
use std::time::Duration;

use peerkey_core::policy::Policy;
use peerkey_core::source::{self, Interim, InterimKind, Published};
use serde_json::json;

use super::install::lean_trust_is_on;
use super::{FINE, NO, fail, watch};
use crate::args::Global;
use crate::crypto::System;
use crate::render::{BAD, GOOD, ODD, styled};
use crate::screen::Screen;
use crate::{clock, events};

/// Puts a policy in force for a while, and somebody in charge of ending it.
pub(super) fn begin(
    global: &Global,
    policy: &Policy,
    kind: InterimKind,
    lasts: Duration,
) -> Result<Option<(Interim, Published)>, String> {
    let watcher = |interim: &Interim| watch::start(&global.state_dir, interim);
    let begun = source::begin(policy, &global.state_dir, clock::now(), (kind, lasts), watcher);
    begun.map_err(|error| error.to_string())
}

/// `5 minutes, until 2027-01-31T12:00:00Z`.
pub(super) fn how_long(interim: &Interim) -> String {
    let lasts = interim.until.saturating_sub(interim.since).unsigned_abs();
    format!("{}, until {}", clock::span(lasts), clock::rfc3339(interim.until))
}

/// Keeps the policy that waits.
pub fn confirm(global: &Global, screen: &Screen) -> io::Result<u8> {
    match source::confirm(&global.state_dir) {
        Ok(interim) => {
            note(global, screen, "confirmed", &interim);
            screen.print(&format!("{}\n", styled(GOOD, "the policy stays in force")))?;
            Ok(FINE)
        }
        Err(error) => {
            fail(screen, &error);
            Ok(NO)
        }
    }
}

/// Switches peerkey off.
pub fn off(global: &Global, lasts: Duration, screen: &Screen) -> io::Result<u8> {
    let begun = transparent()
        .and_then(|policy| begin(global, &policy, InterimKind::Off, lasts))
        .and_then(|begun| begun.ok_or_else(|| "nothing was switched off".into()));
    let (interim, Published { path, .. }) = match begun {
        Ok(begun) => begun,
        Err(why) => {
            fail(screen, why);
            screen.complain("Nothing has changed.\n");
            return Ok(NO);
        }
    };
    note(global, screen, "off", &interim);
    let words = format!("peerkey is OFF for {}", how_long(&interim));
    screen.print(&format!("{}\n", styled(BAD.bold(), words)))?;
    screen.print(&format!(
        "No rule, no constraint and no DENIAL holds: each program's own verification decides alone.\n\
         {} is another policy for so long. Programs with NSS remember what they were told until they \
         restart.\nIt ends by itself, at a restart too; peerkey on ends it now.\n",
        path.display()
    ))?;
    if lean_trust_is_on(Path::new("/")) {
        let text = "programs of new sessions have no anchors of their own (--lean-trust), and refuse every \
                    peer for so long; peerkey remove --lean-trust gives them back";
        screen.complain(&format!("{}: {text}\n", styled(ODD.bold(), "warning")));
    }
    Ok(FINE)
}

/// Switches it on again.
pub fn on(global: &Global, screen: &Screen) -> io::Result<u8> {
    let interim = match source::interim(&global.state_dir) {
        Some(interim) if interim.kind == InterimKind::Off => interim,
        Some(_) => {
            fail(screen, "peerkey is not off: a policy waits to be confirmed");
            screen
                .complain("  help: peerkey confirm keeps it, peerkey policy rollback goes back\n");
            return Ok(NO);
        }
        None => {
            screen.print("peerkey is not off\n")?;
            return Ok(FINE);
        }
    };
    match source::end(&global.state_dir, &interim) {
        Ok(_) => {
            note(global, screen, "on", &interim);
            let words = styled(GOOD, "peerkey is on: the policy is in force again");
            screen.print(&format!("{words}\n"))?;
            Ok(FINE)
        }
        Err(error) => {
            fail(screen, &error);
            Ok(NO)
        }
    }
}

/// Ends what should have ended: whoever was in charge of it was killed, or the system started anew.
pub(super) fn settle(global: &Global, screen: &Screen) {
    let Some(over) = source::interim(&global.state_dir).filter(Interim::is_over) else { return };
    let warning = styled(ODD.bold(), "warning");
    match source::settle(&global.state_dir) {
        Ok(Some(ended)) => {
            ended_by_itself(global, screen, &ended);
            screen.complain(&format!("{warning}: {}\n", words_of_end(ended.kind)));
        }
        Ok(None) => {}
        Err(why) => screen.complain(&format!(
            "{warning}: {} was to end by {}, and could not be ended: {why}\n",
            match over.kind {
                InterimKind::Off => "peerkey off",
                InterimKind::Confirm => "a policy that nobody confirmed",
            },
            clock::rfc3339(over.until)
        )),
    }
}

/// Whether nothing is left that should have ended. That was done before any command.
pub(super) fn settled(global: &Global) -> u8 {
    match source::interim(&global.state_dir).is_some_and(|interim| interim.is_over()) {
        true => NO,
        false => FINE,
    }
}

fn words_of_end(kind: InterimKind) -> &'static str {
    match kind {
        InterimKind::Off => "the time of peerkey off is over: the policy is in force again",
        InterimKind::Confirm => {
            "nobody confirmed the policy in time: the one before is in force again. The sources are as \
             they were: units leave them alone, and peerkey apply brings it again"
        }
    }
}

/// Records that it ended when its time was over.
pub(super) fn ended_by_itself(global: &Global, screen: &Screen, interim: &Interim) {
    let event = match interim.kind {
        InterimKind::Off => "on",
        InterimKind::Confirm => "not confirmed",
    };
    note(global, screen, event, interim);
}

/// Records it; where that fails, says so.
pub(super) fn note(global: &Global, screen: &Screen, event: &str, interim: &Interim) {
    let mut more = json!({
        "since": clock::rfc3339(interim.since),
        "until": clock::rfc3339(interim.until),
        "uid": rustix::process::geteuid().as_raw(),
    });
    if let Ok(user) = std::env::var("SUDO_USER") {
        more["by"] = json!(user);
    }
    if let Err(why) = events::record(&global.state_dir, event, &more) {
        screen.complain(&format!("{}: {why}\n", styled(ODD.bold(), "warning")));
    }
}

/// The policy that changes no program's result. It comes from no file that could change.
fn transparent() -> Result<Policy, String> {
    let failed = |why: io::Error| format!("no folder for it can be made (TMPDIR): {why}");
    let folder = tempfile::tempdir().map_err(failed)?;
    std::fs::write(folder.path().join("policy.toml"), "version = 1\n").map_err(failed)?;
    let loaded = source::load(folder.path(), &System::start(), clock::now());
    let loaded = loaded.map_err(|_| "the policy that changes nothing cannot be read")?;
    Ok(Policy { sources: Vec::new(), ..loaded.policy })
}
