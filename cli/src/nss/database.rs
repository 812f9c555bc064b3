//! peerkey's module in a database of NSS, through NSS's own tool `modutil`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use peerkey_core::certificate::printable;

use super::{MODULE, running};
use crate::file::{self, backup_of};
use crate::trouble::Trouble;

/// In what state a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no database.
    Absent,
    /// It is without peerkey's module.
    Without,
    /// It has peerkey's module, from this file.
    With(PathBuf),
}

/// The list of modules of a database.
fn list_of(folder: &Path) -> PathBuf {
    folder.join("pkcs11.txt")
}

/// Reads whether the module is in a database.
pub fn state(folder: &Path) -> Result<State, Trouble> {
    let Some(list) = file::read(&list_of(folder))? else { return Ok(State::Absent) };
    Ok(module_in(&String::from_utf8_lossy(&list)).map_or(State::Without, State::With))
}

/// The library of peerkey's module in a list of modules: paragraphs of `name=value`.
fn module_in(list: &str) -> Option<PathBuf> {
    list.split("\n\n").find_map(|module| {
        let value = |name: &str| {
            let mut lines = module.lines().filter_map(|line| line.split_once('='));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
        };
        (value("name") == Some(MODULE)).then(|| PathBuf::from(value("library").unwrap_or_default()))
    })
}

/// Adds the module; `parameters` is what the module reads. A module that is there already is replaced.
pub fn install(folder: &Path, library: &Path, parameters: &str) -> Result<(), Trouble> {
    running::refuse_in_use(folder)?;
    let state = state(folder)?;
    if state == State::Absent {
        let what = format!("there is no database of NSS in {}", folder.display());
        let make = format!("certutil -N -d sql:{} --empty-password", folder.display());
        return Err(Trouble::new(what).hint(format!("start its program once, or run: {make}")));
    }
    let list = list_of(folder);
    let before = file::read(&list)?.unwrap_or_default();
    if state == State::Without {
        file::replace(&backup_of(&list), &before, 0o600)?;
    }
    let done = add(folder, library, parameters, &state);
    if done.is_err() {
        // Whatever the tool left: as it was.
        file::replace(&list, &before, 0o600)?;
        if state == State::Without {
            file::remove(&backup_of(&list))?;
        }
    }
    done
}

fn add(folder: &Path, library: &Path, parameters: &str, state: &State) -> Result<(), Trouble> {
    if matches!(state, State::With(_)) {
        modutil(folder, &["-delete".as_ref(), MODULE.as_ref()])?;
    }
    let mut args: Vec<&OsStr> = vec!["-add".as_ref(), MODULE.as_ref()];
    args.extend(["-libfile".as_ref(), library.as_os_str()]);
    if !parameters.is_empty() {
        args.extend([OsStr::new("-string"), parameters.as_ref()]);
    }
    modutil(folder, &args)?;
    match self::state(folder)? {
        State::With(found) if found == library => Ok(()),
        _ => Err(Trouble::new(format!("modutil did not add the module to {}", folder.display()))),
    }
}

/// Takes the module out. What nobody changed since is put back to the last byte.
pub fn remove(folder: &Path) -> Result<(), Trouble> {
    running::refuse_in_use(folder)?;
    let list = list_of(folder);
    let backup = backup_of(&list);
    if matches!(state(folder)?, State::With(_)) {
        let with = file::read(&list)?.unwrap_or_default();
        let done = modutil(folder, &["-delete".as_ref(), MODULE.as_ref()]);
        let gone = done.and_then(|()| match state(folder)? {
            State::With(_) => Err(Trouble::new("modutil did not take the module out")),
            _ => Ok(()),
        });
        if let Err(trouble) = gone {
            file::replace(&list, &with, 0o600)?;
            return Err(trouble);
        }
        let after = file::read(&list)?.unwrap_or_default();
        if let Some(before) = file::read(&backup)?
            && same_modules(&before, &after)
        {
            file::replace(&list, &before, 0o600)?;
        }
    }
    file::remove(&backup)
}

/// Whether two lists have the same modules, however they are spaced.
fn same_modules(a: &[u8], b: &[u8]) -> bool {
    let lines = |text: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(text).into_owned();
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(Into::into).collect()
    };
    lines(a) == lines(b)
}

fn modutil(folder: &Path, args: &[&OsStr]) -> Result<(), Trouble> {
    let mut database = std::ffi::OsString::from("sql:");
    database.push(folder);
    let ran = Command::new("modutil")
        .args([OsStr::new("-force"), "-dbdir".as_ref(), &database])
        .args(args)
        .stdin(Stdio::null())
        .output();
    let output = ran.map_err(|error| {
        Trouble::new(format!("modutil cannot be run: {error}"))
            .hint("install NSS's tools: apt install libnss3-tools, or dnf install nss-tools")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    let said: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = printable(&said.join(" ").chars().take(300).collect::<String>());
    Err(Trouble::new(format!("modutil failed for {}: {said}", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "library=\nname=NSS Internal PKCS #11 Module\nparameters=configdir='sql:/x'\n\
                        NSS=Flags=internal\n\nlibrary=/usr/lib/peerkey-trust.so\nname=peerkey\n\
                        NSS=trustOrder=100\n\n";

    #[test]
    fn the_module_is_found_in_a_list() {
        assert_eq!(module_in(LIST), Some(PathBuf::from("/usr/lib/peerkey-trust.so")));
        assert_eq!(module_in(&LIST.replace("=peerkey\n", "=peerkey too\n")), None);
        assert_eq!(module_in(""), None);
    }

    #[test]
    fn lists_differ_by_their_modules_only() {
        let spaced = LIST.replace("\n\n", "\n\n\n");
        assert!(same_modules(LIST.as_bytes(), spaced.as_bytes()));
        assert!(!same_modules(LIST.as_bytes(), b"library=\n"));
    }
}
