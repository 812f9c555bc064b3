//! The authorities as the policy's sources write them: a scope is proposed for what stands there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use peerkey_core::certificate::printable;
use toml::{Table, Value};

use super::comment;
use super::scope::Scope;

/// Each authority, with the file in which it stands.
#[derive(Default)]
pub(super) struct Written(BTreeMap<String, (PathBuf, Table)>);

/// Reads policy.toml and policy.d; what cannot be read is told.
pub(super) fn read(config_dir: &Path) -> (Written, Vec<String>) {
    let (mut written, mut mistakes) = (Written::default(), Vec::new());
    let mut files: Vec<_> = fs::read_dir(config_dir.join("policy.d"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files.insert(0, config_dir.join("policy.toml"));
    for path in files {
        let content = fs::read_to_string(&path).map_err(|error| error.to_string());
        let table = content.and_then(|text| text.parse::<Table>().map_err(|e| e.to_string()));
        match table {
            Err(why) => mistakes.push(format!("{} cannot be read: {why}", path.display())),
            Ok(mut table) => {
                let Some(Value::Table(all)) = table.remove("authority") else { continue };
                for (name, value) in all {
                    if let Value::Table(own) = value {
                        written.0.insert(name, (path.clone(), own));
                    }
                }
            }
        }
    }
    (written, mistakes)
}

impl Written {
    /// The authority's section, with this scope in place of its own.
    pub(super) fn section(&self, name: &str, scope: &Scope) -> String {
        let words = format!("# {} vouched {}.\n", comment(name), scope.in_words());
        let Some((path, own)) = self.0.get(name) else {
            let gone = "# It stands in the policy's sources no longer: nothing is proposed.\n";
            return words + gone;
        };
        let path = printable(&path.to_string_lossy());
        let is = |kind| own.get("kind").and_then(Value::as_str) == Some(kind);
        if is("pin") {
            return words + "# Each of its pins names its peer already: nothing is proposed.\n";
        }
        let mut rest = own.clone();
        rest.remove("peers");
        rest.remove("protocols");
        let Ok(rest) = toml::to_string(&rest) else {
            return words + "# Its section cannot be written again: nothing is proposed.\n";
        };
        let table = format!("[authority.{}]\n{rest}", key(name));
        format!("{words}# In place of that section in {path}:\n{}", scope.limited(&table))
    }
}

/// A name as a key (TOML 1.0).
fn key(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match !name.is_empty() && name.bytes().all(plain) {
        true => name.to_owned(),
        false => Value::String(name.to_owned()).to_string(),
    }
}
