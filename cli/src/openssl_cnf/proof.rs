//! Whether a configuration works: asked of the real program `openssl`, which reads it.

use std::ffi::OsStr;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{Ssl, SslContext, SslMethod};
use openssl::x509::X509;
use peerkey_core::certificate::printable;
use tempfile::TempDir;

use super::edit::{PROVIDER, Providers};
use super::{NoAnswer, Said, listed, said};
use crate::crypto::System;
use crate::library::nconf::Conf;
use crate::{clock, inquiry, self_signed};

/// What `openssl dgst -sha256` says of no input (FIPS 180-4).
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const REASON: &str = "a test of peerkey's own";

/// Proves that with this configuration the program `openssl` has these providers and peerkey, hashes,
/// accepts a server of ours, and refuses it once peerkey's policy denies its key. The error says what
/// failed, in words.
pub fn prove(config: &Path, wanted: &[String]) -> Result<(), String> {
    has_providers(config, wanted)?;
    hashes(config)?;
    obeys(config)
}

fn run(config: &Path, arguments: &[&OsStr]) -> Result<Said, String> {
    let mut command = Command::new("openssl");
    command.args(arguments).env("OPENSSL_CONF", config);
    said(&mut command).map_err(|why| match why {
        NoAnswer::NotRun(why) => why,
        NoAnswer::Endless => format!("openssl {} does not end", arguments[0].display()),
    })
}

fn has_providers(config: &Path, wanted: &[String]) -> Result<(), String> {
    let list = run(config, &["list", "-providers"].map(OsStr::new))?;
    let found = listed(&list.out);
    let is_active = |name: &str| found.iter().any(|one| one.name == name && one.is_active());
    let missing = wanted.iter().map(String::as_str).chain([PROVIDER]);
    let missing: Vec<_> = missing.filter(|name| !is_active(name)).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "openssl list -providers has no active {}{}",
            missing.join(", "),
            first_line(&list.err)
        )),
    }
}

/// Why the copy of OpenSSL that reads this configuration cannot be hooked, in the provider's words.
pub fn inert(config: &Path) -> Option<String> {
    let list = run(config, &["list", "-providers", "-verbose"].map(OsStr::new)).ok()?;
    let line = list.out.lines().find(|line| line.contains("inert: "))?;
    Some(printable(line.split_once("inert: ")?.1.trim()))
}

fn hashes(config: &Path) -> Result<(), String> {
    let hash = run(config, &["dgst", "-sha256"].map(OsStr::new))?;
    match hash.out.contains(NOTHING) {
        true => Ok(()),
        false => Err(format!("openssl dgst -sha256 failed{}", first_line(&hash.err))),
    }
}

fn first_line(err: &str) -> String {
    err.lines().next().map(|line| format!(": {}", printable(line))).unwrap_or_default()
}

/// A server of ours is accepted under a policy that changes nothing, and refused under one that denies
/// its key: so the hook is in place, and reads the policy that it is told to.
fn obeys(config: &Path) -> Result<(), String> {
    let failed = |why: &dyn std::fmt::Display| format!("the test of a handshake failed: {why}");
    let (server, certificate) = serve().map_err(|why| failed(&why))?;
    let folder = tempfile::tempdir().map_err(|why| failed(&why))?;
    let anchor = folder.path().join("server.pem");
    let pem = certificate.to_pem().map_err(|why| failed(&why))?;
    std::fs::write(&anchor, pem).map_err(|why| failed(&why))?;
    let visit = |policy: &str| {
        let state = state(policy).map_err(|why| failed(&why))?;
        let other = with_state(config, state.path(), &folder).map_err(|why| failed(&why))?;
        let to = server.to_string();
        let arguments = ["s_client", "-verify_return_error", "-brief", "-connect", &to, "-CAfile"];
        let arguments = arguments.map(OsStr::new).into_iter().chain([anchor.as_os_str()]);
        run(&other, &arguments.collect::<Vec<_>>())
    };
    let free = visit("version = 1\n[default]\naccept = { any = [\"application\"] }\n")?;
    if !free.succeeded {
        return Err(format!("a handshake that should succeed failed{}", first_line(&free.err)));
    }
    let denied = visit(&format!(
        "version = 1\n[[deny]]\ncertificate = \"{}\"\nreason = \"{REASON}\"\n\
         [default]\naccept = {{ any = [\"application\"] }}\n",
        anchor.display()
    ))?;
    match !denied.succeeded && denied.err.contains(REASON) {
        true => Ok(()),
        false => Err("openssl s_client accepted a server whose certificate is denied".into()),
    }
}

/// A folder with this policy in force.
fn state(policy: &str) -> Result<TempDir, String> {
    let (config, state) = (tempfile::tempdir(), tempfile::tempdir());
    let (config, state) = config.and_then(|c| Ok((c, state?))).map_err(|why| why.to_string())?;
    let write = std::fs::write(config.path().join("policy.toml"), policy);
    write.map_err(|why| why.to_string())?;
    let trial = inquiry::compile(config.path(), &System::start(), clock::now());
    let trial = trial.map_err(|why| format!("{why:?}"))?;
    let path = inquiry::in_force(state.path());
    let written = peerkey_core::store::write(&trial.loaded.policy, &path, clock::now());
    written.map_err(|why| why.to_string())?;
    Ok(state)
}

/// The configuration, but for the folder that peerkey reads the policy in.
fn with_state(config: &Path, state: &Path, folder: &TempDir) -> Result<std::path::PathBuf, String> {
    let conf = Conf::load(config).map_err(|misread| misread.why)?;
    let listed = Providers::of(&conf).listed;
    let section = listed.into_iter().find(|(name, _)| name == PROVIDER);
    let (_, section) = section.ok_or("no section is peerkey's")?;
    // A copy, because a byte order mark counts for something in a file that is included. What is written
    // later holds.
    let mut text = std::fs::read_to_string(config).map_err(|why| why.to_string())?;
    let state = state.display();
    text.push_str(&format!("\n\n[{section}]\nstate-dir = {state}\n"));
    let path = folder.path().join("openssl.cnf");
    std::fs::write(&path, text).map_err(|why| why.to_string())?;
    Ok(path)
}

/// A TLS server on loopback, for as long as this process lives and for two visits.
fn serve() -> Result<(SocketAddr, X509), String> {
    let made = self_signed::make("peerkey tests this machine", 1);
    let (certificate, key) = made.map_err(|why| why.to_string())?;
    let context = context(&certificate, &key).map_err(|why| why.to_string())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|why| why.to_string())?;
    let address = listener.local_addr().map_err(|why| why.to_string())?;
    thread::spawn(move || {
        for stream in listener.incoming().take(2).flatten() {
            let patience = Some(Duration::from_secs(5));
            // Who does not answer in time is not waited for; how the visit ends is the client's to say.
            let _ = stream.set_read_timeout(patience).and(stream.set_write_timeout(patience));
            if let Ok(Ok(mut tls)) = Ssl::new(&context).map(|ssl| ssl.accept(stream)) {
                let _ = tls.write_all(b"\n").and_then(|()| tls.flush());
                let _ = tls.shutdown();
            }
        }
    });
    Ok((address, certificate))
}

fn context(certificate: &X509, key: &PKey<Private>) -> Result<SslContext, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::tls_server())?;
    context.set_certificate(certificate)?;
    context.set_private_key(key)?;
    Ok(context.build())
}
