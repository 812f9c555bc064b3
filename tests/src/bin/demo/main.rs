//! `make demo`: real programs visit real servers on loopback, with and without peerkey. The machine
//! trusts three CAs: the web's, the company's and a government's. What Firefox shows is photographed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a demonstration stops where it stands"
)]

mod router;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use comfy_table::{ContentArrangement, Table, presets};
use peerkey_tests::artifacts;
use peerkey_tests::daemon::Postgres;
use peerkey_tests::firefox::{Firefox, Profile};
use peerkey_tests::nss::Nss;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, Visit};
use peerkey_tests::run::run;
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::site::{Peerkey, Site};

const POLICY: &str = r#"version = 1

[[constraint]]                        # the company's CA is for the company's names
ca = ["anchors/company.pem"]
peers = [".corp.example"]

[[constraint]]                        # a government's CA is for its own country
ca = ["anchors/government.pem"]
peers = [".br"]

[authority.web]                       # the CAs that every program trusts by itself
kind = "x509"
anchors = ["anchors/roots.pem"]

[authority.pins]                      # keys that were written down
kind = "pin"
[[authority.pins.key]]
peer = "router.lan"
spki = ["anchors/router.pem"]

[[rule]]                              # no CA vouches for the router, only its pin
peers = ["router.lan"]
accept = "pins"

[default]                             # everything else
accept = "web"
"#;

fn main() {
    let cast = Cast::new();
    let site = Site::new();
    for (name, ca) in
        [("company", &cast.company), ("government", &cast.government), ("router", &cast.router)]
    {
        site.write(&format!("config/anchors/{name}.pem"), ca.pem());
    }
    let roots = [&cast.web, &cast.company, &cast.government].map(Issued::pem).concat();
    site.write("config/anchors/roots.pem", &roots);
    site.write("trust.pem", roots);
    site.apply(POLICY);
    println!(
        "The policy:\n\n{}\nEvery program trusts all three CAs by itself.\n",
        indented(POLICY)
    );
    let mut table = new_table();
    table.set_header(["program", "peer", "what the server presents", "without", "with", "reason"]);
    let roots = [&cast.web, &cast.company, &cast.government];
    let mut browsers = [("without", false), ("with", true)]
        .map(|(name, module)| Browser::start(&site, name, module, &roots));
    let pictures = artifacts::target_folder().join("demo");
    let _ = fs::remove_dir_all(&pictures);
    fs::create_dir_all(&pictures).unwrap();
    for (number, act) in cast.acts().iter().enumerate() {
        act.play(&site, &mut table);
        if act.clients != [Client::Psql] {
            let picture = pictures.join(format!("{}-{}", number + 1, act.peer));
            act.play_nss(&mut browsers, &picture, &mut table);
        }
    }
    drop(browsers);
    println!("{table}");
    router::play(&pictures);
    println!("\nWhat Firefox showed: {}", pictures.display());
}

fn new_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(140);
    table
}

/// Firefox, and the database of its profile for NSS's tools.
struct Browser<'a> {
    /// "with" or "without".
    name: &'static str,
    profile: Profile<'a>,
    firefox: Firefox,
}

impl<'a> Browser<'a> {
    fn start(site: &'a Site, name: &'static str, module: bool, roots: &[&Issued]) -> Self {
        Self::start_in(site, name, name, module, roots)
    }

    fn start_in(
        site: &'a Site,
        folder: &str,
        name: &'static str,
        module: bool,
        roots: &[&Issued],
    ) -> Self {
        let profile = Profile::new(site, folder);
        for (number, root) in roots.iter().enumerate() {
            profile.database.import(&format!("root-{number}"), &root.cert, "CT,C,C");
        }
        if module {
            profile.database.add_peerkey("");
        }
        Self { name, firefox: profile.start(), profile }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// The CAs and the peers.
struct Cast {
    web: Issued,
    company: Issued,
    government: Issued,
    router: Issued,
}

/// What one server presents, and the programs that visit it.
struct Act<'a> {
    peer: &'a str,
    presents: &'a str,
    identity: Issued,
    clients: &'a [Client],
}

impl Cast {
    fn new() -> Self {
        Self {
            web: Draft::ca("Web Root").self_signed(),
            company: Draft::ca("Company Root").self_signed(),
            government: Draft::ca("Government Root").self_signed(),
            router: Draft::server("router.lan").self_signed(),
        }
    }

    fn acts(&self) -> Vec<Act<'_>> {
        use Client::{Curl, Node, Psql, SClient, Urllib};
        let (bank, tax) = ("www.bank.example", "receita.gov.br");
        let by = |peer: &str, ca: &Issued| Draft::server(peer).signed_by(ca);
        let act = |peer, presents, identity, clients| Act { peer, presents, identity, clients };
        let four: &[Client] = &[Curl, Urllib, Node, SClient];
        let database = "db.corp.example";
        vec![
            act(bank, "a certificate of the web's CA", by(bank, &self.web), &[Curl, Node]),
            act(bank, "a certificate of the company's CA", by(bank, &self.company), four),
            act(
                database,
                "a certificate of the company's CA",
                by(database, &self.company),
                &[Psql],
            ),
            act("router.lan", "its self-signed certificate", self.router.clone(), four),
            act(
                "router.lan",
                "a certificate of the web's CA",
                by("router.lan", &self.web),
                &[Curl],
            ),
            act(tax, "a certificate of the government's CA", by(tax, &self.government), &[Curl]),
            act(bank, "a certificate of the government's CA", by(bank, &self.government), four),
        ]
    }
}

impl Act<'_> {
    /// One row: the programs that fared alike share it.
    fn play(&self, site: &Site, table: &mut Table) {
        let stage = Stage::open(self.clients, &self.identity);
        let mut fared: Vec<([bool; 2], Vec<Client>)> = Vec::new();
        for client in self.clients {
            let visit = Visit::new(stage.address(), self.peer, &site.path("trust.pem"));
            let both = [Peerkey::Off, Peerkey::On]
                .map(|peerkey| client.visit(site, peerkey, &visit).connected);
            match fared.iter_mut().find(|(other, _)| *other == both) {
                Some((_, clients)) => clients.push(*client),
                None => fared.push((both, vec![*client])),
            }
        }
        for ([without, with], clients) in fared {
            let names: Vec<_> = clients.iter().map(|client| client.name()).collect();
            let word = |connected| if connected { "accepts" } else { "refuses" };
            table.add_row([
                &*names.join("\n"),
                self.peer,
                self.presents,
                word(without),
                word(with),
                &self.reason(site, clients[0], stage.address()),
            ]);
        }
    }

    /// The same for NSS's tstclnt and for Firefox, which is photographed.
    fn play_nss(&self, browsers: &mut [Browser<'_>; 2], picture: &Path, table: &mut Table) {
        let server = ServerDraft::new(Service::Https, &self.identity).start();
        let address = server.address();
        let [without, with] = browsers.each_mut().map(|browser| {
            let tstclnt = browser.profile.database.visit(Nss::Debian, self.peer, address).error;
            let firefox = browser.firefox.visit(self.peer, address);
            let shown = browser.firefox.photograph(self.peer, address);
            let file = format!("{}-{}.png", picture.display(), browser.name);
            fs::write(file, shown).unwrap();
            [tstclnt, firefox.error].map(|error| error.unwrap_or_default())
        });
        let alike = without[0].is_empty() == without[1].is_empty()
            && with[0].is_empty() == with[1].is_empty();
        let rows = if alike {
            vec![("tstclnt\nFirefox", 1)]
        } else {
            vec![("tstclnt", 0), ("Firefox", 1)]
        };
        for (programs, index) in rows {
            let word = |error: &str| if error.is_empty() { "accepts" } else { "refuses" };
            table.add_row([
                programs,
                self.peer,
                self.presents,
                word(&without[index]),
                word(&with[index]),
                &with[index],
            ]);
        }
    }

    /// What `peerkey check` says of the same connection.
    fn reason(&self, site: &Site, client: Client, address: SocketAddr) -> String {
        let protocol = if client == Client::Psql { "postgresql" } else { "https" };
        let mut check = site.peerkey();
        check.env("SSL_CERT_FILE", site.path("trust.pem"));
        check.args(["check", protocol, self.peer, "--json", "--connect", &address.to_string()]);
        let run = run(&mut check);
        let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap_or_default();
        let authorities = answer["basis"]["authorities"].as_array();
        let basis = authorities.map(|all| {
            let all: Vec<_> = all.iter().filter_map(serde_json::Value::as_str).collect();
            all.join("; ")
        });
        let reason = answer["reason"]["text"].as_str().map(str::to_owned);
        reason.or(basis).unwrap_or_else(|| run.text())
    }
}

/// The server of an act.
enum Stage {
    Https(Server),
    // Ends before its folder goes.
    Postgres(Postgres, #[allow(dead_code, reason = "it keeps the folder")] Site),
}

impl Stage {
    fn open(clients: &[Client], identity: &Issued) -> Self {
        if clients.contains(&Client::Psql) {
            let site = Site::new();
            let postgres = Postgres::start(&site, Peerkey::Off, identity, None);
            return Self::Postgres(postgres, site);
        }
        Self::Https(ServerDraft::new(Service::Https, identity).start())
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Https(server) => server.address(),
            Self::Postgres(postgres, _) => postgres.address(),
        }
    }
}
