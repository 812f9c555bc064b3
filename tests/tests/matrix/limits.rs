//! Where a program is known to differ from the table, and why. An unexpected pass fails too.

use peerkey_tests::program::fetch_shows_protocol;

use crate::situations::Verdict::{self, Accepts, Refuses};

pub(crate) struct Limit {
    pub programs: &'static [&'static str],
    pub situations: &'static [&'static str],
    /// What happens without peerkey and with it.
    pub verdicts: (Verdict, Verdict),
    pub why: &'static str,
    /// Whether it is so with the program of this machine.
    pub applies: fn() -> bool,
}

const BASE: Limit = Limit {
    programs: &[],
    situations: &[],
    verdicts: (Refuses, Refuses),
    why: "",
    applies: || true,
};

pub(crate) static LIMITS: &[Limit] = &[
    Limit {
        programs: &["curl-address"],
        situations: &[
            "CA in scope",
            "CA in scope, any protocol",
            "self-signed, its pin",
            "self-signed, its pin, another name",
            "expired, its pin",
            "at least 2 of 3: corp and pin",
        ],
        why: "curl tells OpenSSL no address: the names are only claimed, and a claim grants nothing",
        ..BASE
    },
    Limit {
        programs: &["curl-address"],
        situations: &["root denied, the leaf pinned", "off, right pin, always"],
        verdicts: (Accepts, Refuses),
        why: "for a claimed name a pin counts for nothing",
        ..BASE
    },
    Limit {
        programs: &["curl-imaps", "curl-smtp", "node"],
        situations: &["CA in scope"],
        why: "the program hides its socket and offers no ALPN: the protocol stays unknown",
        ..BASE
    },
    Limit {
        programs: &["node-fetch"],
        situations: &["CA in scope"],
        why: "before Node 20 its fetch offers no ALPN either",
        applies: || !fetch_shows_protocol(),
        ..BASE
    },
    Limit {
        programs: &["curl", "curl-imaps", "curl-smtp", "node", "node-fetch", "psql", "nginx-proxy"],
        situations: &["self-signed, its pin, another name"],
        why: "the program compares the name itself, after the verification",
        ..BASE
    },
    Limit {
        programs: &["redis-cli"],
        situations: &["shipped, another name"],
        verdicts: (Accepts, Accepts),
        why: "redis-cli compares no names",
        ..BASE
    },
    Limit {
        programs: &["nginx-server"],
        situations: &["shipped, another name"],
        verdicts: (Accepts, Accepts),
        why: "a server expects nobody in particular",
        ..BASE
    },
    Limit {
        programs: &["nginx-server"],
        situations: &["self-signed, its pin, another name"],
        why: "a client is whom its certificate names, and the rule is for another",
        ..BASE
    },
    Limit {
        programs: &["nginx-server"],
        situations: &["off, wrong pin, verified"],
        verdicts: (Accepts, Refuses),
        why: "optional_no_ca does not turn verification off, nginx forgives some of its errors",
        ..BASE
    },
];

/// The limit for a cell, if it has one.
pub(crate) fn limit(program: &str, situation: &str) -> Option<&'static Limit> {
    LIMITS.iter().find(|limit| {
        limit.programs.contains(&program)
            && limit.situations.contains(&situation)
            && (limit.applies)()
    })
}
