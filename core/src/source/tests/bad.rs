//! Mistakes in policies: each is reported once, at its place, in words that help.
//! (Those in single authorities, expressions, constraints and denials are in `entries`.)

use super::*;

/// A policy behind `version = 1`, and the errors: where each is, and words of it.
pub(super) type Case = (&'static str, &'static [(&'static str, &'static [&'static str])]);

#[track_caller]
pub(super) fn check(cases: &[Case]) {
    let folder = Folder::new("");
    for (policy, expected) in cases {
        folder.write("policy.toml", format!("version = 1\n{policy}"));
        let expected: Vec<_> =
            expected.iter().map(|(at, words)| (format!("policy.toml:{at}: "), *words)).collect();
        let expected: Vec<_> = expected.iter().map(|(at, words)| (at.as_str(), *words)).collect();
        assert_lines(policy, &folder.errors(), &expected);
    }
}

pub(super) const X509: &str = "[authority.a]\nkind = \"x509\"\nanchors = [\"pki/root.pem\"]\n";

#[test]
fn syntax() {
    check(&[
        ("mode = enforce", &[("2:8", &["no TOML"])]),
        ("mode = \"enforce", &[("2:16", &["no TOML"])]),
        ("[[rule]", &[("2:8", &["no TOML"])]),
        ("mode == 1\n\n  peers = [\"a\",\n  x = ", &[("2:7", &["no TOML"]), ("5:5", &["no TOML"])]),
        (
            "mode = \"enforce\"\nmode = \"monitor\"",
            &[(
                "3:1",
                &["\"mode\" is written twice: here, and at DIR/policy.toml:2:1", "keep one"],
            )],
        ),
        (
            "[authority.a]\nkind = \"pin\"\n[authority.a]\n",
            &[("4:12", &["\"a\" is written twice: here, and at DIR/policy.toml:2:1"])],
        ),
        (
            "a = 1\n[peers]\na = [\"x\"]\nb = [\"y\"]\na = [\"y\"]\n",
            &[("6:1", &["written twice", "toml:4:1"])],
        ),
        ("\u{e4} = 1", &[("2:1", &["no TOML"])]),
    ]);
}

#[test]
fn deep_nesting_is_refused_by_the_reader_and_by_us() {
    let nested = |depth: usize| {
        format!(
            "[default]\naccept = {}\"application\"{}",
            "{ any = [".repeat(depth),
            "] }".repeat(depth)
        )
    };
    let folder = Folder::new(&format!("version = 1\n{}", nested(32)));
    folder.good();
    folder.write("policy.toml", format!("version = 1\n{}", nested(33)));
    assert_lines("33", &folder.errors(), &[("policy.toml:3:", &["nested more than 32 deep"])]);
    folder.write("policy.toml", format!("version = 1\n{}", nested(100_000)));
    assert_lines("100000", &folder.errors(), &[("policy.toml:3:", &["nested too deeply"])]);
}

#[test]
fn versions() {
    let folder = Folder::new("mode = \"x\"");
    assert_lines(
        "none",
        &folder.errors(),
        &[
            ("policy.toml:1:1: ", &["no version", "version = 1"]),
            ("policy.toml:1:8: ", &["cannot be \"x\""]),
        ],
    );
    for (text, at) in
        [("version = 2\nnew = 1", "1:11"), ("\nversion = \"1\"", "2:11"), ("version = 1.0", "1:11")]
    {
        folder.write("policy.toml", text);
        let at = format!("policy.toml:{at}: ");
        assert_lines(
            text,
            &folder.errors(),
            &[(&at, &["this version", "is not known: 1 is", "version = 1"])],
        );
    }
    folder.write("policy.toml", "");
    assert_lines("empty", &folder.errors(), &[("policy.toml:1:1: ", &["no version"])]);
}

#[test]
fn keys_and_types() {
    check(&[
        (
            "mod = \"enforce\"",
            &[("2:1", &["unknown key \"mod\" in a policy", "did you mean \"mode\"?"])],
        ),
        ("colour = 1", &[("2:1", &["unknown key \"colour\"", "its keys are version, mode"])]),
        ("mode = 1", &[("2:8", &["mode is a number, not a string", "quotes"])]),
        ("mode = \"\"", &[("2:8", &["mode is an empty string"])]),
        (
            "mode = \"monitr\"",
            &[("2:8", &["mode cannot be \"monitr\"", "did you mean \"monitor\"?"])],
        ),
        (
            "enforce = \"never\"",
            &[("2:11", &["enforce cannot be \"never\"", "one of \"verified\", \"always\""])],
        ),
        ("enforce = true", &[("2:11", &["enforce is true or false, not a string"])]),
        (
            "authority = 1.5",
            &[("2:13", &["[authority.NAME] is a number with a fraction, not a table"])],
        ),
        (
            "[[authority]]\nkind = \"pin\"",
            &[("2:1", &["[authority.NAME] is a list, not a table", "single brackets"])],
        ),
        (
            "authority.a = 1",
            &[("2:15", &["[authority.a] is a number, not a table", "write a table"])],
        ),
        (
            "[rule]\naccept = \"application\"",
            &[("2:1", &["[rule] is a single table", "write [[rule]]"])],
        ),
        ("[constraint]", &[("2:1", &["write [[constraint]]"])]),
        ("[deny]", &[("2:1", &["write [[deny]]"])]),
        ("rule = []", &[("2:8", &["\"rule\" is an empty list"])]),
        ("rule = [1]", &[("2:9", &["[[rule]] is a number, not a table"])]),
        ("deny = 2026-01-01", &[("2:8", &["\"deny\" is a date, not a list"])]),
        ("peers = [\"x\"]", &[("2:9", &["[peers] is a list, not a table"])]),
        (
            "[[default]]\naccept = \"application\"",
            &[("2:1", &["[default] is a list, not a table"])],
        ),
        ("[default]", &[("2:1", &["[default] has no \"accept\"", "names of authorities"])]),
        (
            "[default]\naccept = \"application\"\npeers = [\"x\"]",
            &[("4:1", &["unknown key \"peers\" in [default]"])],
        ),
        (
            "[[rule]]\naccept = \"application\"\npeer = [\"x\"]",
            &[("4:1", &["unknown key \"peer\" in [[rule]]", "did you mean \"peers\"?"])],
        ),
        (
            "[[rule]]\naccept = \"application\"\npeers = \"x\"",
            &[("4:9", &["peers is a string, not a list", "write [\"x\"]"])],
        ),
        (
            "[[rule]]\naccept = \"application\"\npeers = 7",
            &[("4:9", &["peers is a number, not a list", "[\"…\"]"])],
        ),
        (
            "[[rule]]\naccept = \"application\"\npeers = [7, \"\"]",
            &[("4:10", &["an element of peers is a number"]), ("4:13", &["an empty string"])],
        ),
        (
            "[[rule]]\naccept = \"application\"\nrole = \"sever\"",
            &[("4:8", &["role cannot be \"sever\"", "\"server\""])],
        ),
        (
            "[[rule]]\naccept = \"application\"\nmode = \"off\"",
            &[("4:8", &["mode cannot be \"off\"", "\"enforce\", \"monitor\""])],
        ),
        ("[[rule]]", &[("2:1", &["[[rule]] has no \"accept\""])]),
        ("[application.x]\nprotocol = \"https\"", &[("2:14", &["no absolute path"])]),
        ("[application.\"/x\"]\n", &[("2:1", &["has no \"protocol\"", "write protocol"])]),
        ("[application.\"/x\"]\nprotocol = \"http/1\"", &[("3:12", &["no service name"])]),
        ("[application.\"/x\"]\nprotocols = 1", &[("3:1", &["unknown key", "\"protocol\""])]),
    ]);
}

#[test]
fn empty_lists() {
    let folder = Folder::new("");
    for (table, key) in [
        ("[[rule]]\naccept = \"application\"", "peers"),
        ("[[rule]]\naccept = \"application\"", "protocols"),
        ("[[rule]]\naccept = \"application\"", "applications"),
        (&X509[..X509.len() - 1], "peers"),
        (&X509[..X509.len() - 1], "protocols"),
        (&X509[..X509.len() - 1], "crls"),
        ("[authority.a]\nkind = \"x509\"", "anchors"),
        ("[authority.a]\nkind = \"pin\"\n[[authority.a.key]]\npeer = \"x\"", "spki"),
        ("[authority.a]\nkind = \"pin\"", "key"),
        ("[[constraint]]\nprotocols = [\"https\"]", "ca"),
        ("[peers]", "the list \"empty\""),
        ("[default]\naccept = { any = [] }", "any"),
        ("[default]\naccept = { any = [{ all = [] }] }", "all"),
        ("[default]\naccept = { at-least = 1, of = [] }", "of"),
    ] {
        let written = match key {
            "any" | "all" | "of" => String::new(),
            key => format!("\n{} = []", key.split('"').nth(1).unwrap_or(key)),
        };
        folder.write("policy.toml", format!("version = 1\n{table}{written}"));
        let errors = folder.errors();
        let key = if key == "key" { "\"authority.a.key\"" } else { key };
        assert!(errors[0].contains(&format!("{key} is an empty list")), "{errors:#?}");
        assert!(errors[0].contains("leave the key out"), "{errors:#?}");
        assert_eq!(errors.len(), 1, "{errors:#?}");
    }
}

#[test]
fn patterns_and_lists() {
    let rule = |peers: &str| format!("[[rule]]\naccept = \"application\"\npeers = [{peers}]\n");
    let folder = Folder::new("");
    for (peers, words) in [
        ("\"*.x.org\"", &["\"*.x.org\" is no pattern", "write \".x.org\""][..]),
        ("\"a*.x.org\"", &["stands alone"]),
        ("\"b\u{fc}cher.example\"", &["not in ASCII", "write \"xn--bcher-kva.example\""]),
        ("\".b\u{fc}cher.example\"", &["write \".xn--bcher-kva.example\""]),
        ("\"10.0.0.1/8\"", &["behind the prefix", "write \"10.0.0.0/8\""]),
        ("\"10.0.0.0/33\"", &["0 to 32"]),
        ("\"x.org.\"", &["ends with a dot", "write \"x.org\""]),
        ("\"a..b\"", &["no host name"]),
        ("\"1.2.3\"", &["no host name or address"]),
        ("\"@x_.org/\"", &["no IP address"]),
        ("\"a b@x.org\"", &["no e-mail address"]),
        ("\"@banks\"", &["no list of peers named \"banks\"", "define it under [peers]: banks ="]),
        ("\"@localhost\"", &["no list of peers named"]),
    ] {
        folder.write("policy.toml", format!("version = 1\n{}", rule(peers)));
        assert_lines(peers, &folder.errors(), &[("policy.toml:4:10: ", words)]);
    }
    check(&[
        (
            "[peers]\nbanks = [\"x\"]\n[[rule]]\naccept = \"application\"\npeers = [\"@bnaks\"]\n",
            &[("6:10", &["named \"bnaks\"", "did you mean \"@banks\"?"])],
        ),
        ("[peers]\n\"a.b\" = [\"x\"]", &[("3:1", &["\"a.b\" cannot name a list", "mail host"])]),
        (
            "[peers]\na = [\"*.x\"]\n[[rule]]\naccept = \"application\"\npeers = [\"@a\"]",
            &[("3:6", &["no pattern"])],
        ),
        (
            "[peers]\na = [\"@b\"]\nb = [\"@c\", \"x\"]\nc = [\"@a\"]",
            &[("3:1", &["the list \"a\" is in itself: @a → @b → @c → @a"])],
        ),
        ("[peers]\na = [\"@a\"]", &[("3:1", &["in itself: @a → @a"])]),
        ("[peers]\na = \"x\"", &[("3:5", &["the list \"a\" is a string, not a list"])]),
    ]);
    let chain: String = (0..50).map(|n| format!("l{n} = [\"@l{}\"]\n", n + 1)).collect();
    folder.write("policy.toml", format!("version = 1\n[peers]\n{chain}l50 = [\"x\"]"));
    assert!(folder.errors()[0].contains("more than 32 deep"), "{:?}", folder.errors());
}

#[test]
fn protocols_applications_and_dates() {
    check(&[
        (
            "[[rule]]\naccept = \"application\"\nprotocols = [\"http/1.1\"]",
            &[("4:14", &["\"http/1.1\" is no service name", "IANA"])],
        ),
        (
            "[[rule]]\naccept = \"application\"\nprotocols = [\"xmpp_client\"]",
            &[("4:14", &["no service name", "did you mean \"xmpp-client\"?"])],
        ),
        (
            "[[rule]]\naccept = \"application\"\napplications = [\"psql\", \"/usr/../psql\", \"/a//b\", \"/\"]",
            &[
                ("4:17", &["\"psql\" is no absolute path", "/usr/bin/psql"]),
                ("4:25", &["no absolute path"]),
                ("4:41", &["no absolute path"]),
                ("4:50", &["no absolute path"]),
            ],
        ),
        (
            "[[rule]]\naccept = \"application\"\nuntil = \"2027-12-31\"",
            &[("4:9", &["until is no date", "without quotes"])],
        ),
        (
            "[[rule]]\naccept = \"application\"\nuntil = 2027-12-31T12:00:00",
            &[("4:9", &["no offset from UTC", "2027-12-31T12:00:00Z"])],
        ),
        ("[[rule]]\naccept = \"application\"\nuntil = 12:00:00", &[("4:9", &["until is no day"])]),
        (
            "[[rule]]\naccept = \"application\"\nuntil = 2027-02-30",
            &[("4:9", &["no TOML", "day between 01 and 28"])],
        ),
    ]);
}

#[test]
fn what_is_given_once_in_several_files() {
    let folder = Folder::new(
        "version = 1\nmode = \"enforce\"\nenforce = \"verified\"\n[default]\naccept = \"application\"\n[peers]\nl = [\"x\"]\n[authority.a]\nkind = \"x509\"\nanchors = [\"pki/root.pem\"]\n",
    );
    folder.write("policy.d/a.toml", "version = 1\nmode = \"enforce\"\nenforce = \"verified\"\n[default]\naccept = \"application\"\n[peers]\nl = [\"x\"]\n[authority.a]\nkind = \"x509\"\nanchors = [\"../pki/root.pem\"]\n");
    assert_lines(
        "twice",
        &folder.errors(),
        &[
            (
                "policy.d/a.toml:1:1: ",
                &["\"version\" is given twice: here, and at DIR/policy.toml:1:1"],
            ),
            (
                "policy.d/a.toml:2:1: ",
                &["\"mode\" is given twice: here, and at DIR/policy.toml:2:1"],
            ),
            ("policy.d/a.toml:3:1: ", &["\"enforce\" is given twice", "policy.toml:3:1"]),
            ("policy.d/a.toml:4:2: ", &["\"default\" is given twice", "policy.toml:4:2"]),
            (
                "policy.d/a.toml:7:1: ",
                &["two lists of peers are named \"l\": here, and at DIR/policy.toml:7:1"],
            ),
            (
                "policy.d/a.toml:8:12: ",
                &["two authorities are named \"a\": here, and at DIR/policy.toml:8:12"],
            ),
        ],
    );
}

#[test]
fn all_mistakes_come_at_once_in_the_order_of_the_files() {
    let folder = Folder::new(
        "version = 1\nmod = 1\n[[rule]]\npeers = [\"*.x\"]\naccept = \"wbe\"\n[authority.web]\nkind = \"x509\"\nanchors = [\"none.pem\"]\n",
    );
    folder.write("policy.d/a.toml", "[[rule]]\naccept = \"web\"\nprotocols = []\n");
    assert_lines(
        "all",
        &folder.errors(),
        &[
            ("policy.toml:2:1: ", &["\"mod\""]),
            ("policy.toml:4:10: ", &["no pattern"]),
            ("policy.toml:5:10: ", &["did you mean \"web\"?"]),
            ("policy.toml:8:12: ", &["no file"]),
            ("policy.d/a.toml:3:13: ", &["empty list"]),
        ],
    );
    // What a file that is no TOML defines is not known: nothing is said to be missing.
    folder.write("policy.d/b.toml", "[authority.wbe\n");
    let errors = folder.errors();
    assert!(errors.iter().all(|e| !e.contains("no authority")), "{errors:#?}");
    assert_eq!(errors.len(), 5, "{errors:#?}");
}

#[test]
fn no_flood() {
    let folder = Folder::new(&format!("version = 1\n{}", "[[rule]]\nx = 1\n".repeat(5000)));
    let errors = folder.errors();
    assert_eq!(errors.len(), 201);
    assert_eq!(errors[200], "9800 more errors are not shown");
    folder.write("policy.toml", "=\n".repeat(400_000));
    assert_eq!(folder.errors().len(), 201);
}
