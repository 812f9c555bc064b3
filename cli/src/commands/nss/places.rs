//! `nss install`, `remove` and `list`: peerkey's module in the places of NSS programs.

use std::io;
use std::path::{Path, PathBuf};

use peerkey_core::certificate::printable;
use serde_json::{Value, json};

use crate::args::{Global, NssPlace, USUAL_STATE_DIR};
use crate::commands::{FINE, NO, fail};
use crate::file::shown;
use crate::modules;
use crate::nss::database::{self, State};
use crate::nss::place::{self, Owner, Place};
use crate::nss::{exceptions, policies};
use crate::render::{DIM, GOOD, ODD, json, styled};
use crate::screen::Screen;
use crate::trouble::Trouble;

/// Something that can have the module.
enum Target {
    Database(Place),
    Policies(PathBuf),
}

impl Target {
    fn text(&self) -> String {
        match self {
            Self::Database(place) => {
                format!("{} ({})", shown(&place.folder), place.owner.text())
            }
            Self::Policies(path) => format!("{} (every user)", shown(path)),
        }
    }
}

/// Adds the module.
pub(super) fn install(
    global: &Global,
    wanted: &NssPlace,
    root: &Path,
    module: Option<&Path>,
    screen: &Screen,
) -> io::Result<u8> {
    let library = match modules::nss(module) {
        Ok(library) => library,
        Err(trouble) => return Ok(refused(screen, &trouble)),
    };
    let parameters = match parameters(&global.state_dir) {
        Ok(parameters) => parameters,
        Err(trouble) => return Ok(refused(screen, &trouble)),
    };
    let add = |target: &Target| match target {
        Target::Database(place) => database::install(&place.folder, &library, &parameters),
        // There is no way to give a module parameters there.
        Target::Policies(_) if !parameters.is_empty() => {
            let what =
                format!("policies.json names no folder of the policy; {USUAL_STATE_DIR} is read");
            Err(Trouble::new(what).hint("leave --state-dir out"))
        }
        Target::Policies(path) => policies::install(path, &library),
    };
    let status = each(&targets(wanted, root), "added to", screen, add)?;
    if status == FINE {
        let text = "Programs that run have to be started again. Is the policy one that NSS can be \
                    told? peerkey nss plan\n";
        screen.complain(text);
    }
    Ok(status)
}

/// What the module is to read, where it is not the usual: `state-dir=…`.
fn parameters(state_dir: &Path) -> Result<String, Trouble> {
    if state_dir == Path::new(USUAL_STATE_DIR) {
        return Ok(String::new());
    }
    let path = std::path::absolute(state_dir).unwrap_or_else(|_| state_dir.to_owned());
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\"'<>(){}[]\\".contains(c);
    match path.to_str().filter(|text| text.chars().all(plain)) {
        Some(text) => Ok(format!("state-dir={text}")),
        None => {
            let what = format!("NSS cannot be told of a folder named {}", shown(&path));
            Err(Trouble::new(what).hint("name one without spaces, quotes and brackets"))
        }
    }
}

/// Takes the module out, and the exceptions with it.
pub(super) fn remove(wanted: &NssPlace, root: &Path, screen: &Screen) -> io::Result<u8> {
    each(&targets(wanted, root), "taken out of", screen, |target| match target {
        Target::Database(place) => {
            database::remove(&place.folder)?;
            exceptions::merge(&place.folder, &[])
        }
        Target::Policies(path) => policies::remove(path),
    })
}

fn each(
    targets: &[Target],
    done: &str,
    screen: &Screen,
    act: impl Fn(&Target) -> Result<(), Trouble>,
) -> io::Result<u8> {
    if targets.is_empty() {
        let what = "there is no profile of Firefox or Thunderbird, and no database of NSS";
        return Ok(refused(screen, &Trouble::new(what).hint("name one with --profile DIR")));
    }
    let mut status = FINE;
    for target in targets {
        match act(target) {
            Ok(()) => {
                let text = format!("peerkey is {done} {}", target.text());
                screen.print(&format!("{}\n", styled(GOOD, text)))?;
                if matches!(target, Target::Database(place) if place.confined) {
                    let text = "its program is confined: see whether it can read the module there";
                    screen.print(&format!("  {}\n", styled(ODD, text)))?;
                }
            }
            Err(trouble) => status = refused(screen, &trouble),
        }
    }
    Ok(status)
}

fn refused(screen: &Screen, trouble: &Trouble) -> u8 {
    fail(screen, printable(&trouble.what));
    if let Some(hint) = &trouble.hint {
        screen.complain(&format!("  help: {}\n", printable(hint)));
    }
    NO
}

fn targets(wanted: &NssPlace, root: &Path) -> Vec<Target> {
    if let Some(folder) = &wanted.profile {
        return vec![Target::Database(place::named(folder))];
    }
    if wanted.system {
        system(root)
    } else {
        place::own().into_iter().map(Target::Database).collect()
    }
}

fn system(root: &Path) -> Vec<Target> {
    let folder = root.join("etc/pki/nssdb");
    let shared = Place { owner: Owner::Shared, folder, confined: false };
    let database = shared.folder.join("pkcs11.txt").exists().then_some(Target::Database(shared));
    let files = policies::FOLDERS.map(|folder| root.join(folder).join("policies.json"));
    database.into_iter().chain(files.map(Target::Policies)).collect()
}

/// Lists all places.
pub(super) fn list(root: &Path, as_json: bool, screen: &Screen) -> io::Result<u8> {
    let own = place::own().into_iter().map(Target::Database);
    let all: Vec<_> = own.chain(system(root)).collect();
    let rows: Vec<_> = all.iter().map(|target| (target, module_of(target))).collect();
    if as_json {
        let rows: Vec<_> = rows.iter().map(|(target, found)| row(target, found)).collect();
        screen.print(&json::text(&json!({ "version": json::VERSION, "places": rows })))?;
        return Ok(FINE);
    }
    for (target, found) in &rows {
        let says = match found {
            Ok(Some(library)) if library.is_file() => {
                styled(GOOD, format_args!("peerkey, from {}", shown(library)))
            }
            Ok(Some(library)) => {
                styled(ODD, format_args!("peerkey, from {}, which is not there", shown(library)))
            }
            Ok(None) => styled(DIM, "without peerkey"),
            Err(trouble) => styled(ODD, printable(&trouble.to_string())),
        };
        screen.print(&format!("{}: {says}\n", target.text()))?;
    }
    Ok(FINE)
}

fn module_of(target: &Target) -> Result<Option<PathBuf>, Trouble> {
    match target {
        Target::Policies(path) => policies::state(path),
        Target::Database(place) => Ok(match database::state(&place.folder)? {
            State::With(library) => Some(library),
            State::Absent | State::Without => None,
        }),
    }
}

fn row(target: &Target, found: &Result<Option<PathBuf>, Trouble>) -> Value {
    let (kind, path, of) = match target {
        Target::Database(place) => ("database", &place.folder, place.owner.text()),
        Target::Policies(path) => ("policies", path, "every user"),
    };
    json!({
        "kind": kind,
        "path": path.to_string_lossy(),
        "of": of,
        "module": found.as_ref().ok().and_then(|f| f.as_ref()).map(|l| l.to_string_lossy()),
        "module-exists": found.as_ref().ok().and_then(|f| f.as_ref()).map(|l| l.is_file()),
        "error": found.as_ref().err().map(ToString::to_string),
    })
}
