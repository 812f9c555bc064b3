//! NSS databases with and without the module, and NSS's own tools on them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use openssl::x509::X509;

use crate::artifacts;
use crate::pki::Issued;
use crate::run::{PATIENCE, Run, run, run_with};
use crate::site::Site;

/// Where Debian keeps the roots that Mozilla publishes.
pub const BUILTIN_ROOTS: &str = "/usr/lib/x86_64-linux-gnu/libnssckbi.so";

/// Which NSS the tools run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nss {
    /// Debian's own.
    Debian,
    /// The one that comes with Firefox ESR, which is newer.
    Firefox,
}

/// Who verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verifier {
    /// `vfychain`, CERT_VerifyCertificate.
    Classic(Nss),
    /// `vfychain -pp`, libpkix. (That of Debian only: Firefox's NSS is built without.)
    Pkix,
}

/// Every verifier.
pub const VERIFIERS: [Verifier; 3] =
    [Verifier::Classic(Nss::Debian), Verifier::Classic(Nss::Firefox), Verifier::Pkix];

/// What a certificate is verified for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Usage {
    /// A TLS client's.
    Client,
    /// A TLS server's.
    Server,
    /// An e-mail signer's.
    Email,
}

impl Usage {
    /// Every usage.
    pub const ALL: [Self; 3] = [Self::Client, Self::Server, Self::Email];

    fn number(self) -> &'static str {
        match self {
            Self::Client => "0",
            Self::Server => "1",
            Self::Email => "4",
        }
    }
}

/// A database of NSS's in a site.
#[derive(Debug)]
pub struct Database<'a> {
    site: &'a Site,
    folder: PathBuf,
}

impl<'a> Database<'a> {
    /// An empty one.
    pub fn new(site: &'a Site, name: &str) -> Self {
        let folder = site.path(name);
        fs::create_dir(&folder).unwrap();
        let database = Self { site, folder };
        database.certutil(&["-N", "--empty-password"]).expect_ok("certutil -N");
        database
    }

    /// An empty one with the module, for the site's policy.
    pub fn with_module(site: &'a Site, name: &str) -> Self {
        let database = Self::new(site, name);
        database.add_peerkey("");
        database
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds the module for the site's policy, with more in its parameter string.
    #[track_caller]
    pub fn add_peerkey(&self, more: &str) {
        let parameters = format!("state-dir={} {more}", self.site.path("state").display());
        self.add_module("peerkey", &artifacts::nss_module(), &["-string", &parameters]);
    }

    /// Adds Mozilla's roots.
    #[track_caller]
    pub fn add_builtin_roots(&self) {
        self.add_module("roots", Path::new(BUILTIN_ROOTS), &[]);
    }

    /// Adds a module.
    #[track_caller]
    pub fn add_module(&self, name: &str, library: &Path, more: &[&str]) {
        let library = library.to_str().unwrap();
        let add = [&["-add", name, "-libfile", library, "-force"], more].concat();
        self.modutil(&add).expect_ok("modutil -add");
    }

    /// `modutil` on it.
    pub fn modutil(&self, arguments: &[&str]) -> Run {
        run(self.tool("modutil", Nss::Debian).args(arguments))
    }

    /// `certutil` on it.
    pub fn certutil(&self, arguments: &[&str]) -> Run {
        run(self.tool("certutil", Nss::Debian).args(arguments))
    }

    /// Puts a certificate into it, with NSS's letters for trust.
    #[track_caller]
    pub fn import(&self, name: &str, certificate: &X509, trust: &str) {
        let file = format!("{name}.import.pem");
        let path = self.site.write(&file, certificate.to_pem().unwrap());
        let path = path.to_str().unwrap();
        let add = self.certutil(&["-A", "-n", name, "-t", trust, "-a", "-i", path]);
        add.expect_ok("certutil -A");
    }

    /// A command of NSS's on this database.
    pub fn tool(&self, name: &str, nss: Nss) -> Command {
        let mut command = Command::new(Path::new("/usr/bin").join(name));
        command.env_clear().env("LC_ALL", "C.UTF-8").env("HOME", self.site.path("home"));
        if nss == Nss::Firefox {
            command.env("LD_LIBRARY_PATH", "/usr/lib/firefox-esr");
        }
        let option = if name == "modutil" { "-dbdir" } else { "-d" };
        command.arg(option).arg(format!("sql:{}", self.folder.display()));
        command
    }

    /// What `vfychain` makes of a certificate with those that come with it; at a time, as it takes one.
    pub fn verify(
        &self,
        verifier: Verifier,
        usage: Usage,
        chain: &[X509],
        at: Option<&str>,
    ) -> Verdict {
        Verdict::of_vfychain(run(&mut self.vfychain(verifier, usage, chain, at)))
    }

    /// The command for that.
    pub fn vfychain(
        &self,
        verifier: Verifier,
        usage: Usage,
        chain: &[X509],
        at: Option<&str>,
    ) -> Command {
        let (nss, pkix) = match verifier {
            Verifier::Classic(nss) => (nss, false),
            Verifier::Pkix => (Nss::Debian, true),
        };
        let mut command = self.tool("vfychain", nss);
        command.args(pkix.then_some("-pp")).args(["-v", "-u", usage.number()]);
        at.map(|at| command.args(["-b", at]));
        for (i, certificate) in chain.iter().enumerate() {
            let name = format!("chain-{i}.pem");
            command.arg("-a").arg(self.site.write(&name, certificate.to_pem().unwrap()));
        }
        command
    }

    /// `tstclnt`'s visit of a server under a name: whether its answer comes.
    pub fn visit(&self, nss: Nss, name: &str, address: SocketAddr) -> Verdict {
        self.visit_with(nss, name, address, &[])
    }

    /// The same, with further arguments.
    pub fn visit_with(&self, nss: Nss, name: &str, address: SocketAddr, more: &[&str]) -> Verdict {
        let request = format!("GET / HTTP/1.0\r\nHost: {name}\r\n\r\n");
        let request = self.site.write("request", request);
        let mut command = self.tool("tstclnt", nss);
        command.arg("-h").arg(address.ip().to_string()).arg("-p").arg(address.port().to_string());
        command.args(["-a", name, "-O", "-A"]).arg(request).args(more);
        Verdict::of_tstclnt(run_with(&mut command, b"", PATIENCE.min(Duration::from_secs(20))))
    }
}

/// What NSS made of a certificate.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// None if it was accepted; otherwise NSS's name for why not, or "?".
    pub error: Option<String>,
    /// All that the program said.
    pub said: String,
}

impl Verdict {
    /// Whether it was accepted.
    pub fn accepted(&self) -> bool {
        self.error.is_none()
    }

    fn of_vfychain(run: Run) -> Self {
        let said = run.to_string();
        if run.ok() && run.text().contains("Chain is good!") {
            return Self { error: None, said };
        }
        assert!(run.text().contains("Chain is bad!"), "{said}");
        Self { error: Some(numbered(&said)), said }
    }

    fn of_tstclnt(run: Run) -> Self {
        let said = run.to_string();
        let accepted = run.stdout.contains("hello");
        Self { error: (!accepted).then(|| numbered(&said)), said }
    }
}

/// NSS's name for the first number of an error in a text. (libpkix has numbers of its own for some.)
fn numbered(said: &str) -> String {
    const NAMES: &[(i32, &str)] = &[
        (-8179, "SEC_ERROR_UNKNOWN_ISSUER"),
        (-8172, "SEC_ERROR_UNTRUSTED_ISSUER"),
        (-8171, "SEC_ERROR_UNTRUSTED_CERT"),
        (-8102, "SEC_ERROR_INADEQUATE_KEY_USAGE"),
        (-8101, "SEC_ERROR_INADEQUATE_CERT_TYPE"),
        (-8156, "SEC_ERROR_CA_CERT_INVALID"),
        (-8157, "SEC_ERROR_CERT_NOT_IN_NAME_SPACE"),
        (-8080, "SEC_ERROR_CERT_NOT_IN_NAME_SPACE"),
        (-8181, "SEC_ERROR_EXPIRED_CERTIFICATE"),
        (-12276, "SSL_ERROR_BAD_CERT_DOMAIN"),
    ];
    let numbers = said.split(|c: char| !(c.is_ascii_digit() || c == '-'));
    let mut found = numbers.filter_map(|word| word.parse::<i32>().ok()).filter(|n| *n < -5000);
    let name = found.find_map(|n| NAMES.iter().find(|(number, _)| *number == n));
    name.map_or("?", |(_, name)| name).to_owned()
}

/// A certificate and what comes with it.
pub fn sent(identity: &Issued) -> Vec<X509> {
    let above = identity.above.iter().cloned();
    std::iter::once(identity.cert.clone()).chain(above).collect()
}
