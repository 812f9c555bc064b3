//! Policies that this version does not read.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use peerkey_core::store::seal;
use peerkey_tests::site::Site;

use crate::Bank;

const POLICY: &str = "state/policy-1.db";

/// Another 32-bit number in the header of the database (SQLite file format, section 1.3), as if it had been
/// written so.
fn set(site: &Site, at: u64, number: u32) {
    let file = OpenOptions::new().write(true).open(site.path(POLICY)).unwrap();
    file.write_all_at(&number.to_be_bytes(), at).unwrap();
    seal(&site.path(POLICY)).unwrap();
}

/// What an older or a newer peerkey wrote, and this one did not.
#[test]
fn only_another_schema_is_there() {
    for other in ["policy-0.db", "policy-2.db"] {
        Bank::new().broken(other, "policy-1.db: No such file or directory", |site| {
            fs::rename(site.path(POLICY), site.path("state").join(other)).unwrap();
        });
    }
}

#[test]
fn another_schema_under_our_name() {
    for schema in [0, 2, u32::MAX] {
        Bank::new().broken("user_version", "it has schema", |site| set(site, 60, schema));
    }
}

#[test]
fn another_programs_database() {
    Bank::new().broken("application_id", "it is no compiled policy", |site| set(site, 68, 7));
}

/// What a peerkey wrote before there were checksums, and one that is only damaged there.
#[test]
fn pages_without_checksums() {
    Bank::new().broken("reserved", "policy-1.db: it is damaged: run peerkey apply", |site| {
        let file = OpenOptions::new().write(true).open(site.path(POLICY)).unwrap();
        file.write_all_at(&[0], 20).unwrap();
    });
}
