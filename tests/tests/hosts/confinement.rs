//! Fewer rights: seccomp, read-only roots, user namespaces, set-user-ID.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use peerkey_tests::run::run;
use peerkey_tests::site::Peerkey;

use crate::host::{Hosts, ended, good};

/// A user that has no files.
const SOMEBODY: u32 = 12_345;
const PROGRAMS_USER: u32 = 12_346;

/// Whatever else were called, the kernel would end the program.
#[test]
fn a_filter_of_system_calls() {
    let hosts = Hosts::new();
    assert_eq!(hosts.said("confined", &["seccomp"]), good(&["confined"]));
    assert_eq!(hosts.said("confined", &["seccomp-late"]), good(&["before", "confined"]));
}

/// `bwrap OPTIONS HOST`, by a user without rights; None where the kernel forbids it.
fn in_bubblewrap(hosts: &Hosts, options: &[&str], mode: &str) -> Option<Command> {
    let bwrap = || {
        let mut command = hosts.site.command("/usr/bin/setpriv", Peerkey::On);
        let id = SOMEBODY.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
        command.args(["/usr/bin/bwrap", "--unshare-user", "--ro-bind", "/", "/"]).args(options);
        command.current_dir(hosts.site.path(""));
        command
    };
    let probe = run(bwrap().arg("/bin/true"));
    if !probe.ok() {
        println!("SKIPPED: the kernel makes no user namespace here: {}", probe.stderr.trim());
        return None;
    }
    let mut command = bwrap();
    command.arg(hosts.own_copy("confined")).arg(mode);
    Some(command)
}

/// Root's files show as those of the overflow uid there.
#[test]
fn a_user_namespace() {
    let hosts = Hosts::public();
    for proc in [&[][..], &["--proc", "/proc"], &["--tmpfs", "/proc"]] {
        let Some(mut command) = in_bubblewrap(&hosts, proc, "") else { return };
        assert_eq!(ended(run(&mut command)), good(&["confined"]), "{proc:?}");
    }
}

/// ProtectSystem=strict, PrivateUsers, PrivateNetwork, PrivateTmp, PrivateDevices, RestrictNamespaces,
/// SystemCallFilter, NoNewPrivileges, MemoryDenyWriteExecute.
#[test]
fn hardened_as_by_systemd() {
    let hosts = Hosts::public();
    let site = hosts.site.path("");
    let site = site.to_str().unwrap().trim_end_matches('/');
    let options = [
        "--unshare-all",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "--ro-bind",
        site,
        site,
        "--chdir",
        site,
    ];
    let Some(mut command) = in_bubblewrap(&hosts, &options, "seccomp") else { return };
    assert_eq!(ended(run(&mut command)), good(&["confined"]));
}

/// A program that runs with its owner's rights, for a user who has no say.
#[test]
fn set_user_id() {
    let hosts = Hosts::public();
    let program = hosts.own_copy("confined");
    chown(&program, Some(PROGRAMS_USER), None).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
    let started = || {
        let mut command = hosts.site.command("/usr/bin/setpriv", Peerkey::Off);
        let id = SOMEBODY.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(&program);
        command.arg("set-user-id").arg(hosts.site.openssl_cnf(Peerkey::On));
        command.current_dir(hosts.site.path(""));
        run(&mut command)
    };
    let first = started();
    if first.stderr.contains("no set-user-ID") {
        println!("SKIPPED: {} is mounted nosuid", program.display());
        return;
    }
    assert_eq!(ended(first), good(&["confined"]));
    // The program's own user may write policies, the one who starts it may not.
    let policy = hosts.site.path("state/policy-1.db");
    chown(&policy, Some(PROGRAMS_USER), None).unwrap();
    assert_eq!(ended(started()), good(&["confined"]));
    chown(&policy, Some(SOMEBODY), None).unwrap();
    let said = ended(started());
    assert_eq!(said.matches("its owner is user 12345, who is not trusted").count(), 3, "{said}");
}

/// A folder that is read-only for everybody is as good as any.
#[test]
fn a_read_only_state_folder() {
    let hosts = Hosts::new();
    fs::set_permissions(hosts.site.path("state"), Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(hosts.site.path("state/policy-1.db"), Permissions::from_mode(0o444))
        .unwrap();
    assert_eq!(hosts.said("confined", &[""]), good(&["confined"]));
}
