//! Installed programs that peerkey does not reach: each by the TLS that it asks for or carries.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Machine;
use super::check::Check;
use super::elf::{self, Libraries, Stack};
use crate::render::count;

/// Where programs are, beside the folders of PATH: git and apt keep those that speak TLS apart.
const FOLDERS: [&str; 9] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/lib/git-core",
    "/usr/libexec/git-core",
    "/usr/lib/apt/methods",
];
/// How long the search in programs' texts may take.
const PATIENCE: Duration = Duration::from_secs(8);

pub(super) fn checks(machine: &Machine<'_>) -> Vec<Check> {
    let programs = programs(machine);
    let (mut found, left) = sorted(machine, &programs);
    let reached = found.remove(&Stack::OpenSsl).map_or(0, |list| list.len());
    let subject = "installed programs";
    let looked = count(programs.len(), "program");
    let finding =
        format!("of {looked}, {reached} with OpenSSL as a library, which peerkey reaches");
    let mut checks = vec![Check::well(subject, finding)];
    for (stack, list) in found {
        let number = count(list.len(), "program");
        checks.push(Check::note(subject, finding_of(stack, &number)).about(list));
    }
    if left > 0 {
        let finding = format!("{} not looked at: there was no time", count(left, "program"));
        checks.push(Check::note(subject, finding));
    }
    checks
}

/// The programs by what they do TLS with, and how many there was no time for.
fn sorted(machine: &Machine<'_>, programs: &[PathBuf]) -> (BTreeMap<Stack, Vec<String>>, usize) {
    let mut libraries = Libraries::of(machine.root);
    let mut found: BTreeMap<Stack, Vec<String>> = BTreeMap::new();
    let mut add = |stacks: Vec<Stack>, path: &Path| {
        for stack in stacks {
            found.entry(stack).or_default().push(path.display().to_string());
        }
    };
    // Whoever asks for a library names it in texts of its own: only those that ask for none are read.
    let mut unclear = Vec::new();
    for path in programs {
        let Some(program) = elf::read(path) else { continue };
        let stacks = libraries.stacks(&program.needed);
        if stacks.is_empty() {
            unclear.push((path, program.is_go));
        }
        add(stacks, path);
    }
    let deadline = Instant::now() + PATIENCE;
    let mut left = 0;
    for (path, is_go) in unclear {
        left += usize::from(Instant::now() >= deadline);
        add(elf::carried(path, is_go, deadline), path);
    }
    (found, left)
}

fn finding_of(stack: Stack, number: &str) -> String {
    let text = stack.text();
    match stack {
        Stack::OwnOpenSsl => {
            format!("{number} with {text}: reached if they read openssl.cnf, as Node does")
        }
        Stack::Nss => format!("{number} with {text}: peerkey nss list says what they have"),
        _ => format!("beyond peerkey's reach: {number} with {text}"),
    }
}

/// Each program once, whatever names it has.
fn programs(machine: &Machine<'_>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = FOLDERS.map(|folder| machine.path(folder)).into();
    if machine.is_usual {
        folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    }
    let (mut seen, mut programs) = (BTreeSet::new(), Vec::new());
    for folder in folders.iter().filter(|folder| folder.is_absolute()) {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()) {
            if is_program(&path).is_some_and(|file| seen.insert(file)) {
                programs.push(path);
            }
        }
    }
    programs.sort();
    programs
}

/// Which file it is, if it can be run.
fn is_program(path: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(path).ok()?;
    let runs = meta.is_file() && meta.permissions().mode() & 0o111 != 0;
    let own = path.file_name().is_some_and(|name| name == "peerkey");
    (runs && !own).then_some((meta.dev(), meta.ino()))
}
