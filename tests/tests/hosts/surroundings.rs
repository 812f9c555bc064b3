//! The environment, the locale, a closed standard error, and a SQLite of the host's own.

use std::process::Command;

use peerkey_tests::pki::Draft;
use peerkey_tests::program::python;
use peerkey_tests::run::run;
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::Peerkey;

use crate::host::{Hosts, ended, good};

#[test]
fn a_cleared_environment() {
    assert_eq!(Hosts::new().said("surroundings", &["environment"]), good(&["cleared", "here"]));
}

#[test]
fn a_standard_error_that_nobody_reads() {
    assert_eq!(Hosts::new().said("surroundings", &["sigpipe"]), good(&["here"]));
}

/// Turkish: a comma in numbers, other letters for i and I, and no UTF-8.
#[test]
fn another_locale() {
    let hosts = Hosts::new();
    let locales = hosts.site.path("locales");
    std::fs::create_dir(&locales).unwrap();
    let mut localedef = Command::new("localedef");
    localedef.args(["-i", "tr_TR", "-f", "ISO-8859-9"]).arg(locales.join("tr_TR"));
    run(&mut localedef).expect_ok("localedef");
    let with_locale = || {
        let mut host = hosts.host(Peerkey::On, "surroundings", &["locale"]);
        host.env("LOCPATH", &locales).env("LC_ALL", "tr_TR");
        ended(run(&mut host))
    };
    assert_eq!(with_locale(), good(&["here"]));
    std::fs::remove_file(hosts.site.path("state/policy-1.db")).unwrap();
    let said = with_locale();
    assert!(said.contains("policy-1.db: No such file or directory"), "{said}");
}

/// Two versions of SQLite in one process, both in use, on files of one name.
const PYTHON_SQLITE: &str = r#"
import socket, sqlite3, ssl, sys
address, port, peer, trust, insecure, folder = sys.argv[1:7]
def visit():
    context = ssl.create_default_context(cafile=trust)
    try:
        plain = socket.create_connection((address, int(port)), 20)
        context.wrap_socket(plain, server_hostname=peer).close()
        return "accepted"
    except ssl.SSLCertVerificationError as error:
        return "refused" if "is denied" in str(error) else str(error)
def database(name):
    connection = sqlite3.connect(name)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (n)")
    connection.execute("INSERT INTO t VALUES (7)")
    connection.commit()
    return connection
first = database(folder + "/policy-1.db")
print(visit())
second = database(folder + "/second.db")
print(visit(), [c.execute("SELECT n FROM t").fetchone()[0] for c in (first, second)])
print([row[0] for row in first.execute("PRAGMA integrity_check")], visit())
"#;

#[test]
fn a_sqlite_of_the_hosts_own() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server("bank.example").signed_by(&root);
    let server = ServerDraft::new(Service::Https, &bank).start();
    let scene = Scene::new(&[&root]).policy(&format!("[[deny]]\nspki = '{}'\n", bank.pin()));
    let visit = scene.visit(server.address(), "bank.example");
    for preload in ["", "libsqlite3.so.0"] {
        let folder = scene.site.path(&format!("own{preload}"));
        std::fs::create_dir(&folder).unwrap();
        let mut command = python(&scene.site, Peerkey::On, &visit, PYTHON_SQLITE);
        command.arg(folder).env("LD_PRELOAD", preload);
        let said = run(&mut command).expect_ok("python").stdout;
        assert_eq!(said, "refused\nrefused [7, 7]\n['ok'] refused\n");
    }
}
