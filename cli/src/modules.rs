//! Where peerkey's provider for OpenSSL is.

use std::env;
use std::fs;
use std::path::Path;

use crate::library;
use crate::trouble::Trouble;

/// The file in OpenSSL's folder of modules.
const INSTALLED: &str = "peerkey.so";
/// The file as it is built.
const BUILT: &str = "libpeerkey_openssl.so";

/// The module as openssl.cnf can name it, the best first: the one that was named, else the one that was
/// built beside this command, else the installed one.
pub fn provider(named: Option<&Path>) -> Result<Vec<String>, Trouble> {
    if let Some(path) = named {
        let found = fs::canonicalize(path).map_err(|error| Trouble::io("find", path, &error))?;
        return Ok(vec![text(&found)?]);
    }
    let beside = env::current_exe().ok().and_then(|own| Some(own.parent()?.join(BUILT)));
    if let Some(built) = beside.filter(|path| path.is_file()) {
        return Ok(vec![text(&built)?]);
    }
    let folder = library::modules_folder();
    let installed = folder.join(INSTALLED);
    if !installed.is_file() {
        let what = format!("there is no module: neither {}, nor {BUILT} here", installed.display());
        return Err(Trouble::new(what).hint("name it with --module FILE"));
    }
    Ok(for_every_architecture(&folder).into_iter().chain([text(&installed)?]).collect())
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
    of_system.then(|| format!("/usr/$LIB/{last}/{INSTALLED}"))
}
