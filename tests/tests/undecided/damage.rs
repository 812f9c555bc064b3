//! Policies that were cut off or damaged.

use std::fs;
use std::path::PathBuf;

use peerkey_tests::run::run;
use peerkey_tests::site::Peerkey;

use crate::host::{GOOD, Hosts, NATIVE};
use crate::{Bank, OnError};

fn policy_file(bank: &Bank) -> PathBuf {
    bank.site.path("state/policy-1.db")
}

#[test]
fn it_is_cut_off_at_any_kilobyte() {
    let bank = Bank::new();
    bank.apply();
    let whole = fs::read(policy_file(&bank)).unwrap();
    for on_error in [OnError::Reject, OnError::Application] {
        bank.on_error(on_error);
        for length in (0..whole.len()).step_by(1024) {
            fs::write(policy_file(&bank), &whole[..length]).unwrap();
            let what = format!("{length} of {} bytes", whole.len());
            bank.must(&what, on_error, "policy-1.db: ", &run(&mut bank.curl()));
        }
    }
}

/// Whatever is damaged is not read, or is a refusal that says what it is: nothing is decided by it.
#[test]
fn it_is_damaged_anywhere() {
    let hosts = Hosts::new();
    let path = hosts.site.path("state/policy-1.db");
    let whole = fs::read(&path).unwrap();
    let ask = || run(&mut hosts.host(Peerkey::On, "confined", &[]));
    let good = ask();
    assert!(good.ok() && good.stdout.contains(GOOD), "{good}");
    let mut counts = [0; 3];
    // Pages are mostly empty: only what is written is damaged, a bit or a byte or more of it.
    let written = (0..whole.len()).filter(|at| whole[*at] != 0);
    for (number, at) in written.step_by(7).enumerate() {
        let mut damaged = whole.clone();
        let end = damaged.len().min(at + [1, 1, 1, 64][number % 4]);
        let mask = [0x01, 0x80, 0xff, 0xff][number % 4];
        damaged[at..end].iter_mut().for_each(|byte| *byte ^= mask);
        fs::write(&path, damaged).unwrap();
        let said = ask();
        assert!(said.ok(), "byte {at}: {said}");
        assert!(!said.stdout.contains(NATIVE), "byte {at}: the policy is passed over: {said}");
        let why = ["it is damaged: run peerkey apply", "file is not a database"];
        counts[match why.iter().position(|why| said.stdout.contains(why)) {
            Some(why) => {
                assert!(said.stdout.contains("peerkey: no decision was possible"), "{at}: {said}");
                assert!(said.stdout.contains("denied refused"), "byte {at}: {said}");
                why
            }
            None => {
                assert_eq!(said.stdout, good.stdout, "byte {at}");
                2
            }
        }] += 1;
    }
    println!("damaged, no database, not read: {counts:?}");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    let status = run(hosts.site.peerkey().arg("status"));
    assert!(status.stdout.contains("the compiled policy is damaged"), "{status}");
    fs::write(&path, whole).unwrap();
    let status = run(hosts.site.peerkey().arg("status"));
    assert!(status.stdout.contains("as published"), "{status}");
}
