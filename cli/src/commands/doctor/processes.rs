//! Running processes: which have a TLS library, and which of those have peerkey.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Machine;
use super::check::Check;
use super::elf::Stack;
use crate::clock;
use crate::openssl_cnf;
use crate::render::count;

/// USER_HZ, which Linux keeps at 100 for what is told to programs (proc(5), stat).
const TICKS: i64 = 100;

/// A process.
pub(super) struct Process {
    pid: u32,
    folder: PathBuf,
    /// Its executable.
    pub(super) program: PathBuf,
    /// The files that it has mapped.
    mapped: BTreeSet<String>,
}

impl Process {
    /// `4711 /usr/sbin/nginx`.
    pub(super) fn named(&self) -> String {
        format!("{} {}", self.pid, self.program.display())
    }

    /// The folder in /proc.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The values of a variable in the environment that it was started with.
    pub(super) fn variable(&self, name: &str) -> Vec<String> {
        let environment = fs::read(self.folder.join("environ")).unwrap_or_default();
        let words = environment.split(|octet| *octet == 0).map(String::from_utf8_lossy);
        let value = |word: std::borrow::Cow<'_, str>| {
            word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
        };
        words.filter_map(value).collect()
    }

    /// Whether it has a file mapped whose name holds this.
    pub(super) fn has(&self, name: &str) -> bool {
        self.mapped.iter().any(|path| file_name(path).contains(name))
    }

    /// Its TLS libraries.
    pub(super) fn stacks(&self) -> BTreeSet<Stack> {
        self.mapped.iter().filter_map(|path| Stack::of_library(file_name(path))).collect()
    }

    /// When it began, in seconds since 1970.
    fn began(&self, boot: i64) -> Option<i64> {
        let stat = fs::read_to_string(self.folder.join("stat")).ok()?;
        // The name in parentheses can hold anything.
        let fields = stat.rsplit_once(')')?.1;
        let ticks: i64 = fields.split_whitespace().nth(19)?.parse().ok()?;
        Some(boot + ticks / TICKS)
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The processes that can be looked at, and how many cannot.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) processes: Vec<Process>,
    hidden: usize,
}

/// Looks at all of them.
pub(super) fn look(proc: &Path) -> Seen {
    let (mut seen, mut hidden) = (Vec::new(), 0);
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let folder = entry.path();
        let maps = match fs::read(folder.join("maps")) {
            Ok(maps) => maps,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                hidden += 1;
                continue;
            }
            Err(_) => continue,
        };
        // Threads of the kernel have none.
        let Ok(program) = fs::read_link(folder.join("exe")) else { continue };
        let own = program.file_name().is_some_and(|name| name == "peerkey");
        if !own && pid != std::process::id() {
            seen.push(Process { pid, folder, program, mapped: mapped(&maps) });
        }
    }
    seen.sort_by_key(|process| process.pid);
    Seen { processes: seen, hidden }
}

/// The files in a table of mappings: what follows five fields and an inode (proc(5), maps).
fn mapped(maps: &[u8]) -> BTreeSet<String> {
    let maps = String::from_utf8_lossy(maps);
    let path = |line: &str| line.find('/').map(|at| line[at..].to_owned());
    maps.lines().filter_map(path).collect()
}

pub(super) fn checks(machine: &Machine<'_>) -> Vec<Check> {
    let Seen { processes, hidden } = machine.seen();
    let switched = switched_on(machine);
    let boot = booted(machine);
    let (mut old, mut before, mut without, mut fine) = (vec![], vec![], vec![], 0);
    let mut others: BTreeMap<Stack, Vec<String>> = BTreeMap::new();
    for process in processes {
        let stacks = process.stacks();
        if process.mapped.iter().any(|path| is_provider(path) && path.ends_with(" (deleted)")) {
            old.push(process.named());
        } else if process.mapped.iter().any(|path| is_provider(path)) {
            fine += 1;
        } else if stacks.contains(&Stack::OpenSsl) {
            match (process.began(boot), switched) {
                (Some(began), Some(switched)) if began < switched => before.push(process.named()),
                _ => without.push(process.named()),
            }
        }
        // What comes along with another library (curl's libldap has GnuTLS) is not what it speaks with.
        let reached = stacks.contains(&Stack::OpenSsl);
        let beyond = |stack: &&Stack| !reached && **stack != Stack::Nss;
        for stack in stacks.iter().filter(beyond) {
            others.entry(*stack).or_default().push(process.named());
        }
    }
    let mut checks = vec![Check::well("/proc", format!("{} loaded peerkey", count_of(fine)))];
    checks.extend(found(old, before, without));
    checks.extend(others.into_iter().map(|(stack, list)| {
        let finding =
            format!("beyond peerkey's reach: {} with {}", count_of(list.len()), stack.text());
        Check::note("running programs", finding).about(list)
    }));
    if *hidden > 0 {
        let finding = format!("{} could not be looked at", count_of(*hidden));
        let check = Check::note("/proc", finding);
        let is_root = rustix::process::geteuid().is_root();
        checks.push(if is_root { check } else { check.remedied("run peerkey doctor as root") });
    }
    checks
}

fn found(old: Vec<String>, before: Vec<String>, without: Vec<String>) -> Vec<Check> {
    let mut checks = Vec::new();
    if !before.is_empty() {
        let finding = format!(
            "{} with OpenSSL began before peerkey was switched on, and are not held to the policy",
            count_of(before.len())
        );
        checks.push(Check::unprotected("running programs", finding, "restart them").about(before));
    }
    if !old.is_empty() {
        let finding = format!(
            "{} still use a peerkey.so that was replaced or taken away",
            count_of(old.len())
        );
        checks.push(Check::warning("running programs", finding, "restart them").about(old));
    }
    if !without.is_empty() {
        let finding = format!(
            "{} with OpenSSL but without peerkey: they do not read openssl.cnf, or did not need TLS \
             yet",
            count_of(without.len())
        );
        checks.push(Check::note("running programs", finding).about(without));
    }
    checks
}

fn count_of(number: usize) -> String {
    count(number, "process").replace("processs", "processes")
}

fn is_provider(path: &str) -> bool {
    let name = file_name(path);
    name.starts_with("peerkey.so") || name.starts_with("libpeerkey_openssl.so")
}

/// When openssl.cnf, or the file in it that names peerkey, was written.
fn switched_on(machine: &Machine<'_>) -> Option<i64> {
    let named = openssl_cnf::named_in(&machine.config)?;
    fs::metadata(named.file).ok().map(|meta| meta.mtime())
}

/// When this system was started.
fn booted(machine: &Machine<'_>) -> i64 {
    let stat = fs::read_to_string(machine.path("/proc/stat")).unwrap_or_default();
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(clock::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_read() {
        let maps = b"7f0-7f1 r-xp 0000 fe:01 12   /usr/lib/x/libssl.so.3\n\
                     7f1-7f2 rw-p 0000 00:00 0 \n7f2-7f3 rw-p 0000 00:00 0  [heap]\n\
                     7f4-7f5 r-xp 0000 fe:01 13 /usr/lib/a b/peerkey.so (deleted)\n";
        let found: Vec<_> = mapped(maps).into_iter().collect();
        assert_eq!(found, ["/usr/lib/a b/peerkey.so (deleted)", "/usr/lib/x/libssl.so.3"]);
        assert!(found.iter().any(|path| is_provider(path)));
    }
}
