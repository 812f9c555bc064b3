//! Regions, compared with the sets that they are to say: as NSS reads nameConstraints.

use std::net::IpAddr;

use super::super::cells::Cells;
use super::super::judge::Judge;
use super::super::region::{Base, Region, Subtrees};
use super::super::usage::Usage;
use super::{NOW, policy};
use crate::pattern::{Pattern, mask};
use crate::peer::{HostName, Name};

/// NSS's compareDNSN2C, compareRFC822N2C and compareIPaddrN2C (lib/certdb/genname.c).
fn matches(base: &Base, name: &Name) -> bool {
    match (base, name) {
        (Base::Dns(base), Name::Host(host)) => {
            let host = host.as_str();
            base.is_empty()
                || host.strip_suffix(base.as_str()).is_some_and(|rest| {
                    rest.is_empty() || rest.ends_with('.') != base.starts_with('.')
                })
        }
        (Base::Mail(base), Name::Email(email)) => {
            let text = email.to_string();
            base.is_empty() || text == *base || text.ends_with(&format!("@{base}"))
        }
        (Base::Net(net, bits), Name::Address(address)) => mask(*address, *bits) == Some(*net),
        _ => false,
    }
}

fn is_of_kind(base: &Base, name: &Name) -> bool {
    matches!(
        (base, name),
        (Base::Dns(_), Name::Host(_))
            | (Base::Mail(_), Name::Email(_))
            | (Base::Net(..), Name::Address(_))
    )
}

fn allows(subtrees: &Subtrees, name: &Name) -> bool {
    let mut of_kind = subtrees.permitted.iter().filter(|base| is_of_kind(base, name)).peekable();
    (of_kind.peek().is_none() || of_kind.any(|base| matches(base, name)))
        && !subtrees.excluded.iter().any(|base| matches(base, name))
}

/// Cells that these patterns tell apart, and the region of those that `wanted` wants.
fn region(
    patterns: &[&str],
    usage: Usage,
    wanted: impl Fn(&Name) -> bool,
) -> (Cells, Vec<bool>, Region) {
    let patterns: Vec<_> = patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
    let policy = policy("", &[]);
    let judge = Judge::new(&policy, usage, NOW);
    let cells = Cells::of(&patterns, &judge);
    let accepted: Vec<bool> = cells.all.iter().map(|cell| wanted(&cell.name)).collect();
    let region = Region::of(&cells, &accepted, usage);
    (cells, accepted, region)
}

fn dns(texts: &[&str]) -> Vec<Base> {
    texts.iter().map(|text| Base::Dns((*text).to_owned())).collect()
}

fn in_patterns(patterns: &[&str], name: &Name) -> bool {
    patterns.iter().any(|text| Pattern::parse(text).unwrap().matches(name))
}

const NO_ADDRESS: [Base; 2] = [
    Base::Net(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
    Base::Net(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), 0),
];

#[test]
fn a_domain_is_permitted_and_a_host_without_what_is_below() {
    let scope = [".corp.example", "bank.example"];
    let (_, _, region) = region(&scope, Usage::Server, |name| in_patterns(&scope, name));
    let [only] = region.subtrees.as_slice() else { panic!("{region:?}") };
    assert_eq!(only.permitted, dns(&["bank.example", "corp.example"]));
    let excluded = [&dns(&[".bank.example"])[..], &NO_ADDRESS].concat();
    assert_eq!(only.excluded, excluded);
    assert!(region.lost.is_empty() && region.around.is_empty());
}

#[test]
fn what_no_rule_opens_is_cut_out() {
    let hole = [".bank.example"];
    let (_, _, region) = region(&hole, Usage::Server, |name| !in_patterns(&hole, name));
    let [only] = region.subtrees.as_slice() else { panic!("{region:?}") };
    assert_eq!((only.permitted.len(), &only.excluded), (0, &dns(&["bank.example"])));
    assert!(region.around.is_empty(), "*.example is nobody's wildcard");
}

#[test]
fn a_host_cut_out_of_a_domain_is_got_around_by_a_wildcard() {
    let patterns = [".corp.example", ".secret.corp.example"];
    let (_, _, region) = region(&patterns, Usage::Server, |name| {
        in_patterns(&patterns[..1], name) && !in_patterns(&patterns[1..], name)
    });
    assert_eq!(region.around, [HostName::parse("secret.corp.example").unwrap()]);
}

#[test]
fn what_one_certificate_cannot_say_is_left_to_another() {
    let hosts = ["example.org", "www.example.org"];
    let (cells, _, region) = region(&hosts, Usage::Server, |name| in_patterns(&hosts, name));
    assert_eq!(region.subtrees.len(), 2);
    assert_eq!(region.subtrees[0].permitted, dns(&["www.example.org"]));
    assert_eq!(region.subtrees[1].permitted, dns(&["example.org"]));
    let left: Vec<_> = region.left.iter().map(|cell| cells.all[*cell].text.as_str()).collect();
    assert_eq!((left, region.lost.len()), (vec!["example.org"], 0));
}

#[test]
fn addresses_are_permitted_exactly() {
    let nets = ["10.0.0.0/8", "10.1.0.0/16"];
    let (_, _, region) = region(&nets, Usage::Server, |name| {
        in_patterns(&nets[..1], name) && !in_patterns(&nets[1..], name)
    });
    let [only] = region.subtrees.as_slice() else { panic!("{region:?}") };
    assert_eq!(only.permitted.len(), 8, "{only:?}");
    assert_eq!(only.excluded, dns(&[""]));
    assert!(allows(only, &Name::parse("10.2.3.4").unwrap()));
    for outside in ["10.1.2.3", "11.0.0.1", "::1", "a.example"] {
        assert!(!allows(only, &Name::parse(outside).unwrap()), "{outside}");
    }
}

#[test]
fn an_address_in_the_form_of_the_other_kind_is_not_let_through() {
    let nets = ["10.0.0.0/8"];
    let (_, _, region) = region(&nets, Usage::Server, |name| !in_patterns(&nets, name));
    let mapped = Base::Net("::ffff:0:0".parse().unwrap(), 96);
    assert!(region.subtrees[0].excluded.contains(&mapped), "{region:?}");
}

#[test]
fn mailboxes_and_mail_hosts() {
    let mail = ["@corp.example", "eve@corp.example", "bob@other.example"];
    let (_, _, region) = region(&mail, Usage::Email, |name| {
        in_patterns(&["@corp.example", "bob@other.example"], name)
            && !in_patterns(&["eve@corp.example"], name)
    });
    let [only] = region.subtrees.as_slice() else { panic!("{region:?}") };
    let base = |text: &str| Base::Mail(text.to_owned());
    assert_eq!(only.permitted, [base("corp.example"), base("bob@other.example")]);
    assert_eq!(only.excluded, [base("eve@corp.example")]);
}

#[test]
fn all_and_none_need_no_certificate() {
    let (_, _, all) = region(&[".a.example", "10.0.0.0/8"], Usage::Server, |_| true);
    assert!(all.everything && all.subtrees.is_empty());
    let (_, _, none) = region(&[".a.example", "10.0.0.0/8"], Usage::Server, |_| false);
    assert!(none.is_nothing());
}

/// Over many sets: nothing is allowed that is not wanted, and only what is said to be lost is not
/// allowed.
#[test]
fn no_certificate_allows_more_than_is_wanted() {
    let patterns = [
        ".org",
        "example.org",
        ".example.org",
        "www.example.org",
        ".a.example.org",
        "b.a.example.org",
        "example.com",
        "10.0.0.0/8",
        "10.128.0.0/9",
        "10.128.0.1",
        "2001:db8::/32",
        "@example.org",
        "bob@example.org",
        "eve@example.com",
    ];
    let mut random = 12345_u64;
    for round in 0..2000 {
        let mut next = || {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            random >> 33
        };
        let usage = if round % 3 == 0 { Usage::Email } else { Usage::Server };
        let (cells, _, _) = region(&patterns, usage, |_| true);
        let bias = next() % 4;
        let accepted: Vec<bool> = cells.all.iter().map(|_| next() % 4 <= bias).collect();
        let region = Region::of(&cells, &accepted, usage);
        let kinds = |name: &Name| matches!(name, Name::Email(_)) == (usage == Usage::Email);
        for (index, cell) in cells.all.iter().enumerate().filter(|(_, c)| kinds(&c.name)) {
            let allowed = region.everything
                || region.subtrees.iter().any(|subtrees| allows(subtrees, &cell.name));
            let is_lost = region.lost.contains(&index);
            assert_eq!(allowed, accepted[index] && !is_lost, "{}: {region:#?}", cell.text);
            let first = region.everything
                || region.subtrees.first().is_some_and(|subtrees| allows(subtrees, &cell.name));
            let is_left = region.left.contains(&index);
            assert_eq!(first, accepted[index] && !is_left, "{}: {region:#?}", cell.text);
        }
    }
}
