//! Bytes as policy.toml, with a few anchors, a key and a CRL beside it.

use super::assert_printable;
use super::world::{self, Believing, NOW};
use crate::source;

/// What is no policy is refused with a place and in words; what is one compiles, reads back with
/// everything in it, and decides.
pub fn sources(policy: &[u8]) {
    let folder = world::sources("sources", policy);
    let loaded = match source::load(&folder, &Believing, NOW) {
        Ok(loaded) => loaded,
        Err(errors) => {
            assert!(!errors.is_empty());
            // Behind as many as are shown stands how many more there are, which is nowhere.
            let placed = errors.iter().take(source::MOST).all(|error| error.place.is_some());
            assert!(placed && errors.len() <= source::MOST + 1, "{errors:?}");
            for error in errors {
                error.to_string().lines().for_each(assert_printable);
            }
            return;
        }
    };
    for warning in &loaded.warnings {
        warning.to_string().lines().for_each(assert_printable);
    }
    let policy = &loaded.policy;
    let opened = world::open(&world::compile(policy, "sources.db")).unwrap();
    assert_eq!(opened.authorities().unwrap().len(), policy.authorities.len());
    assert_eq!(opened.rules().unwrap().len(), policy.rules.len());
    assert_eq!(opened.constraints().unwrap().len(), policy.constraints.len());
    assert_eq!(opened.meta().default, policy.default);
    for denial in opened.denials().unwrap() {
        denial.reason.iter().for_each(|reason| assert_printable(reason));
    }
    for query in super::certificates::queries() {
        world::ask(&opened, &query);
    }
}
