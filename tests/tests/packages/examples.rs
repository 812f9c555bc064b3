//! The example policies: right, and passing the tests that come with them.

use std::fs;
use std::path::PathBuf;

use peerkey_tests::run::{Run, run};
use peerkey_tests::site::{SHIPPED, Site};

use super::packaging;

fn examples() -> Vec<PathBuf> {
    let entries = fs::read_dir(packaging("examples")).unwrap().flatten();
    let mut folders: Vec<_> = entries.map(|e| e.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    assert_eq!(folders.len(), 5, "{folders:?}");
    folders
}

fn in_example(site: &Site, folder: &PathBuf, arguments: &[&str]) -> Run {
    run(site.peerkey().env("PEERKEY_CONFIG_DIR", folder).args(arguments))
}

#[test]
fn each_example_says_what_its_tests_expect() {
    let site = Site::new();
    for folder in examples() {
        let said = in_example(&site, &folder, &["test"]).expect_ok("the tests of an example");
        assert!(said.stdout.contains("all as expected"), "{}: {said}", folder.display());
        in_example(&site, &folder, &["apply", "--check"]).expect_ok("an example");
    }
}

#[test]
fn each_example_is_more_than_the_shipped_policy() {
    let site = Site::with_policy(SHIPPED);
    for folder in examples() {
        let tests = fs::read_dir(folder.join("tests")).unwrap().flatten();
        let files = tests.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "toml"));
        for file in files {
            let said = run(site.peerkey().arg("test").arg(&file));
            assert_eq!(said.code, Some(1), "it tests nothing: {}: {said}", file.display());
        }
    }
}

#[test]
fn the_shipped_policy_changes_nothing() {
    let site = Site::new();
    let policy = fs::read_to_string(packaging("policy.toml")).unwrap();
    site.apply(&policy);
    let said = run(site.peerkey().args(["status", "--json"]));
    assert!(said.stdout.contains("\"transparent\": true"), "{said}");
}
