//! Maps of what is looked up again and again while one question is answered.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

/// A map whose hash is seeded in each process and takes a tenth of SipHash's time. That somebody finds
/// keys which collide all the same costs little: of what a peer can choose, few keys get here.
pub type Map<K, V> = HashMap<K, V, RandomState>;

/// The same without values.
pub type Set<K> = HashSet<K, RandomState>;
