//! What a program and its administrator see of the provider.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use peerkey_tests::artifacts;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, python};
use peerkey_tests::run::run;
use peerkey_tests::scene::{Must, Scene};
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::site::{Peerkey, SHIPPED, Site};
use peerkey_tests::world::WORLD;

const BANK: &str = "bank.example";

fn bank() -> Server {
    https(&Draft::server(BANK).signed_by(&WORLD.web_ca))
}

fn https(identity: &Issued) -> Server {
    ServerDraft::new(Service::Https, identity).start()
}

/// The bank's key is denied.
fn denied() -> (Scene, Server) {
    let identity = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let scene = Scene::new(&[&WORLD.web]).policy(&format!(
        "[[deny]]\nspki = '{}'\nreason = 'seen in a firmware image'\n",
        identity.pin()
    ));
    (scene, https(&identity))
}

/// The program does not know the web's CA, the policy does.
fn granted() -> (Scene, Server) {
    let scene = Scene::new(&[&WORLD.corp]).anchor("web", &WORLD.web.pem()).policy(
        "[authority.web]\nkind = 'x509'\nanchors = ['anchors/web.pem']\n\
         [default]\naccept = { any = ['application', 'web'] }\n",
    );
    (scene, bank())
}

// The library.

#[test]
fn openssl_lists_the_provider() {
    let site = Site::with_policy(SHIPPED);
    let list = |peerkey| {
        let mut openssl = site.command("/usr/bin/openssl", peerkey);
        run(openssl.args(["list", "-providers"])).expect_ok("list").text()
    };
    let with = list(Peerkey::On);
    let (_, section) = with.split_once("  peerkey\n").unwrap_or_else(|| panic!("{with}"));
    assert!(section.contains("name: peerkey"), "{with}");
    assert!(section.contains(concat!("version: ", env!("CARGO_PKG_VERSION"))), "{with}");
    assert!(section.contains("status: active"), "{with}");
    assert!(!with.contains("WARNING"), "{with}");
    assert!(!list(Peerkey::Off).contains("peerkey"));
}

#[test]
fn one_export_and_no_openssl_linked() {
    let read = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        run(command.args(arguments).arg(artifacts::provider())).expect_ok(program).stdout
    };
    let exports = read("nm", &["-D", "--defined-only", "--format=posix"]);
    let names: Vec<_> = exports.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["OSSL_provider_init"]);
    let dynamic = read("readelf", &["--dynamic", "--wide"]);
    for library in ["libssl", "libcrypto", "libsqlite"] {
        assert!(!dynamic.contains(library), "{dynamic}");
    }
    assert!(dynamic.contains("NODELETE"), "unloading it would leave hooks behind: {dynamic}");
}

// What the user reads.

#[test]
fn curl_tells_the_reason() {
    let (scene, server) = denied();
    let visit = scene.visit(server.address(), BANK);
    let because = Must::BeClosed("peerkey: ");
    let said = scene.check(Client::Curl, &visit, because).run.stderr;
    assert!(said.starts_with("curl: ("), "{said}");
    assert!(said.contains("is denied") && said.contains("seen in a firmware image"), "{said}");
    assert!(said.contains("policy.toml:2"), "it names the place in the policy: {said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
}

const PYTHON_ERROR: &str = r#"
import socket, ssl, sys
address, port, peer, trust, insecure = sys.argv[1:6]
context = ssl.create_default_context(cafile=trust)
try:
    context.wrap_socket(socket.create_connection((address, int(port)), 20), server_hostname=peer)
except ssl.SSLCertVerificationError as error:
    print(type(error).__name__, error.reason, error.verify_code)
    print(error.verify_message)
    print(error)
"#;

#[test]
fn python_keeps_its_exception_and_tells_the_reason() {
    let (scene, server) = denied();
    let visit = scene.visit(server.address(), BANK);
    let said = run(&mut python(&scene.site, Peerkey::On, &visit, PYTHON_ERROR)).stdout;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], "SSLCertVerificationError CERTIFICATE_VERIFY_FAILED 50", "{said}");
    assert_eq!(lines[1], "application verification failure", "{said}");
    assert!(lines[2].contains("peerkey: ") && lines[2].contains("firmware image"), "{said}");
}

/// A sentence that stays behind would be blamed on the next, unrelated failure.
const PYTHON_TWICE: &str = r#"
import socket, ssl, sys
address, port, peer, trust, insecure = sys.argv[1:6]
def visit(name, port):
    context = ssl.create_default_context(cafile=trust)
    try:
        plain = socket.create_connection((address, int(port)), 20)
        context.wrap_socket(plain, server_hostname=name)
        print("fine")
    except ssl.SSLError as error:
        print(error)
visit(peer, port)
visit(sys.argv[6], sys.argv[7])
"#;

#[test]
fn a_reason_is_not_blamed_on_the_next_failure() {
    let (scene, server) = denied();
    let alone = https(&Draft::server("shop.example").self_signed());
    let visit = scene.visit(server.address(), BANK);
    let said = [Peerkey::Off, Peerkey::On].map(|peerkey| {
        let mut command = python(&scene.site, peerkey, &visit, PYTHON_TWICE);
        command.args(["shop.example".into(), alone.address().port().to_string()]);
        run(&mut command).expect_ok("python").stdout
    });
    let second = |said: &str| said.lines().nth(1).map(str::to_owned);
    assert!(said[1].lines().next().unwrap().contains("peerkey: "), "{said:?}");
    assert_eq!(second(&said[0]), second(&said[1]), "OpenSSL's own message is back");
}

// What the program finds afterwards.

#[test]
fn s_client_finds_everything_in_order_after_a_grant() {
    let (scene, server) = granted();
    let visit = scene.visit(server.address(), BANK);
    let said = scene.check(Client::SClient, &visit, Must::BeOpened).run.text();
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    assert!(said.contains("Verified peername: bank.example"), "{said}");
    assert!(!said.contains(":error:"), "{said}");
}

#[test]
fn s_client_finds_the_refusal_where_it_goes_on() {
    let (scene, server) = denied();
    let visit = scene.visit(server.address(), BANK).insecure();
    let said = scene.check(Client::SClient, &visit, Must::StayOpen).run.text();
    assert!(said.contains("Verify return code: 50 (application verification failure)"), "{said}");
}

const PYTHON_CHAIN: &str = r#"
import ctypes, socket, ssl, sys
address, port, peer, trust, insecure = sys.argv[1:6]
context = ssl.create_default_context(cafile=trust)
crypto = ctypes.CDLL("libcrypto.so.3")
plain = socket.create_connection((address, int(port)), 20)
secure = context.wrap_socket(plain, server_hostname=peer)
print("errors", crypto.ERR_peek_error())
for certificate in secure._sslobj.get_verified_chain():
    print(certificate.get_info()["subject"][1][0][1])
"#;

fn verified_chain(scene: &Scene, server: &Server) -> String {
    let visit = scene.visit(server.address(), BANK);
    run(&mut python(&scene.site, Peerkey::On, &visit, PYTHON_CHAIN)).expect_ok("python").stdout
}

#[test]
fn the_verified_chain_is_there_and_the_error_queue_is_clean() {
    let (scene, server) = granted();
    assert_eq!(verified_chain(&scene, &server), "errors 0\nbank.example\nWeb CA\n");
    // The program's own path goes on to its root.
    let scene = Scene::new(&[&WORLD.web]).policy("[default]\naccept = { any = ['application'] }");
    assert_eq!(verified_chain(&scene, &server), "errors 0\nbank.example\nWeb CA\nWeb Root\n");
}

#[test]
fn the_verified_chain_is_the_one_that_is_allowed() {
    let gov = Draft::ca("Gov Root").self_signed();
    let draft = Draft::ca("Shared CA");
    let (by_gov, by_web) = (draft.clone().signed_by(&gov), draft.signed_by(&WORLD.web));
    let leaf = Draft::server(BANK).signed_by(&by_gov);
    for above in [[&by_gov, &by_web], [&by_web, &by_gov]] {
        let server = https(&leaf.with_above(&above));
        let scene = Scene::new(&[&gov, &WORLD.web])
            .anchor("gov", &gov.pem())
            .policy("[[constraint]]\nca = ['anchors/gov.pem']\npeers = ['.br']\n");
        let chain = verified_chain(&scene, &server);
        assert_eq!(chain, "errors 0\nbank.example\nShared CA\nWeb Root\n");
    }
}

const PYTHON_THREADS: &str = r#"
import socket, ssl, sys, threading
address, port, peer, trust, insecure = sys.argv[1:6]
good, good_port = sys.argv[6:8]
results = []
def visit(name, port):
    context = ssl.create_default_context(cafile=trust)
    for _ in range(15):
        try:
            plain = socket.create_connection((address, int(port)), 20)
            context.wrap_socket(plain, server_hostname=name).close()
            results.append((name, "accepted"))
        except ssl.SSLCertVerificationError as error:
            results.append((name, f"refused with {error.verify_code}"))
threads = [threading.Thread(target=visit, args=pair)
           for pair in 4 * [(peer, port), (good, good_port)]]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(results), sorted(set(results)))
"#;

/// Python's sentence is looked up by its code after the handshake, when another thread may have had
/// another verdict: the sentence can then be missing, the verdict never.
#[test]
fn threads_do_not_mix_their_verdicts() {
    let (scene, server) = denied();
    let good = https(&Draft::server("shop.example").signed_by(&WORLD.web_ca));
    let visit = scene.visit(server.address(), BANK);
    let mut command = python(&scene.site, Peerkey::On, &visit, PYTHON_THREADS);
    command.args(["shop.example".into(), good.address().port().to_string()]);
    let said = run(&mut command).expect_ok("python").stdout;
    let expected = "120 [('bank.example', 'refused with 50'), ('shop.example', 'accepted')]\n";
    assert_eq!(said, expected);
}

/// Programs cut long messages: curl keeps 256 characters, and drops the whole text of what is longer.
#[test]
fn a_long_reason_still_reaches_the_user() {
    let long = format!("{}.{}.{BANK}", "long-label-".repeat(5), "another-label-".repeat(4));
    let server = https(&Draft::server(&long).cn("a bank").signed_by(&WORLD.web_ca));
    let reason = "a very long story of how this key came to be denied ".repeat(8);
    let deny = format!("[[deny]]\nspki = '{}'\nreason = '{reason}'\n", WORLD.web_ca.pin());
    let scene = Scene::new(&[&WORLD.web]).policy(&deny);
    let visit = scene.visit(server.address(), &long);
    let because = Must::BeClosed("is denied by policy.toml:2");
    for client in [Client::Curl, Client::Urllib, Client::SClient] {
        let said = scene.check(client, &visit, because).text();
        assert!(said.contains("peerkey: "), "{said}");
    }
}

// The policy file, when it cannot be trusted or read.

/// Breaks the policy of a site, and says what curl says then.
fn broken(spoil: impl Fn(&Site)) {
    let server = bank();
    for (on_error, must) in [
        ("on-error = reject", Must::BeClosed("peerkey: ")),
        ("", Must::BeClosed("peerkey: ")),
        ("on-error = application", Must::StayOpen),
    ] {
        let scene =
            Scene::new(&[&WORLD.web]).policy("[default]\naccept = { any = ['application'] }");
        scene.site.provider_settings(on_error);
        let visit = scene.visit(server.address(), BANK);
        scene.check(Client::Curl, &visit, Must::StayOpen);
        spoil(&scene.site);
        let said = scene.check(Client::Curl, &visit, must).run.stderr;
        if must != Must::StayOpen {
            let state = scene.site.path("state");
            assert!(said.contains(state.to_str().unwrap()), "it names the file: {said}");
        }
    }
}

fn policy_file(site: &Site) -> std::path::PathBuf {
    site.path("state/policy-1.db")
}

fn set_mode(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_policy_that_is_gone() {
    broken(|site| fs::remove_file(policy_file(site)).unwrap());
    broken(|site| fs::remove_dir_all(site.path("state")).unwrap());
}

#[test]
fn a_policy_that_is_cut_off_or_overwritten() {
    broken(|site| fs::write(policy_file(site), "").unwrap());
    broken(|site| fs::write(policy_file(site), "version = 1\n").unwrap());
    broken(|site| {
        let bytes = fs::read(policy_file(site)).unwrap();
        fs::write(policy_file(site), &bytes[..bytes.len() / 2]).unwrap();
    });
}

#[test]
fn a_policy_that_others_may_write() {
    broken(|site| set_mode(&policy_file(site), 0o664));
    broken(|site| set_mode(&policy_file(site), 0o646));
    broken(|site| set_mode(&site.path("state"), 0o775));
    broken(|site| set_mode(&site.path("state"), 0o757));
}

#[test]
fn a_policy_of_another_user() {
    broken(|site| chown(policy_file(site), Some(12_345), None).unwrap());
    broken(|site| chown(site.path("state"), Some(12_345), None).unwrap());
}

#[test]
fn a_policy_that_is_no_file() {
    broken(|site| {
        fs::remove_file(policy_file(site)).unwrap();
        fs::create_dir(policy_file(site)).unwrap();
    });
    broken(|site| {
        fs::remove_file(policy_file(site)).unwrap();
        run(Command::new("mkfifo").arg(policy_file(site))).expect_ok("mkfifo");
    });
}

/// A broken policy must not keep anybody from repairing it.
#[test]
fn a_broken_policy_is_replaced() {
    let (scene, server) = granted();
    fs::write(policy_file(&scene.site), "garbage").unwrap();
    let visit = scene.visit(server.address(), BANK);
    scene.check(Client::Curl, &visit, Must::StayClosed);
    let scene = scene.policy(
        "[authority.web]\nkind = 'x509'\nanchors = ['anchors/web.pem']\n\
         [default]\naccept = { any = ['web'] }\n",
    );
    scene.check(Client::Curl, &visit, Must::BeOpened);
}
