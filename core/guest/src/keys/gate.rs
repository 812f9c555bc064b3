//! One operation at a time in a process: threads that take and give SQLite's locks side by side keep one
//! another out without end, and none of them knows of the others.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::fork::process_id;

/// The process that is in; 0 for none. What a parent left in a child counts as none: the thread that was
/// in does not exist there.
static INSIDE: AtomicU32 = AtomicU32::new(0);

const PAUSE: Duration = Duration::from_micros(300);

/// Being in, until it is dropped.
pub(super) struct Inside(());

/// Goes in, if that is possible within this time.
pub(super) fn enter(patience: Duration) -> Option<Inside> {
    let (own, mut since) = (process_id(), None);
    loop {
        let inside = INSIDE.load(Ordering::Relaxed);
        if inside != own
            && INSIDE.compare_exchange(inside, own, Ordering::Acquire, Ordering::Relaxed).is_ok()
        {
            return Some(Inside(()));
        }
        if since.get_or_insert_with(Instant::now).elapsed() > patience {
            return None;
        }
        sleep(PAUSE);
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // In a child that was made meanwhile, somebody else may be in.
        let own = process_id();
        let _ = INSIDE.compare_exchange(own, 0, Ordering::Release, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_waits_no_longer_than_it_said() {
        let inside = enter(Duration::from_secs(5)).unwrap();
        let before = Instant::now();
        assert!(enter(Duration::from_millis(20)).is_none());
        assert!(before.elapsed() >= Duration::from_millis(20));
        drop(inside);
        assert!(enter(Duration::from_secs(5)).is_some());
    }

    #[test]
    fn a_child_finds_nobody_in() {
        let _inside = enter(Duration::from_secs(5)).unwrap();
        // SAFETY: the child makes system calls, and ends.
        let child = unsafe {
            match libc::fork() {
                0 => libc::_exit(enter(Duration::ZERO).is_none().into()),
                child => child,
            }
        };
        let mut status = -1;
        // SAFETY: our child, and a place for its status.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
    }
}
