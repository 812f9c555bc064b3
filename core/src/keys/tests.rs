//! Files of remembered keys.

use std::path::PathBuf;

use rusqlite::Connection;

use super::schema::{Form, form};
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

/// A certificate's, of which nothing else matters here.
fn certificate(name: &str) -> Vec<u8> {
    let names = vec![name.to_owned()];
    let key = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    made.der().to_vec()
}

fn wanted(der: &[u8]) -> [Wanted; 2] {
    let own = crate::certificate::Certificate::from_der(der).unwrap();
    let serial = crate::der::tlv(2, own.serial());
    [Wanted::by_serial(own.issuer(), &serial), Wanted::by_subject(own.subject())]
}

#[test]
fn certificates_are_found_as_long_as_their_keys_are_there() {
    let shelf = Shelf::new();
    let mut keys = shelf.keys();
    let der = certificate("a.lan");
    let found = |keys: &Keys| wanted(&der).map(|wanted| keys.certificates(wanted).unwrap());
    let with = |seen| Sighting { certificate: Some(der.clone()), ..sighting("a.lan", 1, seen) };
    keys.remember(&[with(Seen::First)], NOW).unwrap();
    assert_eq!(found(&keys), [[der.clone()], [der.clone()]]);
    keys.connection.execute("DELETE FROM key", []).unwrap();
    assert_eq!(found(&keys), [[[0_u8; 0]; 0], []]);
    // Over what NSS never asks about.
    let mail = Service::new(&Protocol::parse("imaps").unwrap(), None);
    let odd = Service { port: 8443, ..https() };
    for service in [mail, odd] {
        let elsewhere = Sighting { service, ..with(Seen::Vouched("web".into())) };
        keys.remember(&[elsewhere], NOW).unwrap();
    }
    assert_eq!(found(&keys), [[[0_u8; 0]; 0], []]);
}

#[test]
fn a_key_that_was_known_by_its_hash_gets_its_certificate() {
    let shelf = Shelf::new();
    let mut keys = shelf.keys();
    keys.remember(&[sighting("a.lan", 1, Seen::First)], NOW).unwrap();
    assert!(!keys.keys_of(&peer("a.lan")).unwrap()[0].has_certificate);
    let der = certificate("a.lan");
    let large = vec![0x30; LONGEST_KEPT + 1];
    for (certificate, has_it) in [(large, false), (der.clone(), true)] {
        let again =
            Sighting { certificate: Some(certificate), ..sighting("a.lan", 1, Seen::Again) };
        keys.remember(&[again], NOW).unwrap();
        let known = &keys.keys_of(&peer("a.lan")).unwrap()[0];
        assert_eq!((known.has_certificate, known.sightings), (has_it, 1));
    }
    assert_eq!(keys.certificates(wanted(&der)[0]).unwrap(), std::slice::from_ref(&der));
    // It was renewed.
    let renewed = certificate("a.lan");
    let again =
        Sighting { certificate: Some(renewed.clone()), ..sighting("a.lan", 1, Seen::Again) };
    keys.remember(&[again], NOW + DAY).unwrap();
    assert_eq!(keys.certificates(wanted(&renewed)[0]).unwrap(), [renewed]);
    assert!(keys.certificates(wanted(&der)[0]).unwrap().is_empty());
}

/// A file as the first schema had it, with one key in it.
fn of_the_first_schema(shelf: &Shelf, der: &[u8]) {
    let mut keys = shelf.keys();
    let first = Sighting { certificate: Some(der.to_vec()), ..sighting("a.lan", 1, Seen::First) };
    keys.remember(&[first], NOW).unwrap();
    let sql = "DROP TRIGGER key_gone; DROP TABLE wrapped; PRAGMA user_version = 1";
    keys.connection.execute_batch(sql).unwrap();
}

#[test]
fn an_older_schema_is_brought_up_and_kept_as_it_was() {
    let shelf = Shelf::new();
    let der = certificate("a.lan");
    of_the_first_schema(&shelf, &der);
    let before = Keys::open_read_only(shelf.path().to_str().unwrap()).unwrap();
    let known = before.keys_of(&peer("a.lan")).unwrap();
    assert_eq!((known.len(), before.certificates(wanted(&der)[0])), (1, Ok(Vec::new())));
    drop(before);
    let keys = shelf.keys();
    assert_eq!(keys.keys_of(&peer("a.lan")), Ok(known.clone()));
    assert_eq!(keys.certificates(wanted(&der)[0]).unwrap(), std::slice::from_ref(&der));
    let backup = keys.backup().unwrap();
    assert_eq!(backup, format!("{}.schema-1", shelf.path().display()));
    let kept = Keys::open_read_only(backup).unwrap();
    assert_eq!(kept.keys_of(&peer("a.lan")), Ok(known));
    assert_eq!(form(&kept.connection), Ok(Form::Keys(1)));
    // Once is enough, and a copy is never written over.
    assert_eq!(shelf.keys().backup(), None);
    keys.connection.execute_batch("DROP TRIGGER key_gone; DROP TABLE wrapped").unwrap();
    keys.connection.pragma_update(None, "user_version", 1).unwrap();
    drop(keys);
    assert!(shelf.keys().backup().unwrap().ends_with(".schema-1.1"));
}

#[test]
fn a_program_goes_on_with_an_older_schema() {
    let shelf = Shelf::new();
    of_the_first_schema(&shelf, &certificate("a.lan"));
    let path = shelf.path();
    let patience = std::time::Duration::from_millis(100);
    let open = || Keys::open_through("unix", path.to_str().unwrap(), Access::Write, patience);
    let mut keys = open().unwrap().unwrap();
    let new =
        Sighting { certificate: Some(certificate("b.lan")), ..sighting("b.lan", 2, Seen::First) };
    assert_eq!(keys.remember(&[new], NOW), Ok(None));
    assert_eq!(keys.keys_of(&peer("b.lan")).unwrap().len(), 1);
    assert_eq!(form(&keys.connection), Ok(Form::Keys(1)));
}
