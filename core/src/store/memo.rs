//! What was looked up in a compiled policy before. The file never changes while it is open, and a process
//! asks the same of it again and again.

use std::cell::RefCell;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use super::StoreError;
use crate::map::Map;

/// Answers by question, for one kind of question.
pub(super) struct Memo<K, V> {
    known: RefCell<Map<K, V>>,
    most: usize,
}

impl<K: Eq + Hash, V: Clone> Memo<K, V> {
    /// Remembers no more answers than this: then it begins anew.
    pub(super) fn new(most: usize) -> Self {
        Self { known: RefCell::default(), most }
    }

    /// The answer that is known, else the one that is found.
    pub(super) fn or(
        &self,
        question: K,
        find: impl FnOnce(&K) -> Result<V, StoreError>,
    ) -> Result<V, StoreError> {
        if let Some(known) = self.known.borrow().get(&question) {
            return Ok(known.clone());
        }
        let found = find(&question)?;
        let mut known = self.known.borrow_mut();
        if known.len() >= self.most {
            known.clear();
        }
        known.insert(question, found.clone());
        Ok(found)
    }
}

/// The same for questions of a text and of something that takes few values beside each text. What is known
/// is found without a copy of the question.
pub(super) struct Twofold<K, V> {
    known: RefCell<Map<String, Vec<(K, V)>>>,
    most: usize,
}

impl<K, V: Clone> Twofold<K, V> {
    /// Remembers the answers for no more texts than this, and to no more questions with one: then it
    /// begins anew.
    pub(super) fn new(most: usize) -> Self {
        Self { known: RefCell::default(), most }
    }

    /// The answer that is known to the question of `text` and of what `is` knows again, else the one that is
    /// found, with what it is known by.
    pub(super) fn or(
        &self,
        text: &str,
        is: impl Fn(&K) -> bool,
        find: impl FnOnce() -> Result<(K, V), StoreError>,
    ) -> Result<V, StoreError> {
        let known = self.known.borrow();
        let beside = known.get(text).map_or(&[][..], Vec::as_slice);
        if let Some((_, answer)) = beside.iter().find(|(key, _)| is(key)) {
            return Ok(answer.clone());
        }
        drop(known);
        let (key, found) = find()?;
        let mut known = self.known.borrow_mut();
        if known.len() >= self.most && !known.contains_key(text) {
            known.clear();
        }
        let beside = known.entry(text.to_owned()).or_default();
        if beside.len() >= self.most {
            beside.clear();
        }
        beside.push((key, found.clone()));
        Ok(found)
    }
}

/// What was worked out lately, which no key tells: each is looked at.
pub(crate) struct Lately<T> {
    known: RefCell<Vec<T>>,
    most: usize,
}

impl<T> Lately<T> {
    /// Remembers no more than this: then it begins anew.
    pub(super) fn new(most: usize) -> Self {
        Self { known: RefCell::default(), most }
    }

    /// What the first one gives that gives anything.
    pub(crate) fn find<R>(&self, look: impl FnMut(&T) -> Option<R>) -> Option<R> {
        self.known.borrow().iter().find_map(look)
    }

    pub(crate) fn keep(&self, new: T) {
        let mut known = self.known.borrow_mut();
        if known.len() >= self.most {
            known.clear();
        }
        known.push(new);
    }

    #[cfg(all(test, feature = "source", feature = "pkix"))]
    pub(crate) fn len(&self) -> usize {
        self.known.borrow().len()
    }
}

impl<T> fmt::Debug for Lately<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lately")
    }
}

impl<K, V> fmt::Debug for Twofold<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Twofold")
    }
}

impl<K, V> fmt::Debug for Memo<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo")
    }
}

/// Several answers at once, which are seldom any.
pub(super) fn all<K: Copy + Eq + Hash, V: Clone>(
    memo: &Memo<K, Arc<[V]>>,
    questions: &[K],
    find: impl Fn(&K) -> Result<Vec<V>, StoreError>,
) -> Result<Vec<V>, StoreError> {
    let mut all = Vec::new();
    for question in questions {
        all.extend(memo.or(*question, |question| find(question).map(Into::into))?.iter().cloned());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_once_and_memory_ends() {
        let (memo, asked) = (Memo::new(2), std::cell::Cell::new(0));
        let ask = |question| {
            let found = |question: &i32| {
                asked.set(asked.get() + 1);
                Ok(question * 2)
            };
            memo.or(question, found).unwrap()
        };
        assert_eq!([1, 1, 2, 2].map(ask), [2, 2, 4, 4]);
        assert_eq!(asked.get(), 2);
        assert_eq!([3, 1].map(ask), [6, 2]);
        assert_eq!((asked.get(), memo.known.borrow().len()), (4, 2));
    }

    #[test]
    fn a_twofold_question_is_asked_once_and_memory_ends() {
        let (memo, asked) = (Twofold::new(2), std::cell::Cell::new(0));
        let ask = |(text, number): (&'static str, i32)| {
            let found = || {
                asked.set(asked.get() + 1);
                Ok((number, format!("{text}{number}")))
            };
            memo.or(text, |known| *known == number, found).unwrap()
        };
        let questions = [("a", 1), ("a", 2), ("b", 1), ("a", 2), ("a", 1)];
        assert_eq!(questions.map(ask), ["a1", "a2", "b1", "a2", "a1"]);
        assert_eq!(asked.get(), 3);
        assert_eq!([("a", 3), ("a", 1)].map(ask), ["a3", "a1"]);
        assert_eq!(asked.get(), 5);
        assert_eq!([("c", 1), ("a", 1)].map(ask), ["c1", "a1"]);
        assert_eq!((asked.get(), memo.known.borrow().len()), (7, 2));
    }

    #[test]
    fn a_failure_is_no_answer() {
        let memo = Memo::new(2);
        memo.or(1, |_| Err(StoreError::new("x", "y"))).unwrap_err();
        assert_eq!(memo.or(1, |_| Ok(7)), Ok(7));
    }
}
