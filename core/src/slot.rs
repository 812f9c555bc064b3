//! A place for what was worked out once, that never waits: in a process that forks, the thread that holds
//! a lock may not exist any more.

use std::fmt;
use std::sync::Mutex;

/// Empty at first. Where another thread is at it, things are worked out anew.
pub(crate) struct Slot<T>(Mutex<T>);

impl<T> Slot<T> {
    /// Does something with what is there; None if another thread is at it.
    pub(crate) fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0.try_lock().ok().map(|mut place| body(&mut place))
    }
}

impl<T: Clone> Slot<Option<T>> {
    /// What is there; if nothing is, what is made now.
    pub(crate) fn get_or(&self, make: impl Fn() -> T) -> T {
        let there = self.with(|place| place.get_or_insert_with(&make).clone());
        there.unwrap_or_else(make)
    }
}

impl<T: Default> Default for Slot<T> {
    fn default() -> Self {
        Self(Mutex::new(T::default()))
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}
