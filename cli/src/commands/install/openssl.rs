//! `install openssl` and `remove openssl`: the provider in openssl.cnf. The new file is written beside the
//! old one, proved with the real program `openssl`, and renamed over it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::NamedTempFile;

use super::refused;
use crate::args::{Global, InstallOpenssl, RemoveOpenssl, USUAL_STATE_DIR};
use crate::commands::FINE;
use crate::file::{self, backup_of, shown};
use crate::library::nconf::{Conf, Misread};
use crate::openssl_cnf::edit::{self, Providers, Unpaired, Wish};
use crate::openssl_cnf::{self, proof};
use crate::render::{GOOD, styled};
use crate::screen::Screen;
use crate::trouble::Trouble;
use crate::{inquiry, modules};

/// A larger file is no openssl.cnf that anybody wrote.
const LARGEST: u64 = 8 << 20;
/// How the names of files begin that are written beside the real one.
const OURS: &[u8] = b".peerkey-";

/// Switches peerkey on.
pub(super) fn install(global: &Global, args: &InstallOpenssl, screen: &Screen) -> io::Result<u8> {
    let path = args.config.clone().unwrap_or_else(openssl_cnf::system_file);
    match switch_on(global, args, &path) {
        Ok(Outcome::Shown(difference)) => screen.print(&difference)?,
        Ok(Outcome::Done(words)) => {
            screen.print(&format!("{}\n", styled(GOOD, &words)))?;
            screen.complain("Programs that run have to be started again.\n");
        }
        Ok(Outcome::AsBefore(words)) => screen.print(&format!("{words}\n"))?,
        Err(trouble) => {
            let status = refused(screen, &trouble);
            screen.complain(&format!("{} is unchanged.\n", shown(&path)));
            return Ok(status);
        }
    }
    Ok(FINE)
}

/// Switches it off.
pub(super) fn remove(args: &RemoveOpenssl, screen: &Screen) -> io::Result<u8> {
    let path = args.config.clone().unwrap_or_else(openssl_cnf::system_file);
    match switch_off(&path, args.dry_run) {
        Ok(Outcome::Shown(difference)) => screen.print(&difference)?,
        Ok(Outcome::Done(words) | Outcome::AsBefore(words)) => {
            screen.print(&format!("{words}\n"))?;
        }
        Err(trouble) => return Ok(refused(screen, &trouble)),
    }
    Ok(FINE)
}

enum Outcome {
    Shown(String),
    Done(String),
    AsBefore(String),
}

fn switch_on(global: &Global, args: &InstallOpenssl, path: &Path) -> Result<Outcome, Trouble> {
    let policy = inquiry::in_force(&global.state_dir);
    inquiry::open_whole(&policy).map_err(|why| {
        Trouble::new(format!("no policy is in force: {why}")).hint("peerkey apply comes first")
    })?;
    let modules = modules::provider(args.module.as_deref())?;
    let found = Found::read(path)?;
    let before = found.conf(&found.bare)?;
    let providers = Providers::of(&before);
    if providers.listed.iter().any(|(name, _)| name == edit::PROVIDER) {
        let what = format!("{} names peerkey already, by hand", shown(path));
        return Err(Trouble::new(what).hint("take those lines out, or leave it at that"));
    }
    let state_dir = unusual(&global.state_dir);
    let texts = modules.into_iter().map(|module| {
        let wish = Wish { module, state_dir: state_dir.clone() };
        edit::with_blocks(&found.bare, &before, &wish)
    });
    let texts: Vec<String> = texts.collect();
    if args.dry_run {
        let best = texts.first().map_or(found.text.as_str(), String::as_str);
        return Ok(Outcome::Shown(difference(path, &found.text, best)));
    }
    let new = found.works(&texts, &providers)?;
    if new == found.text {
        let words = format!("peerkey is switched on in {} already, and works", shown(path));
        return Ok(Outcome::AsBefore(words));
    }
    let backup = backup_of(&found.target);
    let had_backup = backup.exists();
    file::replace(&backup, found.bare.as_bytes(), 0o644)?;
    if let Err(trouble) = file::replace(path, new.as_bytes(), 0o644) {
        if !had_backup {
            file::remove(&backup)?;
        }
        return Err(trouble);
    }
    Ok(Outcome::Done(format!("peerkey is switched on in {}, and works", shown(path))))
}

/// The folder of the policy, where the provider has to be told.
fn unusual(state_dir: &Path) -> Option<String> {
    let whole = std::path::absolute(state_dir).unwrap_or_else(|_| state_dir.to_owned());
    (whole != Path::new(USUAL_STATE_DIR)).then(|| whole.display().to_string())
}

fn switch_off(path: &Path, dry_run: bool) -> Result<Outcome, Trouble> {
    let found = Found::read(path)?;
    if !found.is_on {
        let words = format!("{} has no lines of peerkey install", shown(path));
        return Ok(Outcome::AsBefore(words));
    }
    if dry_run {
        return Ok(Outcome::Shown(difference(path, &found.text, &found.bare)));
    }
    let backup = backup_of(&found.target);
    let before = file::read(&backup)?;
    file::replace(path, found.bare.as_bytes(), 0o644)?;
    Ok(Outcome::Done(match before {
        Some(before) if before == found.bare.as_bytes() => {
            file::remove(&backup)?;
            format!("{} is what it was, to the octet", shown(path))
        }
        Some(_) => format!(
            "{} was edited meanwhile: peerkey's own lines are out, all else is left; what it was \
             before is in {}",
            shown(path),
            shown(&backup)
        ),
        None => format!("peerkey's lines are out of {}", shown(path)),
    }))
}

/// An openssl.cnf, nobody else's to change for as long as this lives.
struct Found {
    text: String,
    /// Without peerkey's blocks.
    bare: String,
    is_on: bool,
    /// The file itself, where the path leads through links.
    target: PathBuf,
    folder: PathBuf,
    _lock: File,
}

impl Found {
    fn read(path: &Path) -> Result<Self, Trouble> {
        let target = fs::canonicalize(path).map_err(|error| Trouble::io("read", path, &error))?;
        let folder = target.parent().unwrap_or(Path::new("/")).to_owned();
        let lock = File::open(&folder).map_err(|error| Trouble::io("open", &folder, &error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            let what = format!("another peerkey is at work in {}", shown(&folder));
            Trouble::new(what).hint("try again when it is done")
        })?;
        clear(&folder);
        let length = fs::metadata(&target).map_err(|error| Trouble::io("read", path, &error))?;
        if !length.is_file() || length.len() > LARGEST {
            return Err(Trouble::new(format!("{} is no openssl.cnf", shown(path)))
                .hint(format!("it is to be a file of {LARGEST} bytes at most")));
        }
        let content = fs::read(&target).map_err(|error| Trouble::io("read", path, &error))?;
        let text = String::from_utf8(content).map_err(|error| {
            let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
                .iter()
                .filter(|octet| **octet == b'\n')
                .count();
            let what = format!("{}:{} is not UTF-8", shown(path), line + 1);
            Trouble::new(what).hint("write that line in UTF-8")
        })?;
        if openssl_cnf::includes_itself(&target) {
            let what = format!("{} includes itself, or more than any file does", shown(path));
            return Err(Trouble::new(what).hint("mend its .include lines"));
        }
        let (bare, is_on) = edit::without_blocks(&text).map_err(|Unpaired(line)| {
            let what = format!("{}:{line}: half of peerkey's lines are missing", shown(path));
            Trouble::new(what).hint("take the others out by hand, from mark to mark")
        })?;
        Ok(Self { text, bare, is_on, target, folder, _lock: lock })
    }

    /// A file of this text beside the real one, as long as it is kept.
    fn beside(&self, text: &str) -> Result<NamedTempFile, Trouble> {
        let made = tempfile::Builder::new()
            .prefix(".peerkey-")
            .suffix(".cnf")
            .tempfile_in(&self.folder)
            .and_then(|file| fs::write(file.path(), text).map(|()| file));
        made.map_err(|error| Trouble::io("write into", &self.folder, &error))
    }

    /// The first of these texts with which the program `openssl` works, and keeps its providers.
    fn works<'a>(&self, texts: &'a [String], providers: &Providers) -> Result<&'a str, Trouble> {
        let mut wanted = providers.active.clone();
        if wanted.is_empty() {
            wanted.push("default".into());
        }
        let mut failed = Trouble::new("there is no module");
        for text in texts {
            let candidate = self.beside(text)?;
            let Err(why) = proof::prove(candidate.path(), &wanted) else { return Ok(text) };
            let what = format!("{} would not work with peerkey: {why}", shown(&self.target));
            failed = Trouble::new(what)
                .hint("peerkey install openssl --dry-run shows what would be written");
        }
        Err(failed)
    }

    /// What OpenSSL reads in a text that stands where this file does.
    fn conf(&self, text: &str) -> Result<Conf, Trouble> {
        let file = self.beside(text)?;
        Conf::load(file.path()).map_err(|Misread { line, why }| {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            let what = format!("{}{line}: OpenSSL cannot read it: {why}", shown(&self.target));
            Trouble::new(what).hint("mend that line first")
        })
    }
}

/// Takes away what a command left that was killed. Nobody else is at work here.
fn clear(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(OURS)) {
        // What stays is in nobody's way.
        let _ = fs::remove_file(entry.path());
    }
}

fn difference(path: &Path, old: &str, new: &str) -> String {
    let (from, to) = (shown(path), format!("{} (new)", shown(path)));
    let difference = similar::TextDiff::from_lines(old, new);
    difference.unified_diff().context_radius(2).header(&from, &to).to_string()
}
