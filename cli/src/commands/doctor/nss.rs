//! NSS: the module in profiles and databases, its file, and what keeps NSS from asking it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Machine;
use super::check::Check;
use super::processes;
use crate::modules;
use crate::nss::database::{self, State};
use crate::nss::place::{self, Owner, Place};
use crate::nss::{MODULE, policies};
use crate::render::count;

/// NSS's default, which the module has: a lower one is asked first.
const ORDER: u32 = 50;
/// With it Firefox loads modules in another process, and ours not at all.
const PREFERENCE: &str = "security.utility_pkcs11_module_process.enabled";
const INSTALL: &str = "peerkey nss install";

pub(super) fn checks(machine: &Machine<'_>) -> Vec<Check> {
    let (managed, mut checks) = managed(machine);
    let places = places(machine);
    let mut fine = usize::from(managed);
    let mut without = Vec::new();
    for place in &places {
        let found = in_place(place);
        let is_managed = managed && place.owner != Owner::Shared;
        match found {
            Ok(Some(library)) if library.is_file() => fine += 1,
            Ok(Some(library)) => checks.push(missing(&place.folder, &library)),
            Ok(None) if is_managed => fine += 1,
            Ok(None) => without.push(place.folder.display().to_string()),
            Err(why) => checks.push(Check::warning(place.folder.to_string_lossy(), why, INSTALL)),
        }
        checks.extend(shadowed(place));
        checks.extend(process_of_its_own(place));
    }
    checks.extend(lacking(without));
    checks.extend(running(machine, fine));
    if checks.is_empty() {
        let finding = match fine {
            0 => "no profile of Firefox or Thunderbird, and no database of NSS".into(),
            _ => format!("peerkey's module is in {}", count(fine, "place")),
        };
        checks.push(Check::well("NSS", finding));
    }
    checks
}

/// Every user's places that can be seen, and the system's.
fn places(machine: &Machine<'_>) -> Vec<Place> {
    let passwd = fs::read_to_string(machine.path("/etc/passwd")).unwrap_or_default();
    let mut homes: Vec<_> = passwd.lines().filter_map(|line| line.split(':').nth(5)).collect();
    homes.sort_unstable();
    homes.dedup();
    let homes = homes.into_iter().filter(|home| home.len() > 1).map(|home| machine.path(home));
    let mut places = if machine.is_usual { place::own() } else { Vec::new() };
    for place in homes.flat_map(|home| place::below(&home)) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let shared = machine.path("/etc/pki/nssdb");
    if shared.join("pkcs11.txt").exists() {
        places.push(Place { owner: Owner::Shared, folder: shared, confined: false });
    }
    places
}

fn in_place(place: &Place) -> Result<Option<PathBuf>, String> {
    match database::state(&place.folder).map_err(|trouble| trouble.what)? {
        State::With(library) => Ok(Some(library)),
        State::Absent | State::Without => Ok(None),
    }
}

/// NSS and Firefox go on without a module whose file is missing, and say nothing.
fn missing(place: &Path, library: &Path) -> Check {
    let finding =
        format!("names {}, which is not there: NSS goes on without it", library.display());
    Check::unprotected(place.to_string_lossy(), finding, INSTALL)
}

fn lacking(without: Vec<String>) -> Option<Check> {
    if without.is_empty() {
        return None;
    }
    let number = count(without.len(), "place");
    Some(match modules::nss(None) {
        Ok(_) => {
            let finding = format!("peerkey's module is missing in {number}");
            Check::unprotected("NSS", finding, INSTALL).about(without)
        }
        Err(_) => {
            let finding = format!("beyond peerkey's reach: {number}; its module is not installed");
            Check::note("NSS", finding).about(without)
        }
    })
}

/// The policies.json that hold for every user.
fn managed(machine: &Machine<'_>) -> (bool, Vec<Check>) {
    let (mut managed, mut checks) = (false, Vec::new());
    for folder in policies::FOLDERS {
        let path = machine.root.join(folder).join("policies.json");
        let shown = path.to_string_lossy().into_owned();
        match policies::state(&path) {
            Ok(Some(library)) if library.is_file() => managed = true,
            Ok(Some(library)) => checks.push(missing(&path, &library)),
            Ok(None) => {}
            Err(trouble) => checks.push(Check::warning(&shown, trouble.what, "mend it")),
        }
        let document = fs::read(&path).ok().and_then(|c| serde_json::from_slice(&c).ok());
        let document: Value = document.unwrap_or_default();
        let gone = &document["policies"]["SecurityDevices"]["Delete"];
        if gone.as_array().is_some_and(|names| names.iter().any(|name| name == MODULE)) {
            let finding = "SecurityDevices.Delete takes peerkey's module out of every profile";
            checks.push(Check::unprotected(&shown, finding, "take it out of that list"));
        }
        if document["policies"]["Preferences"][PREFERENCE]["Value"] == true {
            checks.push(in_another_process(&shown));
        }
    }
    (managed, checks)
}

/// Another module that is asked before ours: what it says of a certificate counts.
fn shadowed(place: &Place) -> Option<Check> {
    let list = fs::read_to_string(place.folder.join("pkcs11.txt")).ok()?;
    let modules: Vec<_> = list.split("\n\n").map(Listed::read).collect();
    let own = modules.iter().find(|module| module.name == MODULE)?.order;
    let before: Vec<_> = modules
        .iter()
        .filter(|module| module.name != MODULE && module.order < own)
        .map(|module| format!("{} (trust order {})", module.name, module.order))
        .collect();
    if before.is_empty() {
        return None;
    }
    let finding = format!("other modules are asked before peerkey's, whose trust order is {own}");
    let remedy = "modutil -delete NAME, or give it a higher trustOrder";
    Some(Check::unprotected(place.folder.to_string_lossy(), finding, remedy).about(before))
}

struct Listed<'a> {
    name: &'a str,
    order: u32,
}

impl<'a> Listed<'a> {
    /// A paragraph of pkcs11.txt; the internal module has no say in trust before the default order.
    fn read(text: &'a str) -> Self {
        let value = |name| text.lines().find_map(|line: &str| line.strip_prefix(name));
        let order = value("NSS=").and_then(|flags| flags.split("trustOrder=").nth(1));
        let digits = order.map(|order| order.split(|c: char| !c.is_ascii_digit()).next());
        let order = digits.flatten().and_then(|digits| digits.parse().ok()).unwrap_or(ORDER);
        Self { name: value("name=").unwrap_or("?"), order }
    }
}

/// Firefox's preferences: the last that is said of one counts, and user.js comes last.
fn process_of_its_own(place: &Place) -> Option<Check> {
    let mut said = ["prefs.js", "user.js"].iter().filter_map(|name| {
        let text = fs::read_to_string(place.folder.join(name)).ok()?;
        let is_about =
            |line: &&str| line.trim_start().starts_with("user_pref") && line.contains(PREFERENCE);
        text.lines().rfind(is_about).map(|line| line.contains("true"))
    });
    let is_on = said.next_back().unwrap_or(false);
    is_on.then(|| in_another_process(&place.folder.to_string_lossy()))
}

fn in_another_process(subject: &str) -> Check {
    let finding = format!("{PREFERENCE} is true: Firefox does not load peerkey's module");
    Check::unprotected(subject, finding, "set it to false, in about:config or where it is managed")
}

/// Programs with NSS that began before the module was there.
fn running(machine: &Machine<'_>, fine: usize) -> Option<Check> {
    let is_without = |process: &processes::Process| {
        let browses = process.has("libxul.so");
        browses && !process.has("peerkey-trust") && !process.has("libpeerkey_nss")
    };
    let all = &machine.seen().processes;
    let without: Vec<_> =
        all.iter().filter(|p| is_without(p) && is_main(p)).map(|p| p.named()).collect();
    if without.is_empty() || fine == 0 {
        return None;
    }
    let finding = "Firefox or Thunderbird runs without peerkey's module";
    Some(Check::unprotected("NSS", finding, "restart it").about(without))
}

/// Firefox's processes for pages verify nothing.
fn is_main(process: &processes::Process) -> bool {
    let line = fs::read(process.folder().join("cmdline")).unwrap_or_default();
    !line.split(|octet| *octet == 0).any(|word| word == b"-contentproc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_orders_are_read() {
        let listed = Listed::read("library=/x.so\nname=card\nNSS=trustOrder=20 slotParams=x\n");
        assert_eq!((listed.name, listed.order), ("card", 20));
        assert_eq!(Listed::read("name=peerkey\n").order, ORDER);
    }
}
