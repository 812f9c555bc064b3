//! `apply`: checks the policy, and puts it in force.

use std::io;
use std::time::Duration;

use peerkey_core::source::{self, Counts, Diagnostic, InterimKind, Loaded};
use serde_json::{Value, json};

use super::{FINE, NO, fail, interim};
use crate::args::{ApplyArgs, Global};
use crate::crypto::System;
use crate::render::diagnostics::{self, Severity};
use crate::render::{count, json, styled};
use crate::screen::Screen;
use crate::{clock, inquiry, render};

/// Runs the command.
pub fn run(global: &Global, args: &ApplyArgs, screen: &Screen) -> io::Result<u8> {
    let now = clock::now();
    let crypto = System::start();
    let mut loaded = match source::load(&global.config_dir, &crypto, now) {
        Ok(loaded) => loaded,
        Err(errors) => return refused(args, screen, &errors),
    };
    screen.complain(&diagnostics::all(Severity::Warning, &loaded.warnings));
    if args.check {
        let words = format!("the policy is right: {}", in_words(&loaded));
        return done(args, screen, &loaded, None, &words);
    }
    source::complete(&mut loaded.policy, &crypto);
    if let Some(lasts) = args.confirm {
        return for_a_while(global, args, screen, &loaded, lasts);
    }
    let publish = if args.unattended { source::publish_unattended } else { source::publish };
    match publish(&loaded.policy, &global.state_dir, now) {
        Ok(published) => {
            let path = published.path.display().to_string();
            let mut words = format!("the policy is in force: {}", in_words(&loaded));
            if let Some(off) = &published.after {
                let end = clock::rfc3339(off.until);
                words =
                    format!("peerkey is OFF; this policy comes after it: {}", in_words(&loaded));
                words.push_str(&format!("\nthat is at {end}, or with peerkey on"));
            } else if published.previous.is_some() {
                words.push_str("\nthe one before is kept: peerkey policy rollback");
            }
            done(args, screen, &loaded, Some(&path), &words)
        }
        Err(error) => {
            fail(screen, &error);
            screen.complain("The policy in force is unchanged.\n");
            print_json(args, screen, &json!({ "applied": false, "error": error.to_string() }))?;
            Ok(NO)
        }
    }
}

/// Puts it in force until it is confirmed, or goes.
fn for_a_while(
    global: &Global,
    args: &ApplyArgs,
    screen: &Screen,
    loaded: &Loaded,
    lasts: Duration,
) -> io::Result<u8> {
    match interim::begin(global, &loaded.policy, InterimKind::Confirm, lasts) {
        Ok(Some((begun, published))) => {
            interim::note(global, screen, "apply, to be confirmed", &begun);
            let words = format!(
                "the policy is in force for {}: {}\nthen the one before comes back, unless you run: \
                 peerkey confirm",
                interim::how_long(&begun),
                in_words(loaded)
            );
            done(args, screen, loaded, Some(&published.path.display().to_string()), &words)
        }
        Ok(None) => {
            let words = "the same policy is in force already: there is nothing to confirm";
            let path = inquiry::in_force(&global.state_dir);
            done(args, screen, loaded, Some(&path.display().to_string()), words)
        }
        Err(why) => {
            fail(screen, &why);
            screen.complain("The policy in force is unchanged.\n");
            print_json(args, screen, &json!({ "applied": false, "error": why }))?;
            Ok(NO)
        }
    }
}

fn refused(args: &ApplyArgs, screen: &Screen, errors: &[Diagnostic]) -> io::Result<u8> {
    screen.complain(&diagnostics::all(Severity::Error, errors));
    let number = count(errors.len(), "error");
    fail(screen, format_args!("{number} in the policy; the policy in force is unchanged"));
    let errors = json::diagnostics(errors);
    print_json(args, screen, &json!({ "applied": false, "errors": errors }))?;
    Ok(NO)
}

fn done(
    args: &ApplyArgs,
    screen: &Screen,
    loaded: &Loaded,
    path: Option<&str>,
    words: &str,
) -> io::Result<u8> {
    print_json(
        args,
        screen,
        &json!({
            "applied": path.is_some(),
            "path": path,
            "counts": json::counts(&loaded.summary),
            "warnings": json::diagnostics(&loaded.warnings),
        }),
    )?;
    if !args.json {
        screen.print(&format!("{}\n", styled(render::GOOD, words)))?;
    }
    Ok(FINE)
}

fn print_json(args: &ApplyArgs, screen: &Screen, document: &Value) -> io::Result<()> {
    if !args.json {
        return Ok(());
    }
    let mut document = document.clone();
    document["version"] = json!(json::VERSION);
    screen.print(&json::text(&document))
}

/// `3 rules, 2 authorities (145 anchors, 2 pins), 1 denial`.
fn in_words(loaded: &Loaded) -> String {
    let Counts { files, authorities, anchors, crls, pins, constraints, denials, rules, .. } =
        loaded.summary;
    let some = |number, noun| (number > 0).then(|| count(number, noun));
    let of: Vec<_> = [some(anchors, "anchor"), some(crls, "CRL"), some(pins, "pin")]
        .into_iter()
        .flatten()
        .collect();
    let mut authorities = count(authorities, "authority");
    if !of.is_empty() {
        authorities = format!("{authorities} ({})", of.join(", "));
    }
    let parts = [
        Some(count(rules, "rule")),
        Some(authorities),
        some(constraints, "constraint"),
        some(denials, "denial"),
        Some(format!("from {}", count(files, "file"))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
