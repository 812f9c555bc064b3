//! A panic in each place where the host calls us: a refusal with a reason, and the host goes on.
//!
//! The panics are planted in a library that only tests build (peerkey-openssl-planted).

use std::fs;

use peerkey_tests::artifacts;
use peerkey_tests::desk::Desk;
use peerkey_tests::pki::Draft;
use peerkey_tests::run::{Run, run};
use peerkey_tests::site::Peerkey;

use crate::host::{GOOD, Hosts, NATIVE, ended};

const REASON: &str = "peerkey: no decision was possible: something failed inside peerkey (50)";

/// What three visits come to when this entry panics.
fn planted(entry: &str, settings: &str) -> String {
    let hosts = Hosts::new();
    hosts.site.provider_module_with(&artifacts::planted_provider(), settings);
    let mut host = hosts.host(Peerkey::On, "contexts", &["exit"]);
    let run = run(host.env("PEERKEY_PLANTED_PANIC", entry));
    assert_eq!(run.stderr, "", "nothing of it is on the host's standard error");
    let said = ended(run);
    said.strip_prefix("before: ").unwrap().trim_end().to_owned()
}

fn all_refused() -> String {
    ["fine", "denied", "pinned"].map(|who| format!("{who} refused: {REASON}")).join(", ")
}

#[test]
fn without_a_panic() {
    assert_eq!(planted("", ""), GOOD);
}

#[test]
fn at_init() {
    assert_eq!(planted("init", ""), all_refused());
    // What openssl.cnf says is not known then.
    assert_eq!(planted("init", "on-error = application"), all_refused());
}

#[test]
fn in_a_new_context() {
    assert_eq!(planted("new_ssl_ctx", ""), all_refused());
    // The hook at certificate stores still stands then, and holds denials.
    let said = planted("new_ssl_ctx", "on-error = application");
    assert!(said.contains("fine accepted, denied refused, pinned refused"), "{said}");
}

#[test]
fn in_a_verification() {
    assert_eq!(planted("verify_peer", ""), all_refused());
    assert_eq!(planted("verify_peer", "on-error = application"), NATIVE);
}

/// Where nothing of ours is left standing there is no sentence either.
#[test]
fn outside_of_everything() {
    let said = planted("verify", "on-error = application");
    assert_eq!(said.matches("refused").count(), 3, "{said}");
    assert_eq!(said.matches("(50)").count(), 3, "{said}");
}

/// In the middle of the program's own verification. (What is denied never comes so far.)
#[test]
fn in_a_step() {
    let of_its_own = REASON.replace("(50)", "(18)");
    let said = format!("fine refused: {REASON}, denied refused, pinned refused: {of_its_own}");
    assert_eq!(planted("on_step", ""), said);
    // The program's own verification has gone on without us.
    let native = NATIVE.replace("denied accepted", "denied refused");
    assert_eq!(planted("on_step", "on-error = application"), native);
}

#[test]
fn while_sqlite_reads() {
    let said = planted("sqlite", "");
    assert_eq!(said.matches("peerkey: no decision was possible: ").count(), 3, "{said}");
    assert_eq!(said.matches("policy-1.db: unable to open database file").count(), 3, "{said}");
    assert_eq!(planted("sqlite", "on-error = application"), NATIVE);
}

/// Only the offered protocols stay unknown.
#[test]
fn while_a_message_is_looked_at() {
    assert_eq!(planted("on_message", ""), GOOD);
    assert_eq!(planted("free_offer", ""), GOOD);
}

#[test]
fn while_openssl_asks_who_we_are() {
    let hosts = Hosts::new();
    hosts.site.provider_module_with(&artifacts::planted_provider(), "");
    let mut openssl = hosts.site.command("/usr/bin/openssl", Peerkey::On);
    openssl.args(["list", "-providers"]).env("PEERKEY_PLANTED_PANIC", "get_params");
    let said = run(&mut openssl).expect_ok("list").text();
    assert!(said.contains("peerkey"), "{said}");
}

/// `openssl verify` of one certificate that is fine and one that is denied, when this entry panics:
/// whether each is right, and what was said.
fn verified(entry: &str, settings: &str) -> ([bool; 2], Run) {
    let hosts = Hosts::new();
    hosts.site.provider_module_with(&artifacts::planted_provider(), settings);
    let mut openssl = hosts.site.command("/usr/bin/openssl", Peerkey::On);
    openssl.args(["verify", "-CAfile", "trust.pem", "fine.crt", "denied.crt"]);
    openssl.current_dir(hosts.site.path("")).env("PEERKEY_PLANTED_PANIC", entry);
    let run = run(&mut openssl);
    (["fine.crt: OK", "denied.crt: OK"].map(|line| run.stdout.contains(line)), run)
}

/// Both were refused for that reason: after the first one the program goes on.
#[track_caller]
fn both_refused(entry: &str, settings: &str) {
    let (right, run) = verified(entry, settings);
    assert_eq!(right, [false, false], "{entry}: {run}");
    let reasons = run.stderr.matches("no decision was possible: something failed inside peerkey");
    assert_eq!(reasons.count(), 2, "{entry}: {run}");
}

#[test]
fn outside_of_tls() {
    assert_eq!(verified("", "").0, [true, false]);
    both_refused("new_context", "");
    both_refused("store", "");
    // What the program itself would say is not known where the context could not be prepared.
    both_refused("new_context", "on-error = application");
    both_refused("store_judge", "");
    assert_eq!(verified("store_judge", "on-error = application").0, [true, true]);
    assert_eq!(verified("free_watch", "").0, [true, false]);
}

/// A rule for S/MIME opens nothing then.
#[test]
fn while_a_rule_for_mail_is_asked() {
    let (own, web) = (Draft::ca("Own Root").self_signed(), Draft::ca("Web Root").self_signed());
    let signer = Draft::mail("a@mail.example").signed_by(&web);
    let desk = Desk::new(&[&own]).policy(
        &web,
        "[authority.web]\nkind = 'x509'\nanchors = ['anchors/web.pem']\n[[rule]]\n\
         applications = ['/usr/bin/openssl']\nprotocols = ['smime']\n\
         accept = { any = ['application', 'web'] }\n",
    );
    desk.scene.site.provider_module_with(&artifacts::planted_provider(), "");
    let signer = desk.file("signer.pem", signer.pem());
    for (entry, why) in [
        ("", None),
        ("store_overrules", Some("error 20 at 0")),
        ("store", Some("something failed inside peerkey")),
    ] {
        let mut openssl = desk.command("/usr/bin/openssl", Peerkey::On);
        openssl.args(["verify", "-purpose", "smimesign", "-CAfile"]).arg(&desk.scene.trust);
        let run = run(openssl.arg(&signer).env("PEERKEY_PLANTED_PANIC", entry));
        assert_eq!(run.ok(), why.is_none(), "{entry}: {run}");
        assert!(run.stderr.contains(why.unwrap_or_default()), "{entry}: {run}");
    }
}

/// What is shipped has no such switch.
#[test]
fn the_provider_itself_knows_nothing_of_it() {
    let has = |library| {
        let bytes = fs::read(library).unwrap();
        let name = b"PEERKEY_PLANTED_PANIC";
        bytes.windows(name.len()).any(|window| window == name)
    };
    assert!(has(artifacts::planted_provider()));
    assert!(!has(artifacts::provider()));
}
