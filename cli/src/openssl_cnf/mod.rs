//! Which openssl.cnf programs read here, and what it says of peerkey's provider.

pub mod edit;
pub mod proof;

use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use peerkey_core::certificate::printable;

use crate::library;

/// The configuration that programs read in this environment.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The file.
    pub path: PathBuf,
    /// Whether OPENSSL_CONF names it; else it is the system's.
    pub by_environment: bool,
    /// Whether it can be read.
    pub readable: bool,
    /// The section that names peerkey's module, if there is one.
    pub named: Option<Named>,
}

/// A section for peerkey's module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The file in which it stands; one that was included, perhaps.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The module.
    pub module: String,
    /// Where the provider looks for the policy.
    pub state_dir: Option<String>,
    /// What it does where it cannot decide.
    pub on_error: Option<String>,
}

/// What a real OpenSSL program says of its providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// It loads peerkey, of this version.
    Yes(String),
    /// It does not.
    No,
    /// It loads peerkey, which is not active, or it failed; in these words.
    Broken(String),
    /// It could not be asked.
    Unknown(String),
}

/// Finds the configuration, and reads it as loosely as is enough to show where peerkey stands in it.
pub fn configuration() -> Configuration {
    library::start();
    let named_by = env::var_os("OPENSSL_CONF").filter(|value| !value.is_empty());
    let by_environment = named_by.is_some();
    let path = named_by.map_or_else(|| system_folder().join("openssl.cnf"), PathBuf::from);
    let readable = fs::File::open(&path).is_ok();
    let named = find(&path, &mut 0);
    Configuration { path, by_environment, readable, named }
}

/// The system's openssl.cnf, whatever the environment says.
pub fn system_file() -> PathBuf {
    library::start();
    system_folder().join("openssl.cnf")
}

/// Where a file, or one that it includes, names peerkey's module, if it does.
pub fn named_in(path: &Path) -> Option<Named> {
    find(path, &mut 0)
}

/// Whether a file includes itself, or more files than are sane.
pub fn includes_itself(path: &Path) -> bool {
    let mut files = 0;
    // One that names peerkey ends the search.
    let _ = find(path, &mut files);
    files > MOST_FILES
}

/// OPENSSLDIR, as `openssl version -d` shows it.
fn system_folder() -> PathBuf {
    let text = openssl::version::dir();
    PathBuf::from(text.trim_start_matches("OPENSSLDIR: ").trim_matches('"'))
}

/// More files than this are not included by any sane configuration.
const MOST_FILES: usize = 100;

fn find(path: &Path, files: &mut usize) -> Option<Named> {
    *files += 1;
    if *files > MOST_FILES {
        return None;
    }
    let mut content = String::new();
    fs::File::open(path).ok()?.take(1 << 20).read_to_string(&mut content).ok()?;
    let mut section = Section::default();
    for (number, line) in content.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.starts_with('[') {
            if section.is_ours() {
                break;
            }
            section = Section::default();
        } else if let Some(rest) = line.strip_prefix(".include") {
            let included = rest.trim_start_matches([' ', '\t', '=']).trim_matches('"');
            if let Some(found) = include(path, included, files) {
                return Some(found);
            }
        } else if let Some((name, value)) = line.split_once('=') {
            section.take(name.trim(), value.trim().trim_matches('"'), path, number + 1);
        }
    }
    section.is_ours().then_some(section.0)
}

#[derive(Default)]
struct Section(Named);

impl Section {
    fn is_ours(&self) -> bool {
        Path::new(&self.0.module)
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("peerkey"))
    }

    fn take(&mut self, name: &str, value: &str, file: &Path, line: usize) {
        let value = value.to_owned();
        match name {
            "module" => {
                self.0.module = value;
                self.0.file = file.to_owned();
                self.0.line = line;
            }
            "state-dir" => self.0.state_dir = Some(value),
            "on-error" => self.0.on_error = Some(value),
            _ => {}
        }
    }
}

/// A file, or a folder of `*.cnf` and `*.conf` (config(5)).
fn include(from: &Path, named: &str, files: &mut usize) -> Option<Named> {
    let path = from.parent().unwrap_or(Path::new("/")).join(named);
    if !path.is_dir() {
        return find(&path, files);
    }
    let entries = fs::read_dir(&path).ok()?.flatten().map(|entry| entry.path());
    let is_one = |path: &PathBuf| path.extension().is_some_and(|e| e == "cnf" || e == "conf");
    let mut paths: Vec<_> = entries.filter(is_one).collect();
    paths.sort();
    paths.iter().find_map(|path| find(path, files))
}

/// Asks the program `openssl` for its providers: the proof that the configuration works.
pub fn loaded() -> Loaded {
    loaded_with(&mut Command::new("openssl"))
}

/// The same of a program that reads what it reads by itself, whatever OPENSSL_CONF says here.
pub fn loaded_by_itself() -> Loaded {
    loaded_with(Command::new("openssl").env_remove("OPENSSL_CONF"))
}

fn loaded_with(openssl: &mut Command) -> Loaded {
    match said(openssl.args(["list", "-providers"])) {
        Ok(Said { succeeded: true, out, .. }) => peerkey_in(&out),
        Ok(Said { err, .. }) => {
            let words = printable(err.lines().next().unwrap_or("it says nothing"));
            Loaded::Broken(format!("openssl list -providers failed: {words}"))
        }
        Err(NoAnswer::NotRun(why)) => Loaded::Unknown(why),
        Err(NoAnswer::Endless) => Loaded::Broken("openssl list -providers does not end".into()),
    }
}

/// What a program said before it ended.
struct Said {
    succeeded: bool,
    out: String,
    err: String,
}

/// Why a program said nothing.
enum NoAnswer {
    NotRun(String),
    Endless,
}

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a program to its end.
fn said(command: &mut Command) -> Result<Said, NoAnswer> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|why| {
        let name = command.get_program().to_string_lossy();
        NoAnswer::NotRun(format!("the program {name} cannot be run: {why}"))
    })?;
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                // It may be gone by now, which is as good.
                let _ = child.kill().and_then(|()| child.wait());
                return Err(NoAnswer::Endless);
            }
            Ok(Some(status)) => {
                let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
                return Ok(Said { succeeded: status.success(), out, err });
            }
            Err(why) => return Err(NoAnswer::NotRun(why.to_string())),
        }
    }
}

/// Reads beside the child, so that a full pipe never stops it; no more than any list has.
fn reader(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut content = Vec::new();
        if let Some(pipe) = pipe {
            // What could be read until an error is all that there is.
            let _ = pipe.take(1 << 20).read_to_end(&mut content);
        }
        String::from_utf8_lossy(&content).into_owned()
    })
}

/// One provider of the list, in what `openssl` says of it.
#[derive(Default)]
struct Listed {
    name: String,
    version: String,
    status: String,
}

impl Listed {
    fn is_active(&self) -> bool {
        self.status == "active"
    }
}

/// Reads the list: names indented by two, their facts by four.
fn listed(list: &str) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    for line in list.lines() {
        let indent = line.len() - line.trim_start().len();
        match (line.trim().split_once(": "), all.last_mut()) {
            (None, _) if indent == 2 => {
                all.push(Listed { name: line.trim().to_owned(), ..Listed::default() });
            }
            (Some(("version", value)), Some(last)) => last.version = printable(value),
            (Some(("status", value)), Some(last)) => last.status = printable(value),
            _ => {}
        }
    }
    all
}

/// Whether peerkey is in the list, and active.
fn peerkey_in(list: &str) -> Loaded {
    match listed(list).into_iter().find(|one| one.name.contains("peerkey")) {
        None => Loaded::No,
        Some(found) if found.is_active() => Loaded::Yes(found.version),
        Some(found) => Loaded::Broken(format!("its status is \"{}\"", found.status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_found_behind_includes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "openssl.cnf",
            "openssl_conf = init\n.include conf.d\n[default]\nmodule = other.so\n",
        );
        fs::create_dir(folder.path().join("conf.d")).unwrap();
        write("conf.d/b.txt", "[x]\nmodule = peerkey.so\n");
        write(
            "conf.d/a.cnf",
            "[p]\nstate-dir = /s # mine\nmodule = \"/m/peerkey.so\"\non-error = application\n[q]\nmodule = x.so",
        );
        let found = find(&folder.path().join("openssl.cnf"), &mut 0).unwrap();
        assert_eq!((found.module.as_str(), found.line), ("/m/peerkey.so", 3));
        assert_eq!(found.state_dir.as_deref(), Some("/s"));
        assert_eq!(found.on_error.as_deref(), Some("application"));
        assert_eq!(find(&folder.path().join("conf.d/b.cnf"), &mut 0), None);
    }

    #[test]
    fn an_endless_include_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("openssl.cnf");
        fs::write(&path, ".include openssl.cnf\n").unwrap();
        assert_eq!(find(&path, &mut 0), None);
    }

    #[test]
    fn lists_of_providers_are_read() {
        let list = "Providers:\n  default\n    name: D\n    version: 3\n    status: active\n";
        assert_eq!(peerkey_in(list), Loaded::No);
        let with =
            format!("{list}  peerkey\n    name: peerkey\n    version: 0.1\n    status: active\n");
        assert_eq!(peerkey_in(&with), Loaded::Yes("0.1".into()));
        let first = "Providers:\n  peerkey\n    version: 0.1\n    status: \n  default\n    status: active\n";
        assert!(matches!(peerkey_in(first), Loaded::Broken(_)));
    }
}
