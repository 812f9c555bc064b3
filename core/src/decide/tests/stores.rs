//! Where a program verifies with a certificate store of its own: what holds there, and what does not.

use super::world::*;
use crate::decide::Application;
use crate::policy::{Accept, Scope};
use crate::query::{Fact, Query, Role};

const CURL: &str = "/usr/bin/curl";

fn ask(world: &World, query: &Query, application: &Application) -> bool {
    world.at_store(query, |decision| decision.conclude(application).unwrap().is_accept())
}

/// A rule that is written for S/MIME, of a mail CA.
fn world_for_mail(root: &Ca) -> World {
    let mut world = World::new();
    let mail = world.x509("mail", Scope::default(), &[&root.certificate()]);
    world.rule(&["@mail.example"], &["smime"], any(&[0, mail])).applications =
        Some(vec![CURL.into()]);
    world
}

fn signer(root: &Ca, name: &str, sans: &[&str]) -> Query {
    let mut params = params(name, sans);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::EmailProtection];
    claim(Role::Client, "smime", &root.issue(params), &[])
}

#[test]
fn rules_for_connections_neither_open_nor_shut_a_store() {
    let root = Ca::root("Web");
    let mut world = World::new();
    let web = world.x509("web", Scope::default(), &[&root.certificate()]);
    for role in [None, Some(Role::Client), Some(Role::Server)] {
        world.rule(&[], &[], any(&[web])).role = role;
        world.rule(&[], &["smime"], any(&[web])).role = role;
    }
    world.policy.default = any(&[web]);
    let query = signer(&root, "", &["alice@mail.example"]);
    assert!(!ask(&world, &query, &no_path()));
    world.at_store(&query, |decision| assert!(!decision.overrules(&[]).unwrap()));
    let nobody = signer(&root, "Acme Software", &[]);
    world.at_store(&nobody, |decision| assert!(!decision.overrules(&[]).unwrap()));
    let foreign = signer(&Ca::root("Other"), "", &["alice@mail.example"]);
    assert!(ask(&world, &foreign, &Application::Accepts), "[default] is about connections");
    world.compiled(|policy| assert!(!policy.reaches_stores()));
}

#[test]
fn a_rule_for_mail_grants_what_every_name_allows() {
    let root = Ca::root("Mail");
    let world = world_for_mail(&root);
    world.compiled(|policy| assert_eq!(policy.meta().smime_rules, 1));
    for (name, sans, accepted) in [
        ("Alice", &["alice@mail.example"][..], true),
        ("alice@mail.example", &["alice@mail.example"], true),
        ("", &["alice@mail.example", "bob@mail.example"], true),
        ("", &["alice@mail.example", "boss@other.example"], false),
        ("boss@other.example", &["alice@mail.example"], false),
        ("", &["alice@mail.example", "https://other.example/"], false),
        ("", &["mail.example"], false),
        ("Alice", &[], false),
    ] {
        let query = signer(&root, name, sans);
        assert_eq!(ask(&world, &query, &no_path()), accepted, "{name} {sans:?}");
        assert!(ask(&world, &query, &Application::Accepts), "{name} {sans:?}");
    }
}

#[test]
fn a_rule_for_mail_needs_the_program_and_the_purpose() {
    let root = Ca::root("Mail");
    let world = world_for_mail(&root);
    let query = signer(&root, "", &["alice@mail.example"]);
    for other in [
        Query { application: Fact::Unknown, ..query.clone() },
        Query { application: Fact::Known("/usr/bin/true".into()), ..query.clone() },
        Query { protocol: Fact::Unknown, ..query.clone() },
    ] {
        assert!(!ask(&world, &other, &no_path()));
    }
    assert!(ask(&world, &query, &no_path()));
    assert!(!world.accepts(&query, &no_path()), "nor is it one for a handshake");
}

#[test]
fn a_constraint_knows_who_names_nobody() {
    let root = Ca::root("Limited");
    let limited = |scope: Scope, query: &Query| {
        let mut world = World::new();
        world.constrain_to(&root.certificate(), scope);
        world.at_store(query, |decision| decision.rules_out(&root.certificate()).unwrap().is_some())
    };
    let ca =
        claim(Role::Client, "smime", &Leaf { certificate: root.below("ca.x").certificate() }, &[]);
    let plain_ca = claim(
        Role::Client,
        "smime",
        &Leaf { certificate: root.below("Sub CA").certificate() },
        &[],
    );
    for (query, by_peers, by_protocols) in [
        (signer(&root, "Acme Software", &[]), false, true),
        (signer(&root, "", &[]), false, true),
        (signer(&root, "bank.example", &[]), true, true),
        (signer(&root, "*.bank.example", &[]), true, true),
        (signer(&root, "", &["bank.example"]), true, true),
        (signer(&root, "", &["bank.br"]), false, true),
        (signer(&root, "", &["bank.br", "spiffe://bank.example/"]), true, true),
        (plain_ca, false, false),
        (ca, true, true),
    ] {
        let names = query.evidence.leaf.as_ref().map(ToString::to_string);
        assert_eq!(limited(scope(&[".br"], &[]), &query), by_peers, "{names:?}");
        assert_eq!(limited(scope(&[], &["https"]), &query), by_protocols, "{names:?}");
    }
    let mail = signer(&root, "", &["alice@mail.example"]);
    assert!(!limited(scope(&["@mail.example"], &["smime"]), &mail));
    let other = Query { protocol: Fact::Unknown, ..mail };
    assert!(limited(scope(&["@mail.example"], &["smime"]), &other));
    assert!(!limited(scope(&["@mail.example"], &[]), &other));
}

#[test]
fn a_rule_for_mail_may_refuse() {
    let root = Ca::root("Mail");
    let mut world = World::new();
    world.rule(&["@mail.example"], &["smime"], Accept::Any(vec![])).applications =
        Some(vec![CURL.into()]);
    assert!(!ask(&world, &signer(&root, "", &["a@mail.example"]), &Application::Accepts));
    assert!(ask(&world, &signer(&root, "", &["a@other.example"]), &Application::Accepts));
}
