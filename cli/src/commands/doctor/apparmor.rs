//! What an AppArmor profile lets a program read: its rules for files, with everything that it includes
//! (apparmor.d(5)).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// More files are included by no profile.
const MOST: usize = 200;

/// The file in which a profile of this name stands.
pub(super) fn file_of(folder: &Path, profile: &str) -> Option<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| p.is_file())
        .collect();
    paths.sort();
    paths.into_iter().find(|path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|line| heads(line.trim(), profile))
    })
}

/// `profile NAME …{`, `profile NAME /PATH …{`, `/PATH …{`.
fn heads(line: &str, profile: &str) -> bool {
    if !line.ends_with('{') {
        return false;
    }
    let words: Vec<_> = line.split_whitespace().map(|word| word.trim_matches('"')).collect();
    match words.as_slice() {
        ["profile", name, ..] => *name == profile || matches(name, profile),
        [name, ..] if name.starts_with(['/', '@']) => matches(name, profile),
        _ => false,
    }
}

/// The rules for files in a profile: a pattern and its rights.
pub(super) fn rules(folder: &Path, file: &Path) -> Vec<(String, String)> {
    let (mut rules, mut seen) = (Vec::new(), BTreeSet::new());
    gather(folder, file, &mut rules, &mut seen);
    rules
}

fn gather(
    folder: &Path,
    file: &Path,
    rules: &mut Vec<(String, String)>,
    seen: &mut BTreeSet<PathBuf>,
) {
    if seen.len() >= MOST || !seen.insert(file.to_owned()) {
        return;
    }
    for line in fs::read_to_string(file).unwrap_or_default().lines() {
        let line = line.trim();
        // `#include` is no comment.
        let Some(rest) = line.strip_prefix('#').unwrap_or(line).strip_prefix("include") else {
            rules.extend(rule(line));
            continue;
        };
        let name = rest.trim().trim_start_matches("if exists").trim();
        let name = name.trim_matches(['<', '>', '"']);
        let path = folder.join(name.trim_start_matches("/etc/apparmor.d/"));
        if path.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
            paths.sort();
            paths.iter().for_each(|path| gather(folder, path, rules, seen));
        } else {
            gather(folder, &path, rules, seen);
        }
    }
}

/// `/path rw,`, with `owner`, `file`, `allow` or `audit` before it; denials give nothing.
fn rule(line: &str) -> Option<(String, String)> {
    let line = line.split(" #").next()?.trim_end().strip_suffix(',')?;
    let mut words = line.split_whitespace().map(|word| word.trim_matches('"')).peekable();
    while words.next_if(|word| ["owner", "file", "allow", "audit"].contains(word)).is_some() {}
    let (path, rights) = (words.next()?, words.next()?);
    let is_rights = rights.chars().all(|c| "rwaklmixpPuUcC".contains(c));
    (path.starts_with(['/', '@']) && is_rights).then(|| (path.to_owned(), rights.to_owned()))
}

/// Whether the rules give these rights to a path.
pub(super) fn allows(rules: &[(String, String)], path: &str, rights: &str) -> bool {
    rights.chars().all(|right| {
        rules.iter().any(|(pattern, given)| given.contains(right) && matches(pattern, path))
    })
}

/// Variables that every profile has (tunables/), by what they stand for.
const VARIABLES: [(&str, &str); 9] = [
    ("@{lib}", "/{,usr/}lib"),
    ("@{bin}", "/{,usr/}{,s}bin"),
    ("@{etc_ro}", "/{usr/,}etc"),
    ("@{multiarch}", "*-linux-gnu*"),
    ("@{run}", "/{,var/}run"),
    ("@{PROC}", "/proc"),
    ("@{sys}", "/sys"),
    ("@{HOME}", "/{root,home/*}"),
    ("@{HOMEDIRS}", "/home"),
];

/// AppArmor's patterns: `*` within a name, `**` over folders, `?`, `[…]`, `{a,b}`. A variable that is not
/// known here stands for a part of a name: what it might open besides is not counted on.
fn matches(pattern: &str, path: &str) -> bool {
    let replace = |pattern: String, (name, value): &(&str, &str)| pattern.replace(name, value);
    let pattern = VARIABLES.iter().fold(pattern.to_owned(), replace);
    alternatives(&pattern).iter().any(|pattern| glob(pattern.as_bytes(), path.as_bytes()))
}

/// The pattern once for each choice in its braces, within reason.
fn alternatives(pattern: &str) -> Vec<String> {
    let (mut open, mut done) = (vec![pattern.to_owned()], Vec::new());
    while let Some(pattern) = open.pop() {
        let braces = pattern.find('}').and_then(|end| Some((pattern[..end].rfind('{')?, end)));
        match braces {
            // At the beginning it is a folder, and which is not known.
            Some((1, _)) if pattern.starts_with('@') => {}
            Some((start, _)) if pattern[..start].ends_with('@') => {
                let end = braces.map_or(start, |(_, end)| end);
                open.push(format!("{}*{}", &pattern[..start - 1], &pattern[end + 1..]));
            }
            Some((start, end)) if open.len() + done.len() < 256 => {
                for choice in pattern[start + 1..end].split(',') {
                    open.push(format!("{}{choice}{}", &pattern[..start], &pattern[end + 1..]));
                }
            }
            _ => done.push(pattern),
        }
    }
    done
}

fn glob(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=path.len()).any(|at| glob(rest, &path[at..])),
        [b'*', rest @ ..] => {
            let end = path.iter().position(|c| *c == b'/').unwrap_or(path.len());
            (0..=end).any(|at| glob(rest, &path[at..]))
        }
        [b'?', rest @ ..] => matches!(path, [c, after @ ..] if *c != b'/' && glob(rest, after)),
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|c| *c == b']') else { return false };
            matches!(path, [c, after @ ..] if is_in(&rest[..end], *c) && glob(&rest[end + 1..], after))
        }
        [c, rest @ ..] => matches!(path, [first, after @ ..] if first == c && glob(rest, after)),
    }
}

/// A class: characters and ranges.
fn is_in(class: &[u8], c: u8) -> bool {
    let (negated, class) = match class {
        [b'^', rest @ ..] => (true, rest),
        class => (false, class),
    };
    let ranges = class.windows(3).any(|w| w[1] == b'-' && (w[0]..=w[2]).contains(&c));
    (class.contains(&c) || ranges) != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_apparmors_do() {
        for (pattern, path, expected) in [
            ("/var/lib/peerkey/**", "/var/lib/peerkey/policy-1.db", true),
            ("/var/lib/*", "/var/lib/peerkey/policy-1.db", false),
            ("/var/lib/peerkey/{,**}", "/var/lib/peerkey/", true),
            (
                "/{usr/,}lib/@{multiarch}/**.so*",
                "/usr/lib/x86_64-linux-gnu/ossl-modules/peerkey.so",
                true,
            ),
            ("/usr/lib{,32,64}/**", "/usr/lib64/ossl-modules/peerkey.so", true),
            ("/var/lib/p[a-f]erkey/*", "/var/lib/peerkey/x", true),
            ("/var/lib/?eerkey/*", "/var/lib/peerkey/x", true),
            ("@{PROC}/x", "/var/lib/peerkey/x", false),
            ("@{HOME}/**", "/var/lib/peerkey/x", false),
            ("@{HOME}/**", "/home/a/x", true),
            ("@{other}/**", "/var/lib/peerkey/x", false),
            ("/var/lib/@{other}/x", "/var/lib/peerkey/x", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn rules_are_read_with_what_they_include() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "usr.sbin.x",
            "profile x /usr/sbin/x {\n  include <abstractions/base>\n  /etc/x r,\n  deny /var/** w,\n}\n",
        );
        write(
            "abstractions/base",
            "  include if exists <abstractions/base.d>\n  owner /tmp/** rw,\n",
        );
        write("abstractions/base.d/peerkey", "/var/lib/peerkey/** r,\n");
        let file = file_of(folder.path(), "x").unwrap();
        assert_eq!(file_of(folder.path(), "y"), None);
        let rules = rules(folder.path(), &file);
        assert!(allows(&rules, "/var/lib/peerkey/policy-1.db", "r"), "{rules:?}");
        assert!(allows(&rules, "/tmp/a/b", "rw"));
        assert!(!allows(&rules, "/var/lib/peerkey/policy-1.db", "w"));
        assert!(!allows(&rules, "/usr/lib/x.so", "mr"));
    }
}
