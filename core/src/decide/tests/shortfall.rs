//! What a refusal falls short of.

use super::world::*;
use crate::decide::{Application, Fault, Shortfall};
use crate::policy::{Accept, DenialTarget, Scope};
use crate::query::{ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};

/// One authority that vouches for a.example (0 is the program), and three that do not.
struct Four {
    root: Ca,
    world: World,
    of: [usize; 4],
}

fn four() -> Four {
    let (root, mut world) = (Ca::root("Web"), World::new());
    let web = world.x509("web", Scope::default(), &[&root.certificate()]);
    let other = Leaf::self_signed(&["a.example"]);
    let mut pin = |name| world.pin(name, "a.example", &[], &[&other.key()]);
    let of = [web, pin("b"), pin("c"), pin("d")];
    Four { root, world, of }
}

fn short(world: &World, query: &Query, application: &Application) -> Shortfall {
    world.with(query, |decision| decision.shortfall(application).unwrap())
}

/// The sets, as `a+b c`.
fn sets(short: &Shortfall) -> String {
    assert!(short.complete);
    let set = |set: &Vec<crate::decide::Missing>| {
        set.iter().map(|one| one.authority.as_str()).collect::<Vec<_>>().join("+")
    };
    short.sets.iter().map(set).collect::<Vec<_>>().join(" ")
}

fn missing(accept: impl Fn([Accept; 4]) -> Accept) -> String {
    let mut four = four();
    four.world.rule(&[], &[], accept(four.of.map(Accept::Authority)));
    let query = server("a.example", "https", &four.root.leaf(&["a.example"]), &[]);
    assert!(!four.world.accepts(&query, &no_path()));
    sets(&short(&four.world, &query, &no_path()))
}

#[test]
fn the_sets_are_the_smallest_of_any_expression() {
    assert_eq!(missing(|[web, b, _, _]| Accept::All(vec![web, b])), "b", "web vouches already");
    assert_eq!(missing(|[_, b, c, _]| Accept::Any(vec![b, c])), "b c");
    assert_eq!(missing(|[_, b, c, d]| Accept::All(vec![b, Accept::Any(vec![c, d])])), "b+c b+d");
    assert_eq!(missing(|[web, b, c, d]| Accept::AtLeast(3, vec![web, b, c, d])), "b+c b+d c+d");
    let nested = |[web, b, c, d]: [Accept; 4]| {
        Accept::Any(vec![Accept::All(vec![b.clone(), c, d]), Accept::All(vec![b, web])])
    };
    assert_eq!(missing(nested), "b", "the larger set holds the smaller one");
    let program = |[_, b, _, _]: [Accept; 4]| Accept::Any(vec![Accept::Authority(0), b]);
    assert_eq!(missing(program), "application b");
}

#[test]
fn what_no_grant_overrules_leaves_the_programs_own_word() {
    let mut four = four();
    let [web, b, ..] = four.of;
    four.world.rule(&[], &[], Accept::Any(vec![Accept::Authority(web), Accept::Authority(b)]));
    let query = server("a.example", "https", &four.root.leaf(&["a.example"]), &[]);
    let refuses = |fault| Application::Refuses { faults: vec![fault], why: "no".into() };
    let expired = sets(&short(&four.world, &query, &refuses(Fault::Expired)));
    assert_eq!(expired, "application b", "no path overrules that, and a pin does");
    let never = short(&four.world, &query, &refuses(Fault::Other("revoked".into())));
    assert_eq!(sets(&never), "application", "nobody overrules that, and web vouches");
    assert_eq!(short(&four.world, &query, &Application::Accepts), Shortfall::default_complete());
}

#[test]
fn a_claim_needs_the_program_too_and_a_denial_leaves_nothing() {
    let mut four = four();
    let [_, b, ..] = four.of;
    four.world.rule(&[], &[], any(&[b]));
    let leaf = four.root.leaf(&["a.example"]);
    let claimed = claim(Role::Server, "https", &leaf, &[]);
    assert_eq!(sets(&short(&four.world, &claimed, &no_path())), "application+b");
    assert_eq!(sets(&short(&four.world, &claimed, &Application::Accepts)), "b");
    let mut four = self::four();
    four.world.rule(&[], &[], any(&[four.of[1]]));
    let leaf = four.root.leaf(&["a.example"]);
    four.world.deny(DenialTarget::Key(leaf.key().hash()));
    let query = server("a.example", "https", &leaf, &[]);
    assert_eq!(short(&four.world, &query, &no_path()), Shortfall::default_complete());
}

#[test]
fn every_case_must_be_met_and_of_several_hosts_one() {
    let mut four = four();
    let [web, b, c, _] = four.of;
    four.world.rule(&[], &["ldap"], all(&[web, b]));
    four.world.rule(&["z.example"], &[], any(&[web]));
    four.world.rule(&[], &[], any(&[c]));
    let leaf = four.root.leaf(&["a.example"]);
    let mut query = server("a.example", "https", &leaf, &[]);
    query.protocol = Fact::Unknown;
    assert_eq!(sets(&short(&four.world, &query, &no_path())), "b+c", "whatever the protocol is");
    query.protocol = server("a.example", "ldap", &leaf, &[]).protocol;
    assert_eq!(sets(&short(&four.world, &query, &no_path())), "b");
    let hosts = ["a.example", "z.example"].map(|name| ExpectedHost::Exact(host(name))).to_vec();
    query.peer = Peer::Expected(ExpectedPeer { hosts, ..ExpectedPeer::default() });
    query.protocol = server("a.example", "https", &leaf, &[]).protocol;
    assert_eq!(sets(&short(&four.world, &query, &no_path())), "web c");
}

#[test]
fn other_rules_that_would_have_accepted_are_told_with_whether_they_match() {
    let mut four = four();
    let [web, b, ..] = four.of;
    four.world.rule(&["a.example"], &["https"], any(&[b]));
    four.world.rule(&["b.example"], &[], any(&[web]));
    four.world.rule(&[".example"], &[], all(&[web, b]));
    four.world.rule(&[".example"], &["https"], any(&[web]));
    let query = server("a.example", "https", &four.root.leaf(&["a.example"]), &[]);
    let found = short(&four.world, &query, &no_path());
    let rules: Vec<_> = found.rules.iter().map(|r| (&r.rule[..6], r.matches)).collect();
    assert_eq!(rules, [("rule 4", true), ("rule 2", false)]);
    let found = short(&four.world, &query, &Application::Accepts);
    let last = found.rules.last().map(|r| (&r.rule[..6], r.matches));
    assert_eq!(last, Some(("rule 2", false)));
    assert!(found.rules.iter().any(|r| r.rule == "[default]" && r.matches));
}

impl Shortfall {
    fn default_complete() -> Self {
        Self { complete: true, ..Self::default() }
    }
}
