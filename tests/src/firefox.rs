//! Firefox without a window, told by Marionette what to visit and what to verify.

mod marionette;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::BASE64;
use openssl::x509::X509;
use serde_json::{Value, json};

use crate::nss::{Database, Usage};
use crate::run::{Daemon, until};
use crate::site::Site;
use marionette::Marionette;

/// A profile, with a database of NSS's in it.
#[derive(Debug)]
pub struct Profile<'a> {
    site: &'a Site,
    /// The profile's database.
    pub database: Database<'a>,
}

/// A running Firefox; it ends when dropped.
#[derive(Debug)]
pub struct Firefox {
    marionette: Marionette,
    _process: Daemon,
}

/// What Firefox made of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// None if it was accepted; otherwise Firefox's name for why not.
    pub error: Option<String>,
    /// Whether its user could go on in spite of that.
    pub overridable: bool,
    /// The subjects of the chain that it found, the leaf's first.
    pub chain: Vec<String>,
    /// Whether that ends in a root that came with Firefox.
    pub builtin: bool,
}

impl Judged {
    /// Whether it was accepted.
    pub fn accepted(&self) -> bool {
        self.error.is_none()
    }

    fn read(value: &Value) -> Self {
        let subject = |base64: &Value| {
            let der = BASE64.decode(base64.as_str().unwrap_or_default().as_bytes()).unwrap();
            let certificate = X509::from_der(&der).unwrap();
            let names = certificate.subject_name().entries();
            let texts = names.filter_map(|entry| entry.data().to_string().ok());
            texts.collect::<Vec<_>>().join(", ")
        };
        Self {
            error: value["error"].as_str().map(str::to_owned),
            chain: value["chain"].as_array().map_or(vec![], |c| c.iter().map(subject).collect()),
            overridable: value["overridable"].as_bool().unwrap_or_default(),
            builtin: value["builtin"].as_bool().unwrap_or_default(),
        }
    }
}

/// Nothing but what a test asks for goes anywhere, every name is this machine, and nothing of a
/// connection is remembered.
const PREFERENCES: &str = r#"
user_pref("marionette.port", 0);
user_pref("network.dns.forceResolve", "127.0.0.1");
user_pref("network.http.speculative-parallel-limit", 0);
user_pref("security.OCSP.enabled", 0);
user_pref("security.ssl.disable_session_identifiers", true);
user_pref("security.remote_settings.intermediates.enabled", false);
user_pref("services.settings.server", "data:,none");
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.safebrowsing.blockedURIs.enabled", false);
user_pref("browser.safebrowsing.downloads.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.startup.homepage", "about:blank");
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("toolkit.telemetry.server", "data:,none");
"#;

const VISIT: &str = "
const [url, done] = arguments;
const request = new XMLHttpRequest({ mozAnon: true, mozSystem: true });
const judged = error => {
  const info = request.channel.securityInfo;
  // Nothing else: to give a name, Firefox makes NSS remember the certificate.
  const chain = (info?.succeededCertChain ?? []).map(c => c.getBase64DERString());
  const overridable = !!info?.overridableErrorCategory;
  return { error, chain, overridable, builtin: !!info?.isBuiltCertChainRootBuiltInRoot };
};
request.onload = () => done(judged(null));
request.onerror = () => done(judged(request.channel.securityInfo?.errorCodeString || 'no connection'));
request.open('GET', url);
request.send();
";

const VERIFY: &str = "
const [chain, usage, host, time, done] = arguments;
const db = Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB);
for (const above of chain.slice(1)) {
  db.addCertFromBase64(above, ',,');
}
const name = code => Object.entries({
  SEC_ERROR_UNKNOWN_ISSUER: -8179, SEC_ERROR_UNTRUSTED_ISSUER: -8172, SEC_ERROR_UNTRUSTED_CERT: -8171,
  SEC_ERROR_CERT_NOT_IN_NAME_SPACE: -8080, SEC_ERROR_EXPIRED_CERTIFICATE: -8181,
  SEC_ERROR_INADEQUATE_CERT_TYPE: -8101, SSL_ERROR_BAD_CERT_DOMAIN: -12276,
}).find(([_, number]) => number === code)?.[0] ?? String(code);
const leaf = db.constructX509FromBase64(chain[0]);
db.asyncVerifyCertAtTime(leaf, Ci.nsIX509CertDB[usage], 0, host, time, [], {
  verifyCertFinished(code, found, ev) {
    const ders = (found ?? []).map(c => c.getBase64DERString());
    done({ error: code === 0 ? null : name(code), chain: ders, builtin: false });
  },
});
";

impl<'a> Profile<'a> {
    /// A new one, without the module.
    pub fn new(site: &'a Site, name: &str) -> Self {
        let database = Database::new(site, name);
        fs::write(database.folder().join("user.js"), PREFERENCES).unwrap();
        Self { site, database }
    }

    /// A new one, with the module, for the site's policy.
    pub fn with_module(site: &'a Site, name: &str) -> Self {
        let profile = Self::new(site, name);
        profile.database.add_peerkey("");
        profile
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.database.folder()
    }

    /// Sets another preference.
    pub fn set(&self, name: &str, value: &str) {
        let file = self.folder().join("user.js");
        let before = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{before}user_pref(\"{name}\", {value});\n")).unwrap();
    }

    /// Starts Firefox on it.
    pub fn start(&self) -> Firefox {
        let port = self.port_file();
        let _ = fs::remove_file(&port);
        let mut command = Command::new("/usr/bin/firefox-esr");
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
        command.env("HOME", self.site.path("home")).env("MOZ_DISABLE_CONTENT_SANDBOX", "1");
        command.args(["--headless", "--marionette", "--remote-allow-system-access", "--no-remote"]);
        command.arg("--profile").arg(self.folder());
        let process = Daemon::start(&command, "TERM", &self.folder().join("firefox.log"));
        until("Firefox listens", || read_port(&port).is_some());
        let marionette = Marionette::connect(read_port(&port).unwrap());
        Firefox { marionette, _process: process }
    }

    fn port_file(&self) -> PathBuf {
        self.folder().join("MarionetteActivePort")
    }
}

fn read_port(file: &Path) -> Option<u16> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

impl Firefox {
    /// Visits the server at this address under a name.
    pub fn visit(&mut self, name: &str, server: SocketAddr) -> Judged {
        let url = format!("https://{name}:{}/", server.port());
        Judged::read(&self.marionette.script(VISIT, &json!([url])))
    }

    /// Goes there as a person does, and photographs the window: a PNG.
    pub fn photograph(&mut self, name: &str, server: SocketAddr) -> Vec<u8> {
        let url = format!("https://{name}:{}/", server.port());
        BASE64.decode(self.marionette.photograph(&url).as_bytes()).unwrap()
    }

    /// Verifies a chain without a server, at a time in seconds since 1970. What is above the leaf stays in
    /// the profile.
    pub fn verify(&mut self, usage: Usage, host: Option<&str>, chain: &[X509], at: i64) -> Judged {
        let usage = match usage {
            Usage::Server => "verifyUsageTLSServer",
            Usage::Client => "verifyUsageTLSClient",
            Usage::Email => "verifyUsageEmailSigner",
        };
        let base64 = |c: &X509| BASE64.encode(&c.to_der().unwrap());
        let chain: Vec<_> = chain.iter().map(base64).collect();
        Judged::read(&self.marionette.script(VERIFY, &json!([chain, usage, host, at])))
    }

    /// Runs a script in Firefox's own context; its last argument takes the result.
    pub fn script(&mut self, script: &str, arguments: &Value) -> Value {
        self.marionette.script(script, arguments)
    }
}
