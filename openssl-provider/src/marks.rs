//! Codes that this process alone can make.

use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};

/// What a session carries to show that it was accepted: a few bytes in the place for a server's data in
/// tickets (SSL_SESSION_set1_ticket_appdata(3)), which nothing reads in a client. They go with the
/// session wherever it goes: each ticket of TLS 1.3 copies it, Python and Node write it out and read it
/// again. This process alone can make them: a session that was stored by another one proves nothing.
pub(crate) struct Marks {
    key: Option<[u8; 32]>,
}

impl Marks {
    /// Takes a key, which children of this process share.
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        // SAFETY: room for what is asked for. A program that starts before there is randomness does not
        // wait for us, and resumes nothing.
        let filled =
            unsafe { libc::getrandom(key.as_mut_ptr().cast(), key.len(), libc::GRND_NONBLOCK) };
        Self { key: (filled == 32).then_some(key) }
    }

    /// The code of some facts, which nobody else can compute; None if there is no key.
    pub(crate) fn code(&self, facts: &impl Hash) -> Option<[u8; 16]> {
        let key = self.key?;
        let mut inner = Sum(Sha256::new_with_prefix(key));
        facts.hash(&mut inner);
        let outer = Sha256::new_with_prefix(key).chain_update(inner.0.finalize()).finalize();
        outer.first_chunk().copied()
    }
}

/// Hashes with SHA-256.
struct Sum(Sha256);

impl Hasher for Sum {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Not used.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_makes_another_code() {
        let marks = Marks::new();
        let [a, b, c] = [("a", 1), ("a", 2), ("b", 1)].map(|facts| marks.code(&facts).unwrap());
        assert!(a != b && a != c && b != c);
        assert_eq!(marks.code(&("a", 1)), Some(a));
        assert_ne!(marks.code(&vec!["ab", "c"]), marks.code(&vec!["a", "bc"]));
    }

    #[test]
    fn another_process_makes_other_codes() {
        assert_ne!(Marks::new().code(&1), Marks::new().code(&1));
        assert_eq!(Marks { key: None }.code(&1), None);
    }
}
