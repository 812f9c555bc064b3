//! The NSS module beside the two others that programs get their anchors from.

mod lookups;
mod programs;

pub(crate) use lookups::first_answer;

use std::fs;

use peerkey_core::policy::{
    Accept, Authority, AuthorityKind, Denial, DenialTarget, Enforce, Mode, Place, Policy, Scope,
};
use peerkey_core::source::publish;
use peerkey_tests::pki::now;
use peerkey_tests::site::Site;

use crate::figure::{Figure, Limit, Sample, Unit};

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The entries of a large policy, and of a small one.
const MANY: usize = 100_000;
const FEW: usize = 100;

pub(crate) fn measure() -> Vec<Figure> {
    let mut figures = lookups::measure();
    figures.extend(programs::measure());
    figures
}

/// A site whose policy has the system's anchors, and how many they are.
fn anchored() -> (Site, usize) {
    let site = Site::new();
    let bundle = fs::read_to_string(BUNDLE).expect("the package ca-certificates");
    let anchors = bundle.matches("-----BEGIN CERTIFICATE-----").count();
    site.write("config/anchors/all.pem", bundle);
    site.apply(
        "version = 1\n[authority.system]\nkind = 'x509'\nanchors = ['anchors/all.pem']\n\
         [default]\naccept = { any = ['application', 'system'] }\n",
    );
    (site, anchors)
}

/// A site whose policy denies so many certificates by issuer and serial number.
fn denying(denials: usize) -> Site {
    let site = Site::new();
    let place = || Place { file: "policy.toml".into(), line: 1, column: 1 };
    let denial = |number| {
        let (issuer, serial) = denied(number);
        let target = DenialTarget::IssuerSerial { issuer, serial };
        Denial { target, certificate: None, reason: None, until: None, place: place() }
    };
    let policy = Policy {
        mode: Mode::Enforce,
        enforce: Enforce::Verified,
        log: Default::default(),
        authorities: vec![Authority {
            name: "application".into(),
            place: Place::default(),
            scope: Scope::default(),
            kind: AuthorityKind::Application,
        }],
        constraints: Vec::new(),
        denials: (0..denials).map(denial).collect(),
        rules: Vec::new(),
        default: Accept::Any(vec![Accept::Authority(0)]),
        programs: Vec::new(),
        sources: Vec::new(),
        system: Vec::new(),
    };
    publish(&policy, &site.path("state"), now()).unwrap();
    site
}

/// The issuer and the serial number's octets of a denied certificate. A hundred issuers share them.
fn denied(number: usize) -> (Vec<u8>, Vec<u8>) {
    let mut name = openssl::x509::X509Name::builder().unwrap();
    name.append_entry_by_text("CN", &format!("Denied CA {}", number % FEW)).unwrap();
    let serial = (0x1000_0000 + number as u32).to_be_bytes().to_vec();
    (name.build().to_der().unwrap(), serial)
}

/// One thing in proportion to another, round by round: the other's comes first.
fn ratio(what: &str, rounds: &[[f64; 2]], unit: &str, most: f64) -> Figure {
    let side = |index: usize| {
        let median = Sample::of(rounds.iter().map(|round| round[index])).median();
        format!("{median:.2} {unit}")
    };
    let ratios = Sample::of(rounds.iter().map(|[other, ours]| ours / other));
    Figure::new(what, [side(0), side(1)], ratios.median(), Unit::Ratio)
        .spread(ratios.quartiles())
        .limit(Limit::Most(most))
}
