//! The files of remembered keys: where they are, whether they can be trusted, and both as one book.

use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use peerkey_core::keys::place::{Condition, USER_FILE, User, machine_file, places};
use peerkey_core::keys::{Book, Keys, KeysError, KnownKey};
use peerkey_core::peer::Name;
use peerkey_core::store::check_pages;

/// The machine's keys as root changes them; programs read what is published of them.
pub const MACHINE_SOURCE: &str = "machine.db";

/// The folder of this user's keys.
pub fn user_folder(state_dir: &Path) -> Result<PathBuf, String> {
    let uid = own_uid();
    let (home, state) = (env::var_os("HOME"), env::var_os("XDG_STATE_HOME"));
    let user =
        User { uid, is_secure: false, home: home.as_deref(), xdg_state_home: state.as_deref() };
    for place in places(state_dir, &user) {
        match place.condition {
            Condition::Always => return Ok(place.folder),
            Condition::Exists if place.folder.symlink_metadata().is_ok() => return Ok(place.folder),
            Condition::Exists => {}
            Condition::OwnedByUser(folder) => {
                return match owner_of_nearest(&folder) {
                    Some(owner) if owner == uid => Ok(place.folder),
                    Some(owner) => Err(format!(
                        "your keys cannot be in {}: {} belongs to another user (uid {owner}), and \
                         you are uid {uid}; set HOME to your own home",
                        place.folder.display(),
                        folder.display()
                    )),
                    None => Err(format!("cannot look at {}", folder.display())),
                };
            }
        }
    }
    Err(format!(
        "there is no folder for the keys of uid {uid}: set HOME, or as root run: \
         peerkey keys enable-user {uid}"
    ))
}

/// This user's file, whether it is there yet or not.
pub fn user_file(state_dir: &Path) -> Result<PathBuf, String> {
    user_folder(state_dir).map(|folder| folder.join(USER_FILE))
}

/// The user who runs the command.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn owner_of_nearest(folder: &Path) -> Option<u32> {
    folder.ancestors().find_map(|above| fs::metadata(above).ok()).map(|found| found.uid())
}

/// Whether a file is there; an error if it, or its folder, is in other people's hands.
pub fn look(path: &Path) -> Result<bool, String> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => return Err(format!("{} is no folder", folder.display())),
        Ok(found) => in_own_hands(folder, &found)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(format!("cannot look at {}: {error}", folder.display())),
    }
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => Err(format!(
            "{} is a symbolic link, which no program follows; put the file itself there",
            path.display()
        )),
        Ok(found) if !found.is_file() => Err(format!("{} is no file", path.display())),
        Ok(found) => in_own_hands(path, &found).map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(format!("cannot look at {}: {error}", path.display())),
    }
}

fn in_own_hands(path: &Path, found: &fs::Metadata) -> Result<(), String> {
    let (uid, shown) = (own_uid(), path.display());
    if found.uid() != uid && found.uid() != 0 {
        return Err(format!(
            "{shown} belongs to another user (uid {}), and you are uid {uid}: no program would take \
             keys from there; run: chown {uid} {shown}",
            found.uid()
        ));
    }
    if found.mode() & 0o022 != 0 {
        return Err(format!(
            "{shown} may be written by others: no program would take keys from there; run: chmod \
             go-w {shown}"
        ));
    }
    Ok(())
}

/// Opens a file for reading; None if it is not there.
pub fn read(path: &Path) -> Result<Option<Keys>, KeysError> {
    let shown = path.display().to_string();
    match look(path).map_err(|why| KeysError::new(&shown, why))? {
        true => Keys::open_read_only(text(path)?).map(Some),
        false => Ok(None),
    }
}

/// Opens the machine's published keys; None if there are none. A damaged page is an error, as it is for
/// programs.
pub fn read_machine(path: &Path) -> Result<Option<Keys>, KeysError> {
    let found = read(path)?;
    if found.is_some() {
        check_pages(path).map_err(|_| {
            let why = "it is damaged; publish it again with: peerkey keys --system repair";
            KeysError::new(&path.display().to_string(), why)
        })?;
    }
    Ok(found.map(Keys::of_machine))
}

/// Opens a file for writing, and makes it and its folder if they are not there: for its owner alone.
pub fn write(path: &Path) -> Result<Keys, KeysError> {
    let shown = path.display().to_string();
    let fail = |why: String| KeysError::new(&shown, why);
    if !look(path).map_err(fail)? {
        make(path).map_err(|error| fail(cannot_make(&error)))?;
        look(path).map_err(fail)?;
    }
    Keys::open(text(path)?)
}

fn make(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        // The folder in which each user of the system has one is everybody's way there.
        if let Some(shared) = folder.parent().filter(|above| above.ends_with("uid")) {
            DirBuilder::new().recursive(true).mode(0o755).create(shared)?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map(drop).or_else(|error| match error.kind() {
        // A program was quicker.
        ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    })
}

fn cannot_make(error: &io::Error) -> String {
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => {
            "; run the command as root, or as the user whose keys they are"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room on that disk",
        ErrorKind::ReadOnlyFilesystem => "; it is on a disk that is read-only",
        _ => "",
    };
    format!("cannot make the file: {error}{hint}")
}

fn text(path: &Path) -> Result<&str, KeysError> {
    path.to_str().ok_or_else(|| KeysError::new(&path.to_string_lossy(), "the path is not UTF-8"))
}

/// The machine's keys and this user's, as a program has them.
#[derive(Debug)]
pub struct Books(Vec<Result<Keys, KeysError>>);

impl Books {
    /// Opens what there is.
    pub fn open(state_dir: &Path) -> Self {
        let machine = read_machine(&state_dir.join(machine_file()));
        let user = user_file(state_dir)
            .map_err(|why| KeysError::new("this user's file", why))
            .and_then(|path| read(&path));
        Self([machine, user].into_iter().filter_map(Result::transpose).collect())
    }
}

impl Book for Books {
    fn keys_of(&self, peer: &Name) -> Result<Vec<KnownKey>, KeysError> {
        let mut all = Vec::new();
        for book in &self.0 {
            all.extend(book.as_ref().map_err(Clone::clone)?.keys_of(peer)?);
        }
        Ok(all)
    }
}
