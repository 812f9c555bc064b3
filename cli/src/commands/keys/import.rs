//! `keys import`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use openssl::hash::{MessageDigest, hash};
use peerkey_core::certificate::printable;
use peerkey_core::keys::{Filter, Given, IMPORTED, Keys, Put};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;

use super::{Desk, Stop, no, protocol};
use crate::args::keys::ImportArgs;
use crate::commands::{FINE, NO, NO_ANSWER};
use crate::crypto::System;
use crate::question;
use crate::render::{GOOD, ODD, count, json, styled};
use crate::transfer::{self, Help, Line};

/// So many keys are written at once: programs that want to write wait no longer.
const BATCH: usize = 50_000;

/// So many bad lines are told.
const TOLD: usize = 20;

/// So many are listed in JSON.
const LISTED: usize = 1000;

pub(super) fn run(desk: &Desk<'_>, args: &ImportArgs) -> Result<u8, Stop> {
    let (mut input, size) = open(&args.file)?;
    let start = input.fill_buf().map_err(|error| unreadable(&args.file, &error))?;
    let Some(format) = args.format.or_else(|| transfer::recognise(start)) else {
        return no(format!(
            "it cannot be seen what {} is; say so with --format, if it holds keys at all",
            args.file.display()
        ));
    };
    let help = help(desk, args)?;
    let mut import = Import::new(desk, args, size)?;
    transfer::read(&mut input, format, &help, &mut |number, at, line| {
        import.line(number, at, line)
    })
    .map_err(|error| import.trouble.take().unwrap_or_else(|| unreadable(&args.file, &error)))?;
    import.flush()?;
    import.end()
}

type Input = (BufReader<Box<dyn Read>>, Option<u64>);

fn open(path: &Path) -> Result<Input, Stop> {
    let (input, size): (Box<dyn Read>, _) = if path.as_os_str() == "-" {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let found = file.metadata().map_err(|error| unreadable(path, &error))?;
        (Box::new(file), found.is_file().then_some(found.len()))
    };
    Ok((BufReader::with_capacity(1 << 20, input), size))
}

fn unreadable(path: &Path, error: &io::Error) -> Stop {
    Stop::Because(format!("cannot read {}: {error}", path.display()))
}

fn help(desk: &Desk<'_>, args: &ImportArgs) -> Result<Help, Stop> {
    let mut names = Vec::new();
    if let Some(path) = &args.names {
        let text = question::read(path).map_err(|error| unreadable(path, &error))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        names.extend(text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned));
    }
    if let Some(keys) = desk.read()? {
        let mut last = String::new();
        keys.each(&Filter::default(), |key, _| {
            if key.peer != last {
                names.push(key.peer.clone());
                last = key.peer;
            }
            true
        })?;
    }
    let name = args.file.file_name().unwrap_or(args.file.as_os_str()).to_string_lossy();
    Ok(Help {
        protocol: args.protocol.as_deref().map(protocol).transpose()?,
        names,
        certificates: certificates(&args.certificates)?,
        origin: format!("{IMPORTED}{}", printable(&name)),
        until: desk.until(args.for_),
        crypto: System::start(),
    })
}

fn certificates(files: &[std::path::PathBuf]) -> Result<HashMap<[u8; 32], Vec<u8>>, Stop> {
    let mut all = HashMap::new();
    for path in files {
        let text = question::read(path).map_err(|error| unreadable(path, &error))?;
        let mut found = 0;
        for der in CertificateDer::pem_slice_iter(&text) {
            let Ok(der) = der else {
                return no(format!("{}: a PEM block is damaged", path.display()));
            };
            let digest = hash(MessageDigest::sha256(), &der);
            if let Some(digest) = digest.ok().and_then(|digest| (*digest).try_into().ok()) {
                all.insert(digest, der.to_vec());
                found += 1;
            }
        }
        if found == 0 {
            return no(format!("{} holds no certificate in PEM", path.display()));
        }
    }
    Ok(all)
}

/// An import that is under way.
struct Import<'a> {
    desk: &'a Desk<'a>,
    args: &'a ImportArgs,
    /// None where nothing is to be changed.
    keys: Option<Keys>,
    batch: Vec<Given>,
    change: Option<i64>,
    added: u64,
    changed: u64,
    as_it_was: u64,
    lines: u64,
    bad: u64,
    /// The first of them.
    told: Vec<(u64, String)>,
    trouble: Option<Stop>,
    bar: ProgressBar,
}

impl<'a> Import<'a> {
    fn new(desk: &'a Desk<'a>, args: &'a ImportArgs, size: Option<u64>) -> Result<Self, Stop> {
        let keys = if args.dry_run { None } else { Some(desk.write()?) };
        if let Some(keys) = &keys {
            keys.expect_many()?;
        }
        Ok(Self {
            desk,
            args,
            keys,
            batch: Vec::new(),
            change: None,
            added: 0,
            changed: 0,
            as_it_was: 0,
            lines: 0,
            bad: 0,
            told: Vec::new(),
            trouble: None,
            bar: bar(size),
        })
    }

    fn line(&mut self, number: u64, at: u64, line: Line) -> io::Result<()> {
        self.lines += 1;
        match line {
            Ok(keys) => self.batch.extend(keys),
            Err(why) => {
                self.bad += 1;
                if self.told.len() < LISTED {
                    self.told.push((number, why));
                }
            }
        }
        if self.lines.is_multiple_of(1024) {
            self.bar.set_position(at);
            self.bar.set_message(format!("{} lines", self.lines));
        }
        if self.batch.len() >= BATCH {
            self.flush().map_err(|trouble| {
                self.trouble = Some(trouble);
                io::Error::other("the keys cannot be written")
            })?;
        }
        Ok(())
    }

    /// Writes what was read. In the order of the table, so that each of its pages is written once.
    fn flush(&mut self) -> Result<(), Stop> {
        let mut batch = std::mem::take(&mut self.batch);
        let Some(keys) = &mut self.keys else {
            self.added += batch.len() as u64;
            return Ok(());
        };
        batch.sort_by_cached_key(|given| (given.peer.to_string(), given.key));
        let what = format!("import {}", printable(&self.args.file.to_string_lossy()));
        let done = keys.edit(&what, self.desk.now, self.change, |edit| {
            let mut counts = (0, 0, 0);
            for given in &batch {
                match edit.put(given, false)? {
                    Put::Added => counts.0 += 1,
                    Put::Changed => counts.1 += 1,
                    Put::AsItWas => counts.2 += 1,
                }
            }
            Ok(counts)
        })?;
        self.change = done.change;
        self.added += done.value.0;
        self.changed += done.value.1;
        self.as_it_was += done.value.2;
        Ok(())
    }

    fn end(self) -> Result<u8, Stop> {
        self.bar.finish_and_clear();
        if let (Some(keys), true) = (&self.keys, self.change.is_some()) {
            self.desk.publish(keys)?;
        }
        self.complain();
        let taken = self.added + self.changed + self.as_it_was;
        match self.desk.json {
            true => self.document()?,
            false => self.words()?,
        }
        Ok(match (self.bad, taken) {
            (0, _) => FINE,
            (_, 0) => NO_ANSWER,
            _ => NO,
        })
    }

    fn complain(&self) {
        for (number, why) in self.told.iter().take(TOLD) {
            let place = format!("{}:{number}", printable(&self.args.file.to_string_lossy()));
            self.desk.screen.complain(&format!("{}: {why}\n", styled(ODD, place)));
        }
        let more = self.bad.saturating_sub(TOLD as u64);
        if more > 0 {
            self.desk.screen.complain(&format!("and {more} more lines\n"));
        }
    }

    fn words(&self) -> Result<(), Stop> {
        let keys = |number: u64| count(usize::try_from(number).unwrap_or(usize::MAX), "key");
        let path = self.desk.path()?;
        let mut text = match self.args.dry_run {
            true => format!("nothing was changed; {} would be taken\n", keys(self.added)),
            false => {
                let added = styled(GOOD, format!("{} added", keys(self.added)));
                format!(
                    "{added}, {} accepted that were held or ended, {} known or denied already\n",
                    self.changed, self.as_it_was
                )
            }
        };
        if self.bad > 0 {
            let lines = count(usize::try_from(self.bad).unwrap_or(usize::MAX), "line");
            text.push_str(&format!("{lines} not taken, of {}\n", self.lines));
        }
        if self.change.is_some() {
            let undo = self.desk.command("undo");
            text.push_str(&format!("in {}; to take it back: {undo}\n", path.display()));
        }
        Ok(self.desk.screen.print(&text)?)
    }

    fn document(&self) -> Result<(), Stop> {
        let bad = |(number, why): &(u64, String)| json!({ "line": number, "why": why });
        Ok(self.desk.screen.print(&json::text(&json!({
            "version": json::VERSION,
            "file": self.desk.path()?.display().to_string(),
            "change": self.change,
            "dry-run": self.args.dry_run,
            "lines": self.lines,
            "added": self.added,
            "changed": self.changed,
            "as-it-was": self.as_it_was,
            "bad": self.bad,
            "bad-lines": self.told.iter().map(bad).collect::<Vec<_>>(),
        })))?)
    }
}

/// Seen on a terminal only.
fn bar(size: Option<u64>) -> ProgressBar {
    let template = "{bar:30} {percent}% {msg}, {eta} to go";
    match (size, ProgressStyle::with_template(template)) {
        (Some(size), Ok(style)) => ProgressBar::new(size).with_style(style),
        _ => ProgressBar::new_spinner(),
    }
}
