//! `make layout`: which functions of the two libraries run in every process, as linker scripts that put
//! them beside each other.
//!
//! A process pays for each piece of 64 kB of a library that it touches, and what it needs at its start lies
//! strewn over all of it. Programs run under callgrind with libraries that have symbols (PEERKEY_PROVIDER,
//! PEERKEY_NSS_MODULE); what it saw is written into the folders of the libraries.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool for maintainers stops where it stands"
)]

mod executed;
mod script;

use std::fs;
use std::path::Path;
use std::process::Command;

use peerkey_tests::artifacts;
use peerkey_tests::nss::{Database, Nss, Usage, Verifier};
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, Visit};
use peerkey_tests::run::{run, under};
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::{Peerkey, SHIPPED, Site};

const NAME: &str = "bank.example";

fn main() {
    let root = Draft::ca("Root").self_signed();
    let leaf = Draft::server(NAME).signed_by(&Draft::ca("CA").signed_by(&root));
    for (folder, library, executed) in [
        ("openssl-provider", artifacts::provider(), openssl(&root, &leaf)),
        ("nss-module", artifacts::nss_module(), nss(&root, &leaf)),
    ] {
        let runs: Vec<_> = executed.iter().map(|run| run.of(&library)).collect();
        assert!(runs.iter().all(|names| names.len() > 50), "{} has no symbols", library.display());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join("first.ld");
        fs::write(&path, script::of(&runs)).unwrap();
        println!("{folder}/first.ld: written");
    }
}

/// OpenSSL programs that start, and then such that decide by a pin, which is recorded, and by a path.
fn openssl(root: &Issued, leaf: &Issued) -> Vec<executed::Run> {
    let pin = format!(
        "version = 1\nlog = 'all'\n[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = '{NAME}'\nspki = ['{}']\n\
         [[rule]]\npeers = ['{NAME}']\naccept = {{ all = ['application', 'pins'] }}\n",
        leaf.pin()
    );
    let path = "version = 1\n[authority.ours]\nkind = 'x509'\nanchors = ['anchors/root.pem']\n\
                [default]\naccept = { any = ['ours'] }\n";
    let server = ServerDraft::new(Service::Https, leaf).start();
    let (mut starts, mut decisions) = (Vec::new(), Vec::new());
    for policy in [SHIPPED, &pin, path] {
        let site = Site::new();
        let trusted = site.write("config/anchors/root.pem", root.pem());
        site.apply(policy);
        let mut version = site.command("/usr/bin/openssl", Peerkey::On);
        starts.push(executed(&site, version.arg("version")));
        let visit = Visit::new(server.address(), NAME, &trusted);
        decisions.push(executed(&site, &Client::Curl.command(&site, Peerkey::On, &visit)));
    }
    starts.extend(decisions);
    starts
}

/// An NSS program that asks for trust, where the policy has anchors.
fn nss(root: &Issued, leaf: &Issued) -> Vec<executed::Run> {
    let site = Site::new();
    site.write("config/anchors/root.pem", root.pem());
    site.apply(
        "version = 1\n[authority.ours]\nkind = 'x509'\nanchors = ['anchors/root.pem']\n\
         [default]\naccept = { any = ['application', 'ours'] }\n",
    );
    let database = Database::with_module(&site, "nss");
    let chain = [leaf.cert.clone(), leaf.above[0].clone()];
    let vfychain = database.vfychain(Verifier::Classic(Nss::Debian), Usage::Server, &chain, None);
    vec![executed(&site, &vfychain)]
}

fn executed(site: &Site, command: &Command) -> executed::Run {
    let out = site.path("callgrind.out");
    let arguments = [
        "--tool=callgrind".to_owned(),
        "--demangle=no".to_owned(),
        format!("--callgrind-out-file={}", out.display()),
    ];
    run(&mut under("/usr/bin/valgrind", &arguments, command)).expect_ok("valgrind");
    executed::Run::read(&fs::read_to_string(out).unwrap())
}
