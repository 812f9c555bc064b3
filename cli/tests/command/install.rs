//! `install` and `remove` alone, on a root of their own, and `--lean-trust`.

use std::fs;
use std::path::PathBuf;

use crate::lab::{Ca, Lab};

#[test]
fn nobody_is_there_to_be_asked() {
    let lab = Lab::with("version = 1\n", &[]);
    for verb in ["install", "remove"] {
        let said = lab.run([verb]).is(1);
        said.complains("there is no terminal here").complains(&format!("peerkey {verb} --yes"));
    }
}

/// What is below a folder.
fn listing(folder: PathBuf) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        names.push(entry.path().display().to_string());
        names.extend(listing(entry.path()));
    }
    names.sort();
    names
}

#[test]
fn where_nothing_can_be_done_it_is_said() {
    let lab = Lab::with("version = 1\n", &[("root/openssl.cnf", "HOME = .\n")]);
    let (config, root) = (lab.named("root/openssl.cnf"), lab.named("root"));
    let before = listing(lab.path("root"));
    let arguments = ["--yes", "--config", &config, "--root", &root];
    let module = ["--module", "/etc/passwd", "--nss-module", "/etc/passwd"];
    let said = lab.run([&["install"], &arguments[..], &module].concat()).is(1);
    let said = said.complains("would not work with peerkey");
    // The state folder is not the usual one.
    said.says("because they read the policy in /var/lib/peerkey alone");
    let said = lab.run([&["remove"], &arguments[..]].concat()).is(0);
    said.says("has no lines of peerkey install");
    assert_eq!(listing(lab.path("root")), before);
}

const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

#[test]
fn lean_trust_is_for_a_policy_that_decides_everything() {
    let lab = Lab::new();
    let root = lab.named("root");
    fs::create_dir(lab.path("root")).unwrap();
    lab.write("conf/ca.pem", Ca::root("Own").pem);
    let install = || lab.run(["install", "--lean-trust", "--root", &root]);
    install().is(1).complains("no policy is in force");
    let anchors =
        |file: &str| format!("version = 1\n[authority.a]\nkind = 'x509'\nanchors = ['{file}']\n");
    let applied = |text: String| {
        lab.write("conf/policy.toml", text);
        lab.peerkey("apply").is(0);
    };
    for (policy, words) in [
        ("version = 1\n".to_owned(), "leaves something to the programs' own verification"),
        (
            anchors(SYSTEM) + "[default]\naccept = { any = ['a', 'application'] }\n",
            "leaves something to the programs' own verification",
        ),
        (
            anchors(SYSTEM)
                + "[[rule]]\nmode = 'monitor'\naccept = { any = ['a'] }\n[default]\naccept = { any = ['a'] }\n",
            "leaves something to the programs' own verification",
        ),
        (
            anchors("ca.pem") + "[default]\naccept = { any = ['a'] }\n",
            "no authority of the policy has",
        ),
    ] {
        applied(policy);
        install().is(1).complains(words);
        assert_eq!(listing(lab.path("root")), [""; 0]);
    }
    let whole = anchors(SYSTEM) + "[default]\naccept = { any = ['a'] }\n";
    lab.write("conf/policy.toml", format!("{whole}# more\n"));
    install().is(1).complains("not of today's sources");
    applied(whole);
    let said = install().is(0).says("programs of new sessions load");
    said.complains("trust nobody from now on").complains("peerkey remove --lean-trust");
    let bundle = lab.named("state/lean-trust.pem");
    let shell = fs::read_to_string(lab.path("root/etc/profile.d/peerkey-lean-trust.sh")).unwrap();
    let session = lab.path("root/etc/environment.d/60-peerkey-lean-trust.conf");
    let session = fs::read_to_string(session).unwrap();
    for name in ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"] {
        assert!(shell.contains(&format!("\nexport {name}={bundle}\n")), "{shell}");
        assert!(session.contains(&format!("\n{name}={bundle}\n")), "{session}");
    }
    let pem = fs::read_to_string(&bundle).unwrap();
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 1);
    let certificate = openssl(&["x509", "-noout", "-text", "-in", &bundle]);
    assert!(certificate.contains("CA:FALSE") && certificate.contains("nobody"), "{certificate}");
    lab.run(["remove", "--lean-trust", "--root", &root])
        .is(0)
        .says("load the system's anchors again");
    assert_eq!(listing(lab.path("root")).iter().filter(|name| name.contains("peerkey")).count(), 0);
    // Sessions of before still name it.
    assert_eq!(fs::read(bundle).unwrap(), fs::read(SYSTEM).unwrap());
}

fn openssl(arguments: &[&str]) -> String {
    let output = std::process::Command::new("openssl").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
