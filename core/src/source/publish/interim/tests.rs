use super::super::tests::{both, names, policy};
use super::super::{publish, publish_unattended, rollback, unconfirmed};
use super::*;
use crate::source::{Whole, whole};

const LONG: Duration = Duration::from_secs(3600);

fn begun(dir: &Path, rules: usize, kind: Kind, lasts: Duration) -> Interim {
    let begun = begin(&policy(rules), dir, 7, (kind, lasts), |_| Ok(())).unwrap();
    begun.expect("another policy").0
}

fn in_force(rules: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    publish(&policy(1), dir.path(), 5).unwrap();
    if rules > 1 {
        publish(&policy(rules), dir.path(), 6).unwrap();
    }
    dir
}

const LASTING: [&str; 4] =
    ["policy-1.db", "policy-1.db.previous", "policy-1.db.sha256", "policy.lock"];

#[test]
fn what_is_confirmed_stays() {
    let dir = in_force(2);
    let dir = dir.path();
    let waiting = begun(dir, 3, Kind::Confirm, LONG);
    assert_eq!(both(dir), (Some(3), Some(2)));
    assert_eq!((waiting.since, waiting.until), (7, 3607));
    assert!(!interim(dir).unwrap().is_over());
    assert_eq!(settle(dir).unwrap(), None);
    assert_eq!(confirm(dir).unwrap(), waiting);
    assert_eq!(both(dir), (Some(3), Some(2)));
    assert_eq!(names(dir), LASTING);
    assert_eq!(end(dir, &waiting).unwrap(), None);
    assert!(confirm(dir).unwrap_err().to_string().contains("no policy waits"));
}

#[test]
fn what_nobody_confirms_goes_and_is_kept() {
    let dir = in_force(2);
    let dir = dir.path();
    begun(dir, 3, Kind::Confirm, Duration::ZERO);
    assert!(settle(dir).unwrap().is_some());
    assert_eq!(both(dir), (Some(2), Some(3)));
    assert_eq!(names(dir).len(), LASTING.len() + 1, "and what nobody confirmed is known");
    assert_eq!(whole(dir).unwrap(), Whole::Yes);
    begun(dir, 3, Kind::Confirm, Duration::ZERO);
    let late = confirm(dir).unwrap_err().to_string();
    assert!(late.contains("too late"), "{late}");
    assert_eq!(both(dir).0, Some(2));
    begun(dir, 3, Kind::Confirm, LONG);
    rollback(dir).unwrap();
    assert_eq!((both(dir), interim(dir)), ((Some(2), Some(3)), None));
}

#[test]
fn what_nobody_confirmed_is_brought_again_by_hand_alone() {
    let dir = in_force(2);
    let dir = dir.path();
    let unattended = |rules| publish_unattended(&policy(rules), dir, 9);
    begun(dir, 3, Kind::Confirm, Duration::ZERO);
    settle(dir).unwrap();
    let refused = unattended(3).unwrap_err().to_string();
    assert!(refused.contains("nobody confirmed") && refused.contains("/policy.toml"), "{refused}");
    assert!(refused.contains("peerkey apply"), "{refused}");
    assert_eq!(both(dir).0, Some(2));
    publish(&policy(3), dir, 9).unwrap();
    assert_eq!((both(dir).0, names(dir)), (Some(3), LASTING.map(String::from).into()));
    unattended(3).unwrap();
    // Other sources are another matter, and so is going back by hand, twice.
    begun(dir, 4, Kind::Confirm, Duration::ZERO);
    unattended(4).unwrap_err();
    unattended(5).unwrap();
    unattended(4).unwrap();
    begun(dir, 6, Kind::Confirm, LONG);
    rollback(dir).unwrap();
    unattended(6).unwrap_err();
    rollback(dir).unwrap();
    unattended(6).unwrap();
    assert_eq!(both(dir).0, Some(6));
}

/// What the distribution changes by itself is nobody's word on the rest.
#[test]
fn a_changed_bundle_does_not_bring_it_again() {
    let dir = in_force(2);
    let dir = dir.path();
    let bundle = crate::source::system_bundles().next().unwrap().to_owned();
    let with_bundle = |rules, sha256| {
        let mut policy = policy(rules);
        policy.sources.push(crate::policy::Source { path: bundle.clone(), sha256: [sha256; 32] });
        policy
    };
    begin(&with_bundle(3, 1), dir, 7, (Kind::Confirm, Duration::ZERO), |_| Ok(())).unwrap();
    settle(dir).unwrap();
    assert_eq!(unconfirmed(dir).len(), 1);
    publish_unattended(&with_bundle(3, 2), dir, 9).unwrap_err();
    publish_unattended(&with_bundle(2, 2), dir, 9).unwrap();
}

#[test]
fn off_ends_and_leaves_no_trace() {
    let dir = in_force(2);
    let dir = dir.path();
    let off = begun(dir, 0, Kind::Off, LONG);
    assert_eq!(both(dir), (Some(0), Some(1)));
    assert!(confirm(dir).unwrap_err().to_string().contains("peerkey is off"));
    assert_eq!(end(dir, &off).unwrap(), Some(off));
    assert_eq!(both(dir), (Some(2), Some(1)));
    assert_eq!(names(dir), LASTING);
}

#[test]
fn what_is_applied_while_off_comes_after_it() {
    let dir = in_force(2);
    let dir = dir.path();
    let off = begun(dir, 0, Kind::Off, LONG);
    let published = publish(&policy(4), dir, 9).unwrap();
    assert_eq!(published.after, Some(off.clone()));
    assert_eq!(both(dir), (Some(0), Some(2)));
    end(dir, &off).unwrap();
    assert_eq!(both(dir), (Some(4), Some(2)));
    assert_eq!((names(dir), whole(dir).unwrap()), (LASTING.map(String::from).into(), Whole::Yes));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let none = tempfile::tempdir().unwrap();
    let first = begin(&policy(1), none.path(), 5, (Kind::Confirm, LONG), |_| Ok(()));
    assert!(first.unwrap_err().to_string().contains("to go back to"));
    let dir = in_force(2);
    let dir = dir.path();
    let again = begin(&policy(2), dir, 5, (Kind::Confirm, LONG), |_| panic!("nothing to watch"));
    assert_eq!(again.unwrap(), None);
    assert_eq!(names(dir), LASTING);
    let unwatched = begin(&policy(3), dir, 5, (Kind::Off, LONG), |_| Err("no process".into()));
    assert!(unwatched.unwrap_err().to_string().contains("no process"));
    assert_eq!((both(dir), names(dir)), ((Some(2), Some(1)), LASTING.map(String::from).into()));
    begun(dir, 3, Kind::Confirm, LONG);
    for kind in [Kind::Confirm, Kind::Off] {
        let second = begin(&policy(4), dir, 5, (kind, LONG), |_| Ok(())).unwrap_err();
        assert!(second.to_string().contains("waits to be confirmed already"), "{second}");
    }
    assert!(publish(&policy(4), dir, 9).is_err());
    assert_eq!(both(dir).0, Some(3));
}

#[test]
fn a_restart_ends_it_and_so_does_a_damaged_record() {
    let dir = in_force(2);
    let dir = dir.path();
    let record = dir.join("policy-1.db.interim");
    for damage in ["boot=", "nothing"] {
        begun(dir, 3, Kind::Confirm, LONG);
        let text = fs::read_to_string(&record).unwrap();
        let text = text.replace("boot=", "boot=0").replace("since=", damage);
        fs::write(&record, text).unwrap();
        assert!(settle(dir).unwrap().is_some(), "{damage}");
        assert_eq!((both(dir).0, interim(dir)), (Some(2), None));
    }
}

/// The states in which a killed process can leave the folder.
#[test]
fn killed_at_each_step() {
    let (record, aside, current) = ("policy-1.db.interim", "policy-1.db.aside", "policy-1.db");
    // Put aside, and no more.
    let dir = in_force(2);
    let dir = dir.path();
    fs::hard_link(dir.join(current), dir.join(aside)).unwrap();
    publish(&policy(3), dir, 8).unwrap();
    assert_eq!((both(dir).0, names(dir)), (Some(3), LASTING.map(String::from).into()));
    // Recorded, with the policy for the while not in force yet.
    let over = begun(dir, 0, Kind::Off, Duration::ZERO);
    fs::remove_file(dir.join(current)).unwrap();
    fs::hard_link(dir.join(aside), dir.join(current)).unwrap();
    assert_eq!(settle(dir).unwrap(), Some(over));
    assert_eq!((both(dir).0, names(dir)), (Some(3), LASTING.map(String::from).into()));
    // Gone back, with the record still there.
    let over = begun(dir, 4, Kind::Confirm, Duration::ZERO);
    fs::rename(dir.join(aside), dir.join(current)).unwrap();
    assert!(dir.join(record).exists());
    assert_eq!(settle(dir).unwrap(), Some(over));
    assert_eq!((both(dir).0, names(dir)), (Some(3), LASTING.map(String::from).into()));
    // Confirmed, with the other still aside.
    begun(dir, 4, Kind::Confirm, LONG);
    fs::remove_file(dir.join(record)).unwrap();
    publish(&policy(4), dir, 8).unwrap();
    assert_eq!((both(dir), names(dir)), ((Some(4), Some(3)), LASTING.map(String::from).into()));
}
