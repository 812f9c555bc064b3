//! valgrind sees every access of the whole process, the library's and SQLite's among them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use peerkey_tests::daemon::Nginx;
use peerkey_tests::desk::Desk;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, PYTHON_RESUME, python, s_client};
use peerkey_tests::run::{Daemon, PATIENCE, Run, run_with, under, until};
use peerkey_tests::scene::{Must, Scene};
use peerkey_tests::server::{Server, ServerDraft, Service, free_port};
use peerkey_tests::site::Peerkey;

pub(crate) struct World {
    pub(crate) scene: Scene,
    pub(crate) fine: Server,
    pub(crate) denied: Server,
}

/// A bank that curl accepts by a grant of the policy only, and one that is denied.
pub(crate) fn world() -> World {
    let root = Draft::ca("Root").self_signed();
    let other = Draft::ca("Other Root").self_signed();
    let identity = |ca: &Issued| Draft::server(PEER).signed_by(&Draft::ca("CA").signed_by(ca));
    let (fine, denied) = (identity(&root), identity(&other));
    let scene = Scene::new(&[&other]).anchor("root", &root.pem()).policy(&format!(
        "[authority.web]\nkind = 'x509'\nanchors = ['anchors/root.pem']\n\
         [[deny]]\nspki = '{}'\n[[rule]]\npeers = ['.example']\naccept = {{ any = ['application', 'web'] }}\n",
        denied.pin()
    ));
    let https = |identity| ServerDraft::new(Service::Https, identity).start();
    World { scene, fine: https(&fine), denied: https(&denied) }
}

pub(crate) const PEER: &str = "bank.example";

fn valgrind(log: &Path) -> Vec<String> {
    let log = format!("--xml-file={}", log.display());
    let leaks = "--show-leak-kinds=definite";
    ["--quiet", "--xml=yes", &log, "--leak-check=full", leaks, "--num-callers=40"]
        .map(str::to_owned)
        .to_vec()
}

fn watched(command: &Command, log: &Path) -> Run {
    let mut command = under("/usr/bin/valgrind", &valgrind(log), command);
    run_with(&mut command, b"", Duration::from_secs(120))
}

/// Fails if the library is anywhere in what valgrind found. (Python and nginx have findings of their
/// own.)
#[track_caller]
fn clean(log: &Path) {
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("</valgrindoutput>"), "valgrind did not come to its end: {log}");
    for finding in log.split("<error>").skip(1) {
        let ours = finding.contains("libpeerkey_openssl.so");
        assert!(!ours, "{}", finding.split("</error>").next().unwrap());
    }
}

#[test]
fn valgrind_and_curl() {
    let World { scene, fine, denied } = &world();
    let log = scene.site.path("valgrind");
    for (server, accepted) in [(fine, true), (denied, false)] {
        let visit = scene.visit(server.address(), PEER);
        let said = watched(&Client::Curl.command(&scene.site, Peerkey::On, &visit), &log);
        assert_eq!(said.ok(), accepted, "{said}");
        clean(&log);
    }
}

pub(crate) const PYTHON: &str = r#"
import socket, ssl, sys
address, port, peer, trust, insecure, other = sys.argv[1:7]
for port in (port, other, port):
    context = ssl.create_default_context(cafile=trust)
    try:
        plain = socket.create_connection((address, int(port)), 20)
        context.wrap_socket(plain, server_hostname=peer).close()
        print("accepted")
    except ssl.SSLCertVerificationError as error:
        print("is denied" in str(error))
"#;

#[test]
fn valgrind_and_python() {
    let World { scene, fine, denied } = &world();
    let visit = scene.visit(fine.address(), PEER);
    let mut command = python(&scene.site, Peerkey::On, &visit, PYTHON);
    command.arg(denied.address().port().to_string()).env("PYTHONMALLOC", "malloc");
    let log = scene.site.path("valgrind");
    let said = watched(&command, &log);
    assert_eq!(said.stdout, "accepted\nTrue\naccepted\n", "{said}");
    clean(&log);
}

#[test]
fn valgrind_and_nginx() {
    let World { scene, fine, denied } = &world();
    for (server, accepted) in [(fine, true), (denied, false)] {
        let log = scene.site.path(&format!("valgrind-{accepted}"));
        let outer = [vec!["/usr/bin/valgrind".to_owned()], valgrind(&log)].concat();
        let site = &scene.site;
        let nginx = Nginx::proxy_under(site, server.address(), PEER, &scene.trust, &outer);
        for _ in 0..2 {
            let outcome = nginx.ask(site);
            assert_eq!(outcome.connected, accepted, "{outcome}");
        }
        nginx.finish();
        clean(&log);
    }
}

/// Resumes what it was given, also after a new policy, and at last to see another peer.
const COMES_BACK: &str = r#"
import ssl, subprocess, sys
address, port, peer, trust, insecure, *apply = sys.argv[1:]
context = ssl.create_default_context(cafile=trust)
session = None
for number, name in enumerate((peer, peer, peer, peer, "shop.example")):
    if number == 2:
        subprocess.run(["/bin/sh", "-c", apply[0]], check=True)
    session = resume(context, address, port, name, session)
"#;

#[test]
fn valgrind_and_a_client_that_comes_back() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(PEER).dns("shop.example").signed_by(&root);
    let policy = |reason: &str| {
        let other = Draft::server(PEER).self_signed().pin();
        format!("[[deny]]\nspki = '{other}'\nreason = '{reason}'\n")
    };
    let scene = Scene::new(&[&root]).policy(&policy("before"));
    let server = ServerDraft::new(Service::Https, &bank).start();
    let visit = scene.visit(server.address(), PEER);
    let log = scene.site.path("valgrind");

    // The other policy lies ready, as a file to be renamed.
    let state = |name: &str| scene.site.path(&format!("state/{name}"));
    fs::copy(state("policy-1.db"), state("kept")).unwrap();
    scene.site.apply(&format!("version = 1\n{}", policy("after")));
    fs::rename(state("policy-1.db"), state("next")).unwrap();
    fs::rename(state("kept"), state("policy-1.db")).unwrap();
    let apply = format!("cd {}; mv next policy-1.db; sleep 0.1", state("").display());

    let mut command =
        python(&scene.site, Peerkey::On, &visit, &format!("{PYTHON_RESUME}{COMES_BACK}"));
    command.arg(apply).env("PYTHONMALLOC", "malloc");
    let said = watched(&command, &log);
    assert_eq!(said.stdout, "new\nreused\nnew\nreused\nnew\n", "{said}");
    clean(&log);

    let mut again = s_client(scene.site.command("/usr/bin/openssl", Peerkey::On), &visit);
    again.args(["-tls1_2", "-reconnect", "-no_ign_eof"]);
    let said = watched(&again, &log);
    assert_eq!(said.stdout.matches("\nReused, TLSv1.2").count(), 5, "{said}");
    clean(&log);
}

/// A server that verifies its clients, which come with a ticket.
#[test]
fn valgrind_and_a_server_of_clients_that_come_back() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(PEER).signed_by(&root);
    let alice = Draft::client("alice.example").signed_by(&root);
    let scene = Scene::new(&[&root]).policy(&format!("[[deny]]\nspki = '{}'\n", bank.pin()));
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut server = scene.site.command("/usr/bin/openssl", Peerkey::On);
    server.args(["s_server", "-www", "-Verify", "3", "-verify_return_error", "-naccept", "4"]);
    server.arg("-accept").arg(address.to_string()).arg("-CAfile").arg(&scene.trust);
    server.arg("-cert").arg(scene.site.write("bank.crt", bank.pem()));
    server.arg("-key").arg(scene.site.write("bank.key", bank.key_pem()));
    let log = scene.site.path("valgrind");
    let output = scene.site.path("s_server.log");
    let server = under("/usr/bin/valgrind", &valgrind(&log), &server);
    let _server = Daemon::start(&server, "TERM", &output);
    let ready = || fs::read_to_string(&output).is_ok_and(|log| log.contains("ACCEPT"));
    until("s_server listens", ready);
    let file = scene.site.path("session.pem");
    let come = |session: &str| {
        let visit = scene.visit(address, PEER).identity(&scene.site, &alice);
        let mut client = s_client(scene.site.command("/usr/bin/openssl", Peerkey::Off), &visit);
        client.args([session, file.to_str().unwrap()]);
        let run = run_with(&mut client, b"GET / HTTP/1.0\r\n\r\n", PATIENCE);
        (run.stdout.contains(" 200 "), run.stdout.contains("\nReused, "))
    };
    assert_eq!([come("-sess_out"), come("-sess_in")], [(true, false), (true, true)]);
    scene.site.apply(&format!("version = 1\n[[deny]]\nspki = '{}'\n", alice.pin()));
    assert_eq!([come("-sess_in"), come("-sess_out")], [(false, false); 2]);
    until("valgrind ends", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("</valgrindoutput>"))
    });
    clean(&log);
}

#[test]
fn valgrind_and_verifications_outside_of_tls() {
    let (own, web) = (Draft::ca("Own Root").self_signed(), Draft::ca("Web Root").self_signed());
    let upper = Draft::ca("CA").signed_by(&own);
    let [member, denied] =
        ["a@mail.example", "b@mail.example"].map(|name| Draft::mail(name).signed_by(&upper));
    let foreign = Draft::mail("c@mail.example").signed_by(&web);
    let policy = format!(
        "[authority.web]\nkind = 'x509'\nanchors = ['anchors/web.pem']\n\
         [[deny]]\nspki = '{}'\n[[rule]]\napplications = ['/usr/bin/openssl']\n\
         protocols = ['smime']\npeers = ['@mail.example']\naccept = {{ any = ['application', 'web'] }}\n",
        denied.pin()
    );
    let desk = Desk::new(&[&own]).policy(&web, &policy);
    let log = desk.scene.site.path("valgrind");
    let openssl = |arguments: &[&str]| {
        let mut command = desk.command("/usr/bin/openssl", Peerkey::On);
        command.args(arguments);
        let said = watched(&command, &log);
        clean(&log);
        said.ok()
    };
    let mail = ["-purpose", "smimesign"];
    for (who, must) in [
        (&member, Must::StayOpen),
        (&denied, Must::BeClosed("is denied by")),
        (&foreign, Must::BeOpened),
    ] {
        let good = !matches!(must, Must::BeClosed(_));
        desk.verify(who, &mail, must);
        let trust = desk.scene.trust.to_str().unwrap();
        let trust = ["-CAfile", trust, "-untrusted", "above.pem", "signer.pem"];
        assert_eq!(openssl(&[&["verify"], &mail[..], &trust].concat()), good);
        desk.sign("cms", who);
        assert_eq!(openssl(&[&["cms", "-verify", "-in", "signed"], &trust[..2]].concat()), good);
    }
}
