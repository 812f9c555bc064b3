//! redis-server with TLS only.

use std::net::SocketAddr;

use super::listens;
use crate::pki::Issued;
use crate::run::{Daemon, until};
use crate::server::own_loopback;
use crate::site::{Peerkey, Site};

/// A running server on port 6379 of a loopback address of its own.
#[derive(Debug)]
pub struct Redis {
    _daemon: Daemon,
    address: SocketAddr,
}

impl Redis {
    /// Starts it with this identity; it verifies clients if a CA is given for them.
    pub fn start(
        site: &Site,
        peerkey: Peerkey,
        identity: &Issued,
        clients: Option<&Issued>,
    ) -> Self {
        let address = SocketAddr::new(own_loopback(), 6379);
        let certificate = site.write("redis.crt", identity.chain_pem());
        let key = site.write("redis.key", identity.key_pem());
        let ca = site.write("redis-clients.pem", clients.unwrap_or(identity).pem());
        let mut server = site.command("/usr/bin/redis-server", peerkey);
        server.args(["--port", "0", "--tls-port", "6379", "--save", "", "--protected-mode", "no"]);
        server.arg("--bind").arg(address.ip().to_string());
        server.arg("--tls-cert-file").arg(certificate).arg("--tls-key-file").arg(key);
        server.arg("--tls-ca-cert-file").arg(ca);
        server.args(["--tls-auth-clients", if clients.is_some() { "yes" } else { "no" }]);
        server.current_dir(site.path("home"));
        let daemon = Daemon::start(&server, "TERM", &site.path("redis.log"));
        until("redis listens", || listens(address));
        Self { _daemon: daemon, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
