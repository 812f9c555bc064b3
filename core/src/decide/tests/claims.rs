//! A claim limits, and never grants beyond what the program itself accepts.

use super::world::*;
use crate::decide::Application;
use crate::policy::{Accept, Scope};
use crate::query::Role;
use crate::verdict::Reason;

/// A public CA that may vouch for servers, and a server program with a private CA for its clients.
fn world_for_servers(root: &Ca) -> World {
    let mut world = World::new();
    let web = world.x509("web", Scope::default(), &[&root.certificate()]);
    world.rule(&[".example"], &[], any(&[web]));
    world
}

#[test]
fn a_rule_for_servers_opens_nothing_to_clients() {
    let root = Ca::root("Web");
    let world = world_for_servers(&root);
    let query = claim(Role::Client, "https", &root.leaf(&["a.example"]), &[]);
    assert!(!world.accepts(&query, &no_path()));
    world.with(&query, |decision| assert!(!decision.overrules(&[]).unwrap()));
    assert!(world.accepts(&query, &Application::Accepts), "[default] is for it");
}

#[test]
fn a_server_that_nobody_expects_is_limited_and_granted_nothing() {
    let root = Ca::root("Web");
    let world = world_for_servers(&root);
    let vouched = claim(Role::Server, "https", &root.leaf(&["a.example"]), &[]);
    assert!(!world.accepts(&vouched, &no_path()), "a claim grants nothing");
    assert!(world.accepts(&vouched, &Application::Accepts));
    let unvouched = claim(Role::Server, "https", &Leaf::self_signed(&["a.example"]), &[]);
    assert!(!world.accepts(&unvouched, &Application::Accepts), "the rule for a.example limits");
}

#[test]
fn a_rule_for_clients_grants_what_every_name_allows() {
    let (root, mut world) = (Ca::root("Corp"), World::new());
    let corp =
        world.x509("corp", scope(&[".corp.example", "@corp.example"], &[]), &[&root.certificate()]);
    world.rule(&[".corp.example", "@corp.example"], &[], any(&[corp])).role = Some(Role::Client);
    let ask = |params| {
        let query = claim(Role::Client, "https", &root.issue(params), &[]);
        world.verdict(&query, &no_path())
    };
    assert!(ask(params("", &["db.corp.example"])).is_accept());
    assert!(ask(params("db.corp.example", &["db.corp.example", "x@corp.example"])).is_accept());
    for (name, sans) in [
        ("", &["db.corp.example", "bank.example"][..]),
        ("root", &["db.corp.example"]),
        ("db.corp.example", &[]),
        ("", &[]),
        ("", &["db.corp.example", "spiffe://corp.example/db"]),
        ("", &["*.example"]),
    ] {
        assert!(!ask(params(name, sans)).is_accept(), "{name} {sans:?}");
    }
}

#[test]
fn names_that_cannot_be_told_are_held_to_every_rule() {
    let (root, mut world) = (Ca::root("Corp"), World::new());
    let corp = world.x509("corp", Scope::default(), &[&root.certificate()]);
    world.rule(&[".corp.example"], &[], any(&[corp])).role = Some(Role::Client);
    let private = Ca::root("Private");
    let query = claim(Role::Client, "https", &private.issue(params("alice", &[])), &[]);
    let reason = world.reason(&query, &Application::Accepts);
    assert!(matches!(&reason, Reason::NoUsableClaim(why) if why.contains("alice")), "{reason}");
    let free = World::new();
    assert!(free.accepts(&query, &Application::Accepts), "no rule tells names apart");
}

#[test]
fn a_wildcard_is_held_to_the_rules_for_all_that_it_covers() {
    let mut world = World::new();
    world.rule(&["secret.corp.example"], &[], Accept::Any(vec![]));
    world.rule(&[".deep.corp.example"], &["imap"], Accept::Any(vec![]));
    let ask = |protocol, san: &str| {
        let query = claim(Role::Server, protocol, &Leaf::self_signed(&[san]), &[]);
        world.accepts(&query, &Application::Accepts)
    };
    assert!(!ask("https", "*.corp.example"), "secret is below it");
    assert!(ask("https", "*.deep.corp.example"));
    assert!(!ask("imap", "*.corp.example"), "deep is below it");
    assert!(!ask("imap", "*.deep.corp.example"));
    assert!(ask("https", "*.example"), "one label only");
}

#[test]
fn the_connected_address_adds_limits_and_lifts_none() {
    let mut world = World::new();
    world.rule(&["10.0.0.0/8"], &[], any(&[0]));
    world.rule(&["192.0.2.0/24", "bank.example"], &[], Accept::Any(vec![]));
    let ask = |san: &str, address: &str| {
        let mut query = claim(Role::Server, "mysql", &Leaf::self_signed(&[san]), &[]);
        query.locator = Some(address.parse().unwrap());
        world.accepts(&query, &Application::Accepts)
    };
    assert!(ask("a.example", "10.1.1.1"));
    assert!(ask("a.example", "198.51.100.1"));
    assert!(!ask("a.example", "192.0.2.1"), "the rule for the address");
    assert!(!ask("bank.example", "10.1.1.1"), "the rule for the name holds all the same");
}
