//! Certificates around keys that are remembered: what NSS is told of them, and when no longer.

use std::path::Path;

use openssl::x509::X509;
use peerkey_tests::nss::{Usage, sent};
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::run::{Run, run, until};
use peerkey_tests::site::Site;

use crate::pins::REFUSED;
use crate::stage::{Must, Stage, UNTRUSTED_CERT, everyone, firefox, https, site};

const ROUTER: &str = "router.lan";

/// A policy that remembers keys, with more in its authority, and with this rule.
fn policy(settings: &str, accept: &str) -> String {
    format!(
        "[authority.devices]\nkind = 'tofu'\n{settings}\n\
         [authority.others]\nkind = 'pin'\n[[authority.others.key]]\npeer = 'router.lan'\n\
         spki = ['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']\n\
         [[rule]]\npeers = ['.lan', '10.0.0.0/8']\naccept = {accept}\n"
    )
}

const ALONE: &str = "{ any = ['application', 'devices'] }";

fn remembering() -> Site {
    site(&[], &policy("", ALONE))
}

/// `peerkey keys` with these words, which has to do its work.
#[track_caller]
fn keys(site: &Site, words: &str) -> Run {
    let said = run(site.peerkey().arg("keys").args(words.split(' ')));
    assert!(said.ok(), "{words}: {said}");
    said
}

/// Writes a key down for a peer, with its certificate.
#[track_caller]
fn add(site: &Site, identity: &Issued, peer: &str, more: &str) {
    let file = site.write("leaf.pem", identity.pem());
    let words = format!("add {peer} --protocol https --yes --chain {}{more}", file.display());
    keys(site, &words);
}

/// What NSS's tools and Firefox make of an identity after somebody accepted its key for these peers.
#[track_caller]
fn added(what: &str, identity: &Issued, peers: &[&str], accepted: bool) {
    let site = remembering();
    let stage = Stage::new(&site);
    stage.tools(&format!("{what}, before"), Usage::Server, &sent(identity), Some(REFUSED));
    for peer in peers {
        add(&site, identity, peer, "");
    }
    let must: Must<'_> = if accepted { None } else { Some(REFUSED) };
    stage.tools(what, Usage::Server, &sent(identity), must);
    let server = https(identity);
    stage.tstclnt(what, ROUTER, server.address(), accepted);
    let mut browser = stage.profile.start();
    firefox(&mut browser, what, ROUTER, &server, must);
    for name in ["other.lan", "bank.example", ROUTER] {
        let forged = Draft::server(name).signed_by(identity).with_above(&[identity]);
        let what = format!("{what}: {name} forged with its key");
        everyone(&stage, &mut browser, &what, name, &forged, Some(REFUSED));
    }
}

#[test]
fn a_routers_own_certificate() {
    added("CA:FALSE", &Draft::server(ROUTER).self_signed(), &[ROUTER], true);
}

#[test]
fn one_below_a_ca_that_nobody_knows() {
    let ca = Draft::ca("Private CA").self_signed();
    added("below a CA", &Draft::server(ROUTER).signed_by(&ca), &[ROUTER], true);
}

#[test]
fn one_for_two_names_that_are_both_known() {
    let both = || Draft::server(ROUTER).ip("10.0.0.1").self_signed();
    added("both names", &both(), &[ROUTER, "10.0.0.1"], true);
    added("one of two names", &both(), &[ROUTER], false);
}

#[test]
fn names_beyond_the_peer() {
    let draft = || Draft::server(ROUTER);
    for (what, identity) in [
        ("another name", draft().dns("bank.example").self_signed()),
        ("a wildcard", draft().dns("*.lan").self_signed()),
        ("a name of an unknown kind", draft().uri("https://bank.example").self_signed()),
    ] {
        added(what, &identity, &[ROUTER], false);
    }
}

#[test]
fn what_could_be_taken_for_a_cas() {
    let draft = || Draft::server(ROUTER);
    for (what, identity) in [
        ("CA:TRUE", draft().as_ca().usages(&[]).self_signed()),
        ("no basicConstraints", draft().silent().self_signed()),
        ("version 1", draft().version1().self_signed()),
        ("expired", draft().expired().self_signed()),
    ] {
        added(what, &identity, &[ROUTER], false);
    }
}

#[test]
fn what_is_forgotten_is_refused_again() {
    let (site, router) = (remembering(), Draft::server(ROUTER).self_signed());
    let stage = Stage::new(&site);
    let server = https(&router);
    for undo in ["forget router.lan", "undo"] {
        add(&site, &router, ROUTER, "");
        stage.tools("remembered", Usage::Server, &sent(&router), None);
        firefox(&mut stage.profile.start(), "remembered", ROUTER, &server, None);
        keys(&site, undo);
        stage.tools(undo, Usage::Server, &sent(&router), Some(REFUSED));
        stage.tstclnt(undo, ROUTER, server.address(), false);
        firefox(&mut stage.profile.start(), undo, ROUTER, &server, Some(REFUSED));
    }
}

/// It has judged other certificates, and not this one: docs/nss.md.
#[test]
fn a_running_firefox_learns_of_a_key_and_of_its_end() {
    let (site, router) = (remembering(), Draft::server(ROUTER).self_signed());
    let stage = Stage::new(&site);
    let mut browser = stage.profile.start();
    let other = https(&Draft::server(ROUTER).self_signed());
    firefox(&mut browser, "a stranger", ROUTER, &other, Some(REFUSED));
    let server = https(&router);
    add(&site, &router, ROUTER, "");
    until("it is accepted", || browser.visit(ROUTER, server.address()).accepted());
    let second = Draft::server("printer.lan").self_signed();
    add(&site, &second, "printer.lan", "");
    keys(&site, "forget printer.lan");
    firefox(&mut browser, "forgotten", "printer.lan", &https(&second), Some(REFUSED));
}

#[test]
fn what_is_accepted_for_a_time() {
    let (site, router) = (remembering(), Draft::server(ROUTER).self_signed());
    let stage = Stage::new(&site);
    add(&site, &router, ROUTER, " --for 5s");
    stage.tools("for a time", Usage::Server, &sent(&router), None);
    std::thread::sleep(std::time::Duration::from_secs(6));
    stage.tools("its end", Usage::Server, &sent(&router), Some(REFUSED));
}

/// Nobody can pass over it, whoever else vouches.
#[test]
fn what_a_person_denied() {
    let root = Draft::ca("Root").self_signed();
    let router = Draft::server(ROUTER).signed_by(&root);
    let (site, other) = (remembering(), Draft::server(ROUTER).signed_by(&root));
    let stage = Stage::new(&site);
    stage.profile.database.import("root", &root.cert, "CT,C,C");
    stage.tools("before", Usage::Server, &sent(&router), None);
    add(&site, &router, ROUTER, "");
    keys(&site, "deny router.lan");
    let mut browser = stage.profile.start();
    everyone(&stage, &mut browser, "denied", ROUTER, &router, Some(&[UNTRUSTED_CERT]));
    everyone(&stage, &mut browser, "another key", ROUTER, &other, None);
    // Where no rule hangs on remembered keys, nobody asked.
    site.apply(
        "version = 1\n[[deny]]\nspki = 'sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='\n",
    );
    stage.tools("no longer", Usage::Server, &sent(&router), None);
}

/// Each is a router that was written down, under a policy for which that is not enough.
#[test]
fn where_the_policy_asks_for_more() {
    let router = Draft::server(ROUTER).self_signed();
    let chain = sent(&router);
    for (settings, accept, more) in [
        ("", "{ all = ['devices', 'others'] }", ""),
        ("", "{ any = ['others', 'application'] }", ""),
        ("users = false", ALONE, ""),
        ("min-age = '1day'", ALONE, ""),
        ("peers = ['.example']", ALONE, ""),
        ("protocols = ['imaps']", ALONE, ""),
        ("", ALONE, " --port 8443"),
    ] {
        let site = site(&[], &policy(settings, accept));
        add(&site, &router, ROUTER, more);
        let what = format!("{settings} {accept}{more}");
        Stage::new(&site).tools(&what, Usage::Server, &chain, Some(REFUSED));
    }
    // The administrator's word counts where users' does not.
    let site = site(&[], &policy("users = false", ALONE));
    add(&site, &router, ROUTER, " --system");
    Stage::new(&site).tools("the machine's", Usage::Server, &chain, None);
}

/// What the policy denies stays denied.
#[test]
fn a_denial_of_the_policys() {
    let router = Draft::server(ROUTER).self_signed();
    for denial in [format!("spki = '{}'", router.pin()), "certificate = 'anchors/r.pem'".into()] {
        let policy = format!("[[deny]]\n{denial}\n{}", policy("", ALONE));
        let site = site(&[("r", router.pem())], &policy);
        add(&site, &router, ROUTER, "");
        let stage = Stage::new(&site);
        stage.tools(&denial, Usage::Server, &sent(&router), Some(REFUSED));
    }
}

/// Its hash is not the CA's: NSS would forget all that it knows of the CA.
#[test]
fn one_with_the_issuer_and_serial_number_of_a_ca() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/docs.python.org.pem");
    let mut real = X509::stack_from_pem(&std::fs::read(file).unwrap()).unwrap();
    let builtin = real.pop().unwrap();
    let own = Draft::ca("Company Root").self_signed();
    let page = Draft::server("page.example").signed_by(&own);
    let more = "[authority.company]\nkind = 'x509'\nanchors = ['anchors/own.pem']\n";
    for word in ["add", "deny"] {
        let policy = format!("{more}{}", policy("", ALONE));
        let site = site(&[("own", own.pem())], &policy);
        let stage = Stage::new(&site);
        stage.profile.database.add_builtin_roots();
        stage.profile.database.import("own", &own.cert, "CT,C,C");
        for ca in [&builtin, &own.cert] {
            let router = Draft::server(ROUTER).passing_for(ca).self_signed();
            add(&site, &router, ROUTER, "");
            if word == "deny" {
                keys(&site, "deny router.lan");
            }
            let at = Some("2602010000Z");
            stage.tools_at(word, Usage::Server, &real, at, None);
            stage.tools(word, Usage::Server, &sent(&page), None);
            keys(&site, "forget router.lan");
        }
    }
}

/// Keys that cannot be read are nobody's word; everything else goes on.
#[test]
fn keys_that_cannot_be_read() {
    let root = Draft::ca("Root").self_signed();
    let page = Draft::server("page.example").signed_by(&root);
    let (site, router) = (remembering(), Draft::server(ROUTER).self_signed());
    let stage = Stage::new(&site);
    stage.profile.database.import("root", &root.cert, "CT,C,C");
    add(&site, &router, ROUTER, "");
    stage.tools("whole", Usage::Server, &sent(&router), None);
    std::fs::write(site.path("state/uid/0/keys.db"), "nonsense ".repeat(1000)).unwrap();
    stage.tools("damaged", Usage::Server, &sent(&router), Some(REFUSED));
    stage.tools("others", Usage::Server, &sent(&page), None);
}
