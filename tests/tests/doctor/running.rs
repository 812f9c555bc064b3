//! Real processes: of before, with an older library, with another openssl.cnf.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use peerkey_tests::artifacts;
use peerkey_tests::run::{Run, run};
use peerkey_tests::site::{Peerkey, Site};
use serde_json::Value;

use crate::{STRICT, command};

/// Python with a TLS context, which waits until its standard input ends.
struct Python(Child);

impl Python {
    fn start(site: &Site, peerkey: Peerkey) -> Self {
        Self::with(&mut site.command("/usr/bin/python3", peerkey))
    }

    fn with(command: &mut Command) -> Self {
        let script = "import ssl, sys\nssl.create_default_context()\nprint('ready', flush=True)\n\
                      sys.stdin.read()";
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// What is said of a process on this machine: severity and finding of each check that names it.
fn about(site: &Site, config: &Path, python: &Python) -> Vec<(String, String)> {
    let said: Run = run(command(site, config, Path::new("/")).arg("--json"));
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    let start = format!("{} ", python.0.id());
    let names = |check: &&Value| {
        let items = check["items"].as_array().unwrap();
        items.iter().any(|item| item.as_str().unwrap().starts_with(&start))
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = document["checks"].as_array().unwrap().iter().filter(names);
    checks
        .map(|c| {
            (text(&c["severity"]), format!("{}: {}", text(&c["subject"]), text(&c["finding"])))
        })
        .collect()
}

#[track_caller]
fn is(found: &[(String, String)], severity: &str, words: &str) {
    let fits = |(s, finding): &(String, String)| s == severity && finding.contains(words);
    assert!(found.iter().any(fits), "{severity} {words}: {found:?}");
}

fn written(path: &Path, when: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(when).unwrap();
}

#[test]
fn one_that_began_before() {
    let site = Site::with_policy(STRICT);
    let config = site.openssl_cnf(Peerkey::On);
    // Another openssl.cnf of the same content, so that only the time tells them apart.
    let python = Python::with(
        Command::new("/usr/bin/python3")
            .env_clear()
            .env("OPENSSL_CONF", site.openssl_cnf(Peerkey::Off)),
    );
    written(&config, SystemTime::now() + Duration::from_secs(100));
    let found = about(&site, &config, &python);
    is(&found, "unprotected", "began before peerkey was switched on");
    written(&config, SystemTime::now() - Duration::from_secs(100));
    let found = about(&site, &config, &python);
    is(&found, "note", "with OpenSSL but without peerkey");
}

#[test]
fn one_with_peerkey_is_well_until_its_library_goes() {
    let site = Site::with_policy(STRICT);
    let module = site.path("libpeerkey_openssl.so");
    fs::copy(artifacts::provider(), &module).unwrap();
    site.provider_module(&module);
    let config = site.openssl_cnf(Peerkey::On);
    let python = Python::start(&site, Peerkey::On);
    assert_eq!(about(&site, &config, &python), []);
    fs::remove_file(&module).unwrap();
    let found = about(&site, &config, &python);
    is(&found, "warning", "still use a peerkey.so that was replaced or taken away");
}

#[test]
fn one_with_another_configuration() {
    let site = Site::with_policy(STRICT);
    let python = Python::start(&site, Peerkey::Off);
    let found = about(&site, &site.openssl_cnf(Peerkey::On), &python);
    is(
        &found,
        "unprotected",
        "set where these run, whose programs read that file, without peerkey",
    );
    let copy = site.path("copy.cnf");
    fs::copy(site.openssl_cnf(Peerkey::On), &copy).unwrap();
    let found = about(&site, &copy, &Python::start(&site, Peerkey::On));
    is(&found, "note", "another openssl.cnf, which names peerkey too");
}
