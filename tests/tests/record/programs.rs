//! What real programs leave in the record.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use peerkey_tests::daemon::Nginx;
use peerkey_tests::pki::Draft;
use peerkey_tests::program::Client;
use peerkey_tests::run::run;
use peerkey_tests::scene::Scene;
use peerkey_tests::site::{Peerkey, SHIPPED};
use serde_json::{Value, json};

use crate::{BANK, ROUTER, WORLD, file, folder, lines, must, only, policy, scene, serve, visit};

const EACH: [Client; 3] = [Client::Curl, Client::SClient, Client::Urllib];

#[test]
fn a_refusal_is_recorded_whole() {
    let server = serve(&WORLD.denied);
    for client in EACH {
        let scene = scene("");
        assert!(!visit(&scene, &server, BANK, client).connected);
        let line = only(&scene);
        let native = json!({"says": "not-asked"});
        must(
            &line,
            &[
                ("verdict", json!("reject")),
                ("code", json!("key-denied")),
                ("enforced", json!(true)),
                ("role", json!("server")),
                ("expected", json!([BANK])),
                ("protocol", json!("https")),
                ("key", json!(WORLD.denied.pin())),
                ("level", json!("handshake")),
                ("native", native),
                ("uid", json!(0)),
                ("spki", Value::Null),
                ("first", Value::Null),
            ],
        );
        // curl shows OpenSSL no socket.
        let port = if client == Client::Curl { Value::Null } else { json!(443) };
        must(&line, &[("port", port)]);
        assert!(line["reason"].as_str().unwrap().contains("as tests want it"), "{line}");
        assert!(line["application"].as_str().unwrap().starts_with("/usr/bin/"), "{line}");
        assert_eq!(line["id"].as_str().unwrap().len(), 16);
        assert_eq!(line["policy"].as_str().unwrap().len(), 64);
        let mode = fs::metadata(file(&scene)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let chain = folder(&scene).join("chains").join(line["chain"].as_str().unwrap());
        let chain = fs::read_to_string(chain).unwrap();
        assert!(chain.starts_with(&WORLD.denied.pem()), "{chain}");
    }
}

#[test]
fn what_is_recorded_hangs_on_the_policy() {
    let (bank, denied) = (serve(&WORLD.bank), serve(&WORLD.denied));
    for (log, verdicts) in
        [("none", &[][..]), ("refused", &["reject"]), ("all", &["accept", "reject"])]
    {
        let scene = scene(&format!("log = '{log}'"));
        assert!(visit(&scene, &bank, BANK, Client::Curl).connected);
        assert!(!visit(&scene, &denied, BANK, Client::Curl).connected);
        let lines = lines(&scene);
        let said: Vec<_> = lines.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
        assert_eq!(said, verdicts, "{log}");
        assert_eq!(folder(&scene).exists(), log != "none");
    }
}

#[test]
fn an_acceptance_says_who_vouched() {
    let scene = scene("log = 'all'");
    assert!(visit(&scene, &serve(&WORLD.bank), BANK, Client::Curl).connected);
    let line = only(&scene);
    must(
        &line,
        &[
            ("verdict", json!("accept")),
            ("code", Value::Null),
            ("native/says", json!("accepts")),
            ("anchor/key", json!(WORLD.root.pin())),
            ("cases/0/rule", json!("[default]")),
            ("cases/0/authorities/0/name", json!("application")),
            ("cases/0/authorities/0/found", json!("vouches")),
        ],
    );
    assert!(line["anchor"]["subject"].as_str().unwrap().contains("CN=Root"), "{line}");
}

/// It is said once it holds: before that the handshake can still fail.
#[test]
fn a_first_use_is_recorded_and_a_sighting_is_not() {
    let scene = scene("");
    let router = serve(&WORLD.router);
    for _ in 0..2 {
        assert!(visit(&scene, &router, ROUTER, Client::Curl).connected);
    }
    must(
        &only(&scene),
        &[
            ("verdict", json!("accept")),
            ("first", json!(true)),
            ("key", json!(WORLD.router.pin())),
            ("native/says", json!("refuses")),
            ("native/faults", json!(["no-trusted-path"])),
        ],
    );
    // Of another key the record says why.
    let other = serve(&Draft::server(ROUTER).self_signed());
    assert!(!visit(&scene, &other, ROUTER, Client::Curl).connected);
    must(&lines(&scene)[1], &[("verdict", json!("reject")), ("code", json!("not-vouched"))]);
}

#[test]
fn a_first_use_that_is_not_remembered_is_a_refusal() {
    let scene = scene("");
    let router = serve(&WORLD.router);
    fs::create_dir_all(folder(&scene).join("keys.db-journal")).unwrap();
    fs::set_permissions(folder(&scene), fs::Permissions::from_mode(0o700)).unwrap();
    visit(&scene, &router, ROUTER, Client::Curl);
    let line = only(&scene);
    must(&line, &[("verdict", json!("reject")), ("first", Value::Null)]);
}

/// The program's own refusals, which the shipped policy leaves as they are.
#[test]
fn under_the_shipped_policy() {
    let (bank, router) = (serve(&WORLD.bank), serve(&WORLD.router));
    let scene = Scene::new(&[&WORLD.root]);
    scene.site.apply(SHIPPED);
    assert!(visit(&scene, &bank, BANK, Client::Curl).connected);
    assert_eq!(lines(&scene), [] as [Value; 0]);
    assert!(!visit(&scene, &router, ROUTER, Client::Curl).connected);
    must(
        &only(&scene),
        &[
            ("verdict", json!("reject")),
            ("code", json!("application")),
            ("enforced", json!(true)),
            ("expected", json!([ROUTER])),
            ("native/faults", json!(["no-trusted-path"])),
            ("would", Value::Null),
        ],
    );
    // What the program passes over, nobody is held to.
    let visit = scene.visit(router.address(), ROUTER).insecure();
    assert!(Client::Curl.visit(&scene.site, Peerkey::On, &visit).connected);
    must(&lines(&scene)[1], &[("verdict", json!("reject")), ("enforced", json!(false))]);
    scene.site.apply(&format!("log = 'all'\n{SHIPPED}"));
    let visit = scene.visit(bank.address(), BANK);
    assert!(Client::Curl.visit(&scene.site, Peerkey::On, &visit).connected);
    let line = lines(&scene).pop().unwrap();
    must(&line, &[("verdict", json!("accept")), ("anchor/key", json!(WORLD.root.pin()))]);
}

/// Where the program switched verification off, a refusal is said and not held.
#[test]
fn with_verification_switched_off() {
    let denied = serve(&WORLD.denied);
    for (settings, held) in [("", false), ("enforce = 'always'", true)] {
        let scene = scene(settings);
        let visit = scene.visit(denied.address(), BANK).insecure();
        let said = Client::Curl.visit(&scene.site, Peerkey::On, &visit);
        assert_eq!(said.connected, !held, "{said}");
        must(&only(&scene), &[("code", json!("key-denied")), ("enforced", json!(held))]);
    }
}

/// No policy says what is recorded, and it is.
#[test]
fn where_nothing_can_be_decided() {
    let scene = scene("log = 'none'");
    let bank = serve(&WORLD.bank);
    fs::remove_file(scene.site.path("state/policy-1.db")).unwrap();
    assert!(!visit(&scene, &bank, BANK, Client::Curl).connected);
    must(
        &only(&scene),
        &[
            ("code", json!("cannot-decide")),
            ("enforced", json!(true)),
            ("expected", json!([BANK])),
            ("key", json!(WORLD.bank.pin())),
            ("policy", Value::Null),
        ],
    );
    scene.site.provider_settings("on-error = application");
    assert!(visit(&scene, &bank, BANK, Client::Curl).connected);
    must(&lines(&scene)[1], &[("code", json!("cannot-decide")), ("enforced", json!(false))]);
}

/// Outside of TLS.
#[test]
fn at_a_certificate_store() {
    let scene = scene("");
    let good = scene.site.write("bank.pem", WORLD.bank.pem());
    let bad = scene.site.write("denied.pem", WORLD.denied.pem());
    let mut openssl = scene.site.command("/usr/bin/openssl", Peerkey::On);
    openssl.args(["verify", "-CAfile"]).arg(&scene.trust).args([good, bad]);
    assert!(run(&mut openssl).text().contains("bank.pem: OK"));
    must(
        &only(&scene),
        &[("code", json!("key-denied")), ("level", json!("store")), ("enforced", json!(true))],
    );
}

/// nginx's worker is nobody, who has no folder: the journal has the line, with its fields.
#[test]
fn a_worker_that_can_write_nowhere() {
    let scene = scene("");
    let denied = serve(&WORLD.denied);
    let journal = UnixDatagram::bind(scene.site.path("journal")).unwrap();
    let nginx =
        Nginx::proxy(&scene.site, Peerkey::On, denied.address(), BANK, Some(scene.trust.as_path()));
    assert!(!nginx.ask(&scene.site).connected);
    nginx.finish();
    let mut message = [0; 65_536];
    journal.set_nonblocking(true).unwrap();
    let length = journal.recv(&mut message).unwrap();
    let message = String::from_utf8(message[..length].to_vec()).unwrap();
    let field = |name: &str| {
        let line = message.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("{name}: {message}")).to_owned()
    };
    // nginx has OpenSSL go on, and looks at the result itself.
    let said = "refuses (left to the program) bank.example over https: ";
    assert!(field("MESSAGE").starts_with(said), "{message}");
    assert_eq!(field("PEERKEY_VERDICT"), "reject");
    assert_eq!(field("PEERKEY_CODE"), "key-denied");
    assert_eq!(field("PRIORITY"), "5");
    let line: Value = serde_json::from_str(&field("PEERKEY_RECORD")).unwrap();
    must(&line, &[("uid", json!(65_534)), ("id", json!(field("PEERKEY_ID")))]);
    assert!(!folder(&scene).exists());
    assert!(!scene.site.path("state/uid").exists());
}

/// A peer's names are text, whatever is in them.
#[test]
fn what_a_certificate_says_reaches_no_terminal_raw() {
    const ODD: &str = "x\u{1b}[2J\u{7}\u{9b}31m\u{202e}\u{2028}\"\\,\"verdict\":\"accept\"}";
    let root = Draft::ca(ODD).self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let scene = Scene::new(&[&root]).anchor("odd", &root.pem());
    scene.site.apply("version = 1\n[[constraint]]\nca = ['anchors/odd.pem']\npeers = ['.other']\n");
    assert!(!visit(&scene, &serve(&bank), BANK, Client::Curl).connected);
    let text = fs::read_to_string(file(&scene)).unwrap();
    assert!(!text.trim_end().chars().any(|c| c.is_control() || "\u{202e}\u{2028}".contains(c)));
    let line = only(&scene);
    must(&line, &[("verdict", json!("reject")), ("code", json!("constraint-broken"))]);
    assert!(line["reason"].as_str().unwrap().contains("\\u{1b}[2J"), "{line}");
}

/// For whoever follows a policy that is only tried out.
#[test]
fn the_policys_word_is_checked() {
    let scene = scene("");
    let said = scene.site.try_apply(&format!("version = 1\n{}", policy("log = 'some'")));
    assert!(said.text().contains("log"), "{said}");
    assert!(!said.ok());
}
