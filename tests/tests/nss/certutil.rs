//! `certutil -V` on certificates that stand in the database, beside the module.

use peerkey_tests::nss::{Database, Nss};
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::run::run;
use peerkey_tests::site::Site;

use crate::stage::site;

const POLICY: &str = "
[authority.corp]
kind = 'x509'
anchors = ['anchors/corp.pem']
peers = ['.corp.example']
[[deny]]
certificate = 'anchors/denied.pem'
[default]
accept = { any = ['corp'] }
";

/// Holds certutil, on either NSS, to its verdict on a server's certificate in the database (`-u V`).
#[track_caller]
fn certutil(database: &Database<'_>, name: &str, must: Result<(), &str>) {
    for nss in [Nss::Debian, Nss::Firefox] {
        let run = run(database.tool("certutil", nss).args(["-V", "-n", name, "-u", "V", "-e"]));
        let said = run.text();
        match must {
            Ok(()) => assert!(run.ok() && said.contains("certificate is valid"), "{nss:?}: {run}"),
            Err(why) => assert!(!run.ok() && said.contains(why), "{nss:?}: not {why:?}: {run}"),
        }
    }
}

/// A database with the module, and with these certificates in it, trusted by nothing but the policy.
fn database<'a>(site: &'a Site, certificates: &[(&str, &Issued)]) -> Database<'a> {
    let database = Database::with_module(site, "database");
    for (name, certificate) in certificates {
        database.import(name, &certificate.cert, ",,");
    }
    database
}

#[test]
fn certutil_follows_the_policy() {
    let root = Draft::ca("Corp Root").self_signed();
    let ca = Draft::ca("Corp CA").signed_by(&root);
    let inside = Draft::server("www.corp.example").signed_by(&ca);
    let outside = Draft::server("bank.example").signed_by(&ca);
    let denied = Draft::server("old.corp.example").signed_by(&ca);
    let site = site(&[("corp", root.pem()), ("denied", denied.pem())], POLICY);
    let certificates =
        [("ca", &ca), ("inside", &inside), ("outside", &outside), ("denied", &denied)];
    let database = database(&site, &certificates);
    certutil(&database, "inside", Ok(()));
    certutil(&database, "outside", Err("not permitted to issue a certificate with this name"));
    certutil(&database, "denied", Err("marked as not trusted"));
}
