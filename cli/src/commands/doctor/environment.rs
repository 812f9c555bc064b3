//! OPENSSL_CONF in the environment of services, of running processes and of this shell: their programs
//! read another openssl.cnf.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Machine;
use super::check::Check;
use crate::openssl_cnf;

/// Where systemd looks for units, and Debian's daemons for settings.
const UNITS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// What all services or sessions get.
const FOR_ALL: [&str; 3] =
    ["/etc/environment", "/etc/systemd/system.conf", "/etc/systemd/user.conf"];
const VARIABLE: &str = "OPENSSL_CONF";
/// A larger file is no unit.
const LARGEST: u64 = 1 << 20;

pub(super) fn checks(machine: &Machine<'_>) -> Vec<Check> {
    let mut elsewhere: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |value: String, whose: String| {
        let list = elsewhere.entry(value).or_default();
        if !list.contains(&whose) {
            list.push(whose);
        }
    };
    for unit in unit_files(machine) {
        for value in said_in(machine, &unit) {
            add(value, unit.display().to_string());
        }
    }
    for process in &machine.seen().processes {
        for value in process.variable(VARIABLE) {
            add(value, process.named());
        }
    }
    if let Some(value) = env::var_os(VARIABLE).filter(|_| machine.is_usual) {
        add(value.to_string_lossy().into_owned(), "this shell".into());
    }
    let checks: Vec<_> =
        elsewhere.into_iter().filter_map(|(value, whose)| judge(machine, &value, whose)).collect();
    match checks.is_empty() {
        true => vec![Check::well(VARIABLE, "leads no service away from openssl.cnf")],
        false => checks,
    }
}

fn judge(machine: &Machine<'_>, value: &str, whose: Vec<String>) -> Option<Check> {
    let same = |a: &Path, b: &Path| {
        let whole = |path: &Path| fs::canonicalize(path).ok();
        a == b || whole(a).is_some_and(|a| whole(b) == Some(a))
    };
    let (path, real) = (Path::new(value), machine.path(value));
    if !value.is_empty() && (same(&real, &machine.config) || same(path, &machine.config)) {
        return None;
    }
    let named = [real.as_path(), path].into_iter().find_map(openssl_cnf::named_in);
    let subject = format!("{VARIABLE}={value}");
    let remedy = "take the variable away, or put peerkey into that file: peerkey install openssl \
                  --config FILE";
    Some(match named {
        Some(_) => Check::note(subject, "another openssl.cnf, which names peerkey too").about(whose),
        None => Check::unprotected(
            subject,
            "set where these run, whose programs read that file, without peerkey, and not openssl.cnf",
            remedy,
        )
        .about(whose),
    })
}

/// Units and their additions, and what holds for all of them.
fn unit_files(machine: &Machine<'_>) -> Vec<PathBuf> {
    let mut found: Vec<_> = FOR_ALL.map(|path| machine.path(path)).into();
    for folder in UNITS.map(|folder| machine.path(folder)) {
        // A link from /lib to /usr/lib leads to the same.
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
        for path in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.ends_with(".service") && path.is_file() {
                found.push(path);
            } else if name.ends_with(".service.d") {
                let more = fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path());
                found.extend(more.filter(|path| path.extension().is_some_and(|e| e == "conf")));
            }
        }
    }
    let real = |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|path| seen.insert(real(path)));
    found
}

/// The values that a unit gives the variable: Environment=, EnvironmentFile= (systemd.exec(5)).
fn said_in(machine: &Machine<'_>, unit: &Path) -> Vec<String> {
    let Some(text) = text_of(unit) else { return Vec::new() };
    if !unit.extension().is_some_and(|end| end == "service" || end == "conf") {
        return assignments(&text);
    }
    let text = text.replace("\\\n", " ");
    let mut values = Vec::new();
    for (name, value) in text.lines().filter_map(|line| line.trim().split_once('=')) {
        match name.trim() {
            "Environment" | "DefaultEnvironment" => {
                let words = words(value).into_iter();
                values.extend(words.filter_map(|word| value_in(&word)));
            }
            "EnvironmentFile" => {
                let path = value.trim().trim_start_matches('-').trim_matches('"');
                if let Some(text) = text_of(&machine.path(path)) {
                    values.extend(assignments(&text));
                }
            }
            _ => {}
        }
    }
    values
}

fn text_of(path: &Path) -> Option<String> {
    let file = fs::File::open(path).ok().filter(|f| f.metadata().is_ok_and(|m| m.is_file()))?;
    let mut content = Vec::new();
    file.take(LARGEST).read_to_end(&mut content).ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

/// A file of NAME=VALUE.
fn assignments(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("export ").trim());
    lines.flat_map(words).filter_map(|word| value_in(&word)).collect()
}

fn value_in(word: &str) -> Option<String> {
    word.strip_prefix(VARIABLE)?.strip_prefix('=').map(str::to_owned)
}

/// Words, with quotes taken off.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            (_, c) => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_found_as_systemd_and_shells_read_them() {
        let found = |text| assignments(text);
        assert_eq!(found("A=1\nexport OPENSSL_CONF=\"/a b\"\n"), ["/a b"]);
        assert_eq!(found("OPENSSL_CONF='/x'\nOPENSSL_CONFIG=/y"), ["/x"]);
        assert_eq!(found("OPENSSL_CONF="), [""]);
        assert_eq!(found("#OPENSSL_CONF=/x"), [""; 0]);
        assert_eq!(words("\"OPENSSL_CONF=/a b\" 'C=d' e"), ["OPENSSL_CONF=/a b", "C=d", "e"]);
    }
}
