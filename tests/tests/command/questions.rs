//! `check` explains what the hook decided, in the same words.

use std::net::SocketAddr;

use peerkey_tests::daemon::Postgres;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::Client;
use peerkey_tests::run::{Run, run};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{ServerDraft, Service, free_port};
use peerkey_tests::site::Peerkey;
use serde_json::Value;

use crate::{BANK, WORLD};

/// Asks about a server, with the trust that the scene's programs have.
fn check(scene: &Scene, arguments: &[&str]) -> Run {
    run(scene.site.peerkey().env("SSL_CERT_FILE", &scene.trust).arg("check").args(arguments))
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"))
}

/// The verdict and the reason of `check --connect` are those of curl and psql.
#[track_caller]
fn agrees(scene: &Scene, client: Client, protocol: &str, address: SocketAddr) {
    let visit = scene.visit(address, BANK);
    let outcome = client.visit(&scene.site, Peerkey::On, &visit);
    let place = address.to_string();
    let asked = check(scene, &[protocol, BANK, "--connect", &place, "--json"]);
    let answer = json(&asked);
    let verdict = answer["verdict"].as_str().unwrap();
    assert_eq!(verdict == "accept", outcome.connected, "{asked}\n{outcome}");
    assert_eq!(asked.code, Some(i32::from(verdict != "accept")), "{asked}");
    let said = outcome.text();
    if let Some((_, sentence)) = said.split_once("peerkey: ") {
        let reason = answer["reason"]["text"].as_str().unwrap();
        // curl shows the hook no protocol other than https.
        let sentence = sentence.lines().next().unwrap().replace("any other protocol", protocol);
        let same = sentence.contains(reason) || reason.contains(sentence.trim_end_matches("..."));
        assert!(same, "{sentence}\n{reason}");
    }
    let people = check(scene, &[protocol, BANK, "--connect", &place]);
    assert_eq!(people.code, asked.code, "{people}");
    assert!(people.stdout.contains(verdict), "{people}");
    assert!(!people.stdout.contains('\u{1b}'), "no colour into a pipe: {people}");
}

/// Policies that say all kinds of things about the bank.
fn policies(bank: &Issued) -> Vec<String> {
    let pins = |pin: &str| {
        format!(
            "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = '{BANK}'\n\
             spki = ['{pin}']\n[[rule]]\npeers = ['{BANK}']\n"
        )
    };
    let (right, wrong) = (bank.pin(), Draft::server(BANK).self_signed().pin());
    vec![
        "[default]\naccept = 'application'\n".into(),
        format!("[[deny]]\nspki = '{right}'\nreason = 'leaked'\n"),
        format!("[[deny]]\nspki = '{}'\nreason = 'fallen'\n", WORLD.web_ca.pin()),
        "[[constraint]]\nca = ['anchors/web.pem']\npeers = ['.br']\n".into(),
        format!("{}accept = 'pins'\n", pins(&right)),
        format!("{}accept = 'pins'\n", pins(&wrong)),
        format!("{}accept = {{ all = ['application', 'pins'] }}\n", pins(&wrong)),
        format!("{}protocols = ['ldap']\naccept = 'pins'\n", pins(&wrong)),
        "[authority.web]\nkind = 'x509'\nanchors = ['anchors/web.pem']\n\
         [default]\naccept = { any = ['web'] }\n"
            .into(),
        "[authority.web]\nkind = 'x509'\nanchors = ['anchors/web.pem']\npeers = ['.corp.example']\n\
         [default]\naccept = { any = ['web'] }\n"
            .into(),
        format!("mode = 'monitor'\n{}accept = 'pins'\n", pins(&wrong)),
    ]
}

#[test]
fn check_agrees_with_curl() {
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let alone = Draft::server(BANK).self_signed();
    for identity in [&bank, &alone] {
        let server = ServerDraft::new(Service::Https, identity).start();
        for policy in policies(identity) {
            let scene = Scene::new(&[&WORLD.web]).anchor("web", &WORLD.web.pem()).policy(&policy);
            agrees(&scene, Client::Curl, "https", server.address());
        }
    }
}

#[test]
fn check_agrees_with_psql() {
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let scene = Scene::new(&[&WORLD.web]).anchor("web", &WORLD.web.pem());
    let postgres = Postgres::start(&scene.site, Peerkey::Off, &bank, None);
    let mut scene = scene;
    for policy in policies(&bank) {
        scene = scene.policy(&policy);
        agrees(&scene, Client::Psql, "postgresql", postgres.address());
    }
}

#[test]
fn check_speaks_starttls() {
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let server = ServerDraft::new(Service::Smtp, &bank).start();
    let mut scene = Scene::new(&[&WORLD.web]).anchor("web", &WORLD.web.pem());
    for policy in policies(&bank).into_iter().take(4) {
        scene = scene.policy(&policy);
        agrees(&scene, Client::CurlSmtp, "smtp", server.address());
    }
}

/// With peerkey in its own openssl.cnf, `check` still looks at what it would refuse.
#[test]
fn check_is_not_judged_by_the_provider() {
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let server = ServerDraft::new(Service::Https, &bank).start();
    let scene = Scene::new(&[&WORLD.web])
        .policy(&format!("[[deny]]\nspki = '{}'\nreason = 'leaked'\n", bank.pin()));
    let mut command = scene.site.peerkey();
    command.env("OPENSSL_CONF", scene.site.openssl_cnf(Peerkey::On));
    command.args(["check", "https", BANK, "--json", "--connect", &server.address().to_string()]);
    let asked = run(&mut command);
    assert_eq!(asked.code, Some(1), "{asked}");
    assert_eq!(json(&asked)["reason"]["code"], "key-denied", "{asked}");
}

#[test]
fn what_cannot_be_asked_exits_with_2() {
    let scene = Scene::new(&[&WORLD.web]).policy("[default]\naccept = 'application'\n");
    let nobody = format!("127.0.0.1:{}", free_port());
    let asked = check(&scene, &["https", BANK, "--connect", &nobody]);
    assert_eq!(asked.code, Some(2), "{asked}");
    let asked = check(&scene, &["https", BANK, "--chain", "/nonexistent"]);
    assert_eq!(asked.code, Some(2), "{asked}");
    let asked = check(&Scene::new(&[]), &["https", BANK, "--connect", &nobody]);
    assert_eq!(asked.code, Some(2), "{asked}");
}

/// The same question without a connection: a chain in a file, a key, another time, another side.
#[test]
fn questions_without_a_connection() {
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let scene = Scene::new(&[&WORLD.corp]).anchor("web", &WORLD.web.pem()).policy(&format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = 'bare.example'\n\
         spki = ['{}']\n[authority.web]\nkind = 'x509'\nanchors = ['anchors/web.pem']\n\
         [[rule]]\npeers = ['bare.example']\naccept = 'pins'\n[default]\naccept = 'web'\n",
        bank.pin()
    ));
    let chain = scene.site.write("chain.pem", bank.chain_pem());
    let key = scene.site.write("key.pem", bank.key.public_key_to_pem().unwrap());
    let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
    let ask = |arguments: &[&str]| check(&scene, arguments).code;
    assert_eq!(ask(&["https", BANK, "--chain", chain]), Some(0));
    assert_eq!(ask(&["https", "else.example", "--chain", chain]), Some(1));
    assert_eq!(ask(&["https", BANK, "--chain", chain, "--time", "2099-01-01T00:00:00Z"]), Some(1));
    assert_eq!(ask(&["https", BANK, "--key", key]), Some(1));
    assert_eq!(ask(&["https", "bare.example", "--key", key]), Some(0));
    assert_eq!(ask(&["https", "--claimed", "--chain", chain]), Some(1), "a claim grants nothing");
    assert_eq!(ask(&["https", "--role", "client", "--chain", chain]), Some(1));
}

#[test]
fn tests_of_a_policy() {
    let bank = Draft::server(BANK).signed_by(&WORLD.web_ca);
    let scene = Scene::new(&[&WORLD.web]).anchor("web", &WORLD.web.pem());
    scene.site.write("config/policy.toml", format!("version = 1\n{}", &policies(&bank)[8]));
    scene.site.write("bank.pem", bank.chain_pem());
    let case = |expect: &str, peer: &str| {
        format!(
            "[[test]]\nname = 'the {expect}'\nprotocol = 'https'\npeer = '{peer}'\n\
             chain = 'bank.pem'\nexpect = '{expect}'\n"
        )
    };
    let right = case("accept", BANK) + &case("reject", "else.example");
    let file = scene.site.write("right.toml", &right);
    let ran = run(scene.site.peerkey().arg("test").arg(&file));
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(!scene.site.path("state/policy-1.db").exists(), "nothing is applied");
    let file = scene.site.write("wrong.toml", right + &case("accept", "third.example"));
    let ran = run(scene.site.peerkey().arg("test").arg(&file));
    assert_eq!(ran.code, Some(1), "{ran}");
    let file = scene.site.write("no.toml", "[[test]]\nprotocol = 'https'\nexpekt = 'accept'\n");
    let ran = run(scene.site.peerkey().arg("test").arg(&file));
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(ran.stderr.contains("no.toml:"), "{ran}");
}

#[test]
fn show_status_and_rollback() {
    let scene = Scene::new(&[&WORLD.web]).anchor("web", &WORLD.web.pem());
    let peerkey = |arguments: &[&str]| {
        let cnf = scene.site.openssl_cnf(Peerkey::On);
        run(scene.site.peerkey().env("OPENSSL_CONF", cnf).args(arguments))
    };
    let nothing = peerkey(&["status"]);
    assert_eq!(nothing.code, Some(1), "{nothing}");
    assert!(!peerkey(&["policy", "show"]).ok());
    assert!(!peerkey(&["policy", "rollback"]).ok());
    scene.site.apply("version = 1\n[default]\naccept = 'application'\n");
    scene.site.apply("version = 1\n[[constraint]]\nca = ['anchors/web.pem']\npeers = ['.br']\n");
    let shown = peerkey(&["policy", "show"]).expect_ok("show");
    assert!(shown.stdout.contains(".br"), "{shown}");
    let document = json(&peerkey(&["policy", "show", "--json"]).expect_ok("show --json"));
    assert!(document.to_string().contains(".br"), "{document}");
    let status = peerkey(&["status"]).expect_ok("status");
    let cnf = scene.site.openssl_cnf(Peerkey::On);
    assert!(status.stdout.contains(cnf.to_str().unwrap()), "{status}");
    json(&peerkey(&["status", "--json"]).expect_ok("status --json"));
    // The sources change: status says so.
    scene.site.write("config/policy.toml", "version = 1\n[default]\naccept = 'application'\n");
    assert_eq!(peerkey(&["status"]).code, Some(1), "{}", peerkey(&["status"]));
    peerkey(&["policy", "rollback"]).expect_ok("rollback");
    assert!(!peerkey(&["policy", "show"]).stdout.contains(".br"));
    peerkey(&["policy", "rollback"]).expect_ok("rollback of the rollback");
    assert!(peerkey(&["policy", "show"]).stdout.contains(".br"));
}

#[test]
fn apply_counts_and_warns() {
    let scene = Scene::new(&[]).anchor("old", &Draft::ca("Old").expired().self_signed().pem());
    let applied = scene.site.try_apply(
        "version = 1\n[authority.old]\nkind = 'x509'\nanchors = ['anchors/old.pem']\n\
         [authority.idle]\nkind = 'x509'\nanchors = ['anchors/old.pem']\n\
         [[rule]]\npeers = ['.x.example']\naccept = 'application'\n\
         [[rule]]\npeers = ['a.x.example']\naccept = 'old'\n",
    );
    assert!(applied.ok(), "{applied}");
    assert!(applied.stdout.contains("2 rules"), "{applied}");
    for warning in ["idle", "expired", "policy.toml:11"] {
        assert!(applied.stderr.contains(warning), "no {warning:?}: {applied}");
    }
}
