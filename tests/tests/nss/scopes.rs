//! An authority with a scope: whom it may vouch for, and whom not.

use std::sync::LazyLock;

use peerkey_tests::nss::{Usage, sent};
use peerkey_tests::pki::{Draft, Issued};

use crate::stage::{
    OUT_OF_SCOPE, Stage, UNKNOWN_ISSUER, UNTRUSTED_ISSUER, everyone, site, with_root,
};

struct World {
    root: Issued,
    first: Issued,
    second: Issued,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let root = Draft::ca("Corp Root").self_signed();
    let first = Draft::ca("Corp CA").signed_by(&root);
    World { second: Draft::ca("Corp Branch CA").signed_by(&first), first, root }
});

const SCOPED: &str = "
[authority.corp]
kind = 'x509'
anchors = ['anchors/corp.pem']
peers = ['.corp.example', '192.0.2.0/24', 'host.example']
[default]
accept = { any = ['corp'] }
";

/// Each way in which a server can present a certificate below the root.
fn presented(draft: impl Fn() -> Draft) -> Vec<(&'static str, Issued)> {
    let below = |issuer: &Issued| draft().signed_by(issuer);
    vec![
        ("leaf only", below(&WORLD.root)),
        ("leaf and root", with_root(&below(&WORLD.root), &WORLD.root)),
        ("an intermediate", below(&WORLD.first)),
        ("an intermediate and the root", with_root(&below(&WORLD.first), &WORLD.root)),
        ("two intermediates", below(&WORLD.second)),
        ("two intermediates and the root", with_root(&below(&WORLD.second), &WORLD.root)),
    ]
}

#[test]
fn in_scope_and_out_of_scope() {
    let site = site(&[("corp", WORLD.root.pem())], SCOPED);
    let stage = Stage::new(&site);
    let mut browser = stage.profile.start();
    for (name, inside) in [("www.corp.example", true), ("bank.example", false)] {
        let must: Option<&[&str]> = if inside { None } else { Some(&[OUT_OF_SCOPE]) };
        for (how, identity) in presented(|| Draft::server(name)) {
            everyone(&stage, &mut browser, &format!("{name}, {how}"), name, &identity, must);
        }
    }
}

#[test]
fn at_the_edges_of_a_scope() {
    let site = site(&[("corp", WORLD.root.pem())], SCOPED);
    let stage = Stage::new(&site);
    let check = |what: &str, draft: Draft, inside: bool| {
        let must: Option<&[&str]> = if inside { None } else { Some(&[OUT_OF_SCOPE]) };
        stage.tools(what, Usage::Server, &sent(&draft.signed_by(&WORLD.first)), must);
    };
    check("the domain itself", Draft::server("corp.example"), true);
    check("deep below", Draft::server("a.b.corp.example"), true);
    check("a wildcard below", Draft::server("*.corp.example"), true);
    check("a longer name", Draft::server("notcorp.example"), false);
    check("the domain above", Draft::server("example"), false);
    check("a wildcard above", Draft::server("*.example"), false);
    check("one host", Draft::server("host.example"), true);
    check("below one host", Draft::server("x.host.example"), false);
    check("an address inside", Draft::server("192.0.2.7"), true);
    check("an address outside", Draft::server("192.0.3.7"), false);
    check("an address of the other kind", Draft::server("2001:db8::7"), false);
    // Each name that a server could be asked for must be in scope.
    check("one name in, one out", Draft::server("www.corp.example").dns("bank.example"), false);
    check("a name in, an address out", Draft::server("www.corp.example").ip("203.0.113.1"), false);
}

/// The root is in the user's own database too: what the policy says of it counts.
#[test]
fn the_users_own_copy_of_the_root_is_scoped_too() {
    let site = site(&[("corp", WORLD.root.pem())], SCOPED);
    let stage = Stage::new(&site);
    stage.profile.database.import("corp", &WORLD.root.cert, "CT,C,C");
    let mut browser = stage.profile.start();
    for (name, inside) in [("www.corp.example", true), ("bank.example", false)] {
        let must: Option<&[&str]> = if inside { None } else { Some(&[OUT_OF_SCOPE]) };
        let identity = Draft::server(name).signed_by(&WORLD.first);
        everyone(&stage, &mut browser, name, name, &identity, must);
    }
}

/// An intermediate is the anchor; the user's own trust in its root is no way around it.
#[test]
fn an_intermediate() {
    let policy = SCOPED.replace("corp.pem", "first.pem");
    let site = site(&[("first", WORLD.first.pem())], &policy);
    let stage = Stage::new(&site);
    stage.profile.database.import("corp", &WORLD.root.cert, "CT,C,C");
    let mut browser = stage.profile.start();
    let inside = Draft::server("www.corp.example");
    let outside = || Draft::server("bank.example");
    let two = inside.clone().signed_by(&WORLD.second);
    let inside = inside.signed_by(&WORLD.first);
    everyone(&stage, &mut browser, "inside", "www.corp.example", &inside, None);
    everyone(&stage, &mut browser, "inside, two levels", "www.corp.example", &two, None);
    for issuer in [&WORLD.first, &WORLD.second] {
        let outside = outside().signed_by(issuer);
        // Firefox sees two ways that fail for different reasons, and names neither.
        let must = Some(&[OUT_OF_SCOPE, UNTRUSTED_ISSUER, UNKNOWN_ISSUER][..]);
        everyone(&stage, &mut browser, "outside", "bank.example", &outside, must);
    }
    let other = outside().signed_by(&WORLD.root);
    let must = Some(&[UNKNOWN_ISSUER, UNTRUSTED_ISSUER][..]);
    everyone(&stage, &mut browser, "another below the root", "bank.example", &other, must);
}

#[test]
fn without_a_scope_an_authority_vouches_for_everybody() {
    let policy = "
[authority.corp]
kind = 'x509'
anchors = ['anchors/corp.pem']
[default]
accept = { any = ['corp'] }
";
    let site = site(&[("corp", WORLD.root.pem())], policy);
    let stage = Stage::new(&site);
    let mut browser = stage.profile.start();
    for (how, identity) in presented(|| Draft::server("bank.example")) {
        everyone(&stage, &mut browser, how, "bank.example", &identity, None);
    }
}
