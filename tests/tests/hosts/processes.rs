//! Children, threads, and rights that are given up.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::Duration;

use peerkey_tests::run::wait;
use peerkey_tests::site::Peerkey;

use crate::host::{Hosts, good};

#[test]
fn children_before_the_first_decision() {
    let all = ["child before", "parent"];
    assert_eq!(Hosts::new().said("processes", &["fork-before"]), good(&all));
}

#[test]
fn children_after_decisions() {
    let all = ["parent", "child", "grandchild", "child again", "parent again"];
    assert_eq!(Hosts::new().said("processes", &["fork-after"]), good(&all));
}

#[test]
fn children_of_busy_threads() {
    let threads = "threads that went wrong: 0\n".repeat(3);
    let expected = format!("children that went wrong: 0\n{threads}");
    assert_eq!(Hosts::new().said("processes", &["fork-threads"]), expected);
}

#[test]
fn sixty_four_threads_at_once() {
    assert_eq!(Hosts::new().said("processes", &["threads"]), "64 threads: 192 of 192 good\n");
}

#[test]
fn stacks_of_64_kilobytes() {
    let hosts = Hosts::new();
    assert_eq!(hosts.said("processes", &["small-stacks"]), "8 threads: 24 of 24 good\n");
}

/// Servers read their configuration, and only then give up what they can.
#[test]
fn chroot_and_dropped_rights() {
    for decided_before in [false, true] {
        let hosts = Hosts::new();
        let jail = hosts.site.path("jail");
        std::fs::create_dir(&jail).unwrap();
        let mut arguments = vec!["chroot", jail.to_str().unwrap()];
        arguments.extend(decided_before.then_some("before"));
        let mut command = hosts.host(Peerkey::On, "processes", &arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (mut said, mut line) = (String::new(), String::new());
        while output.read_line(&mut line).unwrap() > 0 && line != "waiting\n" {
            said.push_str(&std::mem::take(&mut line));
        }
        // Another policy: the confined program follows it.
        hosts.site.apply("version = 1\n[[rule]]\naccept = 'application'\n");
        let _ = child.stdin.take().unwrap().write_all(b"x");
        output.read_to_string(&mut said).unwrap();
        wait(&mut child, Duration::from_secs(20));
        let before = if decided_before { good(&["before"]) } else { String::new() };
        let replaced = "replaced: fine accepted, denied accepted, pinned refused: certificate";
        let expected = before + &good(&["confined", "child"]) + replaced;
        assert!(said.starts_with(&expected) && said.ends_with("end\n"), "{said}");
    }
}
