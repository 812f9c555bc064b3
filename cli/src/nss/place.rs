//! Where NSS programs keep their databases.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Whose a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Firefox's.
    Firefox,
    /// Thunderbird's.
    Thunderbird,
    /// That of NSS programs in common.
    Shared,
}

impl Owner {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Firefox => "Firefox",
            Self::Thunderbird => "Thunderbird",
            Self::Shared => "NSS programs",
        }
    }
}

/// A folder with a database of NSS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose it is.
    pub owner: Owner,
    /// The folder.
    pub folder: PathBuf,
    /// Whether its program is confined (snap, flatpak), and so may not see a module outside.
    pub confined: bool,
}

/// Below the home folder: where profiles are listed. (Firefox 147 and newer: in `.config`.)
const PROFILES: [(&str, Owner, bool); 9] = [
    (".mozilla/firefox", Owner::Firefox, false),
    (".config/mozilla/firefox", Owner::Firefox, false),
    ("snap/firefox/common/.mozilla/firefox", Owner::Firefox, true),
    (".var/app/org.mozilla.firefox/.mozilla/firefox", Owner::Firefox, true),
    (".var/app/org.mozilla.firefox/config/mozilla/firefox", Owner::Firefox, true),
    (".thunderbird", Owner::Thunderbird, false),
    ("snap/thunderbird/common/.thunderbird", Owner::Thunderbird, true),
    (".var/app/org.mozilla.Thunderbird/.thunderbird", Owner::Thunderbird, true),
    (".var/app/net.thunderbird.Thunderbird/.thunderbird", Owner::Thunderbird, true),
];

/// The user's own places: each profile that is listed and there, and `~/.pki/nssdb`.
pub fn own() -> Vec<Place> {
    match env::var_os("HOME").filter(|home| !home.is_empty()) {
        Some(home) => below(Path::new(&home)),
        None => Vec::new(),
    }
}

/// The places below a home folder.
pub fn below(home: &Path) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for (folder, owner, confined) in PROFILES {
        let root = home.join(folder);
        let Ok(list) = fs::read_to_string(root.join("profiles.ini")) else { continue };
        for folder in listed(&root, &list) {
            if folder.is_dir() && !places.iter().any(|place| place.folder == folder) {
                places.push(Place { owner, folder, confined });
            }
        }
    }
    let shared = home.join(".pki/nssdb");
    if shared.is_dir() {
        places.push(Place { owner: Owner::Shared, folder: shared, confined: false });
    }
    places
}

/// The profiles in a profiles.ini: `[ProfileN]` with `Path`, below the folder where `IsRelative=1`.
fn listed(root: &Path, text: &str) -> Vec<PathBuf> {
    let mut profiles = Vec::new();
    for section in text.split("\n[").map(|section| section.trim_start_matches('[')) {
        if !section.starts_with("Profile") {
            continue;
        }
        let value = |name: &str| {
            let mut lines = section.lines().filter_map(|line| line.trim().split_once('='));
            lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
        };
        if let Some(path) = value("Path") {
            let is_relative = value("IsRelative") != Some("0");
            profiles.push(if is_relative { root.join(path) } else { PathBuf::from(path) });
        }
    }
    profiles
}

/// The folder that somebody named: one of their own places, or any other database.
pub fn named(folder: &Path) -> Place {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let known = own()
        .into_iter()
        .find(|place| fs::canonicalize(&place.folder).is_ok_and(|own| own == folder));
    known.unwrap_or_else(|| {
        let is_profile = folder.join("prefs.js").exists() || folder.join("times.json").exists();
        let owner = if is_profile { Owner::Firefox } else { Owner::Shared };
        Place { owner, folder, confined: false }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_found_as_they_are_listed() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join(".mozilla/firefox");
        let far = home.path().join("far");
        for folder in [root.join("one.default"), far.clone(), home.path().join(".pki/nssdb")] {
            fs::create_dir_all(folder).unwrap();
        }
        let list = format!(
            "[General]\r\nStartWithLastProfile=1\r\n\r\n[Profile0]\r\nName=one\r\nIsRelative=1\r\n\
             Path=one.default\r\n\r\n[Profile1]\nName=far\nIsRelative=0\nPath={}\n\n[Profile2]\n\
             IsRelative=1\nPath=gone\n[Install4F96D1932A9F858E]\nDefault=one.default\n",
            far.display()
        );
        fs::write(root.join("profiles.ini"), list).unwrap();
        let places = below(home.path());
        let folders: Vec<_> = places.iter().map(|place| place.folder.clone()).collect();
        assert_eq!(folders, [root.join("one.default"), far, home.path().join(".pki/nssdb")]);
        assert_eq!(places[0].owner, Owner::Firefox);
        assert_eq!(places[2].owner, Owner::Shared);
    }
}
