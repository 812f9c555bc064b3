//! What authorities grant, and what a grant may overrule.

use rcgen::ExtendedKeyUsagePurpose;

use super::world::*;
use crate::decide::{Application, Fault};
use crate::policy::{Accept, Mode, Program, Scope};
use crate::protocol::Protocol;
use crate::query::{ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};
use crate::verdict::{Finding, Node, Outcome, Reason};

#[test]
fn the_shipped_policy_says_what_the_program_says() {
    let world = World::new();
    let query = server("a.example", "https", &Leaf::self_signed(&["a.example"]), &[]);
    world.with(&query, |decision| assert!(decision.consults_application()));
    assert!(world.accepts(&query, &Application::Accepts));
    assert_eq!(world.reason(&query, &no_path()), Reason::Application("unknown issuer".into()));
}

#[test]
fn an_authority_vouches_within_its_scope_alone() {
    let (root, mut world) = (Ca::root("Corp"), World::new());
    let middle = root.below("Corp Issuing");
    let corp =
        world.x509("corp", scope(&[".corp.example"], &["https", "ldap"]), &[&root.certificate()]);
    world.rule(&[], &[], any(&[corp]));
    let leaf = middle.leaf(&["db.corp.example", "bank.example"]);
    let ask =
        |peer, protocol| world.verdict(&server(peer, protocol, &leaf, &[&middle]), &no_path());
    assert!(ask("db.corp.example", "https").is_accept());
    assert!(ask("db.corp.example", "ldaps").is_accept(), "STARTTLS or not is one protocol");
    assert!(!ask("bank.example", "https").is_accept(), "another peer");
    assert!(!ask("db.corp.example", "imap").is_accept(), "another protocol");
    let query = server("db.corp.example", "https", &leaf, &[]);
    assert!(!world.accepts(&query, &no_path()), "the issuing certificate is missing");
    let text = world.reason(&query, &no_path()).to_string();
    assert!(text.contains("Corp Issuing") && text.contains("rule 1"), "{text}");
}

#[test]
fn a_path_that_was_found_is_one_as_long_as_all_that_it_goes_through_holds() {
    const END_OF_2027: i64 = 1_830_297_600;
    let (root, mut world) = (Ca::root("Corp"), World::new());
    let middle = root.below_until("Corp Issuing", 2028);
    let corp = world.x509("corp", Scope::default(), &[&root.certificate()]);
    world.rule(&[], &[], any(&[corp]));
    let mut serving = params("", &["a.example"]);
    serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf = middle.issue(serving);
    let ask = |cas: &[&Ca], time| {
        let query = Query { time, ..server("a.example", "https", &leaf, cas) };
        world.accepts(&query, &no_path())
    };
    // In this order: what was found at one moment is asked for at another.
    for time in [NOW, END_OF_2027, NOW] {
        assert!(ask(&[&middle], time), "{time}");
        assert!(!ask(&[&middle], END_OF_2027 + 1) && !ask(&[], time), "{time}");
    }
    let other = Ca::root("Corp").below("Corp Issuing");
    let forged = other.leaf(&["a.example"]);
    assert!(!world.accepts(&server("a.example", "https", &forged, &[&middle]), &no_path()));
    assert!(!world.accepts(&server("a.example", "https", &leaf, &[&other]), &no_path()));
    assert!(!world.accepts(&server("b.example", "https", &leaf, &[&middle]), &no_path()));
    let client = Query { role: Role::Client, ..server("a.example", "https", &leaf, &[&middle]) };
    assert!(!world.accepts(&client, &no_path()));
}

/// After many CAs that are none of the policy's, its anchors are asked for in another way.
#[test]
fn an_anchor_is_found_after_many_that_are_none() {
    let (corp, other, mut world) = (Ca::root("Corp"), Ca::root("Other"), World::new());
    let anchors = [&corp.certificate(), &other.certificate()];
    let both = world.x509("both", Scope::default(), &anchors);
    let none = world.x509("none", Scope::default(), &[&Ca::root("A third").certificate()]);
    world.rule(&["a.example"], &[], any(&[both]));
    world.rule(&["b.example"], &[], any(&[none]));
    let ask =
        |ca: &Ca, peer| world.accepts(&server(peer, "https", &ca.leaf(&[peer]), &[]), &no_path());
    for number in 0..40 {
        assert!(!ask(&Ca::root(&format!("Stranger {number}")), "a.example"), "{number}");
        // An anchor of another authority's, not asked about before that.
        assert!(!ask(&other, "b.example"), "{number}");
    }
    assert!(ask(&corp, "a.example") && ask(&other, "a.example"));
    assert!(!ask(&corp, "b.example"));
}

#[test]
fn a_path_needs_the_peers_name_in_the_certificate() {
    let (root, mut world) = (Ca::root("Corp"), World::new());
    let corp = world.x509("corp", Scope::default(), &[&root.certificate()]);
    world.rule(&[], &[], any(&[corp]));
    let leaf = root.leaf(&["a.example", "*.wild.example", "192.0.2.7"]);
    let ask = |peer| world.accepts(&server(peer, "https", &leaf, &[]), &no_path());
    assert!(ask("a.example") && ask("x.wild.example") && ask("192.0.2.7"));
    assert!(!ask("b.example") && !ask("x.y.wild.example") && !ask("192.0.2.8"));
}

#[test]
fn an_anchor_that_is_the_certificate_itself_vouches() {
    let mut world = World::new();
    let leaf = Leaf::self_signed(&["router.lan"]);
    let own = world.x509("own", Scope::default(), &[&leaf.certificate]);
    world.rule(&[], &[], any(&[own]));
    assert!(world.accepts(&server("router.lan", "https", &leaf, &[]), &no_path()));
    assert!(!world.accepts(&server("other.lan", "https", &leaf, &[]), &no_path()));
    let mut late = server("router.lan", "https", &leaf, &[]);
    late.time = 3_000_000_000;
    assert!(!world.accepts(&late, &no_path()), "it has expired by then");
}

#[test]
fn a_pin_is_for_one_peer_and_one_key() {
    let mut world = World::new();
    let (leaf, other) = (Leaf::self_signed(&["db.example"]), Leaf::self_signed(&["db.example"]));
    let pins = world.pin("pins", "db.example", &["postgresql"], &[&leaf.key()]);
    world.rule(&[], &[], any(&[pins]));
    let ask = |peer, protocol, leaf| world.accepts(&server(peer, protocol, leaf, &[]), &no_path());
    assert!(ask("db.example", "postgresql", &leaf));
    assert!(!ask("db.example", "postgresql", &other), "another key");
    assert!(!ask("db.example", "https", &leaf), "another protocol");
    assert!(!ask("web.example", "postgresql", &leaf), "another peer");
    let reason = world.reason(&server("db.example", "postgresql", &other, &[]), &no_path());
    assert!(reason.to_string().contains("another key for db.example"), "{reason}");
}

#[test]
fn a_grant_overrules_its_list_and_nothing_else() {
    let (root, mut world) = (Ca::root("Corp"), World::new());
    let leaf = root.leaf(&["a.example"]);
    let corp = world.x509("corp", Scope::default(), &[&root.certificate()]);
    let pins = world.pin("pins", "b.example", &[], &[&leaf.key()]);
    world.rule(&["a.example"], &[], any(&[corp]));
    world.rule(&["b.example"], &[], any(&[pins]));
    let other = || Fault::Other("certificate revoked".into());
    for (fault, by_path, by_binding) in [
        (Fault::NoTrustedPath, true, true),
        (Fault::Expired, false, true),
        (Fault::NameMismatch, false, true),
        (other(), false, false),
    ] {
        for (peer, expected) in [("a.example", by_path), ("b.example", by_binding)] {
            let query = server(peer, "https", &leaf, &[]);
            let faults = [Fault::NoTrustedPath, fault.clone()];
            let says = world.with(&query, |decision| {
                assert!(!decision.consults_application());
                decision.overrules(&faults).unwrap()
            });
            assert_eq!(says, expected, "{peer} {fault:?}");
            let refuses = Application::Refuses { faults: faults.to_vec(), why: "no".into() };
            assert_eq!(world.accepts(&query, &refuses), expected, "{peer} {fault:?}");
        }
    }
}

#[test]
fn all_and_at_least_count_authorities() {
    let (root, mut world) = (Ca::root("Corp"), World::new());
    let leaf = root.leaf(&["a.example"]);
    let corp = world.x509("corp", Scope::default(), &[&root.certificate()]);
    let good = world.pin("good", "a.example", &[], &[&leaf.key()]);
    let bad = world.pin("bad", "a.example", &[], &[&Leaf::self_signed(&[]).key()]);
    world.rule(&[], &["https"], all(&[corp, good]));
    world.rule(&[], &["imap"], all(&[corp, good, bad]));
    let of = [corp, good, bad].map(Accept::Authority).to_vec();
    world.rule(&[], &["ldap"], Accept::AtLeast(2, of.clone()));
    world.rule(&[], &["smtp"], Accept::AtLeast(3, of.clone()));
    let nested = Accept::All(vec![Accept::Any(of[2..].to_vec()), Accept::Any(of)]);
    world.rule(&[], &["ftp"], nested);
    let ask = |protocol| world.accepts(&server("a.example", protocol, &leaf, &[]), &no_path());
    assert_eq!(
        ["https", "imap", "ldap", "smtp", "ftp"].map(ask),
        [true, false, true, false, false]
    );
}

#[test]
fn the_trace_shows_who_was_asked_in_the_order_written() {
    let (root, mut world) = (Ca::root("Corp"), World::new());
    let leaf = root.leaf(&["a.example"]);
    let corp = world.x509("corp", Scope::default(), &[&root.certificate()]);
    let pins = world.pin("pins", "a.example", &[], &[&leaf.key()]);
    world.rule(&[], &[], any(&[corp, pins]));
    let verdict = world.verdict(&server("a.example", "https", &leaf, &[]), &no_path());
    let Node::AtLeast { of, .. } = &verdict.trace().cases[0].accept else { panic!() };
    let finding = |node: &Node| match node {
        Node::Authority { name, finding } => (name.clone(), finding.clone()),
        Node::AtLeast { .. } => panic!(),
    };
    assert_eq!(finding(&of[0]), ("corp".into(), Finding::NotAsked), "the look-up sufficed");
    assert!(matches!(finding(&of[1]), (name, Finding::Vouches(_)) if name == "pins"));
    let Outcome::Accept(basis) = verdict.outcome() else { panic!() };
    assert!(basis.to_string().contains("pins: it has this key"), "{basis}");
}

#[test]
fn a_protocol_that_is_not_known_opens_no_weaker_rule() {
    let mut world = World::new();
    let leaf = Leaf::self_signed(&["bank.example"]);
    let pins = world.pin("pins", "bank.example", &[], &[&Leaf::self_signed(&[]).key()]);
    world.rule(&["bank.example"], &["https"], all(&[0, pins]));
    let mut query = server("bank.example", "https", &leaf, &[]);
    assert!(!world.accepts(&query, &Application::Accepts));
    query.protocol = Fact::Unknown;
    assert!(!world.accepts(&query, &Application::Accepts), "it could be https");
    query.protocol = Fact::Known(crate::protocol::Protocol::parse("imap").unwrap());
    assert!(world.accepts(&query, &Application::Accepts), "[default]");
}

#[test]
fn the_policy_can_say_what_a_program_speaks() {
    let mut world = World::new();
    world.policy.programs.push(Program {
        path: "/usr/bin/odd".into(),
        protocol: Protocol::parse("https").unwrap(),
        place: Default::default(),
    });
    world.rule(&[], &["https"], Accept::Any(vec![]));
    let leaf = Leaf::self_signed(&["a.example"]);
    let ask = |path: &str, protocol: Option<&str>| {
        let mut query = server("a.example", "https", &leaf, &[]);
        query.application = Fact::Known(path.into());
        query.protocol = protocol.and_then(Protocol::parse).into();
        world.accepts(&query, &Application::Accepts)
    };
    assert!(!ask("/usr/bin/odd", Some("imap")), "it speaks https, whatever the port says");
    assert!(!ask("/usr/bin/odd", None));
    assert!(ask("/usr/bin/curl", Some("imap")));
    let mut query = server("a.example", "imap", &leaf, &[]);
    query.application = Fact::Unknown;
    assert!(!world.accepts(&query, &Application::Accepts), "it could be the one that speaks https");
}

#[test]
fn an_application_that_is_not_known_opens_no_weaker_rule() {
    let mut world = World::new();
    let leaf = Leaf::self_signed(&["a.example"]);
    world.rule(&[], &[], Accept::Any(vec![])).applications = Some(vec!["/usr/bin/psql".into()]);
    let mut query = server("a.example", "https", &leaf, &[]);
    assert!(world.accepts(&query, &Application::Accepts));
    for application in [Fact::Known("/usr/bin/psql".into()), Fact::Unknown] {
        query.application = application;
        assert!(!world.accepts(&query, &Application::Accepts));
    }
}

#[test]
fn of_several_hosts_any_will_do_if_the_certificate_names_it() {
    let mut world = World::new();
    let leaf = Leaf::self_signed(&["bank.example"]);
    world.rule(&["bank.example"], &[], Accept::Any(vec![]));
    let mut query = server("bank.example", "https", &leaf, &[]);
    let hosts = ["bank.example", "a.example"].map(|name| ExpectedHost::Exact(host(name)));
    query.peer = Peer::Expected(ExpectedPeer { hosts: hosts.to_vec(), ..Default::default() });
    assert!(!world.accepts(&query, &Application::Accepts), "the bank's rule holds");
    let both = Leaf::self_signed(&["a.example"]);
    let mut query = Query { peer: query.peer, ..server("a.example", "https", &both, &[]) };
    assert!(world.accepts(&query, &Application::Accepts));
    query.peer = Peer::Expected(ExpectedPeer {
        hosts: vec![ExpectedHost::Exact(host("a.example"))],
        email: crate::peer::Email::parse("x@bank.example"),
        ..Default::default()
    });
    assert!(world.accepts(&query, &Application::Accepts));
    world_with_mail_rule(&query);
}

fn world_with_mail_rule(query: &Query) {
    let mut world = World::new();
    world.rule(&["@bank.example"], &[], Accept::Any(vec![]));
    assert!(!world.accepts(query, &Application::Accepts), "the mailbox must be acceptable too");
}

#[test]
fn a_leading_dot_stands_for_the_names_below_it() {
    let mut world = World::new();
    world.rule(&["mx.corp.example"], &[], Accept::Any(vec![]));
    let below = |leaf: &Leaf| {
        let mut query = server("corp.example", "smtp", leaf, &[]);
        let hosts = vec![ExpectedHost::Below(host("corp.example"))];
        query.peer = Peer::Expected(ExpectedPeer { hosts, ..Default::default() });
        world.accepts(&query, &Application::Accepts)
    };
    assert!(below(&Leaf::self_signed(&["other.corp.example"])));
    assert!(!below(&Leaf::self_signed(&["mx.corp.example"])));
    assert!(!below(&Leaf::self_signed(&["*.corp.example"])), "it covers mx too");
    assert!(!below(&Leaf::self_signed(&["elsewhere.example"])), "no name to go by");
}

#[test]
fn monitoring_changes_nothing_and_says_what_it_would_do() {
    let mut world = World::new();
    let leaf = Leaf::self_signed(&["a.example"]);
    let pins = world.pin("pins", "a.example", &[], &[&leaf.key()]);
    world.rule(&["a.example"], &[], any(&[pins])).mode = Some(Mode::Monitor);
    world.rule(&["b.example"], &[], Accept::Any(vec![])).mode = Some(Mode::Monitor);
    let granted = world.verdict(&server("a.example", "https", &leaf, &[]), &no_path());
    assert!(!granted.is_accept() && matches!(granted.would(), Some(Outcome::Accept(_))));
    let refused = world.verdict(&server("b.example", "https", &leaf, &[]), &Application::Accepts);
    assert!(refused.is_accept() && matches!(refused.would(), Some(Outcome::Reject(_))));

    let mut world = World::new();
    world.policy.mode = Mode::Monitor;
    let pins = world.pin("pins", "a.example", &[], &[&leaf.key()]);
    world.rule(&[], &[], any(&[pins]));
    let query = server("a.example", "https", &leaf, &[]);
    world.with(&query, |decision| {
        assert!(!decision.overrules(&[Fault::NoTrustedPath]).unwrap());
        assert!(decision.consults_application());
    });
    let verdict = world.verdict(&query, &no_path());
    assert!(!verdict.is_accept() && matches!(verdict.would(), Some(Outcome::Accept(_))));
}

#[test]
fn time_ends_what_has_an_until() {
    let (root, mut world) = (Ca::root("Corp"), World::new());
    let leaf = root.leaf(&["a.example"]);
    let until = Scope { until: Some(NOW), ..Scope::default() };
    let corp = world.x509("corp", until, &[&root.certificate()]);
    world.rule(&[], &[], any(&[corp]));
    let mut query = server("a.example", "https", &leaf, &[]);
    assert!(world.accepts(&query, &no_path()));
    query.time = NOW + 1;
    assert!(!world.accepts(&query, &no_path()));
}

#[test]
fn a_certificate_for_something_else_makes_no_path() {
    let (root, mut world) = (Ca::root("Corp"), World::new());
    let corp = world.x509("corp", Scope::default(), &[&root.certificate()]);
    world.rule(&[], &[], any(&[corp]));
    let mut mail = params("", &["a.example"]);
    mail.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    let mut expired = params("", &["a.example"]);
    expired.not_after = rcgen::date_time_ymd(2021, 1, 1);
    for (params, words) in [(mail, "not for TLS servers"), (expired, "has expired")] {
        let query = server("a.example", "https", &root.issue(params), &[]);
        let text = world.reason(&query, &no_path()).to_string();
        assert!(text.contains(words), "{text}");
    }
}
