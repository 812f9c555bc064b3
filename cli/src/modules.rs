//! Where peerkey's modules for OpenSSL and for NSS are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::library;
use crate::trouble::Trouble;

/// The provider's file in OpenSSL's folder of modules.
const PROVIDER: &str = "peerkey.so";
/// The file as it is built.
const PROVIDER_BUILT: &str = "libpeerkey_openssl.so";
/// The file for NSS in packages: /usr/lib/MULTIARCH/pkcs11/peerkey-trust.so, or without an architecture.
const NSS: &str = "pkcs11/peerkey-trust.so";
/// The file as it is built.
const NSS_BUILT: &str = "libpeerkey_nss.so";

/// The provider as openssl.cnf can name it, the best first.
pub fn provider(named: Option<&Path>) -> Result<Vec<String>, Trouble> {
    let folder = library::modules_folder();
    let installed = folder.join(PROVIDER);
    let all = [installed.clone()];
    let found = find(named, PROVIDER_BUILT, all, &installed.display().to_string())?;
    let of_every = (named.is_none() && found == installed).then(|| for_every_architecture(&folder));
    Ok(of_every.flatten().into_iter().chain([text(&found)?]).collect())
}

/// The module for NSS.
pub fn nss(named: Option<&Path>) -> Result<PathBuf, Trouble> {
    find(named, NSS_BUILT, installed(Path::new("/usr")), &format!("/usr/lib/*/{NSS}"))
}

/// The module that was named, else the one that was built beside this command, else the first of the
/// `installed` that is there. `place` says in words where those are.
fn find(
    named: Option<&Path>,
    built: &str,
    installed: impl IntoIterator<Item = PathBuf>,
    place: &str,
) -> Result<PathBuf, Trouble> {
    if let Some(path) = named {
        return fs::canonicalize(path).map_err(|error| Trouble::io("find", path, &error));
    }
    let beside = env::current_exe().ok().and_then(|own| Some(own.parent()?.join(built)));
    let found = beside.into_iter().chain(installed).find(|path| path.is_file());
    found.ok_or_else(|| {
        let what = format!("there is no module: neither {place}, nor {built} here");
        Trouble::new(what).hint("name it with --module FILE")
    })
}

fn text(path: &Path) -> Result<String, Trouble> {
    let plain = |text: &&str| !text.chars().any(char::is_control);
    path.to_str().filter(plain).map(str::to_owned).ok_or_else(|| {
        let what = format!("openssl.cnf cannot name {}", path.display());
        Trouble::new(what).hint("move the module to a path in UTF-8")
    })
}

/// `/usr/$LIB/ossl-modules/peerkey.so`: ld.so(8) puts in the folder of the program's own architecture.
fn for_every_architecture(folder: &Path) -> Option<String> {
    let last = folder.file_name()?.to_str()?;
    let of_system = folder.starts_with("/usr/lib") || folder.starts_with("/usr/lib64");
    of_system.then(|| format!("/usr/$LIB/{last}/{PROVIDER}"))
}

fn installed(prefix: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["lib64", "lib"].map(|name| prefix.join(name)) {
        found.push(folder.join(NSS));
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        found.extend(folders.into_iter().map(|folder| folder.join(NSS)));
    }
    found
}
