//! Every construct of the language, and what it means.

use super::pki::{key, pki};
use super::*;
use crate::certificate::Purposes;
use crate::pattern::Pattern;
use crate::peer::Name;
use crate::policy::*;
use crate::protocol::Protocol;
use crate::query::Role;
use crate::source::Counts;

fn patterns(texts: &[&str]) -> Option<Vec<Pattern>> {
    Some(texts.iter().map(|t| Pattern::parse(t).unwrap()).collect())
}

fn protocols(texts: &[&str]) -> Option<Vec<Protocol>> {
    Some(texts.iter().map(|t| Protocol::parse(t).unwrap()).collect())
}

#[test]
fn the_smallest_policy_asks_the_application() {
    for text in [
        "version = 1",
        "\u{feff}version = 1\r\n",
        "version = 1\n[default]\naccept = \"application\"",
    ] {
        let policy = Folder::new(text).good().policy;
        assert_eq!((policy.mode, policy.enforce), (Mode::Enforce, Enforce::Verified));
        assert!(policy.default.is_application());
        assert_eq!(policy.authorities.len(), 1);
        assert_eq!(policy.authorities[0].name, "application");
    }
}

#[test]
fn every_construct_is_read() {
    let root_key = key(&pki().root).to_string();
    let folder = Folder::new(&format!(
        r#"
version = 1
mode = "monitor"
enforce = "always"

[authority.web]
kind = "x509"
profile = "cabf"
anchors = ["pki/both.pem"]

[authority.corp]
kind = "x509"
anchors = ["pki/root.der", "pki/root.pem"]
peers = [".corp.example", "10.0.0.0/8"]
protocols = ["https", "LDAP"]
crls = ["pki/root.crl", "pki/crl.der"]
until = 2027-12-31

[authority.pins]
kind = "pin"
[[authority.pins.key]]
peer = "DB1.corp.example"
protocols = ["postgresql"]
spki = ["{root_key}", "pki/other.pem", "pki/key.pem", "pki/key.der"]
until = 2027-01-01T00:00:00Z
[[authority.pins.key]]
peer = "[2001:db8::1]"
spki = ["{hex}"]

[application."/opt/odd/bin/client"]
protocol = "HTTPS"

[[constraint]]
ca = ["pki/both.pem", "{root_key}"]
peers = [".br", "@banks"]
protocols = ["smime"]

[peers]
banks = [".bank.example", "@more", "@mail.example"]
more = ["alice@x.example", ".bank.example"]

[[deny]]
spki = "pki/key.pem"
reason = "published"
[[deny]]
certificate = "pki/root.der"
until = 2030-01-01
[[deny]]
issuer = "pki/other.pem"
serial = "0xFF:01"
[[deny]]
issuer = "pki/other.pem"
serial = 255

[[rule]]
peers = ["@banks", "*.notapattern"]
accept = "web"
"#,
        hex = key(&pki().other).to_hex().to_uppercase(),
    ));
    assert_lines(
        "a rule",
        &folder.errors(),
        &[("policy.toml:56:20: ", &["no pattern", "\".notapattern\""])],
    );
    let text = fs::read_to_string(folder.path("policy.toml")).unwrap();
    let rules = r#"
[[rule]]
peers = ["@banks"]
protocols = ["https", "https"]
applications = ["/no/such/program"]
role = "client"
mode = "enforce"
until = 2026-12-31
accept = { at-least = 2, of = ["web", { all = ["corp", "pins"] }, { any = ["application"] }] }
[[rule]]
peers = ["*", ".x"]
protocols = ["*", "imap"]
role = "server"
accept = { all = ["web", "pins"] }
[default]
accept = { any = ["application", "pins"] }
"#;
    let start = text.find("[[rule]]").unwrap();
    folder.write("policy.toml", format!("{}{rules}", &text[..start]));
    let loaded = folder.good();
    let policy = &loaded.policy;
    assert_eq!((policy.mode, policy.enforce), (Mode::Monitor, Enforce::Always));
    let program = &policy.programs[0];
    assert_eq!(
        (program.path.as_str(), program.protocol.as_str()),
        ("/opt/odd/bin/client", "https")
    );
    authorities(policy);
    limits(policy);
    rules_and_default(policy);
    assert_eq!(
        loaded.summary,
        Counts {
            files: 1,
            authorities: 3,
            anchors: 3,
            crls: 1,
            pins: 2,
            lists: 2,
            constraints: 1,
            denials: 4,
            rules: 2
        }
    );
}

fn authorities(policy: &Policy) {
    let names: Vec<_> = policy.authorities.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["application", "web", "corp", "pins"]);
    let AuthorityKind::X509 { anchors, crls, profile } = &policy.authorities[2].kind else {
        panic!()
    };
    assert_eq!(*profile, Profile::Rfc5280, "the default");
    let web = &policy.authorities[1].kind;
    assert!(matches!(web, AuthorityKind::X509 { profile: Profile::Cabf, .. }));
    assert_eq!((anchors.len(), crls.len()), (1, 1));
    assert_eq!(anchors[0].key, key(&pki().root));
    assert_eq!(anchors[0].purposes, Purposes::ALL);
    assert_eq!(crls[0], pki().crl);
    let scope = &policy.authorities[2].scope;
    assert_eq!(scope.peers, patterns(&[".corp.example", "10.0.0.0/8"]));
    assert_eq!(scope.protocols, protocols(&["https", "ldap"]));
    assert_eq!(scope.until, Some(1_830_297_599));
    assert_eq!(policy.authorities[2].place.to_string(), "policy.toml:11");
    let AuthorityKind::Pin { pins } = &policy.authorities[3].kind else { panic!() };
    assert_eq!(pins[0].peer, Name::parse("db1.corp.example").unwrap());
    assert_eq!(pins[0].protocols, protocols(&["postgresql"]));
    assert_eq!(pins[0].keys, [key(&pki().root), key(&pki().other)]);
    assert_eq!(pins[0].until, Some(1_798_761_600));
    assert_eq!(pins[1].peer, Name::parse("2001:db8::1").unwrap());
    assert_eq!((&pins[1].protocols, pins[1].until), (&None, None));
    assert_eq!(pins[1].place.line, 26);
}

fn limits(policy: &Policy) {
    let constraint = &policy.constraints[0];
    assert_eq!(constraint.cas, [key(&pki().root), key(&pki().other)]);
    let banks = [".bank.example", "alice@x.example", "@mail.example"];
    assert_eq!(constraint.scope.peers, patterns(&[&[".br"], &banks[..]].concat()));
    assert_eq!(constraint.scope.protocols, protocols(&["smime"]));
    let targets: Vec<_> = policy.denials.iter().map(|d| d.target.clone()).collect();
    let issuer = || pki().other.subject().to_vec();
    assert_eq!(
        targets,
        [
            DenialTarget::Key(key(&pki().root)),
            DenialTarget::Certificate(pki().root.signed_fingerprint()),
            DenialTarget::IssuerSerial { issuer: issuer(), serial: vec![0, 0xff, 1] },
            DenialTarget::IssuerSerial { issuer: issuer(), serial: vec![0, 0xff] },
        ]
    );
    assert_eq!(policy.denials[0].reason.as_deref(), Some("published"));
    assert_eq!(policy.denials[1].until, Some(1_893_542_399));
}

fn rules_and_default(policy: &Policy) {
    let authority = Accept::Authority;
    let [first, second] = &policy.rules[..] else { panic!() };
    assert_eq!(first.peers, patterns(&[".bank.example", "alice@x.example", "@mail.example"]));
    assert_eq!(first.protocols, protocols(&["https"]));
    assert_eq!(first.applications, Some(vec!["/no/such/program".into()]));
    assert_eq!((first.role, first.mode), (Some(Role::Client), Some(Mode::Enforce)));
    assert_eq!(first.until, Some(1_798_761_599));
    let all = Accept::All(vec![authority(2), authority(3)]);
    let any = Accept::Any(vec![authority(0)]);
    assert_eq!(first.accept, Accept::AtLeast(2, vec![authority(1), all, any]));
    assert_eq!((&second.peers, &second.protocols), (&None, &None));
    assert_eq!((second.role, second.mode, second.until), (Some(Role::Server), None, None));
    assert_eq!(policy.default, Accept::Any(vec![authority(0), authority(3)]));
}

#[test]
fn files_of_policy_d_follow_in_the_order_of_their_names() {
    let folder = Folder::new("version = 1\n[[rule]]\npeers = [\"@both\"]\naccept = \"b\"\n");
    folder.write("policy.d/20.toml", "[[rule]]\npeers = [\"c\"]\naccept = \"a\"\n");
    folder.write(
        "policy.d/10.toml",
        "[authority.b]\nkind = \"x509\"\nanchors = [\"../pki/root.pem\"]\n\
         [[rule]]\npeers = [\"b\"]\naccept = { any = [\"a\", \"b\"] }\n[peers]\nboth = [\"x\"]\n",
    );
    folder.write(
        "policy.d/30.toml",
        "mode = \"monitor\"\n[authority.a]\nkind = \"x509\"\nanchors = [\"anchors/o.pem\"]\n",
    );
    folder.write("policy.d/anchors/o.pem", fs::read(folder.path("pki/other.pem")).unwrap());
    folder.write("policy.d/.#30.toml", "nonsense");
    folder.write("policy.d/30.toml~", "nonsense");
    let loaded = folder.good();
    let places: Vec<_> = loaded.policy.rules.iter().map(|r| r.place.to_string()).collect();
    assert_eq!(places, ["policy.toml:2", "10.toml:4", "20.toml:1"]);
    assert_eq!(loaded.policy.mode, Mode::Monitor);
    assert_eq!(
        loaded.policy.rules[1].accept,
        Accept::Any(vec![Accept::Authority(2), Accept::Authority(1)])
    );
    let sources: Vec<_> = loaded.policy.sources.iter().map(|s| name(&s.path)).collect();
    assert_eq!(
        sources,
        ["policy.d", "policy.toml", "10.toml", "20.toml", "30.toml", "root.pem", "o.pem"]
    );
    for source in &loaded.policy.sources {
        assert!(source.path.is_absolute());
        assert_eq!(crate::source::digest(&source.path).unwrap(), source.sha256, "{source:?}");
    }
    assert_eq!(loaded.summary.files, 4);
}

#[test]
fn a_change_of_any_source_shows_in_its_digest() {
    let folder = Folder::new("version = 1");
    let sources = folder.good().policy.sources;
    assert_eq!(sources.len(), 2, "the folder policy.d counts before it is there");
    let stale =
        || sources.iter().filter(|s| crate::source::digest(&s.path).unwrap() != s.sha256).count();
    assert_eq!(stale(), 0);
    folder.write("policy.d/1.toml", "");
    assert_eq!(stale(), 1);
    folder.write("policy.toml", "version = 1\n");
    assert_eq!(stale(), 2);
}
