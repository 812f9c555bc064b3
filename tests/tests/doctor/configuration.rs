//! openssl.cnf: what it says, and what the program `openssl` makes of it.

use std::fs;

use peerkey_tests::artifacts;
use peerkey_tests::site::{Peerkey, Site};

use crate::{STRICT, doctor, says};

#[test]
fn a_clean_machine_is_clean() {
    let site = Site::with_policy(STRICT);
    let said = doctor(&site, &site.openssl_cnf(Peerkey::On));
    says(&said, 0, &["openssl loads peerkey, and refused a server", "all is well"]);
    let words = ["unprotected", "warning"];
    assert!(words.iter().all(|word| !said.stdout.contains(word)), "{said}");
}

/// The file, with one thing changed.
fn changed(from: &str, to: &str) -> (Site, std::path::PathBuf) {
    let site = Site::with_policy(STRICT);
    let text = fs::read_to_string(site.openssl_cnf(Peerkey::On)).unwrap();
    let from = from.replace("MODULE", artifacts::provider().to_str().unwrap());
    assert!(text.contains(&from), "{from}: {text}");
    let path = site.write("changed.cnf", text.replace(&from, to));
    (site, path)
}

#[track_caller]
fn found(from: &str, to: &str, words: &[&str]) {
    let (site, path) = changed(from, to);
    says(&doctor(&site, &path), 2, &[words, &["something is not protected"]].concat());
}

#[test]
fn it_is_not_there() {
    let site = Site::with_policy(STRICT);
    let said = doctor(&site, &site.openssl_cnf(Peerkey::Off));
    says(&said, 2, &["peerkey is not in it", "do: peerkey install openssl"]);
    says(&doctor(&site, &site.path("none.cnf")), 2, &["OpenSSL cannot read it"]);
}

#[test]
fn nothing_leads_to_it() {
    found("peerkey = peerkey_section\n", "", &["names peerkey, but nothing leads there"]);
    found("openssl_conf = openssl_init\n", "", &["names peerkey, but nothing leads there"]);
    found("MODULE\nactivate = 1", "peerkey.so", &["[peerkey_section] does not activate it"]);
}

#[test]
fn its_module_cannot_be_loaded() {
    let silent = "config_diagnostics is off, so that OpenSSL goes on in silence";
    found("MODULE", "/nowhere/peerkey.so", &["/nowhere/peerkey.so is not there", silent]);
    found("MODULE", "/etc/passwd", &["/etc/passwd is no library"]);
    let (site, _) = changed("MODULE", "x");
    let broken = site.write("peerkey.so", fs::read("/bin/true").unwrap());
    found("MODULE", broken.to_str().unwrap(), &["has no active peerkey"]);
}

/// A library for another processor: the number of the machine in its head is another's.
#[test]
fn its_module_is_for_another_processor() {
    let site = Site::new();
    let mut module = fs::read(artifacts::provider()).unwrap();
    module[18] = 243;
    let module = site.write("peerkey.so", module);
    found("MODULE", module.to_str().unwrap(), &["is for another processor"]);
}

/// It loads, and is listed as active; only the handshake shows that it does nothing.
#[test]
fn a_provider_that_holds_nobody_to_anything() {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten();
    let legacy = folders.map(|folder| folder.path().join("ossl-modules/legacy.so"));
    let legacy = legacy.into_iter().find(|path| path.exists()).unwrap();
    let words = ["openssl s_client accepted a server whose certificate is denied"];
    found("MODULE", legacy.to_str().unwrap(), &words);
}

#[test]
fn all_cryptography_is_gone() {
    let words = ["which does not hold: openssl list -providers has no active default"];
    found("[default_section]\nactivate = 1\n", "[default_section]\n", &words);
}

#[test]
fn it_reads_another_policy() {
    let (site, path) = changed("state-dir = ", "state-dir = /elsewhere");
    says(&doctor(&site, &path), 2, &["programs read the policy in /elsewhere"]);
}

#[test]
fn node_is_left_out() {
    let (site, path) = changed("nodejs_conf = openssl_init\n", "");
    says(&doctor(&site, &path), 1, &["nodejs_conf does not lead to peerkey", "wants a look"]);
}
