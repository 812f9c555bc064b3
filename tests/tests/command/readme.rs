//! The README's first policy, typed in as it is written.

use std::fs;
use std::path::Path;
use std::time::Duration;

use peerkey_tests::artifacts;
use peerkey_tests::run::run_with;
use peerkey_tests::server::free_port;
use peerkey_tests::site::{Peerkey, Site};

/// The shell lines of a section.
fn typed(section: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let (_, from) = readme.split_once(section).expect("the section is there");
    let section = from.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_first_policy_works_as_written() {
    let blocks = typed("## A first policy\n");
    assert!(blocks.len() >= 4, "{blocks:?}");
    let site = Site::new();
    fs::create_dir_all(site.path("target")).unwrap();
    let release = site.path("target/release");
    fs::create_dir(&release).unwrap();
    std::os::unix::fs::symlink(artifacts::command(), release.join("peerkey")).unwrap();
    let library = release.join("libpeerkey_openssl.so");
    std::os::unix::fs::symlink(artifacts::provider(), library).unwrap();
    let port = free_port().to_string();
    // `make build` has happened; each curl and each check says how it went.
    let script = blocks.join("\necho \"--- $?\"\n").replace("8443", &port);
    let script = script
        .replace("make build\n", "")
        .replace("-key router.key &", "-key router.key &\nsleep 1");
    let script = format!("{script}\necho \"--- $?\"\nkill $!\n");
    let mut bash = site.command("/bin/bash", Peerkey::Off);
    bash.current_dir(site.path("")).env_remove("OPENSSL_CONF").arg("-c").arg(&script);
    let ran = run_with(&mut bash, b"", Duration::from_secs(30));
    let codes: Vec<_> = ran.stdout.lines().filter_map(|line| line.strip_prefix("--- ")).collect();
    let text = format!("{ran}\n=== script\n{script}");
    assert_eq!(codes.first(), Some(&"0"), "the server starts: {text}");
    assert_eq!(codes.get(1), Some(&"60"), "curl refuses by itself: {text}");
    assert_eq!(codes.get(2), Some(&"0"), "the policy is applied: {text}");
    assert_eq!(codes.last(), Some(&"0"), "check accepts: {text}");
    assert!(ran.stdout.contains("s_server"), "curl gets the page with peerkey: {text}");
}
