//! Whether the host has confined itself since it began (seccomp(2)): then a system call that it does not
//! need itself, as one that makes a file, may be its last.

use std::ffi::CStr;
use std::path::Path;

use crate::folder::Folder;

const STATUS: &CStr = c"thread-self/status";

/// How many filters there were when the process began: a container's or a service's, which answer what
/// programs may not do with an error.
pub(super) struct Confined {
    before: u32,
    /// Held open, because a root folder of the host's own may have none.
    proc: Folder,
}

impl Confined {
    /// What holds now, at init.
    pub(super) fn of_now() -> Self {
        let proc = Folder::new(Path::new("/proc"));
        // SAFETY: no memory is involved.
        let has_any = unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) } != 0;
        Self { before: if has_any { filters(&proc).unwrap_or(0) } else { 0 }, proc }
    }

    /// Whether there are more now. Where that cannot be told, too.
    pub(super) fn is_so(&self) -> bool {
        filters(&self.proc).is_none_or(|now| now > self.before)
    }
}

/// How many filters this thread has. (Before Linux 5.9 it is only said whether there are any.)
fn filters(proc: &Folder) -> Option<u32> {
    let mut status = [0; 4096];
    let length = proc.open(STATUS).ok()?.read(&mut status, 0).ok()?;
    let status = String::from_utf8_lossy(status.get(..length)?);
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse::<u32>().ok())
    };
    value("Seccomp_filters:").or_else(|| value("Seccomp:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_not_confined_by_what_was_there_before_it() {
        let confined = Confined::of_now();
        assert!(filters(&confined.proc).is_some());
        assert!(!confined.is_so());
        assert!(Confined { before: 0, proc: Folder::new(Path::new("/nowhere")) }.is_so());
    }
}
