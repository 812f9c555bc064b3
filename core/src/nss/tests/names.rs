//! What rules, scopes and a CA's own constraints make of names.

use super::*;
use crate::pattern::Pattern;
use crate::peer::Name;
use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};

use super::super::anchors::Questions;
use super::super::judge::Voter;
use super::super::usage::Usage;

/// Whether an anchor of `corp` alone is enough for a name.
fn accepts(policy: &Policy, usage: Usage, voter: &Voter, name: &str) -> bool {
    let questions = Questions::new(policy, usage, NOW, &[]);
    let name = Name::parse(name).unwrap();
    questions.judge.accepts(&questions.judge.decides(&name), voter, &name, &[])
}

fn corp(application: bool) -> Voter {
    Voter { authorities: vec![1], application, ..Voter::default() }
}

fn with_rules(rules: &str) -> Policy {
    let root = Issuer::root("Corp Root");
    let text = format!(
        "[authority.corp]\nkind = \"x509\"\nanchors = [\"corp.pem\"]\npeers = [\".example\", \"@a.example\"]\n{rules}"
    );
    policy(&text, &[("corp.pem", &root.pem())])
}

#[test]
fn the_first_rule_that_matches_decides() {
    let policy = with_rules(
        "[[rule]]\npeers = [\"a.example\"]\naccept = { any = [\"application\"] }\n\
         [[rule]]\npeers = [\".example\"]\naccept = { any = [\"corp\"] }\n\
         [[rule]]\npeers = [\"b.example\", \".test\"]\naccept = { any = [\"corp\", \"application\"] }\n",
    );
    let server = |application, name| accepts(&policy, Usage::Server, &corp(application), name);
    assert!(!server(false, "a.example") && server(true, "a.example"));
    assert!(server(false, "b.example"));
    assert!(!server(false, "c.test"), "the authority's scope");
    assert!(server(true, "c.test") && server(true, "else.where") && !server(false, "else.where"));
    assert!(!accepts(
        &policy,
        Usage::Server,
        &Voter { application: true, ..Voter::default() },
        "b.example"
    ));
}

#[test]
fn a_rule_for_some_programs_binds_all() {
    let opened = with_rules(
        "[[rule]]\npeers = [\".example\"]\napplications = [\"/usr/bin/psql\"]\naccept = { any = [\"corp\"] }\n",
    );
    assert!(!accepts(&opened, Usage::Server, &corp(false), "a.example"), "for psql alone");
    let policy = with_rules(
        "[[rule]]\npeers = [\".example\"]\napplications = [\"/usr/bin/psql\"]\naccept = { any = [\"application\"] }\n\
         [[rule]]\npeers = [\".example\"]\naccept = { any = [\"corp\"] }\n",
    );
    assert!(!accepts(&policy, Usage::Server, &corp(false), "a.example"));
    assert!(accepts(&policy, Usage::Server, &corp(true), "a.example"));
}

#[test]
fn rules_count_for_their_usage_and_their_time() {
    let policy = with_rules(
        "[[rule]]\npeers = [\".example\"]\nprotocols = [\"ldap\"]\naccept = { any = [\"application\"] }\n\
         [[rule]]\npeers = [\".example\"]\nuntil = 2025-01-01\naccept = { any = [\"application\"] }\n\
         [[rule]]\npeers = [\".example\"]\nmode = \"monitor\"\nprotocols = [\"smime\"]\naccept = { any = [\"corp\"] }\n\
         [[rule]]\nrole = \"client\"\npeers = [\".example\"]\naccept = { any = [\"corp\"] }\n\
         [default]\naccept = { any = [\"corp\"] }\n",
    );
    assert!(accepts(&policy, Usage::Server, &corp(false), "a.example"));
    assert!(accepts(&policy, Usage::Client, &corp(false), "a.example"));
    assert!(!accepts(&policy, Usage::Client, &corp(false), "a.test"), "a claim grants nothing");
    assert!(accepts(&policy, Usage::Email, &corp(false), "x@a.example"));
}

#[test]
fn votes_are_counted() {
    let policy = with_rules(
        "[authority.two]\nkind = \"x509\"\nanchors = [\"corp.pem\"]\n\
         [[rule]]\npeers = [\"a.example\"]\naccept = { all = [\"corp\", \"two\"] }\n\
         [[rule]]\npeers = [\"b.example\"]\naccept = { at-least = 2, of = [\"corp\", \"two\", \"application\"] }\n",
    );
    assert!(!accepts(&policy, Usage::Server, &corp(true), "a.example"));
    assert!(accepts(&policy, Usage::Server, &corp(true), "b.example"));
    assert!(!accepts(&policy, Usage::Server, &corp(false), "b.example"));
    let both = Voter { authorities: vec![1, 2], ..Voter::default() };
    assert!(accepts(&policy, Usage::Server, &both, "a.example"));
}

#[test]
fn what_a_ca_says_of_itself_holds_in_its_twin() {
    let mut own = ca("Corp Root");
    own.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("corp.example".into()),
            GeneralSubtree::IpAddress(CidrSubnet::V4([10, 0, 0, 0], [255, 0, 0, 0])),
        ],
        excluded_subtrees: vec![GeneralSubtree::DnsName("secret.corp.example".into())],
    });
    let own = rcgen::CertifiedIssuer::self_signed(own, KeyPair::generate().unwrap()).unwrap();
    let text = "[authority.corp]\nkind = \"x509\"\nanchors = [\"corp.pem\"]\n\
                [default]\naccept = { any = [\"corp\"] }";
    let policy = policy(text, &[("corp.pem", &own.pem())]);
    let root = Certificate::from_der(own.der()).unwrap();
    let objects = objects(&policy);
    let twins = objects.twins(&root);
    let server = twins.iter().find(|(_, trust)| trust[0] == TD).unwrap();
    let limits = super::super::limits::NameLimits::of(&server.0).unwrap().unwrap();
    let allows = |name: &str| limits.allow(&Name::parse(name).unwrap());
    assert!(allows("a.corp.example") && allows("10.1.2.3"));
    for outside in ["secret.corp.example", "a.secret.corp.example", "bank.example", "11.1.1.1"] {
        assert!(!allows(outside), "{outside}");
    }
    assert!(Pattern::parse(".corp.example").is_ok_and(|p| limits.patterns().contains(&p)));
}
