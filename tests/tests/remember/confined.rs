//! Programs with fewer rights, and with more than who started them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use peerkey_tests::run::run;
use peerkey_tests::site::Peerkey;

use crate::worker::worker;
use crate::{ROUTER, WORLD, file, known, scene, serve};

/// A user who has no files, and the owner of a program.
const SOMEBODY: u32 = 12_345;
const OWNER: u32 = 12_346;

/// With no system call but those that a service may make that keeps files.
#[test]
fn a_filter_of_system_calls() {
    let scene = scene("");
    let server = serve(&WORLD.router);
    let steps = ["confine", "meet router.lan", "meet router.lan", "meet printer.lan"];
    let said = run(&mut worker(&scene, &server, &steps)).expect_ok("worker");
    assert_eq!(said.stdout.matches(".lan: met\n").count(), 3, "{said}");
    assert_eq!(known(&scene).len(), 1);
    // It is a filter.
    let said = run(&mut worker(&scene, &server, &["confine", "fork a.lan"]));
    assert!(said.code.is_none(), "{said}");
}

/// AT_SECURE: whoever starts the program says where HOME is, and so nothing is looked for there.
#[test]
fn a_set_user_id_program_follows_no_environment() {
    let scene = scene("");
    let server = serve(&WORLD.router);
    scene.site.public_provider();
    fs::set_permissions(scene.site.path(""), Permissions::from_mode(0o755)).unwrap();
    let home = scene.site.path("home");
    chown(&home, Some(OWNER), None).unwrap();
    let meet = |is_secure: bool| {
        let command = worker(&scene, &server, &[&format!("meet {ROUTER}")]);
        let program = scene.site.path("worker");
        chown(&program, Some(OWNER), None).unwrap();
        let mode = if is_secure { 0o4755 } else { 0o755 };
        fs::set_permissions(&program, Permissions::from_mode(mode)).unwrap();
        let by = if is_secure { SOMEBODY } else { OWNER }.to_string();
        let arguments = ["--reuid", &by, "--regid", &by, "--clear-groups"].map(str::to_owned);
        let mut command = peerkey_tests::run::under("/usr/bin/setpriv", &arguments, &command);
        command.env("WORKER_CONF", scene.site.openssl_cnf(Peerkey::On));
        let said = run(command.current_dir(scene.site.path("")));
        said.stdout
            .lines()
            .find_map(|line| line.strip_prefix("router.lan: ").map(str::to_owned))
            .unwrap_or_else(|| said.to_string())
    };
    let said = meet(true);
    assert!(said.contains("peerkey keys enable-user makes a folder"), "{said}");
    assert!(!home.join(".local").exists());
    // What is known at home does not count either.
    assert_eq!(meet(false), "met");
    assert!(home.join(".local/state/peerkey/keys.db").exists());
    let said = meet(true);
    assert!(said.contains("peerkey keys enable-user makes a folder"), "{said}");
    // The machine's keys do.
    let mut add = scene.site.peerkey();
    let pin = WORLD.router.pin();
    add.args(["keys", "add", ROUTER, "--protocol", "https", "--spki", &pin, "--system"]);
    run(&mut add).expect_ok("keys add --system");
    assert_eq!(meet(true), "met");
    assert!(!file(&scene).exists());
}
