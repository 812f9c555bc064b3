//! A router for which nobody vouches: met once, remembered by every program, and replaced.

use std::fs;
use std::path::Path;

use comfy_table::Table;
use peerkey_tests::nss::Nss;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::{Client, Visit, fetch_shows_protocol};
use peerkey_tests::run::{Run, run};
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::site::{Peerkey, Site};

use crate::{Browser, indented, new_table};

const ROUTER: &str = "gateway.lan";

const POLICY: &str = r#"version = 1

[authority.devices]                   # keys that are remembered
kind = "tofu"
peers = [".lan"]

[[rule]]                              # nobody else vouches for what is at home
peers = [".lan"]
accept = { any = ["application", "devices"] }
"#;

/// What is remembered is so of a protocol.
fn programs() -> Vec<Client> {
    let fetch = fetch_shows_protocol().then_some(Client::NodeFetch);
    [Client::Curl, Client::Urllib].into_iter().chain(fetch).chain([Client::SClient]).collect()
}

/// Plays the whole story, and prints it.
pub(crate) fn play(pictures: &Path) {
    let site = Site::new();
    site.write("trust.pem", Draft::ca("Web Root").self_signed().pem());
    site.apply(POLICY);
    println!("\nA router, and the policy:\n\n{}", indented(POLICY));
    let [old, new] = [(); 2].map(|()| Draft::server(ROUTER).self_signed());
    let mut story = Story { site: &site, pictures, table: new_table(), scenes: 0 };
    story.table.set_header(["", "program", "without", "with", "what it says"]);
    let server = serve(&old);
    story.programs("curl meets it for the first time", &server, &[Client::Curl]);
    story.everybody("its key is known now", &old, &server);
    let server = serve(&new);
    story.everybody("its key is another one", &new, &server);
    let said = accept(&site, &server);
    story.everybody("somebody accepted it", &new, &server);
    println!("{}\n\n{}", story.table, indented(&said));
}

fn serve(identity: &Issued) -> Server {
    ServerDraft::new(Service::Https, identity).port(443).start()
}

/// A person's word for the key that the router has now.
fn accept(site: &Site, server: &Server) -> String {
    let mut command = site.peerkey();
    command.args(["keys", "accept", ROUTER, "--yes", "--connect", &server.address().to_string()]);
    let Run { stdout, stderr, .. } = run(&mut command).expect_ok("keys accept");
    format!("$ peerkey keys accept {ROUTER} --yes --connect {}\n{stderr}{stdout}", server.address())
}

struct Story<'a> {
    site: &'a Site,
    pictures: &'a Path,
    table: Table,
    scenes: usize,
}

impl Story<'_> {
    /// All programs; Firefox is started anew, and photographed.
    fn everybody(&mut self, what: &str, identity: &Issued, server: &Server) {
        self.programs(what, server, &programs());
        self.scenes += 1;
        let fared = [("without", false), ("with", true)].map(|side| self.browse(side, identity));
        for (index, program) in ["tstclnt", "Firefox"].into_iter().enumerate() {
            let [without, with] = fared.each_ref().map(|errors| errors[index].as_str());
            let row = ["", program, word(without.is_empty()), word(with.is_empty()), with];
            self.table.add_row(row);
        }
    }

    /// The errors of tstclnt and of Firefox.
    fn browse(&self, (name, module): (&'static str, bool), identity: &Issued) -> [String; 2] {
        // Firefox never says on which port it is, and finds every name here.
        let server = ServerDraft::new(Service::Https, identity).start();
        let folder = format!("{name}-{}", self.scenes);
        let mut browser = Browser::start_in(self.site, &folder, name, module, &[]);
        let address = server.address();
        let tstclnt = browser.profile.database.visit(Nss::Debian, ROUTER, address).error;
        let firefox = browser.firefox.visit(ROUTER, address).error;
        let shown = browser.firefox.photograph(ROUTER, address);
        let picture = format!("8-{ROUTER}-{}-{name}.png", self.scenes);
        fs::write(self.pictures.join(picture), shown).unwrap();
        [tstclnt, firefox].map(Option::unwrap_or_default)
    }

    fn programs(&mut self, what: &str, server: &Server, clients: &[Client]) {
        let mut fared = Vec::new();
        for client in clients {
            let visit = Visit::new(server.address(), ROUTER, &self.site.path("trust.pem"));
            let both =
                [Peerkey::Off, Peerkey::On].map(|peerkey| client.visit(self.site, peerkey, &visit));
            let outcome = both.each_ref().map(|outcome| outcome.connected);
            fared.push((client.name(), outcome, reason(&both[1].text())));
        }
        let Some((_, outcome, said)) = fared.first() else { return };
        let alike = fared.iter().all(|(_, other, _)| other == outcome);
        let rows = if alike {
            let names: Vec<_> = fared.iter().map(|(name, ..)| *name).collect();
            // curl cuts off what is long.
            let longest = fared.iter().map(|(.., said)| said).max_by_key(|said| said.len());
            vec![(names.join("\n"), *outcome, longest.unwrap_or(said).clone())]
        } else {
            fared
                .into_iter()
                .map(|(name, outcome, said)| (name.to_owned(), outcome, said))
                .collect()
        };
        for (names, [without, with], said) in rows {
            let said = if with { String::new() } else { said };
            self.table.add_row([what, &names, word(without), word(with), &said]);
        }
    }
}

fn word(accepts: bool) -> &'static str {
    if accepts { "accepts" } else { "refuses" }
}

/// peerkey's sentence, out of what a program wrote.
fn reason(text: &str) -> String {
    let said = text.lines().find_map(|line| line.find("devices: ").map(|at| &line[at..]));
    let said = said.unwrap_or_default();
    let end = said.find(": self-signed certificate").unwrap_or(said.len());
    said[..end].trim_end_matches([')', '>', '.']).to_owned()
}
