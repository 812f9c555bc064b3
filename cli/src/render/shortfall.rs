//! What would have changed a refusal, for people and programs.

use peerkey_core::decide::{Missing, Shortfall};
use serde_json::{Value, json};

use super::tree::Branch;
use super::{BOLD, styled};
use crate::screen::Lines;

/// So many sets, and rules that do not match, are shown.
const SHOWN: usize = 8;

/// For people.
pub fn for_people(short: &Shortfall, only_removal: &[String], lines: Lines) -> String {
    let mut facts = Vec::new();
    for limit in only_removal {
        let words = format!("nobody outvotes this, and only its removal would help: {limit}");
        facts.push(Branch::new(words));
    }
    for set in short.sets.iter().take(SHOWN) {
        facts.push(self::set(set));
    }
    if short.sets.len() > SHOWN || !short.complete {
        facts.push(Branch::new("and other, larger sets of authorities"));
    }
    let (matching, other): (Vec<_>, Vec<_>) = short.rules.iter().partition(|rule| rule.matches);
    for rule in matching {
        let why = match rule.rule.as_str() {
            "[default]" => "no rule had matched",
            _ => "it had come first: it matches too",
        };
        facts.push(Branch::new(format!("{} would have accepted, if {why}", rule.rule)));
    }
    for rule in other.iter().take(SHOWN) {
        let words = format!("{} would have accepted, if it had come first, and matched", rule.rule);
        facts.push(Branch::new(words));
    }
    if other.len() > SHOWN {
        facts.push(Branch::new(format!("and {} more such rules", other.len() - SHOWN)));
    }
    if facts.is_empty() {
        facts.push(Branch::new("nothing that a policy can say"));
    }
    let title = styled(BOLD, "what would have changed the verdict");
    Branch::new(title).with_all(facts).draw(lines)
}

fn set(set: &[Missing]) -> Branch {
    match set {
        [one] => Branch::new(format!("{} alone, had it vouched: {}", one.authority, one.why)),
        more => Branch::new("all of these, had they vouched").with_all(
            more.iter().map(|one| Branch::new(format!("{}: {}", one.authority, one.why))),
        ),
    }
}

/// For programs.
pub fn document(short: &Shortfall, only_removal: &[String]) -> Value {
    let missing = |one: &Missing| json!({ "authority": one.authority, "why": one.why });
    json!({
        "authorities": short.sets.iter()
            .map(|set| set.iter().map(missing).collect::<Vec<_>>()).collect::<Vec<_>>(),
        "complete": short.complete,
        "rules": short.rules.iter()
            .map(|rule| json!({ "rule": rule.rule, "matches": rule.matches })).collect::<Vec<_>>(),
        "only-removal": only_removal,
    })
}
