//! Whether this still is the process that it was: after a fork, locks may be held by threads that the
//! child does not have.

use std::process;
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// A page that the kernel empties in a child (MADV_WIPEONFORK, madvise(2)), whatever way it was forked;
/// null before the first use, and [`NONE`] where there is no such page.
static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(null_mut());

const NONE: *mut AtomicU32 = without_provenance_mut(1);

/// The number of this process. A system call only where the kernel cannot tell that it forked.
pub fn process_id() -> u32 {
    let page = PAGE.load(Ordering::Acquire);
    let page = if page.is_null() { make_page() } else { page };
    if page == NONE {
        return process::id();
    }
    // SAFETY: mapped below, and never unmapped.
    let known = unsafe { &*page };
    match known.load(Ordering::Relaxed) {
        0 => {
            let id = process::id();
            known.store(id, Ordering::Relaxed);
            id
        }
        id => id,
    }
}

/// What belongs to one process. After a fork the child starts with a new one: locks may be held by
/// threads that it does not have, and its parent's connections are not its own.
pub struct PerProcess<T>(AtomicPtr<Owned<T>>);

struct Owned<T> {
    process: u32,
    value: T,
}

impl<T> PerProcess<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// This process's, which `make` makes where there is none.
    pub fn get(&self, make: impl FnOnce() -> T) -> &T {
        let known = self.0.load(Ordering::Acquire);
        let process = process_id();
        // SAFETY: null, or leaked below: what a parent left is never freed, because it may be in use
        // by this very thread.
        if let Some(known) = unsafe { known.as_ref() }.filter(|known| known.process == process) {
            return &known.value;
        }
        let ours = Box::into_raw(Box::new(Owned { process, value: make() }));
        match self.0.compare_exchange(known, ours, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: leaked.
            Ok(_) => unsafe { &(*ours).value },
            Err(other) => {
                // SAFETY: nobody else has seen ours; the other is one that was leaked here.
                unsafe {
                    drop(Box::from_raw(ours));
                    &(*other).value
                }
            }
        }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

fn make_page() -> *mut AtomicU32 {
    const SIZE: usize = 4096;
    let (access, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: new memory, at an address of the kernel's choice; given back where it is of no use.
    let page = unsafe {
        let page = libc::mmap(null_mut(), SIZE, access, kind, -1, 0);
        if page == libc::MAP_FAILED {
            NONE
        } else if libc::madvise(page, SIZE, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, SIZE);
            NONE
        } else {
            page.cast()
        }
    };
    if page != NONE {
        // Written first: to read what nobody wrote yet is a page fault of its own.
        // SAFETY: mapped above.
        unsafe { &*page }.store(process::id(), Ordering::Relaxed);
    }
    match PAGE.compare_exchange(null_mut(), page, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => page,
        Err(other) => {
            if page != NONE {
                // SAFETY: nobody else has seen it.
                unsafe { libc::munmap(page.cast(), SIZE) };
            }
            other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_another_process() {
        assert_eq!(process_id(), process::id());
        assert_ne!(PAGE.load(Ordering::Acquire), NONE);
        // SAFETY: the child makes system calls, and ends.
        let child = unsafe {
            match libc::fork() {
                // Not by glibc: what handlers of pthread_atfork(3) note is not what is asked here.
                0 => libc::_exit(i32::from(
                    i64::from(process_id()) != libc::syscall(libc::SYS_getpid),
                )),
                child => child,
            }
        };
        let mut status = -1;
        // SAFETY: our child, and a place for its status.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        assert_eq!(process_id(), process::id());
    }
}
