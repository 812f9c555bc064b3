//! Library contexts that come and go, and what a program does at its end.

use peerkey_tests::run::run;
use peerkey_tests::site::Peerkey;

use crate::host::{GOOD, Hosts, ended, good};

#[test]
fn without_peerkey_the_hosts_say_otherwise() {
    let hosts = Hosts::new();
    let said = run(&mut hosts.host(Peerkey::Off, "contexts", &["exit"])).stdout;
    assert_eq!(said, format!("before: {}\nend\n", crate::host::NATIVE));
}

#[test]
fn several_library_contexts() {
    let all = [
        "default",
        "second",
        "third",
        "default again",
        "third without the second",
        "default alone",
        "a new client",
    ];
    assert_eq!(Hosts::new().said("contexts", &["two"]), good(&all));
}

/// Freeing the library context that loaded the module must not take the code of the hook with it.
#[test]
fn a_library_context_of_its_own_that_is_freed() {
    let all = ["private", "private", "private", "default"];
    assert_eq!(Hosts::new().said("contexts", &["private"]), good(&all));
}

#[test]
fn unloaded_and_loaded_again() {
    let all = ["before"].into_iter().chain(["unloaded", "a new client"].repeat(3));
    assert_eq!(Hosts::new().said("contexts", &["unload"]), good(&all.collect::<Vec<_>>()));
}

#[test]
fn a_default_context_of_a_thread() {
    assert_eq!(Hosts::new().said("contexts", &["own-default"]), good(&["default", "own default"]));
}

#[test]
fn cleaned_up() {
    assert_eq!(
        Hosts::new().said("contexts", &["cleanup"]),
        format!("before: {GOOD}\nafter: none\n")
    );
}

#[test]
fn exit_with_live_contexts() {
    assert_eq!(Hosts::new().said("contexts", &["exit"]), good(&["before"]));
    // What the C library calls at the end comes before what is printed is written out.
    assert_eq!(Hosts::new().said("contexts", &["at-exit"]), good(&["at exit"]));
}

/// What is under an index of one registry must not be taken for what is under it in another.
#[test]
fn verifications_of_two_registries() {
    let said = |peerkey| ended(run(&mut Hosts::new().host(peerkey, "registries", &["stores"])));
    // At a certificate store no pin grants, and each is judged in both registries.
    let lines = |denied: &str| {
        [("fine", "accepted (0)"), ("denied", denied), ("pinned", "refused (18)")]
            .map(|(who, result)| format!("{who}: {result}\n").repeat(2))
            .concat()
    };
    assert_eq!(said(Peerkey::Off), lines("accepted (0)"));
    assert_eq!(said(Peerkey::On), lines("refused (50)"));
}

#[test]
fn a_registry_that_never_heard_of_us() {
    let said = Hosts::new().said("registries", &["strange"]);
    let with_alpn = "with ALPN: accepted\n";
    let [before, after] = [&["default", "strange"][..], &["default again"]].map(good);
    assert_eq!(said, before + with_alpn + &after);
}
