//! `keys import` and `keys export`, with the programs whose files they are.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::lab::{Ca, Lab, Ran, Server};

fn ssh_key(lab: &Lab, kind: &str) -> String {
    let path = lab.path(kind);
    let mut make = Command::new("ssh-keygen");
    make.args(["-q", "-t", kind, "-N", "", "-f"]).arg(&path);
    assert!(make.status().unwrap().success());
    let line = fs::read_to_string(path.with_extension("pub")).unwrap();
    line.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn import(lab: &Lab, file: &str, options: &str) -> Ran {
    lab.peerkey(&format!("keys import {} {options}", lab.named(file)))
}

fn keys(lab: &Lab) -> Vec<(String, Value, String)> {
    let list = lab.peerkey("keys list --json").is(0).json();
    let of = |key: &Value| {
        let text = |name: &str| key[name].as_str().unwrap().to_owned();
        (text("peer"), key["port"].clone(), text("state"))
    };
    list["keys"].as_array().unwrap().iter().map(of).collect()
}

fn export(lab: &Lab, options: &str) -> Ran {
    lab.peerkey(&format!("keys export {options}"))
}

#[test]
fn known_hosts_come_and_go() {
    let lab = Lab::new();
    let (one, two) = (ssh_key(&lab, "ed25519"), ssh_key(&lab, "rsa"));
    let hosts = format!(
        "# mine\n\none.lan,192.0.2.1 {one} me@here\n[two.lan]:2222 {two}\nbad.lan ssh-rsa AAAA\n\
         @revoked old.lan {two}\n*.lan {one}\n@cert-authority * {one}\nthree.lan ssh-x AAAA\n"
    );
    lab.write("known_hosts", &hosts);
    import(&lab, "known_hosts", "")
        .is(1)
        .says("4 keys added")
        .says("4 lines not taken, of 7")
        .complains("known_hosts:5: the key is damaged")
        .complains("known_hosts:7: \"*.lan\" is a pattern")
        .complains("known_hosts:8:")
        .complains("known_hosts:9:");
    let state = |state: &str| state.to_owned();
    let expected = [
        ("192.0.2.1".into(), Value::Null, state("remembered")),
        ("old.lan".into(), Value::Null, state("denied")),
        ("one.lan".into(), Value::Null, state("remembered")),
        ("two.lan".into(), 2222.into(), state("remembered")),
    ];
    assert_eq!(keys(&lab), expected);
    let out = lab.named("out");
    export(&lab, &format!("known-hosts {out}")).is(0);
    for (host, key) in [("one.lan", &one), ("[two.lan]:2222", &two)] {
        let found = Command::new("ssh-keygen").args(["-F", host, "-f", &out]).output().unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        assert!(found.contains(&**key), "{host}: {found}");
    }
    // Again it is nothing new, and what is denied stays so.
    let again = import(&lab, "known_hosts", "--json").is(1).json();
    assert_eq!((&again["added"], &again["as-it-was"]), (&0.into(), &4.into()));
    assert_eq!(again["change"], Value::Null);
}

#[test]
fn hashed_names_are_found_among_those_that_are_known() {
    let lab = Lab::new();
    let one = ssh_key(&lab, "ed25519");
    let path =
        lab.write("hosts", format!("one.lan {one}\n[two.lan]:2222 {one}\nthree.lan {one}\n"));
    let hashed = Command::new("ssh-keygen").arg("-Hf").arg(&path).output().unwrap();
    assert!(hashed.status.success());
    assert!(fs::read_to_string(&path).unwrap().lines().all(|line| line.starts_with("|1|")));
    import(&lab, "hosts", "").is(2).complains("hosts:1: the name is hashed").complains("--names");
    lab.write("names", "[two.lan]:2222\n\none.lan\n");
    let names = format!("--names {}", lab.named("names"));
    import(&lab, "hosts", &names).is(1).says("2 keys added").complains("hosts:3:");
    lab.peerkey("keys undo").is(0).says("2 keys");
    // A line in clear of the same file tells the name, too, and so does what is known already.
    let more = fs::read_to_string(&path).unwrap() + &format!("three.lan {one}\n");
    lab.write("hosts", more);
    import(&lab, "hosts", &names).is(0).says("3 keys added, 0").says("1 known");
}

fn gnutls(lab: &Lab, port: u16, option: &str, answer: &str) -> String {
    let mut child = Command::new("gnutls-cli")
        .args([option, "--port", &port.to_string(), "localhost"])
        .env("HOME", lab.path("home"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(answer.as_bytes());
    let output = child.wait_with_output().unwrap();
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

/// gnutls-cli's own file, and gnutls-cli with ours.
#[test]
fn gnutls_keys_come_and_go() {
    let lab = Lab::new();
    let pem = lab.write("server.pem", Ca::root("Own").server(&["localhost"]));
    let server = Server::start(&pem, &[]);
    fs::create_dir(lab.path("home")).unwrap();
    gnutls(&lab, server.port, "--tofu", "y\n");
    let theirs = lab.path("home/.gnutls/known_hosts");
    let stored = fs::read_to_string(&theirs).unwrap();
    assert!(stored.starts_with("|g0|localhost|"), "{stored}");
    let file = "home/.gnutls/known_hosts";
    import(&lab, file, "").is(2).complains("say which one it is with --protocol");
    import(&lab, file, "--protocol https").is(0).says("1 key added");
    let hash = lab.peerkey("keys list --json").json()["keys"][0]["key"].to_string();
    lab.peerkey("keys forget localhost").is(0);
    let add = format!("keys add localhost --protocol https --port {} --chain", server.port);
    lab.peerkey(&format!("{add} {}", pem.display())).is(0);
    assert_eq!(lab.peerkey("keys list --json").json()["keys"][0]["key"].to_string(), hash);
    export(&lab, &format!("gnutls {}", theirs.display())).is(0);
    assert_eq!(fs::read_to_string(&theirs).unwrap(), stored);
    let known = gnutls(&lab, server.port, "--strict-tofu", "");
    assert!(known.contains("Handshake was completed"), "{known}");
    fs::write(&theirs, "").unwrap();
    let unknown = gnutls(&lab, server.port, "--strict-tofu", "");
    assert!(!unknown.contains("Handshake was completed"), "{unknown}");
}

#[test]
fn firefox_exceptions_need_their_certificates() {
    let lab = Lab::new();
    let pem = lab.write("server.pem", Ca::root("Own").server(&["a.lan"]));
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(&pem)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let hash = text.trim().rsplit('=').next().unwrap();
    let oid = "OID.2.16.840.1.101.3.4.2.1";
    let file = format!(
        "# PSM Certificate Override Settings file\na.lan:443:\t{oid}\t{hash}\t\n\
         [::1]:8443:^userContextId=1\t{oid}\t{hash}\tM\tAAAA\nold.lan:443\t{oid}\t{hash}\tU\tAAAA\n\
         :443:\t{oid}\t{hash}\t\na.lan::\t{oid}\t{hash}\t\na.lan:443:\tOID.1\t{hash}\t\n"
    );
    lab.write("cert_override.txt", file);
    import(&lab, "cert_override.txt", "").is(2).complains(":2: only a certificate's hash");
    let certificates = format!("--certificates {}", pem.display());
    import(&lab, "cert_override.txt", &certificates)
        .is(1)
        .says("3 keys added")
        .says("3 lines not taken, of 6");
    let ports: Vec<_> = keys(&lab).into_iter().map(|(peer, port, _)| (peer, port)).collect();
    let expected = [("::1", 8443.into()), ("a.lan", Value::Null), ("old.lan", Value::Null)];
    assert_eq!(ports, expected.map(|(peer, port)| (peer.to_owned(), port)));
    let out = export(&lab, "firefox --peer a.lan").is(0).out;
    assert!(out.contains(&format!("\na.lan:443:\t{oid}\t{hash}\t\n")), "{out}");
    let spki = format!("keys add b.lan --protocol https --spki {}", "1".repeat(64));
    lab.peerkey(&spki).is(0);
    export(&lab, "firefox").is(1).complains("1 key left out: known without its certificate");
}

#[test]
fn tables_come_and_go() {
    let lab = Lab::new();
    let key = "11".repeat(32);
    lab.write(
        "a.csv",
        format!("key,peer,protocol,port\n{key},\"a.lan\",imaps,\n{key},b.lan,https,8443\n"),
    );
    import(&lab, "a.csv", "--dry-run").is(0).says("2 keys would be taken");
    assert!(keys(&lab).is_empty());
    import(&lab, "a.csv", "").is(0);
    let before = keys(&lab);
    for format in ["csv", "json"] {
        export(&lab, &format!("{format} {}", lab.named(format))).is(0);
        lab.peerkey("keys undo").is(0);
        assert!(keys(&lab).is_empty());
        import(&lab, format, "").is(0).says("2 keys added");
        assert_eq!(keys(&lab), before, "{format}");
    }
    let lines = format!(
        "{{\"peer\":\"c.lan\",\"protocol\":\"https\",\"key\":\"{key}\"}}\n{{\"peer\":1}}\n"
    );
    lab.write("lines.json", lines);
    import(&lab, "lines.json", "").is(1).complains("lines.json:2: it is no key in JSON");
    let json = lab.run(["keys", "import", "--json", &lab.named("lines.json")]).is(1).json();
    assert_eq!(json["bad-lines"][0]["line"], 2);
}

#[test]
fn one_bad_line_in_many_loses_nothing() {
    let lab = Lab::new();
    let mut rows: Vec<_> = (0..20_000).map(|n| format!("p{n}.lan,https,{n:064x}")).collect();
    rows[9_999] = "a \"quote, that, ends\u{1b}[2J nowhere,\"".into();
    lab.write("many.csv", format!("peer,protocol,key\n{}\n", rows.join("\n")));
    let said = import(&lab, "many.csv", "").is(1).says("19999 keys added");
    assert!(said.err.contains("many.csv:10001: ") && !said.err.contains('\u{1b}'), "{}", said.err);
    lab.peerkey("keys undo").is(0).says("19999 keys");
    assert!(keys(&lab).is_empty());
}

/// What a killed import wrote is whole, and goes with one undo.
#[test]
fn a_killed_import_can_be_taken_back() {
    let lab = Lab::new();
    let rows: String = (0..200_000).map(|n| format!("p{n}.lan,https,{n:064x}\n")).collect();
    let file = lab.write("many.csv", format!("peer,protocol,key\n{rows}"));
    let mut import = lab.command().args(["keys", "import"]).arg(&file).spawn().unwrap();
    let is_written = || {
        let list = lab.peerkey("keys list --json --limit 1");
        list.status == 0 && !list.json()["keys"].as_array().unwrap().is_empty()
    };
    while !is_written() {
        assert_eq!(import.try_wait().unwrap(), None);
    }
    import.kill().unwrap();
    import.wait().unwrap();
    lab.peerkey("keys repair").is(0).says("is whole");
    lab.peerkey("keys undo --list").is(0).says("import ");
    lab.peerkey("keys undo").is(0);
    assert!(keys(&lab).is_empty());
    lab.peerkey("keys undo").is(2).complains("no change is left");
}

#[test]
fn files_that_hold_no_keys_are_refused() {
    let lab = Lab::new();
    let none = |file: &str, options: &str, word: &str| {
        import(&lab, file, options).is(2).complains(word);
    };
    lab.write("binary", b"\x00\x01\x02\n".repeat(1000));
    none("binary", "", "--format");
    none("binary", "--format csv", "no headings");
    none("binary", "--format known-hosts", "and 980 more lines");
    none("binary", "--format json", "it is no JSON");
    lab.write("long", vec![b'a'; 3_000_000]);
    none("long", "--format gnutls", "long:1: the line is too long");
    lab.write("empty", "");
    none("empty", "", "--format");
    none("nowhere", "", "cannot read");
    none("", "", "cannot read");
    assert!(!Path::new(&lab.named("state/uid/0/keys.db")).exists() || keys(&lab).is_empty());
}
