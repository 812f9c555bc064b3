//! p11-kit: its programs find the module by a file of its name (pkcs11.conf(5)).

use std::fs;
use std::path::{Path, PathBuf};

use crate::file;
use crate::trouble::Trouble;

/// Where packages put it, and where administrators do.
const PACKAGED: &str = "usr/share/p11-kit/modules/peerkey.module";
const OWN: &str = "etc/pkcs11/modules/peerkey.module";
/// The first line of a file of ours.
const MARK: &str = "# peerkey install wrote this; peerkey remove takes it away.";

/// What there is to do.
pub(super) enum Step {
    /// The package has it already.
    Packaged(PathBuf),
    /// To be written here.
    Write(PathBuf),
    /// It was written already.
    Written(PathBuf),
}

pub(super) fn step(root: &Path) -> Step {
    let (packaged, own) = (root.join(PACKAGED), root.join(OWN));
    match (packaged.is_file(), own.is_file()) {
        (true, _) => Step::Packaged(packaged),
        (_, true) => Step::Written(own),
        _ => Step::Write(own),
    }
}

/// Makes the anchors of the policy known. Nobody is made to trust them: programs with GnuTLS would
/// not learn what the policy denies.
pub(super) fn install(path: &Path, library: &Path) -> Result<(), Trouble> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(|error| Trouble::io("make the folder", folder, &error))?;
    let library = library.display();
    let text =
        format!("{MARK}\nmodule: {library}\n# NSS loads it itself.\ndisable-in: p11-kit-proxy\n");
    file::replace(path, text.as_bytes(), 0o644)
}

/// Takes away what is ours, and folders that are empty without it.
pub(super) fn remove(path: &Path) -> Result<(), Trouble> {
    let text = file::read(path)?.unwrap_or_default();
    if !text.starts_with(MARK.as_bytes()) {
        return Err(Trouble::new(format!("{} is not peerkey's own file", path.display())));
    }
    file::remove(path)?;
    for folder in path.ancestors().skip(1).take(2) {
        // Not empty: somebody else's.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}
