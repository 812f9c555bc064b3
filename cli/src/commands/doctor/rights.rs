//! Rights and owners: as programs demand them of what they read, and so that nobody but root can change
//! what all programs load.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Machine;
use super::check::Check;
use crate::library::nconf::Conf;
use crate::openssl_cnf::edit::Providers;
use crate::{inquiry, openssl_cnf};

pub(super) fn checks(machine: &Machine<'_>) -> Vec<Check> {
    let state = &machine.global.state_dir;
    let mut checks = Vec::new();
    for path in [state.clone(), inquiry::in_force(state)] {
        checks.extend(refused(&path));
    }
    for path in loaded(machine).iter().chain(&written(machine)) {
        checks.extend(open_to_others(path));
    }
    checks.extend(users(state));
    if checks.is_empty() {
        checks.push(Check::well("rights", "nobody but root can change what programs read or load"));
    }
    checks
}

/// What root alone owns, or who runs the command: a policy of one's own.
fn is_trusted(meta: &Metadata) -> bool {
    meta.uid() == 0 || meta.uid() == rustix::process::geteuid().as_raw()
}

fn others_may_write(meta: &Metadata) -> bool {
    let is_sticky_folder = meta.is_dir() && meta.mode() & 0o1000 != 0;
    meta.mode() & 0o022 != 0 && !is_sticky_folder
}

/// Why programs do not take the policy: they refuse every peer then, or do as on-error says.
fn refused(path: &Path) -> Option<Check> {
    let shown = path.display().to_string();
    let meta = fs::symlink_metadata(path).ok()?;
    let everyone = if meta.is_dir() { 0o005 } else { 0o004 };
    // The folder may be reached through a link, the file not.
    if meta.is_symlink() && !path.is_dir() {
        let finding = "a link: no program takes the policy through one";
        return Some(Check::unprotected(shown, finding, "remove it; peerkey apply"));
    }
    let meta = fs::metadata(path).ok()?;
    if others_may_write(&meta) {
        let finding = "others may write it, so that no program takes the policy";
        return Some(Check::unprotected(&shown, finding, format!("chmod go-w {shown}")));
    }
    if !is_trusted(&meta) {
        let finding =
            format!("belongs to uid {}: programs of other users do not take it", meta.uid());
        return Some(Check::unprotected(&shown, finding, format!("chown root: {shown}")));
    }
    if meta.mode() & everyone != everyone {
        let right = if meta.is_dir() { "rx" } else { "r" };
        let finding = "not everybody may read it: programs of other users refuse every peer";
        return Some(Check::unprotected(&shown, finding, format!("chmod go+{right} {shown}")));
    }
    None
}

/// What every program loads, or reads to find it.
fn loaded(machine: &Machine<'_>) -> Vec<PathBuf> {
    let mut paths = vec![machine.config.clone()];
    paths.extend(machine.config.parent().map(Path::to_owned));
    let named = openssl_cnf::named_in(&machine.config).map(|named| named.file);
    paths.extend(named.filter(|file| *file != machine.config));
    if let Ok(conf) = Conf::load(&machine.config) {
        let sections = Providers::of(&conf).listed.into_iter();
        let modules = sections.filter_map(|(_, section)| conf.value(&section, "module"));
        for module in modules.map(PathBuf::from).filter(|module| module.is_absolute()) {
            paths.extend(module.parent().map(Path::to_owned));
            paths.push(module);
        }
    }
    paths
}

/// The sources: whoever writes them writes the next policy.
fn written(machine: &Machine<'_>) -> Vec<PathBuf> {
    let config = &machine.global.config_dir;
    let mut paths = vec![config.clone(), config.join("policy.toml"), config.join("policy.d")];
    let compiled = inquiry::open(&inquiry::in_force(&machine.global.state_dir));
    let sources = compiled.and_then(|compiled| compiled.sources()).unwrap_or_default();
    paths.extend(sources.into_iter().map(|source| PathBuf::from(source.path)));
    paths.sort();
    paths.dedup();
    paths
}

fn open_to_others(path: &Path) -> Option<Check> {
    let meta = fs::metadata(path).ok()?;
    let shown = path.display().to_string();
    if others_may_write(&meta) {
        let finding = "others than its owner may write it, and so decide what is accepted";
        return Some(Check::unprotected(&shown, finding, format!("chmod go-w {shown}")));
    }
    (!is_trusted(&meta)).then(|| {
        let finding = format!("belongs to uid {}, who so decides what is accepted", meta.uid());
        Check::unprotected(&shown, finding, format!("chown root: {shown}"))
    })
}

/// Folders of system users' keys: each its own user's, and nobody else's.
fn users(state: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    for entry in fs::read_dir(state.join("uid")).into_iter().flatten().flatten() {
        let path = entry.path();
        let shown = path.display().to_string();
        let uid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let (Some(uid), Ok(meta)) = (uid, fs::symlink_metadata(&path)) else {
            let finding = "no folder of a user's keys: its name is no number of a user";
            checks.push(Check::warning(shown, finding, "move it elsewhere"));
            continue;
        };
        if meta.uid() != uid || meta.mode() & 0o022 != 0 {
            let finding = format!(
                "is to be uid {uid}'s alone, and is uid {}'s (mode {:o}): the keys in it do not count",
                meta.uid(),
                meta.mode() & 0o7777
            );
            let remedy = format!("chown {uid} {shown}; chmod 700 {shown}");
            checks.push(Check::warning(shown, finding, remedy));
        }
    }
    checks
}
