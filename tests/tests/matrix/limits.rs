//! Where a program is known to differ from the table, and why. An unexpected pass fails too.

use crate::situations::Verdict::{self, Accepts, Refuses};

pub(crate) struct Limit {
    pub programs: &'static [&'static str],
    pub situations: &'static [&'static str],
    /// What happens without peerkey and with it; None where the case makes no sense.
    pub verdicts: Option<(Verdict, Verdict)>,
    pub why: &'static str,
}

pub(crate) const LIMITS: &[Limit] = &[
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
        verdicts: Some((Refuses, Refuses)),
        why: "curl tells OpenSSL no address: the names are only claimed, and a claim grants nothing",
    },
    Limit {
        programs: &["curl-address"],
        situations: &["root denied, the leaf pinned", "off, right pin, always"],
        verdicts: Some((Accepts, Refuses)),
        why: "for a claimed name a pin counts for nothing",
    },
    Limit {
        programs: &["curl-imaps", "curl-smtp", "node"],
        situations: &["CA in scope"],
        verdicts: Some((Refuses, Refuses)),
        why: "the program hides its socket and offers no ALPN: the protocol stays unknown",
    },
    Limit {
        programs: &["curl", "curl-imaps", "curl-smtp", "node", "node-fetch", "psql", "nginx-proxy"],
        situations: &["self-signed, its pin, another name"],
        verdicts: Some((Refuses, Refuses)),
        why: "the program compares the name itself, after the verification",
    },
    Limit {
        programs: &["redis-cli"],
        situations: &["shipped, another name"],
        verdicts: Some((Accepts, Accepts)),
        why: "redis-cli compares no names",
    },
    Limit {
        programs: &["nginx-server"],
        situations: &["shipped, another name"],
        verdicts: Some((Accepts, Accepts)),
        why: "a server expects nobody in particular",
    },
    Limit {
        programs: &["nginx-server"],
        situations: &["self-signed, its pin, another name"],
        verdicts: Some((Refuses, Refuses)),
        why: "a client is whom its certificate names, and the rule is for another",
    },
    Limit {
        programs: &["nginx-server"],
        situations: &["off, wrong pin, verified"],
        verdicts: Some((Accepts, Refuses)),
        why: "optional_no_ca does not turn verification off, nginx forgives some of its errors",
    },
];

/// The limit for a cell, if it has one.
pub(crate) fn limit(program: &str, situation: &str) -> Option<&'static Limit> {
    LIMITS
        .iter()
        .find(|limit| limit.programs.contains(&program) && limit.situations.contains(&situation))
}
