//! A session is good for the question that it was accepted for, and for no other.

use peerkey_tests::program::{PYTHON_RESUME, python};
use peerkey_tests::run::{Run, run};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{Alpn, ServerDraft, Service};
use peerkey_tests::site::Peerkey;

use crate::{BANK, SHIPPED, WORLD, accepting};

/// Connects once as the visit says, and then with the session that came of it: as `name`, offering
/// `protocol`.
const TWICE: &str = r#"
import ssl, sys
address, port, peer, trust, insecure, name, protocol = sys.argv[1:8]
context = ssl.create_default_context(cafile=trust)
session = None
for peer, protocol in [(peer, "http/1.1"), (name, protocol)]:
    context.set_alpn_protocols([protocol])
    session = resume(context, address, port, peer, session)
"#;

fn twice(policy: &str, name: &str, protocol: &str) -> Run {
    let scene = Scene::new(&[&WORLD.root]).policy(policy);
    let server = ServerDraft::new(Service::Https, &WORLD.bank).alpn(Alpn::Silent).start();
    let visit = scene.visit(server.address(), BANK);
    run(python(&scene.site, Peerkey::On, &visit, &format!("{PYTHON_RESUME}{TWICE}"))
        .args([name, protocol]))
}

#[test]
fn the_same_again() {
    assert_eq!(twice(&accepting(), BANK, "http/1.1").stdout, "new\nreused\n");
    assert_eq!(twice(&accepting(), BANK, "h2").stdout, "new\nreused\n", "it is https, too");
}

#[test]
fn another_name() {
    let name = "shop.example";
    assert_eq!(twice(SHIPPED, name, "http/1.1").stdout, "new\nreused\n");
    assert_eq!(twice(&accepting(), name, "http/1.1").stdout, "new\nnew\n");
}

#[test]
fn another_protocol() {
    assert_eq!(twice(SHIPPED, BANK, "imap").stdout, "new\nreused\n");
    let run = twice(&accepting(), BANK, "imap");
    assert_eq!(run.stdout, "new\n");
    assert!(run.stderr.contains("SSLError"), "{run}");
}
