//! Allocators of the host's own, and AddressSanitizer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use peerkey_tests::artifacts;
use peerkey_tests::daemon::Nginx;
use peerkey_tests::program::{Client, python};
use peerkey_tests::run::{PATIENCE, run, run_with, under};
use peerkey_tests::site::Peerkey;

use crate::host::{Hosts, ended, good};
use crate::valgrind::{PEER, PYTHON, World, world};

#[test]
fn an_allocator_of_the_hosts_own() {
    assert_eq!(Hosts::new().said("allocator", &[]), good(&["here"]));
}

#[test]
fn jemalloc() {
    let hosts = Hosts::new();
    let mut host = hosts.host(Peerkey::On, "processes", &["threads"]);
    // What is freed is overwritten, what is fresh is not zero.
    host.env("LD_PRELOAD", "libjemalloc.so.2").env("MALLOC_CONF", "junk:true,abort_conf:true");
    assert_eq!(ended(run(&mut host)), "64 threads: 192 of 192 good\n");
}

// AddressSanitizer sees what valgrind (`valgrind`) does not: stacks, globals, and Rust's own slices. The library and
// its SQLite are built with it, the hosts are as they are.

/// The library, built once and kept, and the runtime that it wants; None where there is no runtime.
fn sanitized() -> Option<(PathBuf, String)> {
    let runtime = run(Command::new("gcc").arg("-print-file-name=libasan.so"));
    let runtime = runtime.stdout.trim().to_owned();
    let cargo = std::env::var_os("CARGO").filter(|_| Path::new(&runtime).is_absolute());
    let Some(cargo) = cargo else {
        println!("SKIPPED: no AddressSanitizer, or no cargo");
        return None;
    };
    // The name of the machine's own target makes cargo leave build scripts as they are.
    let target = run(Command::new("rustc").args(["--print", "host-tuple"])).stdout;
    let folder = artifacts::target_folder().join("sanitized");
    let mut build = artifacts::as_builder(Command::new(cargo));
    build.args(["build", "--quiet", "--locked", "--package", "peerkey-openssl"]);
    build.arg("--target").arg(target.trim()).arg("--target-dir").arg(&folder);
    build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
    // It is an option of the nightly compiler, which every compiler has.
    build.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    build.env("CFLAGS", "-fsanitize=address").env("HOST_CFLAGS", "");
    run_with(&mut build, b"", Duration::from_secs(900)).expect_ok("the library with the sanitizer");
    let library = folder.join(target.trim()).join("debug/libpeerkey_openssl.so");
    Some((library, runtime))
}

#[test]
fn address_sanitizer() {
    let Some((library, runtime)) = sanitized() else { return };
    let World { scene, fine, denied } = &world();
    let site = &scene.site;
    site.provider_module(&library);
    let outer =
        ["env".into(), format!("LD_PRELOAD={runtime}"), "ASAN_OPTIONS=detect_leaks=0".into()];
    let watched = |command: &Command| {
        let mut command = under(&outer[0], &outer[1..], command);
        let said = run_with(&mut command, b"GET / HTTP/1.0\r\n\r\n", PATIENCE);
        assert!(!said.stderr.contains("AddressSanitizer"), "{said}");
        said
    };
    for (server, accepted) in [(fine, true), (denied, false)] {
        let visit = scene.visit(server.address(), PEER);
        // (curl hangs under gcc 12's runtime, in setlocale, without us as well.)
        let said = watched(&Client::SClient.command(site, Peerkey::On, &visit));
        assert_eq!(said.stdout.contains("hello"), accepted, "{said}");
        let nginx = Nginx::proxy_under(site, server.address(), PEER, &scene.trust, &outer);
        let asked = [(); 3].map(|()| nginx.ask(site).connected);
        let output = nginx.folder().join("output");
        let log = nginx.finish() + &fs::read_to_string(output).unwrap();
        assert_eq!(asked, [accepted; 3], "{log}");
        assert!(!log.contains("AddressSanitizer"), "{log}");
    }
    let visit = scene.visit(fine.address(), PEER);
    let mut command = python(site, Peerkey::On, &visit, PYTHON);
    command.arg(denied.address().port().to_string()).env("PYTHONMALLOC", "malloc");
    let said = watched(&command);
    assert_eq!(said.stdout, "accepted\nTrue\naccepted\n", "{said}");
}
