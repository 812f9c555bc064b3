//! A bounded memory of what was used lately.

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, TryLockError};

use peerkey_core::map::Map;

/// Remembers the last entries that were put in or found: at least `generation`, at most twice that.
pub struct Recent<K, V> {
    generation: usize,
    young: Map<K, V>,
    old: Map<K, V>,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// An empty memory.
    pub fn new(generation: usize) -> Self {
        Self { generation, young: Map::default(), old: Map::default() }
    }

    /// What is remembered under a key.
    pub fn get(&self, key: &K) -> Option<V> {
        self.young.get(key).or_else(|| self.old.get(key)).cloned()
    }

    /// Remembers an entry. Returns what is forgotten for it, so that the caller can drop it after it
    /// has given back its lock.
    pub fn put(&mut self, key: K, value: V) -> Map<K, V> {
        let mut forgotten = Map::default();
        if self.young.len() >= self.generation {
            forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        }
        self.young.insert(key, value);
        forgotten
    }
}

/// The lock, if it comes free soon: nobody holds one of ours while anything slow is done. Never waits for
/// long: the thread that holds it may not exist here, after a fork.
pub fn soon<T>(lock: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    for attempt in 0..200 {
        match lock.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if attempt < 100 => std::hint::spin_loop(),
            // More threads than processors: the one that holds it has to run.
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut recent = Recent::new(2);
        for i in 0..6 {
            let forgotten = recent.put(i, i);
            assert_eq!(forgotten.len(), if i == 4 { 2 } else { 0 });
        }
        assert_eq!((recent.get(&1), recent.get(&2), recent.get(&5)), (None, Some(2), Some(5)));
    }

    #[test]
    fn a_lock_that_is_held_is_not_waited_for() {
        let lock = Mutex::new(1);
        let held = lock.lock().unwrap();
        assert!(soon(&lock).is_none());
        drop(held);
        assert!(soon(&lock).is_some());
    }
}
