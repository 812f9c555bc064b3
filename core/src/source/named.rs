//! The files of certificates, keys and CRLs that a policy names.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Context;
use super::diagnostic::full;
use super::evidence::{self, Found, Want};
use super::file::{EVIDENCE_LIMIT, show};
use super::text::{At, Text};

impl<'a> Context<'a> {
    /// What a file holds that is named at `at`; None and a report where it holds not one thing.
    pub(super) fn one(&mut self, path: &str, at: At<'a>, want: Want, what: &str) -> Option<Found> {
        let mut found = self.evidence(path, at, want);
        if found.len() > 1 {
            let message = format!("{path} holds {} of them; one {what} is wanted", found.len());
            self.sink.error(at.says(message).hint("write a file with that one alone"));
            return None;
        }
        found.pop()
    }

    /// What a file holds that is named at `at`.
    pub(super) fn evidence(&mut self, path: &str, at: At<'a>, want: Want) -> Vec<Found> {
        let path = beside(at.text, path);
        match self.files.read(&path, EVIDENCE_LIMIT) {
            Ok(data) => self.items(&path, &data, at, want),
            Err(wrong) => {
                self.sink.error(at.says(wrong.message).maybe_hint(wrong.hint));
                Vec::new()
            }
        }
    }

    fn items(&mut self, path: &Path, data: &[u8], at: At<'a>, want: Want) -> Vec<Found> {
        let (found, wrong) = evidence::items(path, data, want);
        for diagnostic in wrong {
            let named = format!("the file is named at {}", full(&at.place()));
            let hint = match &diagnostic.hint {
                Some(hint) => format!("{hint}; {named}"),
                None => named,
            };
            self.sink.error(diagnostic.hint(hint));
        }
        found
    }

    /// The certificates of a file, or of a folder's files `*.pem`, `*.crt`, `*.cer`, `*.der` and
    /// OpenSSL's links (`1a2b3c4d.0`).
    pub(super) fn certificates(&mut self, path: &str, at: At<'a>) -> Vec<Found> {
        let folder = beside(at.text, path);
        if !folder.is_dir() {
            return self.evidence(path, at, Want::Certificates);
        }
        let names = match self.files.list(&folder) {
            Ok(names) => names,
            Err(wrong) => {
                self.sink.error(at.says(wrong.message).maybe_hint(wrong.hint));
                return Vec::new();
            }
        };
        let (mut found, mut seen) = (Vec::new(), HashMap::new());
        let names: Vec<_> = names.into_iter().filter(|path| is_certificate_name(path)).collect();
        for path in &names {
            found.extend(self.in_folder(path, at, &mut seen));
        }
        if names.is_empty() {
            let message = format!("there are no certificates in the folder {}", show(&folder));
            let hint = "files of certificates end in .pem, .crt, .cer or .der there";
            self.sink.error(at.says(message).hint(hint));
        }
        found
    }

    /// What one file of a folder holds; nothing where it is a link to one that was read already.
    fn in_folder(
        &mut self,
        path: &Path,
        at: At<'a>,
        seen: &mut HashMap<(u64, u64), PathBuf>,
    ) -> Vec<Found> {
        if let Ok(meta) = fs::metadata(path)
            && let Some(first) = seen.insert((meta.dev(), meta.ino()), path.to_owned())
            && let Some(hash) = self.files.hash(&first)
        {
            self.files.remember(path, hash);
            return Vec::new();
        }
        match self.files.read(path, EVIDENCE_LIMIT) {
            Ok(data) => self.items(path, &data, at, Want::Certificates),
            Err(wrong) => {
                self.sink.error(at.says(wrong.message).maybe_hint(wrong.hint));
                Vec::new()
            }
        }
    }
}

/// Paths are relative to the file that names them.
fn beside(text: &Text, path: &str) -> PathBuf {
    text.path.parent().unwrap_or(Path::new("/")).join(path)
}

fn is_certificate_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    // Not what editors leave behind (`.#x.pem`).
    let Some((stem, extension)) = name.rsplit_once('.').filter(|_| !name.starts_with('.')) else {
        return false;
    };
    let hashed = stem.len() == 8 && stem.bytes().all(|b| b.is_ascii_hexdigit());
    let numbered = !extension.is_empty() && extension.bytes().all(|b| b.is_ascii_digit());
    matches!(extension, "pem" | "crt" | "cer" | "der") || hashed && numbered
}
