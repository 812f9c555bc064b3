//! Allocators of the host's own, and tools that watch every access.

use peerkey_tests::run::run;
use peerkey_tests::site::Peerkey;

use crate::host::{Hosts, ended, good};

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
