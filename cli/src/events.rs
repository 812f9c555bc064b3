//! What was done to the policy for a while, in the record of who did it: a line of JSON with `event`.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use serde_json::{Value, json};

use crate::book;
use crate::record::place::FILE;

/// Records an event. The error says where it could not be written.
pub fn record(state_dir: &Path, event: &str, more: &Value) -> Result<(), String> {
    let folder = book::user_folder(state_dir)?;
    let path = folder.join(FILE);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let id = format!("{:x}-{:x}", since.as_micros(), std::process::id());
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let mut line = json!({ "id": id, "time": millis, "event": event });
    for (name, value) in more.as_object().into_iter().flatten() {
        line[name] = value.clone();
    }
    make(state_dir, &folder)
        .and_then(|()| append(&path, &format!("{line}\n")))
        .map_err(|error| format!("cannot record it in {}: {error}", path.display()))
}

/// Makes the folder if it is missing: its user's alone, in one that every user passes through.
fn make(state_dir: &Path, folder: &Path) -> io::Result<()> {
    let above = state_dir.join("uid");
    if folder.starts_with(&above) && fs::symlink_metadata(&above).is_err() {
        fs::create_dir(&above)?;
        fs::set_permissions(&above, Permissions::from_mode(0o755))?;
    }
    match fs::symlink_metadata(folder) {
        Ok(_) => Ok(()),
        Err(_) => DirBuilder::new().recursive(true).mode(0o700).create(folder),
    }
}

/// A single write, as guests do it, so that lines never mix.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(flags);
    options.open(path)?.write_all(line.as_bytes())
}
