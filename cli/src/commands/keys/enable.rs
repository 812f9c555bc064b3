//! `keys enable-user`.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use peerkey_core::certificate::printable;
use peerkey_core::keys::place::system_folder;
use serde_json::json;

use super::{Desk, Stop, no};
use crate::commands::FINE;
use crate::render::{GOOD, json, styled};

pub(super) fn run(desk: &Desk<'_>, user: &str) -> Result<u8, Stop> {
    let uid = uid_of(user)?;
    let folder = system_folder(&desk.global.state_dir, uid);
    let is_new = make(&desk.global.state_dir, &folder, uid)?;
    let shown = folder.display().to_string();
    desk.screen.print(&match desk.json {
        true => json::text(&json!({
            "version": json::VERSION,
            "uid": uid,
            "folder": shown,
            "made": is_new,
        })),
        false => {
            let words = if is_new { "keys are remembered for" } else { "nothing to do for" };
            let words = styled(GOOD, format!("{words} {} (uid {uid})", printable(user)));
            format!("{words} in {shown}; to end it, remove that folder\n")
        }
    })?;
    Ok(FINE)
}

/// The number of a user, from wherever this system has its users.
fn uid_of(user: &str) -> Result<u32, Stop> {
    if let Ok(uid) = user.parse() {
        return Ok(uid);
    }
    let output = Command::new("id").args(["-u", "--", user]).stdin(Stdio::null()).output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return no(format!("the program id cannot be run ({error}); write a number")),
    };
    match String::from_utf8_lossy(&output.stdout).trim().parse() {
        Ok(uid) if output.status.success() => Ok(uid),
        _ => no(format!("there is no user \"{}\" on this system", printable(user))),
    }
}

fn make(state_dir: &Path, folder: &Path, uid: u32) -> Result<bool, Stop> {
    let fail = |path: &Path, error: std::io::Error| {
        let hint = match error.kind() {
            ErrorKind::PermissionDenied => "; run the command as root",
            ErrorKind::NotFound => "; run peerkey apply first, which makes the state folder",
            _ => "",
        };
        Stop::Because(format!("cannot make {}: {error}{hint}", path.display()))
    };
    let above = state_dir.join("uid");
    match DirBuilder::new().mode(0o755).create(&above) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(fail(&above, error)),
        _ => {}
    }
    let found = match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {
            chown(folder, Some(uid), None).map_err(|error| {
                let _ = fs::remove_dir(folder);
                fail(folder, error)
            })?;
            return Ok(true);
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::symlink_metadata(folder),
        Err(error) => return Err(fail(folder, error)),
    };
    match found {
        Ok(found) if found.is_dir() && found.uid() == uid && found.mode() & 0o022 == 0 => Ok(false),
        Ok(_) => no(format!(
            "{0} is there already, and is not the user's own folder; look at it, then run: chown \
             {uid} {0} && chmod 700 {0}",
            folder.display()
        )),
        Err(error) => Err(fail(folder, error)),
    }
}
