//! `install` and `remove` alone: everything at once, each thing after a yes.

use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use super::{lean, openssl, p11kit, refused};
use crate::args::{
    All, Global, InstallArgs, InstallOpenssl, RemoveArgs, RemoveOpenssl, USUAL_STATE_DIR,
};
use crate::commands::{FINE, NO};
use crate::file::shown;
use crate::modules;
use crate::nss::database::{self, State};
use crate::nss::{exceptions, policies};
use crate::openssl_cnf;
use crate::render::{GOOD, styled};
use crate::screen::Screen;
use crate::trouble::Trouble;

/// Who is asked, and what came of it.
struct Desk<'a> {
    screen: &'a Screen,
    all: &'a All,
    status: u8,
}

impl<'a> Desk<'a> {
    /// Fails where nobody can be asked, and nobody said yes beforehand.
    fn new(screen: &'a Screen, all: &'a All, verb: &str) -> Result<Self, Trouble> {
        if !all.yes && !io::stdin().is_terminal() {
            let what = "there is no terminal here on which to ask, and nothing has changed";
            return Err(Trouble::new(what).hint(format!("peerkey {verb} --yes does it all")));
        }
        Ok(Self { screen, all, status: FINE })
    }

    fn agrees(&self, question: &str) -> io::Result<bool> {
        if self.all.yes {
            return Ok(true);
        }
        self.screen.complain(&format!("{question} [y/N] "));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Does it after a yes, and says what came of it.
    fn step(
        &mut self,
        question: &str,
        done: &str,
        act: impl FnOnce() -> Result<(), Trouble>,
    ) -> io::Result<()> {
        if !self.agrees(question)? {
            return self.say("left as it is");
        }
        match act() {
            Ok(()) => self.screen.print(&format!("{}\n", styled(GOOD, done))),
            Err(trouble) => {
                self.status = refused(self.screen, &trouble);
                Ok(())
            }
        }
    }

    fn say(&self, words: &str) -> io::Result<()> {
        self.screen.print(&format!("{words}\n"))
    }
}

fn config(all: &All) -> PathBuf {
    let below = |path: PathBuf| all.root.join(path.strip_prefix("/").unwrap_or(&path));
    all.config.clone().unwrap_or_else(|| below(openssl_cnf::system_file()))
}

/// Switches everything on.
pub(super) fn install(global: &Global, args: &InstallArgs, screen: &Screen) -> io::Result<u8> {
    let mut desk = match Desk::new(screen, &args.all, "install") {
        Ok(desk) => desk,
        Err(trouble) => return Ok(refused(screen, &trouble)),
    };
    let config = config(&args.all);
    if desk.agrees(&format!("Put peerkey's provider into {}?", shown(&config)))? {
        let (config, module) = (Some(config), args.module.clone());
        let args = InstallOpenssl { config, module, dry_run: false };
        desk.status = desk.status.max(openssl::install(global, &args, screen)?);
    } else {
        desk.say("left as it is")?;
    }
    match modules::nss(args.nss_module.as_deref()) {
        Ok(library) if is_usual(global) => nss(&mut desk, &args.all.root, &library)?,
        Ok(_) => desk.say(&format!(
            "NSS, Firefox and p11-kit: left as they are, because they read the policy in \
             {USUAL_STATE_DIR} alone"
        ))?,
        Err(trouble) if args.nss_module.is_some() => desk.status = refused(screen, &trouble),
        Err(_) => desk
            .say("NSS, Firefox and p11-kit: left, because peerkey's module for NSS is not here")?,
    }
    if desk.status == FINE {
        screen.complain("Is all as it should be? peerkey doctor\n");
    }
    Ok(desk.status)
}

fn is_usual(global: &Global) -> bool {
    std::path::absolute(&global.state_dir).is_ok_and(|path| path == Path::new(USUAL_STATE_DIR))
}

fn nss(desk: &mut Desk<'_>, root: &Path, library: &Path) -> io::Result<()> {
    let folder = shared(root);
    if database::state(&folder).is_ok_and(|state| state != State::Absent) {
        let shown = shown(&folder);
        let question = format!("Add peerkey's module to the system's database of NSS, {shown}?");
        let done = format!("peerkey is added to {shown}");
        desk.step(&question, &done, || database::install(&folder, library, ""))?;
    }
    for path in policies::FOLDERS.map(|folder| root.join(folder).join("policies.json")) {
        let shown = shown(&path);
        let question = format!("Add it for every user of {}, in {shown}?", browser(&path));
        let done = format!("peerkey is added to {shown}");
        desk.step(&question, &done, || policies::install(&path, library))?;
    }
    match p11kit::step(root) {
        p11kit::Step::Packaged(path) => {
            desk.say(&format!("p11-kit has {} already", shown(&path)))?
        }
        p11kit::Step::Write(path) | p11kit::Step::Written(path) => {
            let question = format!("Make it known to p11-kit, in {}?", shown(&path));
            let done = format!("p11-kit has {}", shown(&path));
            desk.step(&question, &done, || p11kit::install(&path, library))?;
        }
    }
    Ok(())
}

fn browser(path: &Path) -> &'static str {
    if path.to_string_lossy().contains("thunderbird") { "Thunderbird" } else { "Firefox" }
}

fn shared(root: &Path) -> PathBuf {
    root.join("etc/pki/nssdb")
}

/// Switches everything off, in the other order.
pub(super) fn remove(global: &Global, args: &RemoveArgs, screen: &Screen) -> io::Result<u8> {
    let mut desk = match Desk::new(screen, &args.all, "remove") {
        Ok(desk) => desk,
        Err(trouble) => return Ok(refused(screen, &trouble)),
    };
    let root = &args.all.root;
    if lean::is_on(root) {
        let (question, done) = ("Have programs load the system's anchors again?", lean::GONE);
        desk.step(question, done, || lean::take_away(global, root))?;
    }
    if let p11kit::Step::Written(path) = p11kit::step(root) {
        let question = format!("Take {} away, which p11-kit reads?", shown(&path));
        let done = format!("{} is gone", shown(&path));
        desk.step(&question, &done, || p11kit::remove(&path))?;
    }
    for path in policies::FOLDERS.map(|folder| root.join(folder).join("policies.json")) {
        if policies::state(&path).is_ok_and(|state| state.is_some()) {
            let shown = shown(&path);
            let question = format!("Take peerkey's module out of {shown}?");
            let done = format!("peerkey is taken out of {shown}");
            desk.step(&question, &done, || policies::remove(&path))?;
        }
    }
    let folder = shared(root);
    if matches!(database::state(&folder), Ok(State::With(_))) {
        let shown = shown(&folder);
        let question = format!("Take it out of the system's database of NSS, {shown}?");
        desk.step(&question, &format!("peerkey is taken out of {shown}"), || {
            database::remove(&folder)?;
            exceptions::merge(&folder, &[])
        })?;
    }
    let config = config(&args.all);
    if args.all.config.is_none() && !config.exists() {
        desk.say(&format!("there is no {}", shown(&config)))?;
    } else if desk.agrees(&format!("Take peerkey's provider out of {}?", shown(&config)))? {
        let args = RemoveOpenssl { config: Some(config), dry_run: false };
        desk.status = desk.status.max(openssl::remove(&args, screen)?);
    } else {
        desk.say("left as it is")?;
    }
    Ok(if desk.status == FINE { FINE } else { NO })
}
