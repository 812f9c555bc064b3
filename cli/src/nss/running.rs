//! Whether a program has a profile open: Firefox and Thunderbird lock it while they run.

use std::fs::{self, OpenOptions};
use std::path::Path;

use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::trouble::Trouble;

/// Fails where the profile is in use.
pub fn refuse_in_use(folder: &Path) -> Result<(), Trouble> {
    match user_of(folder) {
        None => Ok(()),
        Some(process) => {
            let what = format!("{} is in use, by {process}", folder.display());
            Err(Trouble::new(what).hint("close the program, and run the command again"))
        }
    }
}

/// Who has the profile open.
fn user_of(folder: &Path) -> Option<String> {
    locked(&folder.join(".parentlock")).or_else(|| linked(&folder.join("lock")))
}

/// The holder of the lock that a running program has on `.parentlock`; the file itself stays behind.
fn locked(path: &Path) -> Option<String> {
    let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
    let held = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).ok()??;
    Some(match held.pid {
        Some(pid) => format!("process {}", pid.as_raw_nonzero()),
        None => "a process that cannot be seen here".into(),
    })
}

/// The process that the link `lock` names (`127.0.1.1:+4711`), if it is alive: where files cannot be
/// locked, and beside the other lock.
fn linked(path: &Path) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    let pid = target.to_str()?.rsplit_once(':')?.1.trim_start_matches('+').parse::<u32>().ok()?;
    let is_alive = pid != std::process::id() && Path::new(&format!("/proc/{pid}")).exists();
    is_alive.then(|| format!("process {pid} (if it is not: remove {})", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_left_behind_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".parentlock"), "").unwrap();
        std::os::unix::fs::symlink("127.0.1.1:+4194304999", folder.path().join("lock")).unwrap();
        assert_eq!(refuse_in_use(folder.path()), Ok(()));
        fs::remove_file(folder.path().join("lock")).unwrap();
        std::os::unix::fs::symlink("127.0.1.1:+1", folder.path().join("lock")).unwrap();
        let trouble = refuse_in_use(folder.path()).unwrap_err();
        assert!(trouble.what.contains("process 1"), "{trouble}");
    }
}
