//! `--lean-trust`: where the policy decides everything, programs need not load the system's anchors at each
//! start. The variables that name these are pointed at one certificate that vouches for nobody.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;
use peerkey_core::source;
use peerkey_core::store::{Compiled, SourceRow};

use super::refused;
use crate::args::{All, Global};
use crate::commands::FINE;
use crate::crypto::System;
use crate::file::shown;
use crate::render::{GOOD, ODD, styled};
use crate::screen::Screen;
use crate::trouble::Trouble;
use crate::{clock, file, inquiry, self_signed};

/// Who reads them: OpenSSL and what follows it; curl; Python's requests.
const VARIABLES: [&str; 3] = ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"];
/// For sessions of systemd's (environment.d(5)), and for shells.
const SESSIONS: &str = "etc/environment.d/60-peerkey-lean-trust.conf";
const SHELLS: &str = "etc/profile.d/peerkey-lean-trust.sh";
const BUNDLE: &str = "lean-trust.pem";
const MARK: &str = "# peerkey install --lean-trust wrote this; peerkey remove takes it away.";
/// Empty folders of the system's stay.
const MADE: &str = "# So it did this folder.";
pub(super) const GONE: &str = "programs of new sessions load the system's anchors again";

/// Points them there.
pub(super) fn install(global: &Global, all: &All, screen: &Screen) -> io::Result<u8> {
    match lay_down(global, &all.root) {
        Ok(bundle) => {
            let words = format!("programs of new sessions load {} alone", shown(&bundle));
            screen.print(&format!("{}\n", styled(GOOD, words)))?;
            let warning = styled(ODD.bold(), "warning");
            screen.complain(&format!(
                "{warning}: programs that peerkey does not reach and that read {} too (those in Go, curl \
                 with GnuTLS) trust nobody from now on, and neither does any program while peerkey is \
                 off. peerkey remove --lean-trust takes it back.\n",
                VARIABLES.join(", ")
            ));
            Ok(FINE)
        }
        Err(trouble) => Ok(refused(screen, &trouble)),
    }
}

/// Takes it back.
pub(super) fn remove(global: &Global, all: &All, screen: &Screen) -> io::Result<u8> {
    match take_away(global, &all.root) {
        Ok(()) => {
            screen.print(&format!("{}\n", styled(GOOD, GONE)))?;
            Ok(FINE)
        }
        Err(trouble) => Ok(refused(screen, &trouble)),
    }
}

/// Whether it was laid down.
pub fn is_on(root: &Path) -> bool {
    [SESSIONS, SHELLS].iter().any(|path| is_ours(&root.join(path)))
}

fn is_ours(path: &Path) -> bool {
    fs::read(path).is_ok_and(|text| text.starts_with(MARK.as_bytes()))
}

fn made_its_folder(path: &Path) -> bool {
    is_ours(path)
        && fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| line == MADE))
}

/// Whether a policy needs the anchors of programs after all, where these are out of their way.
pub fn no_longer_fits(root: &Path, policy: &Compiled) -> bool {
    is_on(root) && policy.asks_application().unwrap_or(true)
}

fn fits(global: &Global, policy: &Compiled) -> Result<(), Trouble> {
    let failed = |why: peerkey_core::store::StoreError| Trouble::new(why.to_string());
    if policy.asks_application().map_err(failed)? {
        let what = "the policy leaves something to the programs' own verification, which needs their anchors";
        return Err(Trouble::new(what).hint(
            "it is for a policy without \"application\" in rules and default, that enforces",
        ));
    }
    let is_old = |source: &SourceRow| {
        source::digest(Path::new(&source.path)).map_or(true, |digest| digest != source.sha256)
    };
    if policy.sources().map_err(failed)?.iter().any(is_old) {
        return Err(Trouble::new("the policy in force is not of today's sources")
            .hint("peerkey apply comes first"));
    }
    let loaded =
        source::load(&global.config_dir, &System::start(), clock::now()).map_err(|_| {
            Trouble::new("the policy's sources have errors")
                .hint("peerkey apply --check names them")
        })?;
    let is_system = |path: &Path| source::system_bundles().any(|bundle| same(bundle, path));
    if !loaded.policy.sources.iter().any(|source| is_system(&source.path)) {
        let what = "no authority of the policy has the system's anchors";
        return Err(Trouble::new(what)
            .hint("programs would lose them: name the system's bundle as anchors of one"));
    }
    Ok(())
}

fn same(a: &Path, b: &Path) -> bool {
    a == b || fs::canonicalize(a).is_ok_and(|a| fs::canonicalize(b).is_ok_and(|b| a == b))
}

fn lay_down(global: &Global, root: &Path) -> Result<PathBuf, Trouble> {
    let policy = inquiry::open_whole(&inquiry::in_force(&global.state_dir)).map_err(|why| {
        Trouble::new(format!("no policy is in force: {why}")).hint("peerkey apply comes first")
    })?;
    fits(global, &policy)?;
    let state_dir = std::path::absolute(&global.state_dir);
    let bundle = state_dir.unwrap_or_else(|_| global.state_dir.clone()).join(BUNDLE);
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let Some(path) = bundle.to_str().filter(|path| path.chars().all(plain)) else {
        return Err(Trouble::new(format!("no shell can be told of {}", shown(&bundle))));
    };
    let pem = nobody().map_err(|why| Trouble::new(format!("no certificate can be made: {why}")))?;
    file::replace(&bundle, &pem, 0o644)?;
    let lines = |start: &str| {
        let lines = VARIABLES.map(|name| format!("{start}{name}={path}\n"));
        format!("{MARK}\n{}", lines.concat())
    };
    for (name, mut text) in [(SESSIONS, lines("")), (SHELLS, lines("export "))] {
        let path = root.join(name);
        let folder = path.parent().unwrap_or(root);
        if !folder.exists() || made_its_folder(&path) {
            text = format!("{text}{MADE}\n");
        }
        let made = fs::create_dir_all(folder);
        made.map_err(|error| Trouble::io("make the folder", folder, &error))?;
        file::replace(&path, text.as_bytes(), 0o644)?;
    }
    Ok(bundle)
}

/// The variables first: a bundle that is missing is a failure in every program.
pub(super) fn take_away(global: &Global, root: &Path) -> Result<(), Trouble> {
    for path in [SESSIONS, SHELLS].map(|name| root.join(name)) {
        if is_ours(&path) {
            let made = made_its_folder(&path);
            file::remove(&path)?;
            if made {
                // Not empty: somebody else's by now.
                let _ = path.parent().map(fs::remove_dir);
            }
        }
    }
    // Sessions of before name it until they end.
    let bundle = global.state_dir.join(BUNDLE);
    let system = source::system_bundles().find(|path| path.is_file());
    match system.filter(|_| bundle.is_file()) {
        Some(system) => {
            let anchors = fs::read(system).map_err(|e| Trouble::io("read", system, &e))?;
            file::replace(&bundle, &anchors, 0o644)
        }
        None => file::remove(&bundle),
    }
}

/// A certificate whose key nobody has, and which is no CA's.
fn nobody() -> Result<Vec<u8>, ErrorStack> {
    let (certificate, _) =
        self_signed::make("nobody: whom to trust stands in peerkey's policy", 36_500)?;
    certificate.to_pem()
}
