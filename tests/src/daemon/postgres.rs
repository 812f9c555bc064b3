//! PostgreSQL with TLS. It refuses to run as root, so it runs as its package's user then.

use std::ffi::CString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::presented;
use crate::pki::Issued;
use crate::run::{Daemon, run, run_with, until};
use crate::server::own_loopback;
use crate::site::{Peerkey, Site};

/// A running cluster on port 5432 of a loopback address of its own.
#[derive(Debug)]
pub struct Postgres {
    // Ends before its folder goes.
    daemon: Daemon,
    folder: PathBuf,
    address: SocketAddr,
    owner: Option<(u32, u32)>,
}

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

impl Postgres {
    /// Makes a cluster in the site and starts it; it presents this identity, and asks for clients'
    /// certificates if a CA is given for them.
    pub fn start(
        site: &Site,
        peerkey: Peerkey,
        identity: &Issued,
        clients: Option<&Issued>,
    ) -> Self {
        let programs = programs();
        let owner = is_root().then(|| user("postgres"));
        let folder = site.path("postgres");
        fs::create_dir(&folder).unwrap();
        give(&folder, owner);
        let mut initdb = as_owner(site.command("/usr/bin/setpriv", peerkey), owner);
        initdb.arg(programs.join("initdb")).args(["--auth=trust", "--username=postgres"]);
        initdb.args(["--no-sync", "--no-instructions", "--locale=C"]).arg("-D").arg(&folder);
        run_with(&mut initdb, b"", Duration::from_secs(120)).expect_ok("initdb");
        let address = SocketAddr::new(own_loopback(), 5432);
        write_settings(&folder, address, clients);
        put_identity(&folder, owner, identity);
        let mut server = as_owner(site.command("/usr/bin/setpriv", peerkey), owner);
        server.arg(programs.join("postgres")).arg("-D").arg(&folder);
        let daemon = Daemon::start(&server, "INT", &site.path("postgres.log"));
        let this = Self { daemon, folder, address, owner };
        // It listens before it is ready.
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        until("postgres is ready", || {
            let mut ready = site.command(programs.join("pg_isready"), Peerkey::Off);
            run(ready.args(["--quiet", "--host", &host, "--port", &port])).ok()
        });
        this
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Presents another identity from now on.
    pub fn present(&self, identity: &Issued) {
        put_identity(&self.folder, self.owner, identity);
        let pid = fs::read_to_string(self.folder.join("postmaster.pid")).unwrap();
        let pid = pid.lines().next().and_then(|line| line.parse::<i32>().ok()).unwrap();
        // SAFETY: kill(2) takes plain numbers; the process is our own server.
        unsafe { libc::kill(pid, libc::SIGHUP) };
        let wanted = identity.cert.to_der().unwrap();
        until("postgres takes the new certificate", || {
            presented(self.address, &SSL_REQUEST).as_ref() == Some(&wanted)
        });
    }

    /// The number of the server's process group.
    pub fn group(&self) -> u32 {
        self.daemon.group()
    }
}

/// Debian keeps each version's programs in a folder of its own; the newest is taken.
pub fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("package postgresql");
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.filter_map(|entry| Some(entry.ok()?.path())).max_by_key(|p| number(p));
    newest.expect("package postgresql").join("bin")
}

fn write_settings(folder: &Path, address: SocketAddr, clients: Option<&Issued>) {
    let mut settings = format!(
        "listen_addresses = '{}'\nport = {}\nunix_socket_directories = ''\nssl = on\n\
         fsync = off\nmax_connections = 20\nshared_buffers = 8MB\n",
        address.ip(),
        address.port(),
    );
    let mut access = "hostssl all all 127.0.0.0/8 trust";
    if let Some(ca) = clients {
        settings += "ssl_ca_file = 'clients.pem'\n";
        fs::write(folder.join("clients.pem"), ca.pem()).unwrap();
        access = "hostssl all all 127.0.0.0/8 trust clientcert=verify-ca";
    }
    fs::write(folder.join("postgresql.auto.conf"), settings).unwrap();
    fs::write(folder.join("pg_hba.conf"), format!("{access}\n")).unwrap();
}

fn put_identity(folder: &Path, owner: Option<(u32, u32)>, identity: &Issued) {
    use std::os::unix::fs::PermissionsExt;
    let files = [("server.crt", identity.chain_pem()), ("server.key", identity.key_pem())];
    for (name, content) in files {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        give(&path, owner);
    }
}

fn give(path: &Path, owner: Option<(u32, u32)>) {
    if let Some((user, group)) = owner {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

fn as_owner(mut command: Command, owner: Option<(u32, u32)>) -> Command {
    if let Some((user, group)) = owner {
        command.arg(format!("--reuid={user}")).arg(format!("--regid={group}"));
        command.arg("--clear-groups");
    }
    // Its working folder must be one that this user may enter.
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    // SAFETY: geteuid(2) always succeeds and touches no memory.
    unsafe { libc::geteuid() == 0 }
}

fn user(name: &str) -> (u32, u32) {
    let name = CString::new(name).unwrap();
    // SAFETY: the name is NUL-terminated; the entry is read before any other call could replace it,
    // and only one thread of this program asks for users.
    unsafe {
        let entry = libc::getpwnam(name.as_ptr());
        assert!(!entry.is_null(), "no user {name:?}: package postgresql");
        ((*entry).pw_uid, (*entry).pw_gid)
    }
}
