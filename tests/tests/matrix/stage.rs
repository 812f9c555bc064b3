//! The programs of the matrix, and how one case is played with each.

use std::net::SocketAddr;
use std::sync::Mutex;

use peerkey_tests::daemon::{Nginx, Postgres, Redis};
use peerkey_tests::pki::Issued;
use peerkey_tests::program::{Client, Outcome, Visit};
use peerkey_tests::server::{ServerDraft, Service, free_port, own_loopback};
use peerkey_tests::site::{Peerkey, Site};

use crate::situations::Situation;
use crate::world::World;

/// A program that is judged.
#[derive(Debug)]
pub(crate) struct Program {
    pub name: &'static str,
    pub peer: &'static str,
    pub protocol: &'static str,
    pub what: What,
    pub shows: Shows,
}

/// What its user or administrator reads when peerkey refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shows {
    /// The whole reason.
    Reason,
    /// Its beginning.
    Beginning,
    /// At least that an application's verification failed (X509_V_ERR_APPLICATION_VERIFICATION).
    Code,
}

impl Shows {
    /// How much of it the text has.
    pub(crate) fn of(text: &str, because: &str) -> Option<Self> {
        match text.contains("peerkey: ") {
            true if text.contains(because) => Some(Self::Reason),
            true => Some(Self::Beginning),
            false => text.contains("application verification failure").then_some(Self::Code),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A client of an in-process server that speaks this service.
    Client(Client, Service),
    /// A client of PostgreSQL.
    Psql,
    /// A client of redis-server.
    RedisCli,
    /// nginx that verifies its upstream.
    NginxProxy,
    /// nginx that verifies its clients.
    NginxServer,
}

const BANK: &str = "bank.example";

const fn https(client: Client, name: &'static str) -> Program {
    let what = What::Client(client, Service::Https);
    Program { name, peer: BANK, protocol: "https", what, shows: Shows::Reason }
}

pub(crate) const PROGRAMS: &[Program] = &[
    https(Client::Curl, "curl"),
    Program { peer: "127.0.0.1", ..https(Client::CurlAddress, "curl-address") },
    Program {
        protocol: "imaps",
        what: What::Client(Client::CurlImaps, Service::Imaps),
        ..https(Client::CurlImaps, "curl-imaps")
    },
    Program {
        protocol: "smtp",
        what: What::Client(Client::CurlSmtp, Service::Smtp),
        ..https(Client::CurlSmtp, "curl-smtp")
    },
    https(Client::SClient, "s_client"),
    https(Client::Urllib, "urllib"),
    https(Client::Asyncio, "asyncio"),
    // Node reports the verification result, and looks at the error queue only if a handshake fails.
    Program { shows: Shows::Code, ..https(Client::Node, "node") },
    Program { shows: Shows::Code, ..https(Client::NodeFetch, "node-fetch") },
    Program {
        name: "psql",
        peer: BANK,
        protocol: "postgresql",
        what: What::Psql,
        // Its library keeps 128 characters of a message.
        shows: Shows::Beginning,
    },
    Program {
        name: "redis-cli",
        peer: BANK,
        protocol: "redis",
        what: What::RedisCli,
        // Its library keeps 128 characters of a message.
        shows: Shows::Beginning,
    },
    Program {
        name: "nginx-proxy",
        peer: BANK,
        protocol: "https",
        what: What::NginxProxy,
        shows: Shows::Code,
    },
    Program {
        name: "nginx-server",
        peer: "alice.example",
        protocol: "https",
        what: What::NginxServer,
        shows: Shows::Reason,
    },
];

impl Program {
    /// What people call it.
    pub(crate) fn title(&self) -> &'static str {
        match self.what {
            What::Client(client, _) => client.name(),
            What::Psql => Client::Psql.name(),
            What::RedisCli => Client::RedisCli.name(),
            What::NginxProxy => "nginx, of its upstream",
            What::NginxServer => "nginx, of its clients",
        }
    }

    /// Whether it judges its clients.
    pub(crate) fn is_server(&self) -> bool {
        self.what == What::NginxServer
    }
}

/// What the cases share.
pub(crate) struct Stage {
    pub world: World,
    postgres: Mutex<Option<(Site, Postgres)>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { world: World::new(), postgres: Mutex::new(None) }
    }

    /// Ends what the cases shared.
    pub(crate) fn close(&self) {
        *self.postgres.lock().unwrap() = None;
    }

    /// Plays a case: the outcomes without and with peerkey.
    pub(crate) fn play(&self, program: &Program, situation: &Situation) -> [Outcome; 2] {
        self.play_at(&Site::new(), program, situation)
    }

    /// Plays a case at this site.
    pub(crate) fn play_at(
        &self,
        site: &Site,
        program: &Program,
        situation: &Situation,
    ) -> [Outcome; 2] {
        let identity = self.world.identity(situation.presents, program.peer, program.is_server());
        for (name, content) in self.world.files() {
            site.write(&format!("config/anchors/{name}"), content);
        }
        site.write("trust.pem", self.world.bundle(situation.trusts));
        site.apply(&self.world.fill(situation.policy, program, &identity));
        let both = |visit: &dyn Fn(Peerkey) -> Outcome| [Peerkey::Off, Peerkey::On].map(visit);
        match program.what {
            What::Client(client, service) => {
                // s_client shows its socket, the others their ALPN.
                let port = if client == Client::SClient { 443 } else { 0 };
                let server = ServerDraft::new(service, &identity).port(port).start();
                let visit = visit(site, server.address(), program, situation);
                both(&|peerkey| client.visit(site, peerkey, &visit))
            }
            What::Psql => {
                let mut shared = self.postgres.lock().unwrap_or_else(|e| e.into_inner());
                let address = present(&mut shared, &identity);
                let visit = visit(site, address, program, situation);
                both(&|peerkey| Client::Psql.visit(site, peerkey, &visit))
            }
            What::RedisCli => {
                let redis = Redis::start(site, Peerkey::Off, &identity, None);
                let visit = visit(site, redis.address(), program, situation);
                both(&|peerkey| Client::RedisCli.visit(site, peerkey, &visit))
            }
            What::NginxProxy => {
                let server = ServerDraft::new(Service::Https, &identity).port(443).start();
                let upstream = server.address();
                both(&|peerkey| proxy(site, peerkey, upstream, program, situation))
            }
            What::NginxServer => both(&|peerkey| self.server(site, peerkey, &identity, situation)),
        }
    }

    fn server(
        &self,
        site: &Site,
        peerkey: Peerkey,
        client: &Issued,
        situation: &Situation,
    ) -> Outcome {
        // Of no known service, so that the protocol shows by ALPN or not at all.
        let address = SocketAddr::new(own_loopback(), free_port());
        let verify = if situation.insecure { "optional_no_ca" } else { "on" };
        let itself = self.world.server(BANK);
        let trust = site.path("trust.pem");
        let nginx = Nginx::server(site, peerkey, address, &itself, &trust, verify);
        let visit = Visit::new(address, BANK, &trust).identity(site, client);
        let mut outcome = Client::Curl.visit(site, Peerkey::Off, &visit);
        outcome.log = nginx.finish();
        outcome
    }
}

fn visit(site: &Site, address: SocketAddr, program: &Program, situation: &Situation) -> Visit {
    let insecure = situation.insecure;
    Visit { insecure, ..Visit::new(address, program.peer, &site.path("trust.pem")) }
}

fn present(shared: &mut Option<(Site, Postgres)>, identity: &Issued) -> SocketAddr {
    if let Some((_, postgres)) = shared {
        postgres.present(identity);
        return postgres.address();
    }
    let site = Site::new();
    let postgres = Postgres::start(&site, Peerkey::Off, identity, None);
    let address = postgres.address();
    *shared = Some((site, postgres));
    address
}

fn proxy(
    site: &Site,
    peerkey: Peerkey,
    upstream: SocketAddr,
    program: &Program,
    situation: &Situation,
) -> Outcome {
    let trust = site.path("trust.pem");
    let trusted = (!situation.insecure).then_some(trust.as_path());
    let nginx = Nginx::proxy(site, peerkey, upstream, program.peer, trusted);
    let outcome = nginx.ask(site);
    Outcome { log: nginx.finish(), ..outcome }
}
