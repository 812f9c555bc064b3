//! Denials end, constraints limit, and another path is looked for before the answer is no.

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};

use super::world::*;
use crate::decide::Application;
use crate::policy::{Accept, DenialTarget, Scope};
use crate::query::{ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};
use crate::verdict::Reason;

#[test]
fn a_denied_key_or_leaf_ends_the_decision() {
    let leaf = Leaf::self_signed(&["a.example"]);
    let certificate = &leaf.certificate;
    for target in [
        DenialTarget::Key(leaf.key().hash()),
        DenialTarget::Certificate(certificate.signed_fingerprint()),
        DenialTarget::IssuerSerial {
            issuer: certificate.issuer().to_vec(),
            serial: [&[0, 0], certificate.serial()].concat(),
        },
    ] {
        let mut world = World::new();
        let pins = world.pin("pins", "a.example", &[], &[&leaf.key()]);
        world.rule(&[], &[], any(&[0, pins]));
        world.deny(target);
        let query = server("a.example", "https", &leaf, &[]);
        world.with(&query, |decision| {
            assert!(!decision.consults_application());
            assert!(!decision.overrules(&[]).unwrap());
        });
        let reason = world.reason(&query, &Application::Accepts);
        assert!(reason.rank() >= 5, "{reason}");
    }
}

#[test]
fn a_denied_ca_is_taken_out_and_a_binding_can_still_hold() {
    let root = Ca::root("Web");
    let middle = root.below("Web Issuing");
    let leaf = middle.leaf(&["a.example", "b.example"]);
    for ca in [&root, &middle] {
        let mut world = World::new();
        let web = world.x509("web", Scope::default(), &[&root.certificate()]);
        let pins = world.pin("pins", "b.example", &[], &[&leaf.key()]);
        world.rule(&["a.example"], &[], any(&[web]));
        world.rule(&["b.example"], &[], any(&[web, pins]));
        let key = crate::key::Key::from_spki(ca.certificate().spki(), &Ring).unwrap();
        world.deny(DenialTarget::Key(key.hash()));
        let path = server("a.example", "https", &leaf, &[&middle]);
        assert!(!world.accepts(&path, &no_path()));
        let pinned = server("b.example", "https", &leaf, &[&middle]);
        assert!(world.accepts(&pinned, &no_path()));
        world.with(&pinned, |decision| {
            assert!(decision.rules_out(&ca.certificate()).unwrap().is_some());
            let excluded = if std::ptr::eq(ca, &middle) { &[0][..] } else { &[] };
            assert_eq!(decision.excluded(), excluded);
        });
    }
}

#[test]
fn a_constraint_holds_a_ca_to_its_peers_wherever_it_stands() {
    let root = Ca::root("Web");
    let state = root.below("State");
    let world = || {
        let mut world = World::new();
        let web = world.x509("web", Scope::default(), &[&root.certificate()]);
        world.rule(&[], &[], any(&[web]));
        world.constrain(&state.certificate(), &[".br"]);
        world
    };
    let leaf = state.leaf(&["gov.br", "bank.example"]);
    let world = world();
    assert!(world.accepts(&server("gov.br", "https", &leaf, &[&state]), &no_path()));
    let bank = server("bank.example", "https", &leaf, &[&state]);
    assert!(!world.accepts(&bank, &no_path()));
    world.with(&bank, |decision| assert_eq!(decision.excluded(), [0]));

    // The same key under another name is the same CA; an unlimited CA beside it still may.
    let renamed = root.certify_key("Innocent", state.key_pair());
    let leaf = renamed.leaf(&["bank.example"]);
    let bank = server("bank.example", "https", &leaf, &[&renamed]);
    assert!(!world.accepts(&bank, &no_path()));
    let free = root.below("Free");
    let leaf = free.leaf(&["bank.example"]);
    assert!(world.accepts(&server("bank.example", "https", &leaf, &[&state, &free]), &no_path()));
}

#[test]
fn of_several_hosts_each_is_held_to_the_constraint_for_itself() {
    let root = Ca::root("Web");
    let state = root.below("State");
    let mut world = World::new();
    let web = world.x509("web", Scope::default(), &[&root.certificate()]);
    world.rule(&[], &[], any(&[web]));
    world.constrain(&state.certificate(), &[".br"]);
    let ask = |leaf: &Leaf| {
        let mut query = server("gov.br", "https", leaf, &[&state]);
        let hosts = ["gov.br", "bank.example"].map(|name| ExpectedHost::Exact(host(name)));
        query.peer = Peer::Expected(ExpectedPeer { hosts: hosts.to_vec(), ..Default::default() });
        world.with(&query, |decision| assert!(decision.excluded().is_empty()));
        world.accepts(&query, &no_path())
    };
    assert!(ask(&state.leaf(&["gov.br"])));
    assert!(!ask(&state.leaf(&["bank.example"])));
}

#[test]
fn another_path_is_looked_for_before_the_answer_is_no() {
    let (limited, good) = (Ca::root("Limited"), Ca::root("Good"));
    let by_limited = limited.below("Issuing");
    let by_good = good.certify_key("Issuing", by_limited.key_pair());
    let mut world = World::new();
    let anchors = [&limited.certificate(), &good.certificate()];
    let web = world.x509("web", Scope::default(), &anchors);
    world.rule(&[], &[], any(&[web]));
    world.constrain(&limited.certificate(), &[".br"]);
    let leaf = by_limited.leaf(&["bank.example"]);
    for cas in [&[&by_limited, &by_good][..], &[&by_good, &by_limited]] {
        assert!(world.accepts(&server("bank.example", "https", &leaf, cas), &no_path()));
    }
    let query = server("bank.example", "https", &leaf, &[&by_limited]);
    let text = world.reason(&query, &no_path()).to_string();
    assert!(text.contains("Limited") && text.contains(".br"), "{text}");
}

#[test]
fn a_constraint_holds_for_claims_and_unknown_protocols_too() {
    let root = Ca::root("Web");
    let mut world = World::new();
    world.constrain(&root.certificate(), &[".br"]);
    world.policy.constraints[0].scope.protocols =
        Some(vec![crate::protocol::Protocol::parse("https").unwrap()]);
    let rules_out = |query| world.with(&query, |d| d.rules_out(&root.certificate()).unwrap());
    let leaf = root.leaf(&["a.br", "b.br"]);
    let mut query = server("a.br", "https", &leaf, &[]);
    assert_eq!(rules_out(query.clone()), None);
    query.peer = Peer::Claimed;
    assert_eq!(rules_out(query.clone()), None);
    query.protocol = Fact::Unknown;
    assert!(rules_out(query).is_some());
    let mut query = server("a.br", "https", &root.leaf(&["a.br", "bank.example"]), &[]);
    query.peer = Peer::Claimed;
    assert!(matches!(rules_out(query), Some(Reason::ConstraintBroken { .. })));
}

#[test]
fn what_the_program_found_through_a_ruled_out_ca_is_no_path() {
    let root = Ca::root("Web");
    let leaf = root.leaf(&["bank.example"]);
    let mut world = World::new();
    let pins = world.pin("pins", "bank.example", &[], &[&leaf.key()]);
    world.rule(&["bank.example"], &["https"], any(&[0, pins]));
    world.constrain(&root.certificate(), &[".br"]);
    let mut query = server("bank.example", "https", &leaf, &[]);
    let ruled_out = |query: &crate::query::Query| {
        let reason = world.with(query, |d| d.rules_out(&root.certificate()).unwrap().unwrap());
        Application::RuledOut(reason)
    };
    assert!(world.accepts(&query, &ruled_out(&query)), "the pin holds");
    query.protocol = crate::protocol::Protocol::parse("imap").into();
    let reason = world.reason(&query, &ruled_out(&query));
    assert!(matches!(reason, Reason::ConstraintBroken { .. }), "{reason}");
}

#[test]
fn a_crl_of_the_policy_revokes() {
    let root = Ca::root("Corp");
    let (leaf, good) = (root.leaf(&["a.example"]), root.leaf(&["a.example"]));
    let crl = |revoked: &Leaf, next_update| {
        let params = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2025, 1, 1),
            next_update: rcgen::date_time_ymd(next_update, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from_slice(revoked.certificate.serial()),
                revocation_time: rcgen::date_time_ymd(2025, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&root.issuer).unwrap().der().to_vec()
    };
    let ask = |crl, leaf| {
        let mut world = World::new();
        let anchors = [&root.certificate()];
        let corp = world.x509_with_crls("corp", Scope::default(), &anchors, vec![crl]);
        world.rule(&[], &[], any(&[corp]));
        world.verdict(&server("a.example", "https", leaf, &[]), &no_path())
    };
    assert!(ask(crl(&leaf, 2039), &good).is_accept());
    assert!(!ask(crl(&leaf, 2039), &leaf).is_accept());
    assert!(!ask(crl(&leaf, 2026), &good).is_accept(), "an expired CRL says nothing");
}

#[test]
fn a_limit_to_protocols_holds_for_every_protocol_that_it_could_be() {
    let (root, mut world) = (Ca::root("Corp"), World::new());
    world.constrain_to(&root.certificate(), scope(&[], &["https"]));
    // A rule elsewhere, so that https is one of the values that are tried.
    world.rule(&["other.example"], &["https"], Accept::Any(vec![]));
    let known = claim(Role::Server, "https", &root.leaf(&["a.example"]), &[]);
    let unknown = Query { protocol: Fact::Unknown, ..known.clone() };
    let ruled_out = |query: &Query| {
        world.with(query, |decision| decision.rules_out(&root.certificate()).unwrap().is_some())
    };
    assert!(!ruled_out(&known));
    assert!(ruled_out(&unknown), "it could be any other");
}

#[test]
fn a_constraint_is_told_with_what_it_limits() {
    let root = Ca::root("Corp");
    let query = server("a.example", "https", &root.leaf(&["a.example"]), &[]);
    for (peers, protocols, words) in [
        (&[".br", ".pt"][..], &[][..], "holds it to .br, .pt"),
        (&[], &["ldap", "imap"], "holds it to ldap, imap"),
        (&[".br"], &["ldap"], "holds it to .br over ldap"),
    ] {
        let mut world = World::new();
        world.constrain_to(&root.certificate(), scope(peers, protocols));
        let reason = world.with(&query, |d| d.rules_out(&root.certificate()).unwrap().unwrap());
        assert!(reason.to_string().contains(words), "{reason}");
        assert!(!reason.to_string().contains('*'), "{reason}");
    }
}
