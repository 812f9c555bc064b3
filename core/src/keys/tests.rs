//! Files of remembered keys.

use std::path::PathBuf;

use rusqlite::Connection;

use super::*;

const NOW: i64 = 1_800_000_000;

struct Shelf(tempfile::TempDir);

impl Shelf {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("keys.db")
    }

    fn keys(&self) -> Keys {
        Keys::open(self.path().to_str().unwrap()).unwrap()
    }
}

fn peer(name: &str) -> Name {
    Name::parse(name).unwrap()
}

fn https() -> Service {
    Service::new(&Protocol::parse("https").unwrap(), Some(443))
}

fn sighting(name: &str, key: u8, seen: Seen) -> Sighting {
    Sighting {
        peer: peer(name),
        service: https(),
        key: KeyHash([key; 32]),
        spki: vec![key],
        certificate: None,
        seen,
        keys_per_peer: 2,
        forget_before: None,
    }
}

#[test]
fn the_first_of_two_is_remembered_and_the_other_lost() {
    let shelf = Shelf::new();
    let (mut one, mut other) = (shelf.keys(), shelf.keys());
    assert_eq!(one.remember(&[sighting("a.lan", 1, Seen::First)], NOW), Ok(None));
    let lost = other.remember(&[sighting("a.lan", 2, Seen::First)], NOW).unwrap().unwrap();
    assert_eq!(lost.other.key, KeyHash([1; 32]));
    // Another service of the peer is no stranger either.
    let service = Service { port: 8443, ..https() };
    let elsewhere = Sighting { service, ..sighting("a.lan", 2, Seen::First) };
    assert!(other.remember(&[elsewhere], NOW).unwrap().is_some());
    assert_eq!(other.remember(&[sighting("a.lan", 1, Seen::First)], NOW), Ok(None));
    assert_eq!(one.keys_of(&peer("A.LAN.")).unwrap().len(), 1);
}

#[test]
fn all_sightings_of_a_verdict_are_written_or_none() {
    let shelf = Shelf::new();
    let mut keys = shelf.keys();
    keys.remember(&[sighting("a.lan", 1, Seen::First)], NOW).unwrap();
    let both = [sighting("b.lan", 2, Seen::First), sighting("a.lan", 2, Seen::First)];
    assert!(keys.remember(&both, NOW).unwrap().is_some());
    assert_eq!(keys.keys_of(&peer("b.lan")), Ok(Vec::new()));
}

#[test]
fn a_key_that_comes_again_is_counted_once_a_day() {
    let shelf = Shelf::new();
    let mut keys = shelf.keys();
    keys.remember(&[sighting("a.lan", 1, Seen::First)], NOW).unwrap();
    for hours in [1, 23, 25, 26, 50] {
        keys.remember(&[sighting("a.lan", 1, Seen::Again)], NOW + hours * 3600).unwrap();
    }
    let known = &keys.keys_of(&peer("a.lan")).unwrap()[0];
    assert_eq!((known.sightings, known.first_seen), (3, NOW));
    assert_eq!(known.last_seen, NOW + 50 * 3600);
}

#[test]
fn of_vouched_keys_the_last_seen_are_kept() {
    let shelf = Shelf::new();
    let mut keys = shelf.keys();
    for key in 1..=4 {
        let vouched = sighting("a.lan", key, Seen::Vouched("web".into()));
        keys.remember(&[vouched], NOW + i64::from(key)).unwrap();
    }
    let left: Vec<_> = keys.keys_of(&peer("a.lan")).unwrap().iter().map(|k| k.key.0[0]).collect();
    assert_eq!(left, [4, 3]);
}

#[test]
fn few_keys_of_a_peer_wait_for_a_person() {
    let shelf = Shelf::new();
    let mut keys = shelf.keys();
    for key in 1..=20 {
        keys.remember(&[sighting("a.lan", key, Seen::Held)], NOW).unwrap();
    }
    let held = keys.keys_of(&peer("a.lan")).unwrap();
    assert_eq!(held.len(), 8);
    assert!(held.iter().all(|key| key.state == State::Held && !key.holds(NOW)));
    let word = sighting("a.lan", 3, Seen::Vouched("web".into()));
    keys.remember(&[word], NOW).unwrap();
    let now = keys.keys_of(&peer("a.lan")).unwrap();
    assert!(now.iter().any(|key| key.key.0[0] == 3 && key.holds(NOW)));
}

#[test]
fn what_was_not_seen_for_long_is_forgotten() {
    let shelf = Shelf::new();
    let mut keys = shelf.keys();
    keys.remember(&[sighting("a.lan", 1, Seen::First)], NOW).unwrap();
    let after =
        |before| Sighting { forget_before: Some(before), ..sighting("a.lan", 2, Seen::First) };
    assert!(keys.remember(&[after(NOW)], NOW + 9).unwrap().is_some());
    assert_eq!(keys.remember(&[after(NOW + 1)], NOW + 9), Ok(None));
    assert_eq!(keys.keys_of(&peer("a.lan")).unwrap()[0].key, KeyHash([2; 32]));
}

#[test]
fn files_that_are_something_else_are_left_as_they_are() {
    let shelf = Shelf::new();
    let path = shelf.path();
    let open = || Keys::open(path.to_str().unwrap()).unwrap_err().to_string();
    std::fs::write(&path, "SQLite format 3\0 and then nothing that makes sense").unwrap();
    assert!(open().contains("keys.db: file is not a database"), "{}", open());
    std::fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(open().contains("holds no keys of peerkey's"), "{}", open());
    std::fs::remove_file(&path).unwrap();
    drop(shelf.keys());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 9).unwrap();
    assert!(open().contains("schema 9"), "{}", open());
}

#[test]
fn services_are_told_apart_by_protocol_and_by_an_odd_port() {
    let service =
        |protocol: &str, port| Service::new(&Protocol::parse(protocol).unwrap(), port).to_string();
    assert_eq!(service("https", None), "https");
    assert_eq!(service("https", Some(443)), "https");
    assert_eq!(service("https", Some(8443)), "https on port 8443");
    assert_eq!(service("imaps", Some(993)), service("imap", Some(143)));
}
