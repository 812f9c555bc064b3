//! `test`.

use crate::lab::{Ca, Lab};

const POLICY: &str = r#"
version = 1
[authority.corp]
kind = "x509"
anchors = ["corp.pem"]
[[rule]]
peers = [".corp.example"]
accept = { any = ["corp"] }
"#;

fn corp() -> Lab {
    let ca = Ca::root("Corp");
    let lab = Lab::new();
    lab.write("conf/policy.toml", POLICY);
    lab.write("conf/corp.pem", &ca.pem);
    lab.write("conf/tests/www.pem", ca.server(&["www.corp.example"]));
    lab
}

#[test]
fn verdicts_as_expected_are_counted() {
    let lab = corp();
    lab.write(
        "conf/tests/a.toml",
        r#"
[[test]]
name = "ours"
protocol = "https"
peer = "www.corp.example"
chain = "www.pem"
expect = "accept"
says = "corp"

[[test]]
protocol = "unknown"
peer = "else.corp.example"
chain = "www.pem"
expect = "reject"
reason = "not-vouched"
says = "rule 1"

[[test]]
protocol = "https"
peer = "www.else.example"
chain = "www.pem"
application = "/usr/bin/curl"
application-verdict = "accept"
expect = "accept"

[[test]]
protocol = "https"
peer = "www.corp.example"
chain = "www.pem"
time = 1960-01-01T00:00:00Z
application-verdict = "refuse"
application-faults = ["other"]
expect = "reject"

[[test]]
protocol = "https"
claimed = true
chain = "www.pem"
application-verdict = "refuse"
expect = "reject"
reason = "application"
"#,
    );
    lab.peerkey("test").is(0).says("5 tests: all as expected");
    assert!(!lab.path("state/policy-1.db").exists(), "tests apply nothing");
}

#[test]
fn what_differs_is_shown_and_nothing_else() {
    let lab = corp();
    let entry = |name: &str, more: &str| {
        format!(
            "[[test]]\nname = \"{name}\"\nprotocol = \"https\"\npeer = \"www.corp.example\"\n\
             chain = \"www.pem\"\n{more}\n"
        )
    };
    let file = [
        entry("right", "expect = \"accept\""),
        entry("verdict", "expect = \"reject\""),
        entry("words", "expect = \"accept\"\nsays = \"pins\""),
        entry("reason", "time = 1960-01-01\nexpect = \"reject\"\nreason = \"key-denied\""),
        entry("hangs", "expect = \"accept\"").replace("www.corp", "www.else"),
    ];
    let path = lab.write("conf/tests/b.toml", file.concat());
    let ran = lab.run(["test".as_ref(), path.as_os_str()]).is(1);
    assert!(!ran.out.contains("right"), "{}", ran.out);
    ran.says("4 of 5 tests differ")
        .says("(not-vouched)")
        .says("saying \"pins\"")
        .says("write application-verdict")
        .says("b.toml:7");
    let json = lab.peerkey("test --json").is(1).json();
    assert_eq!((json["passed"].as_u64(), json["failed"].as_u64()), (Some(1), Some(4)));
    assert_eq!(json["tests"][1]["differs"], "verdict");
    assert_eq!(json["tests"][2]["differs"], "says");
    assert_eq!(json["tests"][3]["differs"], "reason");
    assert_eq!(json["tests"][4]["differs"], "no answer");
}

#[test]
fn mistakes_in_a_test_file_have_their_place() {
    let lab = corp();
    let head = "[[test]]\nprotocol = \"https\"\npeer = \"a.b\"\n";
    for (content, place, what) in [
        (format!("{head}chain = \"www.pem\"\n"), "1:1", "expect"),
        (format!("{head}expect = \"accept\"\n"), "1:1", "chain = FILE"),
        (format!("{head}chain = \"x.pem\"\nexpect = \"accept\"\n"), "4:9", "x.pem"),
        (format!("{head}chain = \"www.pem\"\nexpect = \"perhaps\"\n"), "5:10", "perhaps"),
        (format!("{head}chain = \"www.pem\"\nexpect = \"accept\"\nwhy = 1\n"), "6:1", "why"),
        (
            format!("{head}chain = \"www.pem\"\nexpect = \"reject\"\nreason = \"bad\"\n"),
            "6:10",
            "not-vouched",
        ),
        (
            format!("{head}chain = \"www.pem\"\nexpect = \"accept\"\nreason = \"key-denied\"\n"),
            "6:10",
            "no reason",
        ),
        (
            format!(
                "{head}chain = \"www.pem\"\nexpect = \"accept\"\napplication-faults = [\"expired\"]\n"
            ),
            "6:22",
            "application-verdict",
        ),
        (
            head.replace("https", "h/2") + "chain = \"www.pem\"\nexpect = \"accept\"\n",
            "2:12",
            "h/2",
        ),
        (head.replace("a.b", "a..b") + "chain = \"www.pem\"\nexpect = \"accept\"\n", "3:8", "a..b"),
        (
            head.replace("peer", "#") + "chain = \"www.pem\"\nexpect = \"accept\"\n",
            "1:1",
            "claimed",
        ),
        (
            format!("{head}chain = \"www.pem\"\nexpect = \"accept\"\ntime = 10:00:00\n"),
            "6:8",
            "2027-01-31",
        ),
        ("[[test]\n".into(), "1:", "]"),
        ("".into(), "1:1", "no tests"),
    ] {
        let path = lab.write("conf/tests/bad.toml", &content);
        let ran = lab.run(["test".as_ref(), path.as_os_str()]).is(2);
        ran.complains(&format!("bad.toml:{place}")).complains(what).complains("no test was run");
    }
    lab.write("conf/tests/bad.toml", b"\xff");
    lab.peerkey("test").is(2).complains("UTF-8");
}

#[test]
fn without_tests_or_a_right_policy_nothing_runs() {
    let lab = corp();
    lab.peerkey("test").is(2).complains("peerkey test --help");
    lab.peerkey("test /not/here.toml").is(2).complains("/not/here.toml");
    lab.write("conf/policy.toml", "version = 2\n");
    lab.write(
        "conf/tests/a.toml",
        "[[test]]\nprotocol = \"https\"\npeer = \"a.b\"\nchain = \"www.pem\"\nexpect = \"accept\"\n",
    );
    lab.peerkey("test").is(2).complains("policy.toml:1:11").complains("1 error in the policy");
}
