//! `apply`: checks the policy, and puts it in force.

use std::io;

use peerkey_core::source::{self, Counts, Diagnostic, Loaded};
use serde_json::{Value, json};

use super::{FINE, NO, fail};
use crate::args::{ApplyArgs, Global};
use crate::crypto::System;
use crate::render::diagnostics::{self, Severity};
use crate::render::{count, json, styled};
use crate::screen::Screen;
use crate::{clock, render};

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
    match source::publish(&loaded.policy, &global.state_dir, now) {
        Ok(published) => {
            let path = published.path.display().to_string();
            let mut words = format!("the policy is in force: {}", in_words(&loaded));
            if published.previous.is_some() {
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
