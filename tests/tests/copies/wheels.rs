//! Python packages that bring an OpenSSL of their own, beside the system's in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

use peerkey_tests::artifacts;
use peerkey_tests::daemon::Postgres;
use peerkey_tests::pki::Draft;
use peerkey_tests::run::{Run, run};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::Peerkey;

use crate::{BANK, SHIPPED, script};

static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = artifacts::target_folder().join("wheels");
    script("wheels.sh", &[&folder]);
    folder.join("venv/bin/python3")
});

/// Asks the database and the web server, in this order or the other one, and then says which copies
/// of libcrypto are in the process.
const BOTH: &str = r#"
import socket, ssl, sys
import cryptography.hazmat.bindings._rust
from cryptography import x509
web, database, peer, trust, first = sys.argv[1:6]
web, database = web.split(":"), database.split(":")
def ask_database():
    import psycopg2
    try:
        connection = psycopg2.connect(host=peer, hostaddr=database[0], port=database[1],
            user="postgres", dbname="postgres", sslmode="verify-full", sslrootcert=trust, gssencmode="disable")
        cursor = connection.cursor()
        cursor.execute("select 'hello'")
        print("database:", cursor.fetchone()[0])
    except psycopg2.OperationalError as error:
        print("database:", str(error).replace("\n", " "))
def ask_web():
    context = ssl.create_default_context(cafile=trust)
    try:
        plain = socket.create_connection(web, 20)
        context.wrap_socket(plain, server_hostname=peer).close()
        print("web: hello")
    except ssl.SSLError as error:
        print("web:", error)
both = [ask_web, ask_database]
for ask in both if first == "web" else both[::-1]:
    ask()
print(len(x509.load_pem_x509_certificates(open(trust, "rb").read())), "certificate")
mapped = {line.split()[-1] for line in open("/proc/self/maps") if "libcrypto" in line}
print(len(mapped), "libcrypto")
"#;

fn both(scene: &Scene, peerkey: Peerkey, first: &str, servers: [SocketAddr; 2]) -> Run {
    let mut python = scene.site.command(&*PYTHON, peerkey);
    python.arg("-c").arg(BOTH).args(servers.map(|address| address.to_string()));
    run(python.arg(BANK).arg(&scene.trust).arg(first)).expect_ok("Python")
}

#[test]
fn every_copy_that_shows_itself_follows_the_policy() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let deny = format!("[[deny]]\nspki = '{}'\nreason = 'leaked'\n", bank.pin());
    let web = ServerDraft::new(Service::Https, &bank).start();
    for (policy, connects) in [(SHIPPED, true), (&deny, false)] {
        let scene = Scene::new(&[&root]).policy(policy);
        let database = Postgres::start(&scene.site, Peerkey::Off, &bank, None);
        let servers = [web.address(), database.address()];
        for first in ["web", "database"] {
            let without = both(&scene, Peerkey::Off, first, servers);
            let with = both(&scene, Peerkey::On, first, servers);
            for end in ["1 certificate\n", "2 libcrypto\n"] {
                assert!(without.stdout.contains(end) && with.stdout.contains(end), "{with}");
            }
            for who in ["web: ", "database: "] {
                let said = |run: &Run| {
                    let line = run.stdout.lines().find_map(|line| line.strip_prefix(who));
                    line.unwrap_or_else(|| panic!("{run}")).to_owned()
                };
                assert_eq!(said(&without), "hello");
                assert!((said(&with) == "hello") == connects, "{who}{with}");
                assert!(connects || said(&with).contains("leaked"), "{who}{with}");
            }
        }
    }
}
