//! A configuration, a state folder and a PKI of one's own, and the command run upon them.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Lab {
    folder: TempDir,
}

/// What a run of the command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn is(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "{text}: {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn silent_on(self, text: &str) -> Self {
        assert!(!self.err.contains(text), "{text}: {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        assert!(self.err.contains(text), "{text}: {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}: {self:#?}"))
    }
}

/// A CA that signs in the tests.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Ca {
    pub(crate) fn root(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = ca_params(name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// The same name and key, certified by another CA.
    pub(crate) fn cross_signed(&self, name: &str, by: &Self) -> String {
        ca_params(name).signed_by(self.issuer.key(), &by.issuer).unwrap().pem()
    }

    /// A certificate for these names, its chain and its key in one PEM.
    pub(crate) fn leaf(&self, names: &[&str], purpose: ExtendedKeyUsagePurpose) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = leaf_params(names);
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        certificate.pem() + &key.serialize_pem()
    }

    pub(crate) fn server(&self, names: &[&str]) -> String {
        self.leaf(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for this mailbox.
    pub(crate) fn mail(&self, address: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = leaf_params(&[]);
        params.subject_alt_names = vec![SanType::Rfc822Name(address.try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        params.signed_by(&key, &self.issuer).unwrap().pem()
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["conf", "state"] {
            fs::create_dir(lab.path(name)).unwrap();
        }
        lab
    }

    /// With this policy in force.
    pub(crate) fn with(policy: &str, files: &[(&str, &str)]) -> Self {
        let lab = Self::new();
        for (name, content) in files {
            lab.write(name, content);
        }
        lab.write("conf/policy.toml", policy);
        lab.run(["apply"]).is(0);
        lab
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub(crate) fn named(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The command, in an environment in which nothing of the machine's decides.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peerkey"));
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "OPENSSL_CONF", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command
            .env("PEERKEY_CONFIG_DIR", self.path("conf"))
            .env("PEERKEY_STATE_DIR", self.path("state"))
            .env("HOME", self.path("home"))
            .env_remove("XDG_STATE_HOME")
            .env("SSL_CERT_FILE", self.path("system.pem"))
            .env("SSL_CERT_DIR", self.path("system"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        run(self.command().args(args))
    }

    /// The arguments as one line.
    pub(crate) fn peerkey(&self, line: &str) -> Ran {
        self.run(line.split_whitespace())
    }
}

pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `openssl s_server` on a port of its own; ended when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(pem: &Path, options: &[&str]) -> Self {
        Self::at("127.0.0.1", pem, options)
    }

    pub(crate) fn at(address: &str, pem: &Path, options: &[&str]) -> Self {
        // The port is free again when the server asks for it, unless another test was quicker.
        let port = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let accept = match address.contains(':') {
            true => format!("[{address}]:{port}"),
            false => format!("{address}:{port}"),
        };
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-www", "-accept", &accept])
            .args([OsStr::new("-cert"), pem.as_os_str(), OsStr::new("-key"), pem.as_os_str()])
            .args(options)
            .env_remove("OPENSSL_CONF")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        let start = Instant::now();
        while std::net::TcpStream::connect((address, port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "s_server does not start");
            sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
