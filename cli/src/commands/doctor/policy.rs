//! The policy: in force, whole, of today's sources, and with something to say.

use std::path::Path;

use peerkey_core::policy::AuthorityKind;
use peerkey_core::rule::Mode;
use peerkey_core::source::{self, InterimKind, Whole};
use peerkey_core::store::Compiled;

use super::Machine;
use super::check::Check;
use crate::commands::install::lean_trust_no_longer_fits;
use crate::crypto::System;
use crate::render::count;
use crate::{clock, inquiry};

const APPLY: &str = "peerkey apply";

pub(super) fn checks(machine: &Machine<'_>) -> Vec<Check> {
    let path = inquiry::in_force(&machine.global.state_dir);
    let subject = path.display().to_string();
    let mut checks: Vec<_> = interim(&machine.global.state_dir).into_iter().collect();
    let compiled = match inquiry::open_whole(&path) {
        Ok(compiled) => compiled,
        Err(_) if !path.exists() => {
            let finding = "no policy is in force: programs that load peerkey refuse every peer, or \
                           take none of its word, as on-error says";
            checks.push(Check::unprotected(subject, finding, APPLY));
            return checks;
        }
        Err(why) => {
            let finding = format!("no program can use the policy: {why}");
            checks.push(Check::unprotected(subject, finding, APPLY));
            return checks;
        }
    };
    checks.push(digest(&subject, &machine.global.state_dir));
    checks.push(effect(&subject, &compiled, is_off(&machine.global.state_dir)));
    checks.extend(monitored(&subject, &compiled));
    checks.extend(sources(&compiled));
    if lean_trust_no_longer_fits(machine.root, &compiled) {
        let finding = "programs of new sessions have no anchors (--lean-trust), and the policy leaves \
                       something to what they say: they refuse it";
        checks.push(Check::warning("lean trust", finding, "peerkey remove --lean-trust"));
    }
    checks.extend(expired(&machine.global.config_dir));
    checks
}

fn is_off(state_dir: &Path) -> bool {
    source::interim(state_dir).is_some_and(|interim| interim.kind == InterimKind::Off)
}

/// What is only for a while.
fn interim(state_dir: &Path) -> Option<Check> {
    let interim = source::interim(state_dir)?;
    let until = clock::rfc3339(interim.until);
    let subject = "interim";
    Some(match (interim.kind, interim.is_over()) {
        (_, true) => Check::unprotected(
            subject,
            format!("it was to end by {until}, and nobody ended it"),
            "run any peerkey command as root: it ends it",
        ),
        (InterimKind::Off, false) => Check::unprotected(
            subject,
            format!("peerkey is off until {until}: no rule and no denial holds"),
            "peerkey on",
        ),
        (InterimKind::Confirm, false) => Check::warning(
            subject,
            format!("the policy goes back to the one before at {until}, unless it is confirmed"),
            "peerkey confirm, or peerkey policy rollback",
        ),
    })
}

fn digest(subject: &str, state_dir: &Path) -> Check {
    match source::whole(state_dir) {
        Ok(Whole::Yes) => Check::well(subject, "as it was published, by its digest"),
        Ok(Whole::No) => {
            Check::unprotected(subject, "damaged: it is not what was published", APPLY)
        }
        Ok(Whole::Unknown) => Check::warning(subject, "no digest of it is recorded", APPLY),
        Err(why) => Check::warning(subject, format!("it cannot be read whole: {why}"), APPLY),
    }
}

fn effect(subject: &str, compiled: &Compiled, is_off: bool) -> Check {
    if compiled.is_transparent() && !is_off {
        let finding = "it changes nothing: each program's own verification decides";
        return Check::note(subject, finding);
    }
    let meta = compiled.meta();
    let number = |number: u64, noun| count(number.try_into().unwrap_or(usize::MAX), noun);
    let (rules, denials) = (number(meta.rules, "rule"), number(meta.denials, "denial"));
    Check::well(subject, format!("{rules}, {denials}, {}", number(meta.constraints, "constraint")))
}

fn monitored(subject: &str, compiled: &Compiled) -> Option<Check> {
    if compiled.meta().mode == Mode::Monitor {
        let finding = "the policy only monitors: what it refuses is accepted all the same";
        let remedy = "mode = \"enforce\" in policy.toml, then peerkey apply";
        return Some(Check::unprotected(subject, finding, remedy));
    }
    let rules = compiled.rules().ok()?;
    let places: Vec<_> =
        rules.into_iter().filter(|rule| rule.monitored).map(|rule| rule.place).collect();
    if places.is_empty() {
        return None;
    }
    let finding = format!("{} only monitored", are(places.len(), "rule"));
    let remedy = "take mode = \"monitor\" out of them when the record shows that they are right";
    Some(Check::warning(subject, finding, remedy).about(places))
}

fn are(number: usize, noun: &str) -> String {
    format!("{} {}", count(number, noun), if number == 1 { "is" } else { "are" })
}

/// Policy files that were written since, and anchors that are others now.
fn sources(compiled: &Compiled) -> Vec<Check> {
    let sources = match compiled.sources() {
        Ok(sources) => sources,
        Err(why) => return vec![Check::unprotected("sources", why.to_string(), APPLY)],
    };
    let number = sources.len();
    let (mut files, mut evidence) = (Vec::new(), Vec::new());
    for source in sources {
        let path = Path::new(&source.path);
        let changed = match source::digest(path) {
            Ok(digest) if digest == source.sha256 => continue,
            Ok(_) if !path.exists() => format!("{} is gone", source.path),
            Ok(_) => format!("{} has changed", source.path),
            Err(why) => format!("{} is not readable: {why}", source.path),
        };
        let is_policy = path.extension().is_some_and(|end| end == "toml" || end == "d");
        if is_policy { files.push(changed) } else { evidence.push(changed) }
    }
    let mut checks = Vec::new();
    if !files.is_empty() {
        let finding = "the policy was edited since it was applied: what is written is not in force";
        checks.push(Check::warning("sources", finding, APPLY).about(files));
    }
    if !evidence.is_empty() {
        let finding =
            "anchors, CRLs or keys changed since the policy was applied: the old ones count";
        checks.push(Check::warning("anchors", finding, APPLY).about(evidence));
    }
    if checks.is_empty() {
        let finding = format!("{}, all as compiled", count(number, "file"));
        checks.push(Check::well("sources", finding));
    }
    checks
}

/// Anchors of the sources that vouch for nothing any more.
fn expired(config_dir: &Path) -> Option<Check> {
    let now = clock::now();
    let loaded = match source::load(config_dir, &System::start(), now) {
        Ok(loaded) => loaded,
        Err(errors) => {
            let number = count(errors.len(), "error");
            let finding = format!("{number} in the policy's sources: it cannot be applied again");
            let remedy = "peerkey apply --check names them";
            return Some(Check::warning(config_dir.to_string_lossy(), finding, remedy));
        }
    };
    let mut expired = Vec::new();
    for authority in &loaded.policy.authorities {
        let AuthorityKind::X509 { anchors, .. } = &authority.kind else { continue };
        for anchor in anchors {
            let (_, until) = anchor.certificate.validity();
            if until < now {
                let (name, subject) = (&authority.name, anchor.certificate.subject_text());
                expired.push(format!("{name}: {subject}, since {}", clock::rfc3339(until)));
            }
        }
    }
    if expired.is_empty() {
        return None;
    }
    let finding = format!("expired, and vouching for nothing: {}", count(expired.len(), "anchor"));
    let remedy = "put their successors in, then peerkey apply";
    Some(Check::warning("anchors", finding, remedy).about(expired))
}
