//! `check`, with certificates and keys from files.

use std::io::Write;
use std::process::{Command, Stdio};

use rcgen::ExtendedKeyUsagePurpose::ClientAuth;

use crate::lab::{Ca, Lab, run};

const CORP: &str = r#"
version = 1
[authority.corp]
kind = "x509"
anchors = ["corp.pem"]
protocols = ["https", "imap"]
[[rule]]
peers = [".corp.example"]
accept = { any = ["corp"] }
"#;

/// The corporate CA in the policy, and a server of it.
fn corp() -> (Lab, Ca) {
    let ca = Ca::root("Corp");
    let server = ca.server(&["www.corp.example"]);
    let lab = Lab::with(CORP, &[("conf/corp.pem", &ca.pem), ("server.pem", &server)]);
    (lab, ca)
}

fn public_key(pem: &str) -> Vec<u8> {
    let certificate = openssl::x509::X509::from_pem(pem.as_bytes()).unwrap();
    certificate.public_key().unwrap().public_key_to_pem().unwrap()
}

#[test]
fn the_verdict_comes_first_and_the_explanation_below() {
    let (lab, _) = corp();
    let chain = lab.named("server.pem");
    let accepted = lab.run(["check", "https", "www.corp.example", "--chain", &chain]).is(0);
    assert!(accepted.out.starts_with("accept, by rule 1 (policy.toml:7): corp: "), "{accepted:?}");
    accepted.says("\nwww.corp.example over https\n  + rule 1 (policy.toml:7) accepts\n");
    let rejected = lab.run(["check", "ldap", "www.corp.example", "--chain", &chain]).is(1);
    assert!(rejected.out.starts_with("reject: rule 1 (policy.toml:7) "), "{rejected:?}");
    rejected.says("      - corp: it may vouch over https, imap only\n");
    lab.run(["check", "https", "other.corp.example", "--chain", &chain]).is(1);
}

#[test]
fn a_tree_is_drawn_where_colour_is() {
    let (lab, _) = corp();
    let chain = lab.named("server.pem");
    let args = ["check", "https", "www.corp.example", "--color", "always", "--chain", &chain];
    let drawn = run(lab.command().env("LC_ALL", "C.UTF-8").args(args)).is(0).says("└─ ").says("✓ ");
    assert!(drawn.out.contains('\x1b'));
    run(lab.command().env("LC_ALL", "C").args(args)).is(0).says("`- ").says("+ ");
}

#[test]
fn programs_read_the_same_as_json() {
    let (lab, _) = corp();
    let chain = lab.named("server.pem");
    let args = ["check", "https", "www.corp.example", "--json", "--chain", &chain];
    let accepted = lab.run(args).is(0).json();
    assert_eq!(accepted["verdict"], "accept");
    assert_eq!(accepted["basis"]["rules"][0], "rule 1 (policy.toml:7)");
    assert_eq!(accepted["query"]["peer"]["expected"][0], "www.corp.example");
    assert_eq!(accepted["cases"][0]["accept"]["of"][0]["vouches"], true);
    let args = ["check", "ldap", "www.corp.example", "--json", "--chain", &chain];
    let rejected = lab.run(args).is(1).json();
    assert_eq!(rejected["verdict"], "reject");
    assert_eq!(rejected["reason"]["code"], "not-vouched");
}

#[test]
fn a_fact_that_is_not_known_must_be_acceptable_whatever_it_is() {
    let ca = Ca::root("Corp");
    let server = ca.server(&["www.corp.example"]);
    let policy =
        format!("{CORP}[[rule]]\nprotocols = [\"smtp\"]\naccept = {{ any = [\"corp\"] }}\n");
    let lab = Lab::with(&policy, &[("conf/corp.pem", &ca.pem), ("server.pem", &server)]);
    let chain = lab.named("server.pem");
    lab.run(["check", "unknown", "www.corp.example", "--chain", &chain])
        .is(1)
        .says("the protocol is not known");
}

#[test]
fn the_program_is_asked_only_where_its_word_can_matter() {
    let (lab, ca) = corp();
    let chain = lab.named("server.pem");
    let elsewhere = ["check", "https", "www.else.example", "--json", "--chain", &chain];
    let refused = lab.run(elsewhere).is(1).json();
    assert_eq!(refused["reason"]["code"], "application");
    assert_eq!(refused["program"]["faults"][0]["code"], "no-trusted-path");
    assert_eq!(refused["program"]["faults"][1]["code"], "name-mismatch");
    lab.write("system.pem", &ca.pem);
    let mismatch = lab.run(elsewhere).is(1).json();
    assert_eq!(mismatch["program"]["faults"].as_array().unwrap().len(), 1, "{mismatch}");
    let other = lab.write("other.pem", ca.server(&["www.else.example"]));
    let accepted =
        lab.run(["check", "https", "www.else.example", "--chain", other.to_str().unwrap()]);
    accepted.is(0).says("the program's own verification accepts").says("system.pem");
    let early = ["check", "https", "www.else.example", "--time", "1960-01-01", "--chain"];
    let early = lab.run(early.iter().copied().chain([other.to_str().unwrap()]));
    early.is(1).says("not yet valid");
    let ldap = ["check", "ldap", "www.corp.example", "--json", "--chain", &chain];
    assert_eq!(lab.run(ldap).is(1).json()["program"], serde_json::Value::Null);
}

#[test]
fn a_stated_verdict_of_the_program_is_taken() {
    let (lab, _) = corp();
    let chain = lab.named("server.pem");
    for (verdict, status) in [("accept", 0), ("refuse", 1)] {
        let args = ["check", "https", "a.b", "--chain", &chain, "--application-verdict", verdict];
        lab.run(args).is(status).says("stated on the command line");
    }
}

#[test]
fn what_the_program_finds_beyond_a_grant_stays_a_refusal() {
    let ca = Ca::root("Corp");
    let pem = ca.leaf(&["db.example"], ClientAuth);
    let policy = "version = 1\n[authority.pins]\nkind = \"pin\"\n[[authority.pins.key]]\n\
                  peer = \"db.example\"\nspki = [\"db.pub\"]\n\
                  [[rule]]\npeers = [\"db.example\"]\naccept = { any = [\"pins\"] }\n";
    let key = String::from_utf8(public_key(&pem)).unwrap();
    let lab = Lab::with(policy, &[("conf/db.pub", &key), ("db.pem", &pem)]);
    let (chain, bare) = (lab.named("db.pem"), lab.named("conf/db.pub"));
    // For the wrong purpose, which no pin overrules; a bare key has no purpose.
    let refused = lab.run(["check", "https", "db.example", "--chain", &chain]).is(1);
    refused.says("cannot overrule what the program itself found");
    lab.run(["check", "https", "db.example", "--key", &bare]).is(0).says("overrules");
}

#[test]
fn a_ca_that_is_held_to_others_is_gone_around_once() {
    let (held, free, middle) = (Ca::root("Held"), Ca::root("Free"), Ca::root("Middle"));
    let pem = middle.server(&["www.example"]);
    let policy = "version = 1\n[[constraint]]\nca = [\"held.pem\"]\npeers = [\".other\"]\n";
    let lab = Lab::with(policy, &[("conf/held.pem", &held.pem)]);
    let by = |ca| middle.cross_signed("Middle", ca);
    let chain = lab.write("chain.pem", format!("{pem}{}{}", by(&held), by(&free)));
    let chain = chain.to_str().unwrap();
    let args = ["check", "https", "www.example", "--json", "--chain", chain];
    // The system trusts Held alone: the only path goes through a CA that is held to others.
    lab.write("system.pem", &held.pem);
    let rejected = lab.run(args).is(1).json();
    assert_eq!(rejected["reason"]["code"], "constraint-broken", "{rejected}");
    assert_eq!(rejected["program"]["ruled-out"], true);
    // It trusts Free too: there is another path, behind the intermediate that comes second.
    lab.write("system.pem", format!("{}{}", held.pem, free.pem));
    lab.run(args).is(0);
}

#[test]
fn clients_and_claims_are_asked_about_by_what_their_certificates_say() {
    let ca = Ca::root("Staff");
    let pem = ca.leaf(&["alice.example"], ClientAuth);
    let policy = "version = 1\n[authority.staff]\nkind = \"x509\"\nanchors = [\"staff.pem\"]\n\
                  [[rule]]\nrole = \"client\"\npeers = [\".example\"]\naccept = { any = [\"staff\"] }\n";
    let lab = Lab::with(policy, &[("conf/staff.pem", &ca.pem), ("alice.pem", &pem)]);
    let chain = lab.named("alice.pem");
    lab.run(["check", "ldaps", "--role", "client", "--chain", &chain]).is(0);
    let claimed = lab.run(["check", "ldaps", "--claimed", "--chain", &chain, "--json"]).is(1);
    assert_eq!(claimed.json()["query"]["peer"]["claimed"][0], "alice.example");
    lab.run(["check", "ldaps", "192.0.2.1", "--claimed", "--chain", &chain])
        .is(1)
        .says("192.0.2.1");
    lab.run(["check", "ldaps", "alice.example", "--role", "client", "--chain", &chain]).is(2);
    lab.run(["check", "ldaps", "--chain", &chain]).is(2).complains("--claimed");
}

#[test]
fn the_moment_can_be_chosen() {
    let policy = CORP.replace("[[rule]]", "[[rule]]\nuntil = 2030-01-01");
    let ca = Ca::root("Corp");
    let server = ca.server(&["www.corp.example"]);
    let lab = Lab::with(&policy, &[("conf/corp.pem", &ca.pem), ("server.pem", &server)]);
    let chain = lab.named("server.pem");
    let at = |time: &str| {
        lab.run(["check", "https", "www.corp.example", "--chain", &chain, "--time", time])
    };
    at("2029-12-31T00:00:00Z").is(0).says("2029-12-31T00:00:00Z");
    at("2031-06-01").is(1).says("[default]");
    at("soon").is(2).complains("2027-01-31");
}

#[test]
fn sources_can_be_asked_before_they_are_applied() {
    let (lab, _) = corp();
    let chain = lab.named("server.pem");
    let empty = lab.named("empty");
    let ask = |state: &str, policy: &str| {
        let peer = "www.corp.example";
        lab.run([
            "check",
            "https",
            peer,
            "--chain",
            &chain,
            "--state-dir",
            state,
            "--policy",
            policy,
        ])
    };
    ask(&empty, &lab.named("conf")).is(0);
    ask(&empty, &empty).is(2).complains("are no policy");
    let none = ["check", "https", "www.corp.example", "--chain", &chain, "--state-dir", &empty];
    lab.run(none).is(2).complains("no policy is in force").complains("peerkey apply");
}

#[test]
fn a_key_that_cannot_be_compared_is_rejected() {
    let (lab, _) = corp();
    let path = lab.named("odd.pem");
    let made = run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-subj", "/CN=odd", "-out", &path])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"])
        .args(["-keyout", "/dev/null"]));
    assert_eq!(made.status, 0, "{made:?}");
    let args = ["check", "https", "www.corp.example", "--json", "--chain", &path];
    assert_eq!(lab.run(args).is(1).json()["reason"]["code"], "unusable-key");
}

#[test]
fn evidence_comes_in_every_form_and_from_a_pipe() {
    let (lab, _) = corp();
    let pem = std::fs::read(lab.path("server.pem")).unwrap();
    let der = openssl::x509::X509::from_pem(&pem).unwrap().to_der().unwrap();
    let path = lab.write("server.der", der);
    let ask = ["check", "https", "www.corp.example", "--chain"];
    lab.run(ask.iter().copied().chain([path.to_str().unwrap()])).is(0);
    let mut child = lab.command();
    let child = child.args(ask).arg("-").stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = child.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&pem).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn bad_input_is_said_to_be_bad() {
    let (lab, _) = corp();
    lab.write("empty.pem", "");
    lab.write("damaged.pem", "-----BEGIN CERTIFICATE-----\nMIIB!!\n-----END CERTIFICATE-----\n");
    lab.write("truncated.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    lab.write("noise.der", [0x30, 0x82, 0xff, 0xff, 1, 2, 3]);
    for file in ["empty.pem", "damaged.pem", "truncated.pem", "noise.der", "missing", "conf"] {
        let path = lab.named(file);
        for option in ["--chain", "--key"] {
            let ran = lab.run(["check", "https", "www.corp.example", option, &path]).is(2);
            ran.complains(&path);
        }
    }
    lab.run(["check", "https", "a.b", "--chain", "/dev/zero"]).is(2).complains("too large");
    let chain = lab.named("server.pem");
    for peer in ["a..b", "*.corp.example", "", "a b", "\u{1b}[2J", "ex\u{e4}mple.org"] {
        let ran = lab.run(["check", "https", peer, "--chain", &chain]).is(2);
        assert!(!ran.err.contains('\u{1b}'), "{ran:?}");
    }
    lab.run(["check", "http", "a.b", "--chain", &chain]).is(1).says("\"http\" is no service");
    lab.run(["check", "http/1.1", "a.b", "--chain", &chain]).is(2).complains("service name");
    let json = lab.run(["check", "https", "a..b", "--json", "--chain", &chain]).is(2).json();
    assert!(json["error"].as_str().unwrap().contains("a..b"));
}

#[test]
fn a_damaged_policy_gives_no_answer() {
    let (lab, _) = corp();
    let chain = lab.named("server.pem");
    let ask = || lab.run(["check", "https", "www.corp.example", "--chain", &chain]);
    let mut policy = std::fs::read(lab.path("state/policy-1.db")).unwrap();
    *policy.last_mut().unwrap() ^= 1;
    std::fs::write(lab.path("state/policy-1.db"), policy).unwrap();
    ask().is(2).complains("policy-1.db: it is damaged: run peerkey apply");
    lab.write("state/policy-1.db", "not a database");
    ask().is(2).complains("policy-1.db");
    lab.write("state/policy-1.db", "");
    ask().is(2).complains("policy-1.db");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (lab, _) = corp();
    let chain = lab.named("server.pem");
    let mut command = lab.command();
    command.args(["check", "https", "www.corp.example", "--chain", &chain]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{output:?}");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = lab.command().arg("status").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot write the answer"));
}
