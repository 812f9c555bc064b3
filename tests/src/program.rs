//! Client programs of Debian's packages, each as the command that a person would type.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::daemon;
use crate::pki::Issued;
use crate::run::{PATIENCE, Run, run, run_with};
use crate::site::{Peerkey, Site};

/// A client program, and what it is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// `curl https://NAME/`
    Curl,
    /// `curl https://ADDRESS/`
    CurlAddress,
    /// `curl imaps://NAME/`
    CurlImaps,
    /// `curl --ssl-reqd smtp://NAME/`
    CurlSmtp,
    /// `openssl s_client -verify_hostname NAME -verify_return_error`
    SClient,
    /// Python's urllib.
    Urllib,
    /// Python's asyncio.
    Asyncio,
    /// Node's https.
    Node,
    /// Node's fetch.
    NodeFetch,
    /// `psql sslmode=verify-full`
    Psql,
    /// `redis-cli --tls`
    RedisCli,
}

/// Where to go, whom to expect there, and what to trust.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The server's address.
    pub address: SocketAddr,
    /// The name that the program is told; an address for programs that are told one.
    pub peer: String,
    /// The program's own CA file.
    pub trust: PathBuf,
    /// With the program's switch that turns verification off.
    pub insecure: bool,
    /// A client certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Further arguments.
    pub extra: Vec<String>,
    /// Further variables of the environment.
    pub environment: Vec<(String, String)>,
}

impl Visit {
    /// A visit with verification.
    pub fn new(address: SocketAddr, peer: &str, trust: &Path) -> Self {
        Self {
            address,
            peer: peer.into(),
            trust: trust.into(),
            insecure: false,
            identity: None,
            extra: vec![],
            environment: vec![],
        }
    }

    /// With verification turned off.
    pub fn insecure(mut self) -> Self {
        self.insecure = true;
        self
    }

    /// With a client certificate, whose files go into the site.
    pub fn identity(mut self, site: &Site, client: &Issued) -> Self {
        let certificate = site.write("client.crt", client.chain_pem());
        let key = site.write("client.key", client.key_pem());
        // libpq wants a key that nobody else may read.
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        self.identity = Some((certificate, key));
        self
    }

    /// With a variable of the environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// With further arguments.
    pub fn arguments(mut self, extra: &[&str]) -> Self {
        self.extra.extend(extra.iter().map(|argument| (*argument).to_owned()));
        self
    }
}

/// What a client met.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether it got through to the server's service.
    pub connected: bool,
    /// Everything it said.
    pub run: Run,
    /// What the server or proxy that is judged wrote into its log.
    pub log: String,
}

impl Client {
    /// The program's name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::CurlAddress => "curl to an address",
            Self::CurlImaps => "curl imaps",
            Self::CurlSmtp => "curl smtp STARTTLS",
            Self::SClient => "openssl s_client",
            Self::Urllib => "Python urllib",
            Self::Asyncio => "Python asyncio",
            Self::Node => "Node https",
            Self::NodeFetch => "Node fetch",
            Self::Psql => "psql",
            Self::RedisCli => "redis-cli",
        }
    }

    /// Runs the program once.
    pub fn visit(self, site: &Site, peerkey: Peerkey, visit: &Visit) -> Outcome {
        let mut command = self.command(site, peerkey, visit);
        command.args(&visit.extra).envs(visit.environment.iter().cloned());
        let input: &[u8] = match self {
            Self::SClient => b"GET / HTTP/1.0\r\n\r\n",
            _ => b"",
        };
        let run = run_with(&mut command, input, PATIENCE);
        let connected = match self {
            Self::SClient => run.stdout.contains("hello"),
            Self::RedisCli => run.stdout.contains("PONG"),
            _ => run.ok(),
        };
        Outcome { connected, run, log: String::new() }
    }

    /// The command of a visit, without what the visit adds to it.
    pub fn command(self, site: &Site, peerkey: Peerkey, visit: &Visit) -> Command {
        match self {
            Self::Curl | Self::CurlAddress | Self::CurlImaps | Self::CurlSmtp => {
                self.curl(site, peerkey, visit)
            }
            Self::SClient => s_client(site.command("/usr/bin/openssl", peerkey), visit),
            Self::Urllib => python(site, peerkey, visit, URLLIB),
            Self::Asyncio => python(site, peerkey, visit, ASYNCIO),
            Self::Node => node(site, peerkey, visit, NODE),
            Self::NodeFetch => node(site, peerkey, visit, NODE_FETCH),
            Self::Psql => psql(site, peerkey, visit),
            Self::RedisCli => redis_cli(site, peerkey, visit),
        }
    }

    fn curl(self, site: &Site, peerkey: Peerkey, visit: &Visit) -> Command {
        let mut command = site.command("/usr/bin/curl", peerkey);
        command.args(["--silent", "--show-error", "--max-time", "20"]);
        command.arg("--cacert").arg(&visit.trust);
        let port = visit.address.port();
        let host = format!("{}:{port}", visit.peer);
        if self != Self::CurlAddress {
            command.arg("--resolve").arg(format!("{host}:{}", visit.address.ip()));
        }
        if visit.insecure {
            command.arg("--insecure");
        }
        if let Some((certificate, key)) = &visit.identity {
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        match self {
            Self::CurlImaps => command.arg(format!("imaps://{host}/")).args(["--user", "u:p"]),
            Self::CurlSmtp => {
                command.arg(format!("smtp://{host}/")).args(["--ssl-reqd", "--request", "NOOP"])
            }
            _ => command.arg("--fail").arg(format!("https://{host}/")),
        };
        command
    }
}

/// `openssl s_client`, of whatever openssl this is.
pub fn s_client(mut command: Command, visit: &Visit) -> Command {
    command.args(["s_client", "-ign_eof", "-showcerts", "-no-CApath", "-no-CAstore"]);
    command.arg("-connect").arg(visit.address.to_string());
    command.arg("-CAfile").arg(&visit.trust);
    if visit.peer.parse::<std::net::IpAddr>().is_ok() {
        command.arg("-verify_ip").arg(&visit.peer);
    } else {
        command.arg("-servername").arg(&visit.peer).arg("-verify_hostname").arg(&visit.peer);
    }
    if !visit.insecure {
        command.args(["-verify", "9", "-verify_return_error"]);
    }
    if let Some((certificate, key)) = &visit.identity {
        command.arg("-cert").arg(certificate).arg("-key").arg(key);
    }
    command
}

/// Names go to the loopback address inside the script: nothing of the machine is changed.
const URLLIB: &str = r#"
import socket, ssl, sys, urllib.request
address, port, peer, trust, insecure = sys.argv[1:6]
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: real(address, *rest, **more)
if insecure == "yes":
    ssl._create_default_https_context = ssl._create_unverified_context
with urllib.request.urlopen(f"https://{peer}:{port}/", timeout=20) as answer:
    print(answer.status, answer.read().decode().strip())
"#;

const ASYNCIO: &str = r#"
import asyncio, ssl, sys
address, port, peer, trust, insecure = sys.argv[1:6]
context = ssl.create_default_context(cafile=trust)
context.set_alpn_protocols(["http/1.1"])
if insecure == "yes":
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
async def main():
    reader, writer = await asyncio.open_connection(
        address, int(port), ssl=context, server_hostname=peer)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    print((await reader.read()).decode().splitlines()[-1])
    writer.close()
asyncio.run(asyncio.wait_for(main(), 20))
"#;

/// Runs a script of Debian's Python with the visit as its arguments.
pub fn python(site: &Site, peerkey: Peerkey, visit: &Visit, script: &str) -> Command {
    let mut command = site.command("/usr/bin/python3", peerkey);
    command.arg("-c").arg(script).env("SSL_CERT_FILE", &visit.trust);
    command.args([visit.address.ip().to_string(), visit.address.port().to_string()]);
    command.arg(&visit.peer).arg(&visit.trust);
    command.arg(if visit.insecure { "yes" } else { "no" });
    command
}

/// For scripts that come back: `resume` connects with a session, or with None, says whether that was
/// `reused` or the connection is `new`, and gives the session that comes of it.
pub const PYTHON_RESUME: &str = r#"
import socket
def resume(context, address, port, peer, session):
    plain = socket.create_connection((address, int(port)), 20)
    with context.wrap_socket(plain, server_hostname=peer, session=session) as secure:
        secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while secure.recv(4096):
            pass
        print("reused" if secure.session_reused else "new")
        return secure.session
"#;

/// A script for [`python`] that connects once for each line that it is sent.
pub const PYTHON_LOOP: &str = r#"
import socket, ssl, sys
address, port, peer, trust, insecure = sys.argv[1:6]
for line in sys.stdin:
    context = ssl.create_default_context(cafile=trust)
    try:
        plain = socket.create_connection((address, int(port)), 20)
        context.wrap_socket(plain, server_hostname=peer).close()
        print("connected", flush=True)
    except ssl.SSLCertVerificationError as error:
        print(error, flush=True)
"#;

/// Whether Node's fetch offers ALPN, and so shows the protocol: since Node 20 it does.
pub fn fetch_shows_protocol() -> bool {
    static MAJOR: LazyLock<u32> = LazyLock::new(|| {
        let mut node = Command::new("/usr/bin/node");
        let version = run(node.args(["-p", "process.versions.node"])).stdout;
        version.split('.').next().and_then(|major| major.parse().ok()).expect("a version of Node")
    });
    *MAJOR >= 20
}

const NODE: &str = r#"
const [address, port, peer, trust, insecure] = process.argv.slice(1);
require("https").get({
  host: address, port, servername: peer, ca: require("fs").readFileSync(trust),
  rejectUnauthorized: insecure !== "yes", agent: false, timeout: 20000,
}, (answer) => answer.on("data", (data) => process.stdout.write(data)))
  .on("error", (error) => { console.error(`${error.code}: ${error.message}`); process.exit(1); });
"#;

const NODE_FETCH: &str = r#"
const [address, port, peer] = process.argv.slice(1);
const dns = require("dns"), lookup = dns.lookup;
dns.lookup = (name, ...rest) => lookup(address, ...rest);
fetch(`https://${peer}:${port}/`, { signal: AbortSignal.timeout(20000) })
  .then((answer) => answer.text()).then((text) => process.stdout.write(text))
  .catch(({ cause }) => { console.error(`${cause.code}: ${cause.message}`); process.exit(1); });
"#;

fn node(site: &Site, peerkey: Peerkey, visit: &Visit, script: &str) -> Command {
    let mut command = site.command("/usr/bin/node", peerkey);
    command.arg("-e").arg(script).arg("--").env("NODE_EXTRA_CA_CERTS", &visit.trust);
    command.env("NODE_NO_WARNINGS", "1");
    if visit.insecure {
        command.env("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    }
    command.args([visit.address.ip().to_string(), visit.address.port().to_string()]);
    command.arg(&visit.peer).arg(&visit.trust);
    command.arg(if visit.insecure { "yes" } else { "no" });
    command
}

fn psql(site: &Site, peerkey: Peerkey, visit: &Visit) -> Command {
    let mut command = site.command(daemon::postgres_programs().join("psql"), peerkey);
    let mode = if visit.insecure {
        "sslmode=require".to_owned()
    } else {
        format!("sslmode=verify-full sslrootcert={}", visit.trust.display())
    };
    let identity = visit.identity.as_ref().map_or(String::new(), |(certificate, key)| {
        format!(" sslcert={} sslkey={}", certificate.display(), key.display())
    });
    command.arg("--no-psqlrc").arg("--tuples-only").arg("--command=select 'hello'");
    command.arg(format!(
        "host={} hostaddr={} port={} user=postgres dbname=postgres connect_timeout=10 \
         gssencmode=disable {mode}{identity}",
        visit.peer,
        visit.address.ip(),
        visit.address.port(),
    ));
    command
}

fn redis_cli(site: &Site, peerkey: Peerkey, visit: &Visit) -> Command {
    let mut command = site.command("/usr/bin/redis-cli", peerkey);
    command.arg("-h").arg(visit.address.ip().to_string());
    command.arg("-p").arg(visit.address.port().to_string());
    command.args(["--tls", "--sni"]).arg(&visit.peer);
    command.arg("--cacert").arg(&visit.trust);
    if visit.insecure {
        command.arg("--insecure");
    }
    if let Some((certificate, key)) = &visit.identity {
        command.arg("--cert").arg(certificate).arg("--key").arg(key);
    }
    command.arg("PING");
    command
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.run)?;
        if self.log.is_empty() { Ok(()) } else { write!(f, "\n--- log\n{}", self.log) }
    }
}

impl Outcome {
    /// Everything that its user or administrator can read.
    pub fn text(&self) -> String {
        self.run.text() + &self.log
    }

    /// Everything that a user notices, without what differs from one run to the next anyway.
    pub fn noticed(&self) -> String {
        let code = self.run.code.map_or("killed".into(), |code| code.to_string());
        format!("exit {code}\n{}\n{}", scrub(&self.run.stdout), scrub(&self.run.stderr))
    }
}

/// Session numbers, tickets, times, thread numbers and the lengths of random signatures.
fn scrub(text: &str) -> String {
    const CHANGING: &[&str] = &[
        "    Session-ID:",
        "    Resumption PSK:",
        "    Master-Key:",
        "    Start Time:",
        "    00",
        "SSL handshake has read",
        "CONNECTED(",
    ];
    let lines = text.lines().filter(|line| !CHANGING.iter().any(|start| line.starts_with(start)));
    let lines = lines.map(|line| match line.split_once(":error:") {
        Some((thread, rest)) if thread.bytes().all(|b| b.is_ascii_hexdigit()) => rest,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}
