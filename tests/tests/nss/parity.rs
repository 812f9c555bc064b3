//! The same question to OpenSSL's programs and to NSS's: one policy, one answer, wherever NSS can be told it
//! exactly; and never a laxer one. The table goes to target/nss-parity.txt.

use std::fmt::Write as _;
use std::process::Command;

use peerkey_tests::artifacts;
use peerkey_tests::firefox::Firefox;
use peerkey_tests::nss::Nss;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, Visit};
use peerkey_tests::readme;
use peerkey_tests::run::run;
use peerkey_tests::site::{Peerkey, Site};

use crate::stage::{Stage, https, site};

/// How true NSS is to the policy about the peers of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Exactly,
    /// NSS may refuse what OpenSSL accepts.
    Stricter,
    /// Exact in NSS's tools; Firefox cannot be told.
    StricterInFirefox,
}
use Told::{Exactly, Stricter, StricterInFirefox};

/// A policy, and peers that present something.
struct Case {
    policy: String,
    told: Told,
    peers: Vec<(&'static str, &'static str, Issued)>,
}

struct World {
    web: Issued,
    web_ca: Issued,
    corp: Issued,
    corp_ca: Issued,
    pinned: Issued,
    device: Issued,
    wide: Issued,
}

impl World {
    fn new() -> Self {
        let [web, corp] = ["Web Root", "Corp Root"].map(|name| Draft::ca(name).self_signed());
        Self {
            web_ca: Draft::ca("Web CA").signed_by(&web),
            corp_ca: Draft::ca("Corp CA").signed_by(&corp),
            pinned: Draft::server("bank.example").self_signed(),
            device: Draft::server("bank.example").as_ca().usages(&[]).self_signed(),
            wide: Draft::server("bank.example").dns("other.example").self_signed(),
            web,
            corp,
        }
    }

    fn files(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("web", &self.web),
            ("web-ca", &self.web_ca),
            ("corp", &self.corp),
            ("corp-ca", &self.corp_ca),
            ("pinned", &self.pinned),
            ("device", &self.device),
            ("wide", &self.wide),
        ];
        all.map(|(name, issued)| (name, issued.pem())).to_vec()
    }

    /// Everybody trusts the web's root by themselves.
    fn cases(&self) -> Vec<Case> {
        let web = |name: &str| Draft::server(name).signed_by(&self.web_ca);
        let corp = |name: &str| Draft::server(name).signed_by(&self.corp_ca);
        let alone = |name: &str| Draft::server(name).self_signed();
        let usual = || {
            vec![
                ("web's", "bank.example", web("bank.example")),
                ("web's", "www.corp.example", web("www.corp.example")),
                ("corp's", "bank.example", corp("bank.example")),
                ("corp's", "www.corp.example", corp("www.corp.example")),
                ("self-signed", "bank.example", alone("bank.example")),
            ]
        };
        let case = |told, policy| Case { policy, told, peers: usual() };
        let with = |told, policy, who, identity: &Issued| {
            let mut case = case(told, policy);
            case.peers.push((who, "bank.example", identity.clone()));
            case
        };
        let rule = |what: &str, default: &str| format!("{what}\n[default]\naccept = {default}\n");
        let default = |default| rule("", default);
        let bank = |accept: &str| {
            let what = format!("[[rule]]\npeers = ['bank.example']\naccept = {accept}");
            rule(&what, "{ any = ['web'] }")
        };
        let limit = |ca: &str, peer: &str, accept: &str| {
            let what = format!("[[constraint]]\nca = ['anchors/{ca}.pem']\npeers = ['{peer}']");
            rule(&what, accept)
        };
        let deny = |who: &str| {
            let what = format!("[[deny]]\ncertificate = 'anchors/{who}.pem'");
            rule(&what, "{ any = ['application', 'corp'] }")
        };
        let corps = "[[rule]]\npeers = ['.corp.example']\naccept = { any = ['corp'] }";
        vec![
            case(Exactly, default("{ any = ['application'] }")),
            case(Exactly, default("{ any = ['corp'] }")),
            case(Exactly, default("{ any = ['application', 'corp'] }")),
            case(Exactly, default("{ any = ['scoped'] }")),
            case(Exactly, default("{ any = ['application', 'scoped'] }")),
            case(Exactly, rule(corps, "{ any = ['web'] }")),
            case(Stricter, limit("web", ".corp.example", "{ any = ['application'] }")),
            case(Stricter, limit("web-ca", ".corp.example", "{ any = ['application'] }")),
            case(Exactly, limit("corp", "bank.example", "{ any = ['corp'] }")),
            case(Exactly, deny("web-ca")),
            case(Exactly, deny("web")),
            with(Exactly, bank("{ any = ['pins'] }"), "pinned", &self.pinned),
            with(StricterInFirefox, bank("{ any = ['device'] }"), "CA:TRUE", &self.device),
            with(Stricter, bank("{ any = ['wide'] }"), "two names", &self.wide),
            with(Stricter, bank("{ all = ['pins', 'corp'] }"), "pinned", &self.pinned),
        ]
    }
}

/// Before each policy; each case asks for some of these.
const AUTHORITIES: &str = "
[authority.web]
kind = 'x509'
anchors = ['anchors/web.pem']
[authority.corp]
kind = 'x509'
anchors = ['anchors/corp.pem']
[authority.scoped]
kind = 'x509'
anchors = ['anchors/corp.pem']
peers = ['.corp.example']
[authority.pins]
kind = 'pin'
[[authority.pins.key]]
peer = 'bank.example'
spki = ['anchors/pinned.pem']
[authority.device]
kind = 'pin'
[[authority.device.key]]
peer = 'bank.example'
spki = ['anchors/device.pem']
[authority.wide]
kind = 'pin'
[[authority.wide.key]]
peer = 'bank.example'
spki = ['anchors/wide.pem']
";

/// A policy with the authorities that it names.
fn whole(policy: &str) -> String {
    let named = |part: &&str| {
        let name = part.split(']').next().unwrap_or_default();
        policy.contains(&format!("'{name}'"))
    };
    let parts = AUTHORITIES.split("\n[authority.").filter(named);
    let authorities: String = parts.map(|part| format!("[authority.{part}\n")).collect();
    format!("{authorities}{policy}")
}

/// Everybody's answers about a peer: curl, s_client, tstclnt on both NSS, Firefox.
fn answers(
    stage: &Stage<'_>,
    site: &Site,
    browser: &mut Firefox,
    name: &str,
    identity: &Issued,
) -> [bool; 5] {
    let server = https(identity);
    let visit = Visit::new(server.address(), name, &site.path("trust.pem"));
    let openssl = [Client::Curl, Client::SClient]
        .map(|client| client.visit(site, Peerkey::On, &visit).connected);
    let database = &stage.profile.database;
    let tools = [Nss::Debian, Nss::Firefox]
        .map(|nss| database.visit(nss, name, server.address()).accepted());
    let firefox = browser.visit(name, server.address()).accepted();
    [openssl[0], openssl[1], tools[0], tools[1], firefox]
}

/// Whether `peerkey nss plan` says that NSS is told the policy exactly.
fn planned_exact(site: &Site) -> bool {
    // It exits with 1 where something could be laxer, as with another certificate of a limited key.
    let plan = run(site.peerkey().args(["nss", "plan", "--json"]));
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    plan["lines"].as_array().unwrap().iter().all(|line| line["how"] == "exact")
}

#[test]
fn one_policy_one_answer() {
    let world = World::new();
    let mut table = format!(
        "{:<17} {:<18} {:<9} {:<9} {:<9} {:<9} {:<9}\n",
        "who", "peer", "curl", "s_client", "NSS 3.87", "NSS 3.125", "Firefox"
    );
    let mut wrong = Vec::new();
    let mut tallies = [Tally::default(); 3];
    for case in world.cases() {
        let site = site(&world.files(), &whole(&case.policy));
        site.write("trust.pem", world.web.pem());
        // Here peers are told apart, and so more is exact than the plan can promise.
        assert!(!planned_exact(&site) || case.told == Exactly, "{}", case.policy);
        let stage = Stage::new(&site);
        stage.profile.database.import("web", &world.web.cert, "CT,C,C");
        let mut browser = stage.profile.start();
        let policy: Vec<_> = case.policy.split_whitespace().collect();
        writeln!(table, "\n{}\n  told {:?}", policy.join(" "), case.told).unwrap();
        for (who, name, identity) in &case.peers {
            let all = answers(&stage, &site, &mut browser, name, identity);
            let shown = all.map(|yes| if yes { "yes" } else { "no" });
            let [curl, s_client, old, new, firefox] = shown;
            let line = format!(
                "{who:<17} {name:<18} {curl:<9} {s_client:<9} {old:<9} {new:<9} {firefox:<9}"
            );
            writeln!(table, "{}", line.trim_end()).unwrap();
            let [curl, nss @ ..] = [all[0], all[2], all[3], all[4]];
            tallies.iter_mut().zip(nss).for_each(|(tally, answer)| tally.count(curl, answer));
            let exact = match case.told {
                Exactly => &nss[..],
                StricterInFirefox => &nss[..2],
                Stricter => &[],
            };
            let laxer = !curl && nss.contains(&true);
            if all[0] != all[1] || exact.iter().any(|answer| *answer != curl) || laxer {
                wrong.push(format!("{}\n  {line}", case.policy));
            }
        }
    }
    std::fs::write(artifacts::target_folder().join("nss-parity.txt"), &table).unwrap();
    assert!(wrong.is_empty(), "{}\n\n{table}", wrong.join("\n"));
    hold_readme(&tallies);
}

/// How often a program of NSS's answered as curl did, and how otherwise.
#[derive(Clone, Copy, Default)]
struct Tally {
    same: usize,
    stricter: usize,
    laxer: usize,
}

impl Tally {
    fn count(&mut self, curl: bool, answer: bool) {
        *match (curl, answer) {
            (true, false) => &mut self.stricter,
            (false, true) => &mut self.laxer,
            _ => &mut self.same,
        } += 1;
    }
}

/// Holds README's table to what was measured, or writes it anew.
fn hold_readme(tallies: &[Tally; 3]) {
    let nss = version(Command::new("dpkg-query").args(["-W", "-f", "${Version}", "libnss3"]));
    let firefox = version(Command::new("/usr/bin/firefox-esr").arg("--version"));
    let programs = [
        ("tstclnt, Debian's NSS", &nss),
        ("tstclnt, Firefox's NSS", &firefox),
        ("Firefox ESR", &firefox),
    ];
    let mut text = String::from(
        "| program | version | answers as curl | stricter | laxer |\n|---|---|---|---|---|\n",
    );
    for ((name, version), Tally { same, stricter, laxer }) in programs.iter().zip(tallies) {
        writeln!(text, "| {name} | {version} | {same} | {stricter} | {laxer} |").unwrap();
    }
    let wrong = readme::hold("nss", &text);
    assert!(
        wrong.is_empty(),
        "README is not what was measured (make table):\n{}",
        wrong.join("\n")
    );
}

/// The first number with a dot in it.
fn version(command: &mut Command) -> String {
    let said = run(command).stdout;
    let mut words = said.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.find(|word| word.contains('.')).expect("a version").to_owned()
}
