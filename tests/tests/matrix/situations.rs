//! The situations: a policy, what the program trusts, what the peer presents, and what must come out.
//!
//! In a policy, `{peer}` and `{protocol}` become what the program at hand is about; `{pins}`,
//! `{wrong pins}`, `{corp}` and `{rule}` stand for the lines that recur, see `World::fill`.

use crate::world::Presents::{self, *};
use crate::world::Trusts::{self, All, Corp as CorpOnly, Web as WebOnly};

/// What a program does with its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepts,
    Refuses,
}

use Verdict::{Accepts, Refuses};

pub(crate) struct Situation {
    pub name: &'static str,
    pub policy: &'static str,
    pub trusts: Trusts,
    pub presents: Presents,
    /// With the program's switch that turns verification off.
    pub insecure: bool,
    pub without: Verdict,
    pub with: Verdict,
    /// Nothing at all may differ: output and exit code included.
    pub same: bool,
    /// What the reason says, where peerkey refuses.
    pub because: &'static str,
}

pub(crate) const BASE: Situation = Situation {
    name: "",
    policy: "",
    trusts: WebOnly,
    presents: Web,
    insecure: false,
    without: Accepts,
    with: Accepts,
    same: false,
    because: "",
};

pub(crate) const SITUATIONS: &[Situation] = &[
    // The shipped policy changes nothing.
    Situation { name: "shipped, good server", policy: SHIPPED, same: true, ..BASE },
    Situation { name: "shipped, self-signed", policy: SHIPPED, presents: Myself, ..UNCHANGED },
    Situation { name: "shipped, unknown CA", policy: SHIPPED, presents: Corp, ..UNCHANGED },
    Situation { name: "shipped, expired", policy: SHIPPED, presents: WebExpired, ..UNCHANGED },
    Situation { name: "shipped, another name", policy: SHIPPED, presents: WebElse, ..UNCHANGED },
    Situation {
        name: "shipped, verification off",
        policy: SHIPPED,
        presents: Myself,
        insecure: true,
        same: true,
        ..BASE
    },
    // Authorities grant.
    Situation {
        name: "CA in scope",
        policy: "[authority.corp]\nkind = 'x509'\nanchors = ['anchors/corp.pem']\n\
                 peers = ['{peer}']\nprotocols = ['{protocol}']\n\
                 {rule}protocols = ['{protocol}']\naccept = { any = ['application', 'corp'] }",
        presents: Corp,
        ..OPENED
    },
    Situation {
        name: "CA in scope, any protocol",
        policy: "{corp}{rule}accept = { any = ['application', 'corp'] }",
        presents: Corp,
        ..OPENED
    },
    Situation {
        name: "CA in scope, another name",
        policy: "[authority.web]\nkind = 'x509'\nanchors = ['anchors/web.pem']\n\
                 {rule}accept = { any = ['web'] }",
        presents: WebElse,
        trusts: CorpOnly,
        with: Refuses,
        ..OPENED
    },
    Situation {
        name: "CA in scope, the leaf expired",
        policy: "[authority.web]\nkind = 'x509'\nanchors = ['anchors/web.pem']\n\
                 {rule}accept = { any = ['application', 'web'] }",
        presents: WebExpired,
        trusts: CorpOnly,
        with: Refuses,
        ..OPENED
    },
    Situation {
        name: "CA out of scope by peer",
        policy: "{corp}peers = ['.corp.example']\n{rule}accept = { any = ['corp'] }",
        trusts: All,
        presents: Corp,
        because: "corp",
        ..CLOSED
    },
    Situation {
        name: "CA out of scope by protocol",
        policy: "{corp}protocols = ['ldap']\n{rule}accept = { any = ['corp'] }",
        trusts: All,
        presents: Corp,
        because: "corp",
        ..CLOSED
    },
    Situation { name: "self-signed, its pin", policy: PINNED, presents: Myself, ..OPENED },
    Situation {
        name: "self-signed, its pin, another name",
        policy: PINNED,
        presents: MyselfElse,
        ..OPENED
    },
    Situation { name: "expired, its pin", policy: PINNED, presents: WebExpired, ..OPENED },
    Situation { name: "wrong pin", policy: WRONG_PIN, because: "pins", ..CLOSED },
    // Denials end.
    Situation {
        name: "key denied",
        policy: "[[deny]]\nspki = '{pin}'\nreason = 'seen in a firmware image'\n",
        because: "seen in a firmware image",
        ..CLOSED
    },
    Situation {
        name: "key denied and pinned",
        policy: "[[deny]]\nspki = '{pin}'\nreason = 'stolen'\n\
                 {pins}{rule}accept = { any = ['application', 'pins'] }",
        because: "stolen",
        ..CLOSED
    },
    Situation {
        name: "issuing CA denied",
        policy: "[[deny]]\ncertificate = 'anchors/web-lower.pem'\nreason = 'broken into'\n",
        because: "broken into",
        ..CLOSED
    },
    Situation {
        name: "upper intermediate denied",
        policy: "[[deny]]\nspki = '{web upper}'\nreason = 'ceased'\n",
        because: "ceased",
        ..CLOSED
    },
    Situation {
        name: "root denied",
        policy: "[[deny]]\nspki = '{web root}'\nreason = 'distrusted'\n",
        because: "distrusted",
        ..CLOSED
    },
    Situation {
        name: "root denied, the leaf pinned",
        policy: "[[deny]]\nspki = '{web root}'\n\
                 {pins}{rule}accept = { any = ['application', 'pins'] }",
        ..BASE
    },
    // Constraints limit.
    Situation {
        name: "constraint on a trusted root",
        policy: "[[constraint]]\nca = ['anchors/gov.pem']\npeers = ['.br']\n",
        trusts: All,
        presents: Gov,
        because: "Gov Root",
        ..CLOSED
    },
    Situation {
        name: "constraint on a trusted root, another path",
        policy: "[[constraint]]\nca = ['anchors/gov.pem']\npeers = ['.br']\n",
        trusts: All,
        presents: GovCrossed,
        ..BASE
    },
    Situation {
        name: "constraint on an intermediate",
        policy: "[[constraint]]\nca = ['anchors/web-lower.pem']\npeers = ['.br']\n",
        because: "Web Lower CA",
        ..CLOSED
    },
    Situation {
        name: "constraint on an intermediate, cross-signed",
        policy: "[[constraint]]\nca = ['anchors/gov-ca.pem']\npeers = ['.br']\n",
        trusts: All,
        presents: GovCrossed,
        because: "Gov CA",
        ..CLOSED
    },
    Situation {
        name: "constraint that holds",
        policy: "[[constraint]]\nca = ['anchors/gov.pem']\npeers = ['{peer}']\n",
        trusts: All,
        presents: Gov,
        same: true,
        ..BASE
    },
    Situation {
        name: "constraint by protocol",
        policy: "[[constraint]]\nca = ['anchors/gov.pem']\nprotocols = ['ldap']\n",
        trusts: All,
        presents: Gov,
        because: "Gov Root",
        ..CLOSED
    },
    // Expressions.
    Situation {
        name: "all: application and pin",
        policy: "{pins}{rule}accept = { all = ['application', 'pins'] }",
        same: true,
        ..BASE
    },
    Situation {
        name: "all: pin only",
        policy: "{pins}{rule}accept = { all = ['application', 'pins'] }",
        presents: Myself,
        with: Refuses,
        ..OPENED
    },
    Situation {
        name: "all: application only",
        policy: "{wrong pins}{rule}accept = { all = ['application', 'pins'] }",
        because: "pins",
        ..CLOSED
    },
    Situation {
        name: "at least 2 of 3: corp and pin",
        policy: "{corp}{pins}{rule}\
                 accept = { at-least = 2, of = ['application', 'corp', 'pins'] }",
        presents: Corp,
        ..OPENED
    },
    Situation {
        name: "at least 2 of 3: pin only",
        policy: "{corp}{pins}{rule}\
                 accept = { at-least = 2, of = ['application', 'corp', 'pins'] }",
        presents: Myself,
        with: Refuses,
        ..OPENED
    },
    Situation {
        name: "at least 2 of 3: application only",
        policy: "{corp}{wrong pins}{rule}\
                 accept = { at-least = 2, of = ['application', 'corp', 'pins'] }",
        because: "corp: ",
        ..CLOSED
    },
    // Verification switched off by the program.
    Situation { name: "off, wrong pin, verified", policy: WRONG_PIN, ..UNVERIFIED },
    Situation {
        name: "off, wrong pin, always",
        policy: "enforce = 'always'\n{wrong pins}{rule}accept = { any = ['pins'] }",
        with: Refuses,
        because: "pins",
        ..UNVERIFIED
    },
    Situation {
        name: "off, shipped rules, always",
        policy: "enforce = 'always'\n[default]\naccept = { any = ['application'] }\n",
        with: Refuses,
        ..UNVERIFIED
    },
    Situation {
        name: "off, right pin, always",
        policy: "enforce = 'always'\n{pins}{rule}accept = { any = ['pins'] }",
        ..UNVERIFIED
    },
    // Monitor changes nothing.
    Situation {
        name: "monitor, wrong pin",
        policy: "mode = 'monitor'\n{wrong pins}{rule}accept = { any = ['pins'] }",
        same: true,
        ..BASE
    },
    Situation {
        name: "monitor, self-signed, its pin",
        policy: "mode = 'monitor'\n{pins}{rule}accept = { any = ['application', 'pins'] }",
        presents: Myself,
        ..UNCHANGED
    },
    Situation {
        name: "monitor in the rule, wrong pin",
        policy: "{wrong pins}{rule}mode = 'monitor'\naccept = { any = ['pins'] }",
        same: true,
        ..BASE
    },
];

const UNCHANGED: Situation = Situation { without: Refuses, with: Refuses, same: true, ..BASE };
const OPENED: Situation = Situation { without: Refuses, with: Accepts, ..BASE };
const CLOSED: Situation = Situation { without: Accepts, with: Refuses, ..BASE };
const UNVERIFIED: Situation = Situation { presents: Myself, insecure: true, ..BASE };

const SHIPPED: &str = "[default]\naccept = { any = ['application'] }\n";
const PINNED: &str = "{pins}{rule}accept = { any = ['application', 'pins'] }";
const WRONG_PIN: &str = "{wrong pins}{rule}accept = { any = ['pins'] }";
