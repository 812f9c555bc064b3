//! nginx: as a proxy that verifies its upstream, and as a server that verifies its clients.

use std::fs;
use std::net::SocketAddr;

use super::listens;
use crate::pki::Issued;
use crate::program::Outcome;
use crate::run::{Daemon, run, under, until};
use crate::server::{free_port, own_loopback};
use crate::site::{Peerkey, Site};

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    daemon: Daemon,
    address: SocketAddr,
    log: std::path::PathBuf,
}

impl Nginx {
    /// A proxy: plain HTTP in front, TLS to the upstream, which it takes to be `peer` and verifies
    /// with the CA file that it is given, or not at all.
    pub fn proxy(
        site: &Site,
        peerkey: Peerkey,
        upstream: SocketAddr,
        peer: &str,
        trusted: Option<&std::path::Path>,
    ) -> Self {
        Self::proxy_with(site, peerkey, upstream, peer, trusted, "proxy_ssl_session_reuse off;")
    }

    /// A proxy with further directives.
    pub fn proxy_with(
        site: &Site,
        peerkey: Peerkey,
        upstream: SocketAddr,
        peer: &str,
        trusted: Option<&std::path::Path>,
        directives: &str,
    ) -> Self {
        Self::proxy_as(site, peerkey, upstream, (peer, trusted), directives, &[])
    }

    /// A proxy as one process under another program, which takes the command as its last arguments.
    pub fn proxy_under(
        site: &Site,
        upstream: SocketAddr,
        peer: &str,
        trusted: &std::path::Path,
        outer: &[String],
    ) -> Self {
        let directives = "proxy_ssl_session_reuse off;";
        Self::proxy_as(site, Peerkey::On, upstream, (peer, Some(trusted)), directives, outer)
    }

    fn proxy_as(
        site: &Site,
        peerkey: Peerkey,
        upstream: SocketAddr,
        (peer, trusted): (&str, Option<&std::path::Path>),
        directives: &str,
        outer: &[String],
    ) -> Self {
        let address = SocketAddr::new(own_loopback(), free_port());
        let verify = trusted.map_or("proxy_ssl_verify off;".into(), |file| {
            let file = file.display();
            format!("proxy_ssl_verify on; proxy_ssl_trusted_certificate {file};")
        });
        let server = format!(
            "listen {address};\nlocation / {{ proxy_pass https://{upstream}; {verify}\n\
             proxy_ssl_verify_depth 5; proxy_ssl_name {peer}; proxy_ssl_server_name on;\n\
             {directives} }}"
        );
        Self::start(site, peerkey, address, &server, outer)
    }

    /// A server that verifies its clients as `verify` says (`on`, `optional_no_ca`, …).
    pub fn server(
        site: &Site,
        peerkey: Peerkey,
        address: SocketAddr,
        identity: &Issued,
        clients: &std::path::Path,
        verify: &str,
    ) -> Self {
        let certificate = site.write(&format!("nginx-{address}.crt"), identity.chain_pem());
        let key = site.write(&format!("nginx-{address}.key"), identity.key_pem());
        let server = format!(
            "listen {address} ssl;\nssl_certificate {}; ssl_certificate_key {};\n\
             ssl_client_certificate {}; ssl_verify_client {verify}; ssl_verify_depth 5;\n\
             location / {{ return 200 \"verified: $ssl_client_verify\\n\"; }}",
            certificate.display(),
            key.display(),
            clients.display(),
        );
        Self::start(site, peerkey, address, &server, &[])
    }

    fn start(
        site: &Site,
        peerkey: Peerkey,
        address: SocketAddr,
        server: &str,
        outer: &[String],
    ) -> Self {
        let folder = site.path(&format!("nginx-{address}"));
        fs::create_dir(&folder).unwrap();
        let log = folder.join("error.log");
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {}/{kind};\n", folder.display()))
            .concat();
        let settings = format!(
            "daemon off;\nmaster_process {};\nworker_processes 1;\nuser nobody nogroup;\n\
             pid {}/pid;\nerror_log {} info;\nevents {{ worker_connections 64; }}\n\
             http {{\naccess_log off;\n{paths}server {{\n{server}\n}}\n}}\n",
            if outer.is_empty() { "on" } else { "off" },
            folder.display(),
            log.display(),
        );
        let file = site.write(&format!("nginx-{address}/conf"), settings);
        let mut command = site.command("/usr/sbin/nginx", peerkey);
        command.arg("-c").arg(file).arg("-e").arg(&log);
        if let [program, arguments @ ..] = outer {
            command = under(program, arguments, &command);
        }
        let daemon = Daemon::start(&command, "QUIT", &folder.join("output"));
        let said = || fs::read_to_string(folder.join("output")).unwrap_or_default();
        until("nginx listens", || {
            assert!(!said().contains("[emerg]"), "nginx: {}", said());
            listens(address)
        });
        Self { daemon, address, log }
    }

    /// Asks the proxy for a page, in plain HTTP.
    pub fn ask(&self, site: &Site) -> Outcome {
        let mut curl = site.command("/usr/bin/curl", Peerkey::Off);
        curl.args(["--silent", "--show-error", "--fail", "--max-time", "20"]);
        let run = run(curl.arg(format!("http://{}/", self.address)));
        Outcome { connected: run.ok(), run, log: String::new() }
    }

    /// Where its files are: `error.log`, and `output` for its standard streams.
    pub fn folder(&self) -> &std::path::Path {
        self.log.parent().unwrap_or(&self.log)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and gives what it wrote into its error log. A client can be gone before its server has
    /// written a line.
    pub fn finish(self) -> String {
        drop(self.daemon);
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}
