//! `keys`: decisions about what is remembered, and `check` with them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::lab::{Ca, Lab, Ran, Server, run};

const POLICY: &str = "version = 1\n[authority.devices]\nkind = \"tofu\"\npeers = [\".lan\"]\n\
    [[rule]]\npeers = [\".lan\"]\naccept = { any = [\"devices\"] }\n";

/// With two keys of router.lan, in a.pem and b.pem.
fn lab() -> Lab {
    let ca = Ca::root("Own");
    let (a, b) = (ca.server(&["router.lan"]), ca.server(&["router.lan"]));
    let lab = Lab::with(POLICY, &[("a.pem", &a), ("b.pem", &b)]);
    for (name, value) in [("home", 0o700), ("state", 0o755)] {
        fs::create_dir_all(lab.path(name)).unwrap();
        fs::set_permissions(lab.path(name), PermissionsExt::from_mode(value)).unwrap();
    }
    lab
}

fn add(lab: &Lab, file: &str) -> Ran {
    let file = lab.named(file);
    lab.peerkey(&format!("keys add router.lan --protocol https --chain {file}"))
}

fn check(lab: &Lab, file: &str) -> Ran {
    let file = lab.named(file);
    lab.peerkey(&format!("check https router.lan --chain {file} --application-verdict refuse"))
}

fn keys(lab: &Lab) -> Vec<serde_json::Value> {
    lab.peerkey("keys list --json").is(0).json()["keys"].as_array().unwrap().clone()
}

/// The file of this user, in which root's keys are, too.
fn file(lab: &Lab) -> std::path::PathBuf {
    serde_json::from_value(lab.peerkey("keys list --json").json()["file"].clone()).unwrap()
}

#[test]
fn check_knows_what_is_remembered() {
    let lab = lab();
    check(&lab, "a.pem").is(0).says("the first key of router.lan");
    // Asking writes nothing.
    assert!(keys(&lab).is_empty());
    add(&lab, "a.pem").is(0).says("router.lan, https: added sha256/").says("peerkey keys undo");
    check(&lab, "a.pem").is(0).says("router.lan had this key since");
    check(&lab, "b.pem").is(1).says("changed").says("peerkey keys accept router.lan");
    lab.peerkey("keys deny ROUTER.LAN.").is(0).says("denied");
    check(&lab, "a.pem").is(1).says("was denied for router.lan");
    lab.peerkey("keys undo").is(0).says("undone");
    check(&lab, "a.pem").is(0);
    lab.peerkey("keys forget router.lan").is(0);
    check(&lab, "b.pem").is(0).says("the first key");
    lab.peerkey("keys undo").is(0);
    check(&lab, "b.pem").is(1);
}

#[test]
fn a_changed_key_is_accepted_in_the_old_ones_place() {
    let lab = lab();
    let server = Server::start(&lab.path("b.pem"), &[]);
    let port = server.port;
    let file = lab.named("a.pem");
    lab.peerkey(&format!("keys add router.lan --protocol https --port {port} --chain {file}"))
        .is(0);
    let accept = format!("keys accept router.lan --connect localhost:{port}");
    // Nobody can be asked, and nobody said yes.
    lab.peerkey(&accept).is(2).complains("nobody can be asked").complains("--expect sha256/");
    let wrong = format!("{accept} --expect {}", "00".repeat(32));
    lab.peerkey(&wrong).is(2).complains("another key than the one that you expect");
    let before = keys(&lab);
    assert_eq!(before.len(), 1);
    lab.peerkey(&format!("{accept} --yes")).is(0).says("accepted").says("forgotten");
    let after = keys(&lab);
    assert_eq!((after.len(), after[0]["port"].as_u64()), (1, Some(port.into())));
    assert_ne!(after[0]["key"], before[0]["key"]);
    lab.peerkey(&accept).is(2).complains("accepted already");
    lab.peerkey("keys undo").is(0);
    assert_eq!(keys(&lab), before);
    // For a time only, the old one stays.
    let expect = format!("{accept} --expect {} --for 1h", after[0]["hex"].as_str().unwrap());
    lab.peerkey(&expect).is(0).says("until 2");
    assert_eq!(keys(&lab).len(), 2);
    lab.peerkey("keys undo").is(0);
    lab.peerkey(&format!("{accept} --yes --beside")).is(0);
    assert_eq!(keys(&lab).len(), 2);
}

/// On a terminal: old and new are shown, with the pictures, and a person answers.
#[test]
fn a_person_is_asked_on_a_terminal() {
    let lab = lab();
    let server = Server::start(&lab.path("b.pem"), &[]);
    add(&lab, "a.pem").is(0);
    let accept = format!("keys accept router.lan --connect localhost:{}", server.port);
    let ask = |answer: &str| {
        let line = format!("{} {accept}", env!("CARGO_BIN_EXE_peerkey"));
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped());
        script.env("PEERKEY_STATE_DIR", lab.path("state")).env("NO_COLOR", "1");
        script.env("PEERKEY_CONFIG_DIR", lab.path("conf")).stdout(Stdio::piped());
        let mut child = script.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), answer.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let no = ask("\n");
    assert!(no.contains("remembered until now") && no.contains("nothing was changed"), "{no}");
    assert_eq!(no.matches("+----[SHA256]-----+").count(), 2, "{no}");
    assert_eq!(keys(&lab).len(), 1);
    assert!(ask("y\n").contains("accepted sha256/"));
}

#[test]
fn a_key_is_chosen_where_there_are_several() {
    let lab = lab();
    add(&lab, "a.pem").is(0);
    add(&lab, "b.pem").is(0);
    let known = keys(&lab);
    let [one, other] = [0, 1].map(|at: usize| known[at]["hex"].as_str().unwrap().to_owned());
    lab.peerkey("keys forget router.lan").is(2).complains("several keys").complains("--all");
    lab.peerkey("keys deny router.lan --key abc").is(2).complains("too short");
    lab.peerkey(&format!("keys deny router.lan --key {}", &one[..10])).is(0);
    lab.peerkey(&format!("keys accept router.lan --key {one} --yes")).is(0);
    assert_eq!(keys(&lab).len(), 1, "the other was replaced");
    lab.peerkey("keys undo").is(0);
    lab.peerkey(&format!("keys show router.lan --key {other}")).is(0).says("remembered");
    lab.peerkey("keys forget router.lan --all").is(0);
    assert!(keys(&lab).is_empty());
    lab.peerkey("keys undo --list").is(0).says("forget 2 keys of router.lan");
    lab.peerkey("keys undo 1").is(2).complains("undo that one first");
    lab.peerkey("keys undo 99").is(2).complains("no change 99");
}

#[test]
fn a_key_can_be_denied_before_it_is_met() {
    let lab = lab();
    add(&lab, "a.pem").is(0);
    let hex = keys(&lab)[0]["hex"].as_str().unwrap().to_owned();
    lab.peerkey("keys forget router.lan").is(0);
    lab.peerkey(&format!("keys deny router.lan --key {hex}")).is(2).complains("--protocol");
    lab.peerkey(&format!("keys deny router.lan --key {hex} --protocol https")).is(0);
    check(&lab, "a.pem").is(1).says("was denied");
    add(&lab, "a.pem").is(0).says("accepted");
    check(&lab, "a.pem").is(0);
}

#[test]
fn lists_are_filtered() {
    let lab = lab();
    let spki = |name: &str, protocol: &str, digit: &str| {
        let hash = digit.repeat(64);
        lab.peerkey(&format!("keys add {name} --protocol {protocol} --spki {hash}")).is(0);
    };
    spki("a.b.lan", "imaps", "1");
    spki("xb.lan", "https", "2");
    spki("Bücher.lan", "https", "3");
    let found = |filter: &str| {
        let list = lab.peerkey(&format!("keys list --json {filter}")).is(0).json();
        let of = |key: &serde_json::Value| key["peer"].as_str().unwrap().to_owned();
        list["keys"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(found("--peer .b.lan"), ["a.b.lan"]);
    assert_eq!(found("--peer BÜCHER.lan"), ["xn--bcher-kva.lan"]);
    assert_eq!(found("--protocol imap"), ["a.b.lan"]);
    assert_eq!(found("--state denied"), [""; 0]);
    assert_eq!(found("--authority person").len(), 3);
    assert_eq!(found("--unseen-for 1day"), [""; 0]);
    assert_eq!(found("--newer-than 1day --limit 2").len(), 2);
    lab.peerkey("keys list --limit 1").is(0).says("2 more with --limit 3");
    for wrong in ["--peer a..b", "--protocol a_b", "--peer .x..y"] {
        lab.peerkey(&format!("keys list {wrong}")).is(2);
    }
}

#[test]
fn the_machines_word_goes_first() {
    let lab = lab();
    let file = lab.named("a.pem");
    let add = format!("keys add router.lan --protocol https --chain {file}");
    lab.peerkey(&format!("{add} --system")).is(0).says("machine.db");
    assert_eq!(fs::metadata(lab.path("state/machine-1.db")).unwrap().mode() & 0o777, 0o644);
    check(&lab, "a.pem").is(0);
    check(&lab, "b.pem").is(1);
    assert!(keys(&lab).is_empty(), "the user's own are others");
    lab.peerkey("keys deny router.lan --system").is(0);
    check(&lab, "a.pem").is(1);
    lab.peerkey(&add).is(2).complains("administrator denied");
    lab.peerkey("keys undo --system").is(0);
    check(&lab, "a.pem").is(0);
    // A damaged page counts for nothing, and root's own file is there to publish it again.
    let published = lab.path("state/machine-1.db");
    let mut bytes = fs::read(&published).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&published, bytes).unwrap();
    check(&lab, "a.pem").is(1).says("it is damaged");
    lab.peerkey("keys repair --system").is(0).says("published again");
    check(&lab, "a.pem").is(0);
    lab.peerkey(&add).is(0).complains("your own keys do not count there");
    // What root changes was lost: it begins again with what is published.
    fs::remove_file(lab.path("state/machine.db")).unwrap();
    lab.peerkey("keys add other.lan --protocol https --system --spki").is(2);
    let spki = format!("keys add other.lan --protocol https --system --spki {}", "1".repeat(64));
    lab.peerkey(&spki).is(0);
    lab.peerkey("keys list --system").says("router.lan").says("other.lan");
}

#[test]
fn files_in_other_hands_are_refused_with_what_to_do() {
    let lab = lab();
    add(&lab, "a.pem").is(0);
    let file = file(&lab);
    let chmod = |mode| fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    chmod(0o666);
    lab.peerkey("keys list").is(2).complains("may be written by others").complains("chmod go-w");
    add(&lab, "b.pem").is(2);
    check(&lab, "a.pem").is(1).says("may be written by others");
    chmod(0o600);
    let elsewhere = lab.path("elsewhere.db");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    add(&lab, "b.pem").is(2).complains("is a symbolic link");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    lab.peerkey("keys list").is(2).complains("is no file");
}

#[test]
fn a_damaged_file_is_set_aside_by_name_and_what_is_left_is_saved() {
    let lab = lab();
    for number in 0..300 {
        let hash = format!("{number:064x}");
        if number % 100 == 0 {
            lab.peerkey(&format!("keys add n{number}.lan --protocol https --spki {hash}")).is(0);
        }
    }
    let rows: String = (0..3000).map(|n| format!("p{n}.lan,https,{n:064x}\n")).collect();
    let table = lab.write("t.csv", format!("peer,protocol,key\n{rows}"));
    lab.peerkey(&format!("keys import {}", table.display())).is(0);
    let file = file(&lab);
    lab.peerkey("keys repair").is(0).says("is whole");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 8 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(&file, &bytes).unwrap();
    let repaired = lab.peerkey("keys repair --json").is(1).json();
    let aside = repaired["damaged"].as_str().unwrap();
    assert_eq!(fs::read(aside).unwrap(), bytes);
    let saved = repaired["saved"].as_u64().unwrap();
    assert!((1000..=3003).contains(&saved), "{repaired}");
    assert_eq!(keys(&lab).len() as u64, saved);
    for (content, word) in [("garbage", "not a database"), ("", "")] {
        fs::write(&file, content).unwrap();
        if !word.is_empty() {
            lab.peerkey("keys list").is(2).complains(word).complains("peerkey keys repair");
            lab.peerkey("keys repair").is(1).says("set aside").says("0 keys");
        }
        assert!(add(&lab, "a.pem").is(0).out.contains("added"));
    }
}

/// As another user: at home, or in the folder that root makes for it.
#[test]
fn a_user_has_a_file_at_home_or_by_roots_leave() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let lab = lab();
    let (uid, open) = (65_534, PermissionsExt::from_mode(0o755));
    fs::set_permissions(lab.path(""), open).unwrap();
    let home = lab.path("home");
    let program = lab.path("peerkey");
    // By another process: what this one has open for writing, another test's child could hold open
    // too, and then it cannot be run (ETXTBSY).
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_peerkey")).arg(&program).status();
    assert!(copied.unwrap().success());
    let as_user = |line: &str| {
        let mut command = Command::new(&program);
        command.env_clear().env("HOME", &home).env("PEERKEY_STATE_DIR", lab.path("state"));
        run(command.uid(uid).gid(uid).args(line.split(' ')))
    };
    let add = format!("keys add a.lan --protocol https --spki {}", "1".repeat(64));
    as_user(&add).is(2).complains("belongs to another user (uid 0)");
    std::os::unix::fs::chown(&home, Some(uid), None).unwrap();
    as_user(&add).is(0).says("home/.local/state/peerkey/keys.db");
    let made = home.join(".local/state/peerkey");
    assert_eq!(fs::metadata(&made).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(made.join("keys.db")).unwrap().mode() & 0o777, 0o600);
    lab.peerkey("keys enable-user nobody-of-this-name").is(2).complains("no user");
    lab.peerkey(&format!("keys enable-user {uid}")).is(0).says("state/uid/65534");
    lab.peerkey(&format!("keys enable-user {uid}")).is(0).says("nothing to do");
    as_user("keys list").is(0).says("nothing is remembered yet").says("state/uid/65534");
    as_user(&add).is(0).says("state/uid/65534/keys.db");
    as_user(&format!("{add} --system")).is(2).complains("as root");
}

#[test]
fn what_keeps_a_key_from_counting_is_said() {
    let spki = format!("--protocol https --spki {}", "1".repeat(64));
    let lab = lab();
    let unused = "will not count";
    // Without a policy in force nothing can be told.
    lab.peerkey(&format!("keys add router.lan {spki}")).is(0).silent_on(unused);
    for (policy, peer, system, words) in [
        (POLICY.to_owned(), "router.lan", "", ""),
        (POLICY.to_owned(), "shop.example", "", unused),
        (POLICY.replace("[[rule]]", "users = false\n[[rule]]"), "router.lan", "", "users = false"),
        (POLICY.replace("[[rule]]", "users = false\n[[rule]]"), "router.lan", " --system", ""),
        (POLICY.replace("[[rule]]", "protocols = [\"imaps\"]\n[[rule]]"), "a.lan", "", unused),
    ] {
        lab.write("conf/policy.toml", &policy);
        lab.peerkey("apply").is(0);
        let said = lab.peerkey(&format!("keys add {peer} {spki}{system}")).is(0);
        match words {
            "" => drop(said.silent_on("note")),
            words => drop(said.complains(words)),
        }
    }
}

/// As the first version had it.
fn of_the_first_schema(file: &std::path::Path) {
    let sql = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
               c.executescript('DROP TRIGGER key_gone; DROP TABLE wrapped; PRAGMA user_version = 1')";
    let mut python = Command::new("/usr/bin/python3");
    assert!(python.args(["-c", sql]).arg(file).status().unwrap().success());
}

#[test]
fn an_older_schema_is_kept_and_brought_up_at_the_first_change() {
    let lab = lab();
    add(&lab, "a.pem").is(0);
    let file = file(&lab);
    of_the_first_schema(&file);
    // Who only reads changes nothing.
    let before = fs::read(&file).unwrap();
    assert_eq!(keys(&lab).len(), 1);
    check(&lab, "a.pem").is(0);
    assert_eq!(fs::read(&file).unwrap(), before);
    let backup = format!("{}.schema-1", file.display());
    add(&lab, "b.pem").is(0).complains("was brought up to schema 2").complains(&backup);
    assert_eq!(keys(&lab).len(), 2);
    assert_eq!(fs::metadata(&backup).unwrap().mode() & 0o777, 0o600);
    lab.peerkey("keys undo").is(0).silent_on("schema");
    // What was there before can be put back.
    fs::copy(&backup, &file).unwrap();
    check(&lab, "a.pem").is(0);
    // Nowhere to keep it: nothing is changed.
    let taken = |number: u32| match number {
        0 => backup.clone(),
        number => format!("{backup}.{number}"),
    };
    (0..100).for_each(|number| drop(fs::write(taken(number), "")));
    let before = fs::read(&file).unwrap();
    add(&lab, "b.pem").is(2).complains("a copy has to be kept");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_newer_schema_is_refused_in_words() {
    let lab = lab();
    add(&lab, "a.pem").is(0);
    let file = file(&lab);
    let sql = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
               c.execute('PRAGMA user_version = 9')\nc.commit()";
    let mut python = Command::new("/usr/bin/python3");
    assert!(python.args(["-c", sql]).arg(&file).status().unwrap().success());
    let before = fs::read(&file).unwrap();
    let words = "they have schema 9, of a newer peerkey, and this program reads up to 2";
    for command in ["keys list", "keys forget router.lan", "keys repair", "keys undo"] {
        lab.peerkey(command).is(2).complains(words);
    }
    add(&lab, "b.pem").is(2).complains(words);
    check(&lab, "a.pem").is(1).says(words);
    assert_eq!(fs::read(&file).unwrap(), before);
}
