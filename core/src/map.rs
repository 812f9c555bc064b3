//! Maps of what is looked up again and again while one question is answered.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use foldhash::fast::RandomState;

/// A map whose hash is seeded in each process and takes a tenth of SipHash's time. That somebody finds
/// keys which collide all the same costs little: of what a peer can choose, few keys get here.
pub type Map<K, V> = HashMap<K, V, RandomState>;

/// The same without values.
pub type Set<K> = HashSet<K, RandomState>;

/// Values in the order in which they came, each once.
pub(crate) struct Distinct<T> {
    pub(crate) list: Vec<T>,
    /// The same, once they are many.
    seen: Set<T>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self { list: Vec::new(), seen: Set::default() }
    }
}

impl<T: Clone + Eq + Hash> Distinct<T> {
    /// So many are compared one by one.
    const FEW: usize = 8;

    pub(crate) fn push(&mut self, value: T) {
        if self.list.len() == Self::FEW && self.seen.is_empty() {
            self.seen.extend(self.list.iter().cloned());
        }
        let is_new = match self.list.len() {
            ..Self::FEW => !self.list.contains(&value),
            _ => self.seen.insert(value.clone()),
        };
        if is_new {
            self.list.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_stands_once_where_it_came_first() {
        let mut distinct = Distinct::default();
        let values = || (0..40).map(|n| n * 7 % 20);
        values().for_each(|n| distinct.push(n));
        assert_eq!(distinct.list, values().take(20).collect::<Vec<_>>());
    }
}
