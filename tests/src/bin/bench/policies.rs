//! The policies that are measured.

use std::path::Path;

use peerkey_core::certificate::{Certificate, Purposes};
use peerkey_core::crypto::NoCrypto;
use peerkey_core::key::{Key, KeyHash};
use peerkey_core::pattern::Pattern;
use peerkey_core::peer::Name;
use peerkey_core::policy::{
    Accept, Anchor, Authority, AuthorityKind, Constraint, Denial, DenialTarget, Enforce, Mode, Pin,
    Place, Policy, Profile, Rule, Scope,
};
use peerkey_core::protocol::Protocol;
use peerkey_core::source::publish;
use peerkey_tests::pki::{Draft, now};

use crate::tls::BANK;

/// Our own path decides, whatever the program says.
pub(crate) const PATH: &str = "version = 1\n[authority.web]\nkind = 'x509'\n\
    anchors = ['anchors/root.pem']\n[[rule]]\npeers = ['bank.example']\n\
    accept = { any = ['web'] }\n";

/// Rules and authorities each; of these, half are of pins.
const RULES: usize = 1000;
/// Constraints and denials each.
const LIMITS: usize = 10_000;
const PINS: usize = 1_000_000;

/// The program's own verification, and one of these pins.
pub(crate) fn pin(pins: &[String]) -> String {
    format!(
        "version = 1\n[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = '{BANK}'\n\
         spki = ['{}']\n[[rule]]\npeers = ['{BANK}']\n\
         accept = {{ all = ['application', 'pins'] }}\n",
        pins.join("', '")
    )
}

/// One of these pins, whatever the program says.
pub(crate) fn pin_alone(pins: &[String]) -> String {
    pin(pins).replace("'application', ", "")
}

/// Puts a policy into force that is as large as they come, and says nothing special about the bank. It
/// is compiled as `apply` does it; reading its source would take longer than all else here.
pub(crate) fn publish_large(state: &Path) {
    let policy = large();
    publish(&policy, state, now()).unwrap();
}

fn large() -> Policy {
    let mut authorities = vec![Authority {
        name: "application".into(),
        place: Place::default(),
        scope: Scope::default(),
        kind: AuthorityKind::Application,
    }];
    authorities.extend((0..RULES).map(authority));
    Policy {
        mode: Mode::Enforce,
        enforce: Enforce::Verified,
        log: Default::default(),
        authorities,
        constraints: (0..LIMITS).map(constraint).collect(),
        denials: (0..LIMITS).map(denial).collect(),
        rules: (0..RULES).map(rule).collect(),
        default: Accept::Any(vec![Accept::Authority(0)]),
        programs: Vec::new(),
        sources: Vec::new(),
        system: Vec::new(),
    }
}

/// Every second one has pins, the others an anchor.
fn authority(number: usize) -> Authority {
    let kind = if number.is_multiple_of(2) {
        let each = PINS / (RULES / 2);
        AuthorityKind::Pin { pins: (0..each).map(|i| a_pin(number * each + i)).collect() }
    } else {
        AuthorityKind::X509 {
            anchors: vec![anchor(number)],
            crls: Vec::new(),
            profile: Profile::Rfc5280,
        }
    };
    Authority {
        name: format!("authority-{number}"),
        place: place(number),
        scope: Scope { peers: Some(vec![domain(number)]), ..Scope::default() },
        kind,
    }
}

fn a_pin(number: usize) -> Pin {
    Pin {
        peer: Name::parse(&format!("host-{number}.pinned.example")).unwrap(),
        protocols: None,
        keys: vec![hash(number)],
        certificates: Vec::new(),
        until: None,
        place: place(number),
    }
}

fn anchor(number: usize) -> Anchor {
    let root = Draft::ca(&format!("Root {number}")).self_signed();
    let certificate = Certificate::from_der(&root.cert.to_der().unwrap()).unwrap();
    let key = Key::from_spki(certificate.spki(), &NoCrypto).unwrap().hash();
    Anchor { certificate, key, purposes: Purposes::ALL }
}

fn constraint(number: usize) -> Constraint {
    let scope = Scope { peers: Some(vec![domain(number)]), ..Scope::default() };
    Constraint {
        cas: vec![hash(PINS + number)],
        certificates: Vec::new(),
        scope,
        place: place(number),
    }
}

fn denial(number: usize) -> Denial {
    let target = match number % 3 {
        0 => DenialTarget::Key(hash(2 * PINS + number)),
        1 => DenialTarget::Certificate(hash(2 * PINS + number).0),
        _ => DenialTarget::IssuerSerial {
            issuer: number.to_be_bytes().to_vec(),
            serial: number.to_be_bytes().to_vec(),
        },
    };
    Denial { target, certificate: None, reason: None, until: None, place: place(number) }
}

/// For a domain of its own, over one of several protocols.
fn rule(number: usize) -> Rule {
    let protocol = ["https", "imaps", "ldaps", "postgresql"][number % 4];
    Rule {
        peers: Some(vec![domain(number)]),
        protocols: Some(vec![Protocol::parse(protocol).unwrap()]),
        applications: None,
        role: None,
        until: None,
        mode: None,
        accept: Accept::All(vec![Accept::Authority(0), Accept::Authority(number + 1)]),
        place: place(number),
    }
}

fn domain(number: usize) -> Pattern {
    Pattern::parse(&format!(".domain-{number}.example")).unwrap()
}

fn hash(number: usize) -> KeyHash {
    KeyHash::of(&number.to_be_bytes())
}

fn place(line: usize) -> Place {
    Place { file: "policy.toml".into(), line: line as u32, column: 1 }
}
