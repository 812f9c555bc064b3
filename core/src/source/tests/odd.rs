//! What is allowed and odd: warnings, each once, at its place.

use super::pki::{key, pki};
use super::*;

/// Two authorities that share no key, on lines 2 to 7; what follows begins in line 8.
const TWO: &str = "version = 1\n[authority.a]\nkind = \"x509\"\nanchors = [\"pki/root.pem\"]\n[authority.b]\nkind = \"x509\"\nanchors = [\"pki/other.pem\"]\n";

type Case<'a> = (&'a str, &'a [(&'a str, &'a [&'a str])]);

#[track_caller]
fn check(cases: &[Case<'_>]) {
    let folder = Folder::new("");
    for (policy, expected) in cases {
        folder.write("policy.toml", format!("{TWO}{policy}"));
        let expected: Vec<_> = expected
            .iter()
            .map(|(at, words)| {
                let file =
                    if at.contains(".pem") || at.contains(".crl") { "" } else { "policy.toml:" };
                (format!("{file}{at}: "), *words)
            })
            .collect();
        let expected: Vec<_> = expected.iter().map(|(at, words)| (at.as_str(), *words)).collect();
        assert_lines(policy, &folder.warnings(), &expected);
    }
}

/// Rules that accept `a` and `b`, with these lines each; every rule has three lines and more.
fn rules(bodies: &[&str]) -> String {
    let rule = |body: &&str| format!("[[rule]]\naccept = {{ any = [\"a\", \"b\"] }}\n{body}\n");
    bodies.iter().map(rule).collect()
}

#[test]
fn rules_that_never_decide() {
    let folder = Folder::new("");
    let shadowed = |bodies: &[&str]| -> Vec<String> {
        folder.write("policy.toml", format!("{TWO}{}", rules(bodies)));
        let warnings = folder.warnings();
        assert!(warnings.iter().all(|w| w.contains("this rule never decides")), "{warnings:#?}");
        warnings
    };
    let second = |first: &str, second: &str| {
        let found = shadowed(&[first, second]);
        if let Some(warning) = found.first() {
            assert!(warning.starts_with("policy.toml:11:1: "), "{warning}");
            assert!(warning.contains("the rule at DIR/policy.toml:8:1 comes first"), "{warning}");
        }
        !found.is_empty()
    };
    for (first, later) in [
        ("", "peers = [\"x\"]"),
        ("", ""),
        ("peers = [\".x.org\"]", "peers = [\"a.x.org\", \".b.x.org\"]"),
        ("peers = [\"10.0.0.0/8\", \"@m.org\"]", "peers = [\"10.1.0.0/16\", \"bob@m.org\"]"),
        ("protocols = [\"https\", \"imap\"]", "protocols = [\"imap\"]"),
        ("", "applications = [\"/no/such\"]"),
        ("role = \"server\"", "peers = [\"x\"]"),
        ("", "role = \"server\""),
        ("role = \"client\"", "role = \"client\""),
        ("until = 2030-01-01", "until = 2029-01-01"),
        ("mode = \"monitor\"", "peers = [\"x\"]"),
    ] {
        assert!(second(first, later), "{first} | {later}");
    }
    for (first, later) in [
        ("peers = [\"a.x.org\"]", "peers = [\".x.org\"]"),
        ("peers = [\"x\"]", ""),
        ("peers = [\"0.0.0.0/0\", \"::/0\"]", "peers = [\"*\"]"),
        ("protocols = [\"https\"]", ""),
        ("protocols = [\"imap\"]", "protocols = [\"imaps\"]"),
        ("applications = [\"/no/such\"]", "peers = [\"x\"]"),
        ("role = \"client\"", ""),
        ("", "role = \"client\""),
        ("until = 2030-01-01", ""),
        ("until = 2029-01-01", "until = 2030-01-01"),
    ] {
        assert!(!second(first, later), "{first} | {later}");
    }
    // Together, where no rule does it alone; not where their other limits differ.
    let (low, high, all) =
        ("peers = [\"10.0.0.0/9\"]", "peers = [\"10.128.0.0/9\"]", "peers = [\"10.0.0.0/8\"]");
    let found = shadowed(&[low, high, all]);
    assert_lines("halves", &found, &[("policy.toml:14:1: ", &["those before it, together"])]);
    assert_eq!(shadowed(&[low, &format!("{high}\nprotocols = [\"https\"]"), all]).len(), 0);
    let narrow = format!("{all}\nprotocols = [\"https\"]");
    assert_eq!(shadowed(&[low, &format!("{high}\nprotocols = [\"https\"]"), &narrow]).len(), 1);
    // A rule that has ended is in nobody's way.
    folder.write(
        "policy.toml",
        format!("{TWO}{}", rules(&["until = 2020-01-01", "peers = [\"x\"]"])),
    );
    assert_lines(
        "ended",
        &folder.warnings(),
        &[("policy.toml:10:1: ", &["[[rule]] has been without effect since 2020-01-01"])],
    );
}

#[test]
fn many_rules_are_looked_at() {
    let folder = Folder::new("");
    let many: String = (0..20_000)
        .map(|n| {
            format!(
                "[[rule]]\naccept = \"a\"\npeers = [\"h{n}.x.org\", \"10.{}.{}.0/24\"]\n",
                n / 256,
                n % 256
            )
        })
        .collect();
    folder.write("policy.toml", format!("{TWO}{many}{}", rules(&[""])));
    // Each held against each would not come to an end.
    assert_eq!(folder.warnings().len(), 0);
}

#[test]
fn authorities_that_nobody_asks() {
    check(&[
        (
            "",
            &[("2:12", &["no rule asks the authority \"a\"", "take it out"]), ("5:12", &["\"b\""])],
        ),
        ("[[rule]]\nrole = \"client\"\naccept = \"a\"", &[("5:12", &["\"b\""])]),
        ("[default]\naccept = { any = [\"application\", { all = [\"a\", \"b\"] }] }", &[]),
    ]);
}

#[test]
fn what_is_past_or_not_yet() {
    let rule = rules(&[""]);
    let x509 = |extra: &str| {
        format!(
            "[[rule]]\npeers = [\"x\"]\naccept = \"c\"\n{rule}[authority.c]\nkind = \"x509\"\n{extra}\n"
        )
    };
    check(&[
        (
            &x509("anchors = [\"pki/old.pem\"]"),
            &[(
                "pki/old.pem:1:1",
                &[
                    "certificate 1 of this file (\"CN=Old\") vouches for nothing now: it expired on 2011-01-01",
                ],
            )],
        ),
        (
            &x509("anchors = [\"pki/young.pem\"]"),
            &[("pki/young.pem:1:1", &["it is not valid before 2035-01-01"])],
        ),
        (
            &x509("anchors = [\"pki/mail.pem\"]\ncrls = [\"pki/stale.crl\"]"),
            &[(
                "pki/stale.crl:1:1",
                &["CRL 1 of this file is out of date: its next update was due on 2021-01-01"],
            )],
        ),
        (
            &x509("anchors = [\"pki/mail.pem\"]\nuntil = 2025-12-31"),
            &[("17:1", &["[authority.c] has been without effect since 2025-12-31"])],
        ),
        (&x509("anchors = [\"pki/mail.pem\"]\nuntil = 2026-01-01"), &[]),
        (
            &format!("{rule}[[deny]]\nspki = \"pki/key.pem\"\nuntil = 2025-01-01T00:00:00Z"),
            &[("13:1", &["[[deny]] has been without effect since 2025-01-01T00:00:00Z"])],
        ),
        (
            &format!(
                "{rule}[[constraint]]\nca = [\"pki/key.pem\"]\nprotocols = [\"https\"]\nuntil = 2025-01-01"
            ),
            &[("14:1", &["[[constraint]] has been"])],
        ),
    ]);
}

#[test]
fn authorities_that_share_keys() {
    let both = "[authority.c]\nkind = \"x509\"\nanchors = [\"pki/both.pem\"]\n[authority.p]\nkind = \"pin\"\n[[authority.p.key]]\npeer = \"x\"\nspki = [\"pki/key.der\"]\n";
    let used = "[[rule]]\nrole = \"client\"\naccept = { any = [\"a\", \"b\", \"c\", \"p\", \"application\"] }\n";
    let with = |accept: &str| format!("{both}{used}[default]\naccept = {accept}\n");
    let root = key(&pki().root).to_string();
    check(&[
        (
            &with("{ all = [\"a\", \"c\"] }"),
            &[(
                "20:10",
                &["all counts \"a\" and \"c\", which share the key", &root, "is that meant?"],
            )],
        ),
        (
            &with("{ at-least = 2, of = [\"a\", \"p\", \"b\"] }"),
            &[("20:10", &["at-least counts \"a\" and \"p\""])],
        ),
        (
            &with("{ any = [\"a\", { all = [\"b\", { any = [\"c\", \"application\"] }] }] }"),
            &[("20:10", &["all counts \"b\" and \"c\""])],
        ),
        (&with("{ any = [\"a\", \"c\"] }"), &[]),
        (&with("{ at-least = 1, of = [\"a\", \"c\"] }"), &[]),
        (&with("{ all = [\"a\", \"b\", \"application\"] }"), &[]),
        (&with("{ all = [\"b\", \"p\"] }"), &[]),
    ]);
    let rule = format!("{both}{used}[[rule]]\naccept = {{ all = [\"c\", \"p\"] }}\n");
    check(&[(&rule, &[("20:10", &["\"c\" and \"p\""])])]);
}

#[test]
fn pins_that_cannot_hold() {
    let pin = |peer: &str, deny: &str| {
        let all = rules(&[""]).replace("\"b\"", "\"b\", \"p\"");
        format!(
            "{all}{deny}[authority.p]\nkind = \"pin\"\npeers = [\".x\"]\n[[authority.p.key]]\npeer = \"{peer}\"\nspki = [\"pki/other.pem\", \"pki/root.pem\"]\n"
        )
    };
    let deny = "[[deny]]\nspki = \"pki/key.pem\"\n";
    check(&[
        (&pin("a.x", ""), &[]),
        (
            &pin("a.y", ""),
            &[("15:1", &["a.y is not among the peers of [authority.p]", "never vouches"])],
        ),
        (&pin("a.x", deny), &[("18:8", &["is denied at DIR/policy.toml:11:1", "beats a pin"])]),
        (&pin("a.x", &format!("{deny}until = 2020-01-01\n")), &[("13:1", &["[[deny]] has been"])]),
    ]);
}

#[test]
fn clients_come_under_the_default_too() {
    let (message, help) = ("also refuses every client's certificate", "role = \"client\"");
    check(&[
        ("[default]\naccept = { any = [\"a\", \"b\"] }", &[("9:10", &[message, help])]),
        ("[default]\naccept = { any = [\"a\", { all = [\"b\", \"application\"] }] }", &[]),
        (
            "[default]\naccept = { any = [\"a\", \"b\"] }\n[[rule]]\nrole = \"client\"\naccept = \"application\"",
            &[],
        ),
    ]);
}

#[test]
fn protocols_and_programs_that_are_nearly_known() {
    check(&[
        (
            &rules(&["protocols = [\"http\", \"doom\", \"smime\", \"ssh\"]"]),
            &[("10:14", &["the protocol \"http\" is not known", "did you mean \"https\"?"])],
        ),
        (&rules(&["protocols = [\"postgres\"]"]), &[("10:14", &["did you mean \"postgresql\"?"])]),
    ]);
    let folder = Folder::new("");
    let link = folder.path("link");
    std::os::unix::fs::symlink("/bin/sh", &link).unwrap();
    let real = fs::canonicalize("/bin/sh").unwrap();
    folder.write(
        "policy.toml",
        format!("{TWO}{}", rules(&[&format!("applications = [\"{}\"]", link.display())])),
    );
    let runs = format!("is a link: this program runs as {}", real.display());
    assert_lines("link", &folder.warnings(), &[("policy.toml:10:17: ", &[&runs, "write"])]);
}

#[test]
fn rules_for_mail_that_never_count() {
    let message = "this rule accepts no mail";
    let programs = "applications = [\"/usr/bin/env\"]";
    check(&[
        (
            &rules(&["protocols = [\"smime\"]"]),
            &[("8:1", &[message, "applications = [\"/usr/bin/openssl\"]"])],
        ),
        (
            &rules(&[&format!("protocols = [\"smime\"]\nrole = \"server\"\n{programs}")]),
            &[("8:1", &[message, "take role = \"server\" out"])],
        ),
        (&rules(&[&format!("protocols = [\"smime\"]\n{programs}")]), &[]),
        (&rules(&[&format!("protocols = [\"smime\"]\nrole = \"client\"\n{programs}")]), &[]),
        (&rules(&["protocols = [\"https\"]"]), &[]),
        (&rules(&["protocols = [\"https\", \"smime\"]"]), &[]),
    ]);
}
