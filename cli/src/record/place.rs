//! Whose records there are, and where.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use peerkey_core::certificate::printable;
use peerkey_core::keys::place::{User, places};

use crate::args::record::Whose;
use crate::book;

/// A user's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The user.
    pub uid: u32,
    /// The folder in which it is.
    pub folder: PathBuf,
}

/// The file that is written; older ones have a number behind it.
pub const FILE: &str = "record.jsonl";

/// How many older files there are.
pub const OLDER: u32 = 4;

impl Home {
    /// The file that is written.
    pub fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// The files, the newest first.
    pub fn files(&self) -> Vec<PathBuf> {
        let older = (1..=OLDER).map(|number| self.folder.join(format!("{FILE}.{number}")));
        std::iter::once(self.file()).chain(older).collect()
    }

    /// Whether it is the record of who runs the command.
    pub fn is_own(&self) -> bool {
        self.uid == book::own_uid()
    }
}

/// The records that are asked for.
pub fn homes(state_dir: &Path, whose: &Whose) -> Result<Vec<Home>, String> {
    if whose.all_users {
        return all(state_dir);
    }
    let own = book::own_uid();
    let Some(user) = &whose.user else {
        return Ok(vec![Home { uid: own, folder: book::user_folder(state_dir)? }]);
    };
    let (uid, home) = find(user)?;
    if uid == own {
        return Ok(vec![Home { uid, folder: book::user_folder(state_dir)? }]);
    }
    if own != 0 {
        let user = printable(user);
        return Err(format!("only root can read the record of {user}: run the command as root"));
    }
    match folders(state_dir, uid, home.as_deref()).next() {
        Some(folder) => Ok(vec![Home { uid, folder }]),
        None => Err(format!(
            "there is no folder for a record of uid {uid}: that user has no home, and no {}",
            state_dir.join("uid").join(uid.to_string()).display()
        )),
    }
}

/// Each user's that is there.
fn all(state_dir: &Path) -> Result<Vec<Home>, String> {
    if book::own_uid() != 0 {
        return Err("only root can read the records of all users: run the command as root".into());
    }
    let mut users: BTreeMap<u32, Option<String>> = BTreeMap::from([(0, None)]);
    let numbered = fs::read_dir(state_dir.join("uid")).into_iter().flatten().flatten();
    users.extend(
        numbered
            .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
            .map(|uid| (uid, None)),
    );
    for line in getent(&[]).unwrap_or_default().lines() {
        if let Some((uid, home)) = passwd(line) {
            users.insert(uid, Some(home));
        }
    }
    let homes = users.into_iter().flat_map(|(uid, home)| {
        let folder = folders(state_dir, uid, home.as_deref()).find(|folder| {
            let home = Home { uid, folder: folder.clone() };
            home.files().iter().any(|file| file.symlink_metadata().is_ok())
        });
        folder.map(|folder| Home { uid, folder })
    });
    Ok(homes.collect())
}

/// Where a user's record can be. What that user's own environment names is not known here.
fn folders(
    state_dir: &Path,
    uid: u32,
    home: Option<&str>,
) -> impl Iterator<Item = PathBuf> + use<> {
    let user = User { uid, is_secure: false, home: home.map(OsStr::new), xdg_state_home: None };
    let places: Vec<_> = places(state_dir, &user).into_iter().map(|place| place.folder).collect();
    let is_last_or_there = {
        let last = places.last().cloned();
        move |folder: &PathBuf| Some(folder) == last.as_ref() || folder.is_dir()
    };
    places.into_iter().filter(is_last_or_there)
}

/// A user's number and home.
fn find(user: &str) -> Result<(u32, Option<String>), String> {
    let found = getent(&["--", user]);
    let number = user.parse().ok();
    match found.as_deref().and_then(|text| text.lines().find_map(passwd)) {
        Some((uid, home)) => Ok((uid, Some(home))),
        None => match number {
            Some(uid) => Ok((uid, None)),
            None => Err(format!("there is no user \"{}\" on this system", printable(user))),
        },
    }
}

/// The users, from wherever this system has them.
fn getent(rest: &[&str]) -> Option<String> {
    let output =
        Command::new("getent").arg("passwd").args(rest).stdin(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A line of passwd(5).
fn passwd(line: &str) -> Option<(u32, String)> {
    let mut fields = line.split(':');
    let uid = fields.nth(2)?.parse().ok()?;
    Some((uid, fields.nth(2)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_passwd_is_read() {
        let line = "www:x:33:33:www:/var/www:/usr/sbin/nologin";
        assert_eq!(passwd(line), Some((33, "/var/www".into())));
        assert_eq!(passwd("www:x"), None);
        assert_eq!(passwd("www:x:n:1::/:"), None);
    }
}
