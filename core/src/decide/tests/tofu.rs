//! Keys that are remembered from first use.

use std::cell::RefCell;

use super::world::*;
use crate::decide::{Application, Decision};
use crate::keys::{Book, Keys, KeysError, KnownKey, Lost, Service, Sighting, State};
use crate::peer::Name;
use crate::policy::{AuthorityKind, Mode, Scope, Tofu};
use crate::protocol::Protocol;
use crate::query::{Fact, Query, Role};

const DAY: i64 = 86_400;

/// A policy with an authority that trusts on first use, and a file of keys.
struct Home {
    world: World,
    keys: RefCell<Keys>,
    _folder: tempfile::TempDir,
}

impl Book for Home {
    fn keys_of(&self, peer: &Name) -> Result<Vec<KnownKey>, KeysError> {
        self.keys.borrow().keys_of(peer)
    }
}

impl Home {
    fn new(build: impl FnOnce(&mut World)) -> Self {
        let mut world = World::new();
        build(&mut world);
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path().join("keys.db").to_str().unwrap()).unwrap();
        Self { world, keys: RefCell::new(keys), _folder: folder }
    }

    /// Whether the query is accepted, and why or why not; what it saw is written down.
    fn ask(&self, query: &Query, application: &Application) -> (bool, String) {
        let (said, sightings) = self.look(query, application);
        assert_eq!(self.write(&sightings, query.time), None);
        said
    }

    fn look(&self, query: &Query, application: &Application) -> ((bool, String), Vec<Sighting>) {
        self.world.compiled(|policy| {
            let decision = Decision::new(policy, query, &Ring).unwrap();
            let mut decision = decision.with_book(self);
            let verdict = decision.conclude(application).unwrap();
            let sightings = decision.sightings(application, &verdict).unwrap();
            let text = format!("{:?}", verdict.outcome());
            ((verdict.is_accept(), text), sightings)
        })
    }

    fn write(&self, sightings: &[Sighting], now: i64) -> Option<Lost> {
        self.keys.borrow_mut().remember(sightings, now).unwrap()
    }

    fn known(&self, peer: &str) -> Vec<KnownKey> {
        self.keys_of(&Name::parse(peer).unwrap()).unwrap()
    }
}

fn devices(world: &mut World, tofu: Tofu) -> usize {
    world.authority("devices", scope(&[".lan"], &[]), AuthorityKind::Tofu(tofu))
}

fn plain(world: &mut World) {
    let devices = devices(world, Tofu::default());
    world.rule(&[".lan"], &[], any(&[devices]));
}

fn router() -> Query {
    server("router.lan", "https", &Leaf::self_signed(&["router.lan"]), &[])
}

fn later(query: &Query, seconds: i64) -> Query {
    Query { time: query.time + seconds, ..query.clone() }
}

#[test]
fn the_first_key_is_remembered_and_another_is_not_taken() {
    let home = Home::new(plain);
    let (one, other) = (router(), router());
    let (accepted, why) = home.ask(&one, &no_path());
    assert!(accepted && why.contains("the first key of router.lan"), "{why}");
    let (accepted, why) = home.ask(&later(&one, DAY), &no_path());
    assert!(accepted && why.contains("had this key since"), "{why}");
    assert_eq!(home.known("router.lan")[0].sightings, 2);
    let (accepted, why) = home.ask(&later(&other, 3 * DAY), &no_path());
    assert!(!accepted, "{why}");
    for part in ["changed", "seen on 2 days", "2 days ago", "peerkey keys accept router.lan"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert_eq!(home.known("router.lan").len(), 1);
}

#[test]
fn what_is_not_written_yet_neither_vouches_nor_counts_as_changed() {
    let home = Home::new(plain);
    let (injected, real) = (router(), router());
    let (said, _aborted) = home.look(&injected, &no_path());
    assert!(said.0);
    assert!(home.ask(&real, &no_path()).0);
    assert!(!home.ask(&injected, &no_path()).0);
}

#[test]
fn of_two_first_uses_at_once_one_wins() {
    let home = Home::new(plain);
    let (one, other) = (router(), router());
    let (first, second) = (home.look(&one, &no_path()).1, home.look(&other, &no_path()).1);
    assert_eq!(home.write(&first, one.time), None);
    assert_eq!(home.write(&second, one.time).unwrap().other.key, one.key.hash());
}

#[test]
fn a_peer_that_others_vouched_for_is_no_stranger() {
    let root = Ca::root("Web");
    let home = Home::new(|world| {
        let web = world.x509("web", Scope::default(), &[&root.certificate()]);
        let devices = devices(world, Tofu::default());
        world.rule(&[".lan"], &[], any(&[web, devices]));
    });
    let real = server("router.lan", "https", &root.leaf(&["router.lan"]), &[]);
    assert!(home.ask(&real, &no_path()).0);
    assert_eq!(home.known("router.lan").len(), 1);
    let (accepted, why) = home.ask(&router(), &no_path());
    assert!(!accepted && why.contains("changed"), "{why}");
    // A new key that the other authority vouches for takes its place beside the old one.
    let renewed = server("router.lan", "https", &root.leaf(&["router.lan"]), &[]);
    assert!(home.ask(&renewed, &no_path()).0);
    let origins: Vec<_> = home.known("router.lan").into_iter().map(|key| key.origin).collect();
    assert!(origins.contains(&"web".into()) && origins.len() == 2, "{origins:?}");
}

#[test]
fn another_port_or_an_unknown_protocol_opens_no_second_first_use() {
    let home = Home::new(plain);
    assert!(home.ask(&router(), &no_path()).0);
    for odd in [
        Query { port: Some(8443), ..router() },
        Query { protocol: Protocol::parse("imaps").into(), ..router() },
        Query { protocol: Fact::Unknown, ..router() },
    ] {
        let (accepted, why) = home.ask(&odd, &no_path());
        assert!(!accepted, "{why}");
    }
    assert_eq!(home.known("router.lan").len(), 1);
    let stranger = server("other.lan", "https", &Leaf::self_signed(&["other.lan"]), &[]);
    assert!(!home.ask(&Query { protocol: Fact::Unknown, ..stranger }, &no_path()).0);
}

#[test]
fn what_is_refused_or_only_watched_leaves_nothing() {
    let root = Ca::root("Web");
    let both = Home::new(|world| {
        let web = world.x509("web", Scope::default(), &[&root.certificate()]);
        let devices = devices(world, Tofu::default());
        world.rule(&[".lan"], &[], all(&[web, devices]));
    });
    assert!(!both.ask(&router(), &no_path()).0);
    assert!(both.known("router.lan").is_empty());
    let rule = Home::new(|world| {
        let devices = devices(world, Tofu::default());
        world.rule(&[".lan"], &[], any(&[devices])).mode = Some(Mode::Monitor);
    });
    let whole = Home::new(|world| {
        plain(world);
        world.policy.mode = Mode::Monitor;
    });
    for home in [rule, whole] {
        assert!(home.ask(&router(), &Application::Accepts).0);
        assert!(home.known("router.lan").is_empty());
    }
}

#[test]
fn a_claim_is_never_remembered() {
    let home = Home::new(plain);
    let leaf = Leaf::self_signed(&["router.lan"]);
    assert!(!home.ask(&claim(Role::Server, "https", &leaf, &[]), &Application::Accepts).0);
    // A rule without a role is about servers.
    assert!(home.ask(&claim(Role::Client, "https", &leaf, &[]), &Application::Accepts).0);
    assert!(home.known("router.lan").is_empty());
}

#[test]
fn a_held_key_waits_for_a_person() {
    let home = Home::new(|world| {
        let devices = devices(world, Tofu { holds: true, ..Tofu::default() });
        world.rule(&[".lan"], &[], any(&[devices]));
    });
    let query = router();
    for _ in 0..2 {
        let (accepted, why) = home.ask(&query, &no_path());
        assert!(!accepted && why.contains("peerkey keys accept router.lan"), "{why}");
        assert_eq!(home.known("router.lan")[0].state, State::Held);
    }
    assert_eq!(home.known("router.lan").len(), 1);
}

#[test]
fn a_new_key_counts_after_some_time() {
    let home = Home::new(|world| {
        let tofu = Tofu { min_age: 7 * DAY, min_sightings: 3, ..Tofu::default() };
        let devices = devices(world, tofu);
        world.rule(&[".lan"], &[], any(&[0, devices]));
    });
    let query = router();
    assert!(!home.ask(&query, &no_path()).0);
    assert!(home.known("router.lan").is_empty(), "nobody vouched");
    assert!(home.ask(&query, &Application::Accepts).0);
    assert!(!home.ask(&later(&query, 8 * DAY), &no_path()).0, "seen once only");
    for day in 8..11 {
        assert!(home.ask(&later(&query, day * DAY), &Application::Accepts).0);
    }
    assert!(home.ask(&later(&query, 12 * DAY), &no_path()).0);
}

#[test]
fn others_may_bring_a_new_key() {
    let root = Ca::root("Web");
    let home = Home::new(|world| {
        let web = world.x509("web", Scope::default(), &[&root.certificate()]);
        let tofu = Tofu { rotate_with: vec![web], ..Tofu::default() };
        let devices = devices(world, tofu);
        world.rule(&[".lan"], &[], any(&[devices]));
    });
    assert!(home.ask(&router(), &no_path()).0);
    let signed = server("router.lan", "https", &root.leaf(&["router.lan"]), &[]);
    let (accepted, why) = home.ask(&signed, &no_path());
    assert!(accepted && why.contains("vouched for by web"), "{why}");
    assert_eq!(home.known("router.lan").len(), 2);
    assert!(!home.ask(&router(), &no_path()).0);
}

#[test]
fn a_key_that_was_not_seen_for_long_is_a_strangers() {
    let home = Home::new(|world| {
        let tofu = Tofu { forget_after: Some(30 * DAY), ..Tofu::default() };
        let devices = devices(world, tofu);
        world.rule(&[".lan"], &[], any(&[devices]));
    });
    assert!(home.ask(&router(), &no_path()).0);
    let other = router();
    assert!(!home.ask(&later(&other, 30 * DAY), &no_path()).0);
    assert!(home.ask(&later(&other, 31 * DAY), &no_path()).0);
    assert_eq!(home.known("router.lan").len(), 1);
}

/// Keys that the machine's administrator decided, beside a user's.
struct Both<'a>(&'a Home, Vec<KnownKey>);

impl Book for Both<'_> {
    fn keys_of(&self, peer: &Name) -> Result<Vec<KnownKey>, KeysError> {
        let mut all = self.1.clone();
        all.extend(self.0.keys_of(peer)?);
        Ok(all)
    }
}

#[test]
fn the_machines_decision_beats_the_users() {
    let home = Home::new(plain);
    let (users, machines) = (router(), router());
    assert!(home.ask(&users, &no_path()).0);
    let row = |state| KnownKey {
        id: 1,
        peer: "router.lan".into(),
        service: Service { protocol: "https".into(), port: 0 },
        key: machines.key.hash(),
        spki: Vec::new(),
        state,
        origin: "the administrator".into(),
        first_seen: 0,
        last_seen: 0,
        sightings: 1,
        until: None,
        has_certificate: true,
        of_machine: true,
    };
    let accepts = |query: &Query, rows: Vec<KnownKey>| {
        let book = Both(&home, rows);
        home.world.compiled(|policy| {
            let mut decision = Decision::new(policy, query, &Ring).unwrap().with_book(&book);
            decision.conclude(&no_path()).unwrap().is_accept()
        })
    };
    assert!(accepts(&machines, vec![row(State::Remembered)]));
    assert!(!accepts(&users, vec![row(State::Remembered)]));
    assert!(!accepts(&machines, vec![row(State::Denied)]));
    let denied = KnownKey { key: users.key.hash(), ..row(State::Denied) };
    assert!(!accepts(&users, vec![denied]));
}

#[test]
fn without_a_book_no_key_is_known() {
    let home = Home::new(plain);
    let query = router();
    home.world.with(&query, |decision| {
        assert!(decision.consults_book().unwrap());
        let verdict = decision.conclude(&no_path()).unwrap();
        assert!(!verdict.is_accept());
        assert!(decision.sightings(&no_path(), &verdict).unwrap().is_empty());
    });
}
