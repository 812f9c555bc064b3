//! The strict checks, by a corpus of chains that are right, nearly right, and wrong.

mod build;
mod chain;
mod corpus;
mod differences;
mod keys;
mod openssl;
mod page;

use std::collections::BTreeSet;

use chain::Chain;
use corpus::{Case, Expected, cases};

use crate::certificate::Certificate;
use crate::decide::purpose::Purpose;
use crate::decide::strict::{self, Asked, Place};
use crate::query::Role;
use crate::rule::Profile;

/// What peerkey says of a case, against what is expected.
fn judge(case: &Case) -> Result<(), String> {
    let chain = Chain::new(case.make);
    let says = chain.ask(&chain.make(), case.profile);
    let right = match (case.expected, &says) {
        (Expected::Accept, Ok(())) => true,
        (Expected::Row(id), Err(reason)) => reason.contains(&format!(" ({id})")),
        (Expected::Words(words), Err(reason)) => reason.contains(words) && !names_a_row(reason),
        _ => false,
    };
    match right {
        true => Ok(()),
        false => Err(format!("{}: expected {:?}, got {says:?}", case.name, case.expected)),
    }
}

fn names_a_row(reason: &str) -> bool {
    strict::rows().any(|(row, _)| reason.contains(&format!(" ({})", row.id)))
}

#[test]
fn every_chain_gets_its_answer() {
    let wrong: Vec<String> = cases().filter_map(|case| judge(case).err()).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases().count(), wrong.join("\n"));
}

#[test]
fn the_corpus_is_large_and_even() {
    let all = cases().count();
    let good = cases().filter(|case| case.expected == Expected::Accept).count();
    assert!(all >= 150 && good >= 75 && all - good >= 75, "{good} of {all} are accepted");
    let names: BTreeSet<&str> = cases().map(|case| case.name).collect();
    assert_eq!(names.len(), all, "a name is there twice");
}

#[test]
fn openssl_differs_where_it_is_explained_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for case in cases() {
        let chain = Chain::new(case.make);
        let says = openssl::ask(&chain, &chain.make(), folder.path());
        let same = (says == "accepts") == (case.expected == Expected::Accept);
        let explained = differences::of(case.name).map(|difference| difference.openssl);
        let right = match explained {
            None => same,
            Some(expected) => !same && expected == says,
        };
        if !right {
            wrong.push(format!(
                "{}: {:?}, OpenSSL says {says:?}, explained is {explained:?}",
                case.name, case.expected
            ));
        }
    }
    let known: BTreeSet<&str> = cases().map(|case| case.name).collect();
    let unknown = differences::DIFFERENCES.iter().filter(|d| !known.contains(d.chain));
    wrong.extend(unknown.map(|d| format!("{}: there is no such chain", d.chain)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows of which at some place each chain is caught elsewhere too, and why they are there.
const CAUGHT_TWICE: &[(&str, &[Place], &str)] = &[
    ("critical-unknown", &[Place::Leaf], "webpki does not say which certificate has it"),
    ("version", &[Place::Leaf, Place::Anchor], "webpki drops such an anchor without a word"),
    ("unique-id", &[Place::Leaf, Place::Anchor], "webpki says no more than BadDer"),
    ("key-kind", &[Place::Ca, Place::Anchor], "no host verifies a signature with such a key"),
    ("key-usage-kind", &[Place::Ca], "this OpenSSL verifies no signature with an ML-DSA key"),
];

/// Each row with its check switched off, place by place: a chain that it refused is accepted, so
/// nothing else would have caught it.
#[test]
fn every_row_is_what_stands_between() {
    let mut wrong = Vec::new();
    for (row, places) in strict::rows() {
        let places: Vec<_> = match places {
            [] => vec![None],
            places => places.iter().copied().map(Some).collect(),
        };
        for place in places {
            let mut own = cases().filter(|case| case.expected == Expected::Row(row.id));
            let passes = strict::without(row.id, place, || own.any(passes));
            let mut twice = CAUGHT_TWICE.iter().filter(|(id, ..)| *id == row.id);
            let excused = place.is_some_and(|p| twice.any(|(_, places, _)| places.contains(&p)));
            if passes == excused {
                wrong.push(format!("{} at {place:?}: some chain passes: {passes}", row.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn passes(case: &Case) -> bool {
    let chain = Chain::new(case.make);
    chain.ask(&chain.make(), case.profile).is_ok()
}

/// What is looked at while a certificate is read is what a path would have found later.
#[test]
fn what_is_foreseen_is_found() {
    let mut flaws = 0;
    for case in cases() {
        let made = Chain::new(case.make).make();
        let ders = made.presented.iter().chain([&made.leaf, &made.anchor]);
        for (der, role) in ders.flat_map(|der| [(der, Role::Server), (der, Role::Client)]) {
            let Ok(plain) = Certificate::from_der(der) else { continue };
            let foreseen = [
                (Asked::of_path(role, true), Certificate::from_der_for_path(der, role, true)),
                (Asked::of_path(role, false), Certificate::from_der_for_path(der, role, false)),
                (Asked::of_anchor(), Certificate::from_der_for_anchor(der)),
            ];
            for (asked, certificate) in foreseen {
                let found = format!("{:?}", [(asked, strict::examine(&plain, asked))]);
                let known = certificate.unwrap().examined().with(|all| format!("{all:?}"));
                assert_eq!(known, Some(found), "{}", case.name);
                flaws += usize::from(strict::examine(&plain, asked).is_err());
            }
        }
    }
    assert!(flaws > 100, "{flaws}");
}

/// The anchors of Mozilla's root programme pass as anchors.
#[test]
fn the_web_s_own_anchors_pass() {
    for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let anchor = Certificate::from_der(der).unwrap();
        for profile in [Profile::Rfc5280, Profile::Cabf] {
            let asked = Asked { place: Place::Anchor, purpose: Purpose::Server, profile };
            let examined = strict::examine(&anchor, asked).map_err(|row| row.id);
            assert!(examined.is_ok(), "{anchor}: {examined:?}");
        }
    }
}
