//! Policies as people write them, good and bad, in folders of their own.

mod bad;
mod entries;
mod evidence;
mod files;
mod good;
mod mutated;
mod odd;
mod pki;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Diagnostic, Loaded, load};
use crate::crypto::NoCrypto;

/// The moment at which the policies are read: 2026-01-01.
const NOW: i64 = 1_767_225_600;

/// A configuration folder.
struct Folder(TempDir);

impl Folder {
    /// A folder with this `policy.toml`, and the certificates of `pki` in `pki/`.
    fn new(policy: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write("policy.toml", policy);
        pki::write_all(&folder);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn load(&self) -> Result<Loaded, Vec<Diagnostic>> {
        load(self.0.path(), &NoCrypto, NOW)
    }

    fn good(&self) -> Loaded {
        self.load().unwrap_or_else(|errors| panic!("{:#?}", self.show(&errors)))
    }

    /// The errors, each on a line: `file:line:column: what | help`.
    fn errors(&self) -> Vec<String> {
        self.show(&self.load().err().unwrap_or_default())
    }

    fn warnings(&self) -> Vec<String> {
        self.show(&self.good().warnings)
    }

    fn show(&self, diagnostics: &[Diagnostic]) -> Vec<String> {
        let show = |d: &Diagnostic| {
            let place = d.place.as_ref().map_or(String::new(), |p| {
                let file = p.file.strip_prefix(self.0.path()).unwrap_or(&p.file);
                format!("{}:{}:{}: ", file.display(), p.line, p.column)
            });
            let hint = d.hint.as_ref().map_or(String::new(), |h| format!(" | {h}"));
            let base = self.0.path().to_string_lossy().into_owned();
            format!("{place}{}{hint}", d.message).replace(&base, "DIR")
        };
        diagnostics.iter().map(show).collect()
    }
}

/// Asserts that there are so many lines, and that each begins and continues as said.
#[track_caller]
fn assert_lines(context: &str, lines: &[String], expected: &[(&str, &[&str])]) {
    assert_eq!(lines.len(), expected.len(), "{context}\n{lines:#?}");
    for (line, (start, words)) in lines.iter().zip(expected) {
        assert!(line.starts_with(start), "{context}\nnot at {start}: {line}");
        for word in *words {
            assert!(line.contains(word), "{context}\nnot with {word:?}: {line}");
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
