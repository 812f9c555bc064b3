//! Whether the host has confined itself since it began (seccomp(2)): then a system call that it does not
//! need itself, as one that makes a file, may be its last.

use std::ffi::CStr;
use std::io::Read;

/// How many filters there were when the process began: a container's or a service's, which answer what
/// programs may not do with an error.
pub(super) struct Confined {
    before: u32,
}

impl Confined {
    /// What holds now, at init.
    pub(super) fn of_now() -> Self {
        // SAFETY: no memory is involved.
        let has_any = unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) } != 0;
        Self { before: if has_any { filters().unwrap_or(0) } else { 0 } }
    }

    /// Whether there are more now. Where that cannot be told, too.
    pub(super) fn is_so(&self) -> bool {
        filters().is_none_or(|now| now > self.before)
    }
}

/// How many filters this thread has. (Before Linux 5.9 it is only said whether there are any.)
fn filters() -> Option<u32> {
    const STATUS: &CStr = c"/proc/thread-self/status";
    // SAFETY: a C string.
    let file = unsafe { libc::open(STATUS.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return None;
    }
    // SAFETY: just opened, and nobody else knows it.
    let mut file = unsafe { <std::fs::File as std::os::fd::FromRawFd>::from_raw_fd(file) };
    let (mut status, mut length) = ([0; 8192], 0);
    while let Some(rest) = status.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(_) => return None,
        }
    }
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
        assert!(!Confined::of_now().is_so());
        assert!(filters().is_some());
    }
}
