//! Where peerkey's module for NSS is.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::trouble::Trouble;

/// The file in packages: /usr/lib/MULTIARCH/pkcs11/peerkey-trust.so, or without an architecture.
const INSTALLED: &str = "pkcs11/peerkey-trust.so";
/// The file as it is built.
const BUILT: &str = "libpeerkey_nss.so";

/// The module that was named, else the one that was built beside this command, else the installed one.
pub fn find(named: Option<&Path>) -> Result<PathBuf, Trouble> {
    if let Some(path) = named {
        return fs::canonicalize(path).map_err(|error| Trouble::io("find", path, &error));
    }
    let beside = env::current_exe().ok().and_then(|own| Some(own.parent()?.join(BUILT)));
    let found = beside.into_iter().chain(installed(Path::new("/usr"))).find(|path| path.is_file());
    found.ok_or_else(|| {
        let what = format!("there is no module: neither /usr/lib/*/{INSTALLED}, nor {BUILT} here");
        Trouble::new(what).hint("name it with --module FILE")
    })
}

fn installed(prefix: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["lib64", "lib"].map(|name| prefix.join(name)) {
        found.push(folder.join(INSTALLED));
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        found.extend(folders.into_iter().map(|folder| folder.join(INSTALLED)));
    }
    found
}
