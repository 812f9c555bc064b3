//! The policy is replaced, or not, between two connections of one process that resumes sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use peerkey_tests::daemon::Nginx;
use peerkey_tests::program::python;
use peerkey_tests::run::run;
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::site::{Peerkey, Site};

use crate::{BANK, SHIPPED, WORLD, accepting, denying};

/// A program that connects twice, and resumes if it may.
#[derive(Clone, Copy, Debug)]
enum Resuming {
    Curl,
    Python,
    Node,
    Nginx,
}

/// What comes of the second connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Second {
    Reused,
    New,
    Refused,
}

#[derive(Clone, Copy, Debug)]
enum Tls {
    V12,
    V13,
}

use Resuming::{Curl, Nginx as Proxy, Node, Python};

#[test]
fn under_the_shipped_policy_as_without_peerkey() {
    for client in [Curl, Python, Node, Proxy] {
        for tls in [Tls::V12, Tls::V13] {
            let without = second(client, Peerkey::Off, tls, SHIPPED, None);
            assert_eq!(without, Second::Reused, "{client:?} {tls:?} without peerkey");
            let with = second(client, Peerkey::On, tls, SHIPPED, None);
            assert_eq!(with, Second::Reused, "{client:?} {tls:?}");
        }
    }
}

#[test]
fn a_session_that_was_accepted_is_resumed() {
    each(&accepting(), None, Second::Reused);
}

#[test]
fn a_policy_that_denies_is_obeyed() {
    each(SHIPPED, Some(&denying()), Second::Refused);
    each(&accepting(), Some(&denying()), Second::Refused);
}

#[test]
fn another_policy_that_accepts_wants_to_see_the_certificate() {
    each(SHIPPED, Some(&accepting()), Second::New);
    each(&accepting(), Some(&accepting()), Second::New);
}

#[test]
fn the_shipped_policy_lets_every_session_be() {
    each(&accepting(), Some(SHIPPED), Second::Reused);
}

#[track_caller]
fn each(first: &str, then: Option<&str>, must: Second) {
    for client in [Curl, Python, Node, Proxy] {
        for tls in [Tls::V12, Tls::V13] {
            let second = second(client, Peerkey::On, tls, first, then);
            assert_eq!(second, must, "{client:?} {tls:?}\n{first}\nthen\n{then:?}");
        }
    }
}

/// Connects twice, under a policy and what replaces it before the first answer, if anything does.
fn second(client: Resuming, peerkey: Peerkey, tls: Tls, first: &str, then: Option<&str>) -> Second {
    let scene = Arc::new(Scene::new(&[&WORLD.root]).policy(first));
    let server = server(tls, &scene.site.path("next"));
    if let Some(then) = then {
        compiled(&scene, first, then);
    }
    let said = match client {
        Curl => curl(&scene, peerkey, &server),
        Python => run(&mut python(&scene.site, peerkey, &visit(&scene, &server), PYTHON)).text(),
        Node => node(&scene, peerkey, &server),
        Proxy => nginx(&scene, peerkey, &server),
    };
    let said = said.to_lowercase();
    let mut answers = said.lines().filter_map(|line| line.trim().strip_prefix("session: "));
    assert_eq!(answers.next(), Some("new"), "{client:?}: {said}");
    match answers.next() {
        Some("reused") => Second::Reused,
        Some("new") => Second::New,
        _ => {
            let why = ["replaced", "application verification failure", "http/1.1 502"];
            assert!(why.iter().any(|why| said.contains(why)), "{client:?}: {said}");
            Second::Refused
        }
    }
}

/// Compiles the policy to come into a folder, and puts the first one back.
fn compiled(scene: &Scene, first: &str, then: &str) {
    let (next, state) = (scene.site.path("next"), scene.site.path("state"));
    std::fs::create_dir(&next).unwrap();
    scene.site.apply(&format!("version = 1\n{then}"));
    std::fs::copy(state.join("policy-1.db"), next.join("policy-1.db")).unwrap();
    scene.site.apply(&format!("version = 1\n{first}"));
}

/// A server that puts the next policy into force when it is asked for the first time.
fn server(tls: Tls, next: &std::path::Path) -> Server {
    let (next, asked) = (next.to_owned(), AtomicUsize::new(0));
    let draft = ServerDraft::new(Service::Https, &WORLD.bank).asked(move |_| {
        let policy = next.join("policy-1.db");
        if asked.fetch_add(1, Ordering::SeqCst) == 0 && policy.exists() {
            std::fs::rename(policy, next.join("../state/policy-1.db")).unwrap();
            Site::settle();
        }
    });
    match tls {
        Tls::V12 => draft.tls12().start(),
        Tls::V13 => draft.start(),
    }
}

fn visit(scene: &Scene, server: &Server) -> peerkey_tests::program::Visit {
    scene.visit(server.address(), BANK)
}

fn curl(scene: &Scene, peerkey: Peerkey, server: &Server) -> String {
    let host = format!("{BANK}:{}", server.address().port());
    let mut curl = scene.site.command("/usr/bin/curl", peerkey);
    curl.args(["--silent", "--show-error", "--include", "--max-time", "20", "--cacert"]);
    curl.arg(&scene.trust).arg("--resolve").arg(format!("{host}:{}", server.address().ip()));
    run(curl.args([format!("https://{host}/1"), format!("https://{host}/2")])).text()
}

const PYTHON: &str = r#"
import socket, ssl, sys
address, port, peer, trust, insecure = sys.argv[1:6]
context = ssl.create_default_context(cafile=trust)
session = None
for _ in range(2):
    plain = socket.create_connection((address, int(port)), 20)
    with context.wrap_socket(plain, server_hostname=peer, session=session) as secure:
        secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while data := secure.recv(4096):
            answer += data
        print(answer.decode())
        session = secure.session
"#;

const NODE: &str = r#"
const [address, port, peer, trust] = process.argv.slice(1);
const https = require("https"), ca = require("fs").readFileSync(trust);
const agent = new https.Agent({ maxCachedSessions: 5 });
const ask = (then) => https.get({ host: address, port, servername: peer, ca, agent }, (answer) => {
  console.log(`session: ${answer.headers.session}`);
  answer.resume().on("close", () => setTimeout(then, 50));
}).on("error", (error) => { console.error(`${error.code}: ${error.message}`); process.exit(1); });
ask(() => ask(() => process.exit(0)));
"#;

fn node(scene: &Scene, peerkey: Peerkey, server: &Server) -> String {
    let mut node = scene.site.command("/usr/bin/node", peerkey);
    let address = server.address();
    node.args(["-e", NODE, "--", &address.ip().to_string(), &address.port().to_string(), BANK]);
    run(node.arg(&scene.trust)).text()
}

fn nginx(scene: &Scene, peerkey: Peerkey, server: &Server) -> String {
    let (site, upstream): (&Site, _) = (&scene.site, server.address());
    let trust = Some(scene.trust.as_path());
    let reuse = "proxy_ssl_session_reuse on; proxy_pass_header Session;";
    let nginx = Nginx::proxy_with(site, peerkey, upstream, BANK, trust, reuse);
    let ask = || {
        let mut curl = site.command("/usr/bin/curl", Peerkey::Off);
        curl.args(["--silent", "--show-error", "--include", "--max-time", "20"]);
        run(curl.arg(format!("http://{}/", nginx.address()))).text()
    };
    [ask(), ask()].concat()
}
