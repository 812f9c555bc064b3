//! How each program says whom it expects: as the record has it, of a visit to the right server and of
//! one to a server of another name.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use libtest_mimic::Failed;
use peerkey_tests::run::run;
use peerkey_tests::site::{Peerkey, Site};
use serde_json::Value;

use crate::situations::{BASE, Situation};
use crate::stage::{Program, Stage};
use crate::world::Presents;

/// What was measured of a program, in words.
#[derive(Debug)]
pub(crate) struct Facts {
    pub version: String,
    /// The file of its TLS library, if it loads one.
    pub library: String,
    /// How it says whom it expects, and who compares that with the certificate.
    pub says: String,
    /// What the peer is to peerkey: `expected`, or `claimed` by its certificate alone.
    pub peer: &'static str,
    /// What shows the protocol.
    pub protocol: &'static str,
    /// Where peerkey decides.
    pub level: String,
}

const LOGGED: &str = "log = 'all'\n[default]\naccept = { any = ['application'] }\n";
const RIGHT: Situation = Situation { policy: LOGGED, ..BASE };
const ELSE: Situation = Situation { presents: Presents::WebElse, ..RIGHT };

pub(crate) fn measure(stage: &Stage, program: &Program) -> Result<Facts, Failed> {
    let (right, _) = recorded(stage, program, &RIGHT)?;
    let (other, connected) = recorded(stage, program, &ELSE)?;
    let path = right["application"].as_str().ok_or("the record names no program")?;
    let (version, library) = version(path)?;
    let expected = right.get("expected").is_some();
    let faults = other["native"]["faults"].as_array().cloned().unwrap_or_default();
    let by_openssl = faults.iter().any(|fault| fault == "name-mismatch");
    let says = match (expected, by_openssl) {
        (_, true) => "has OpenSSL compare the name".to_owned(),
        (says, false) => {
            let how = if says { "SNI" } else { "not at all" };
            let own = if connected { "compares no name" } else { "compares the name itself" };
            format!("{how}; {own}")
        }
    };
    Ok(Facts {
        version,
        library,
        says,
        peer: if expected { "expected" } else { "claimed" },
        protocol: protocol(&right),
        level: right["level"].as_str().ok_or("the record names no level")?.to_owned(),
    })
}

/// The line of a visit with peerkey, and whether the program connects without it.
fn recorded(
    stage: &Stage,
    program: &Program,
    situation: &Situation,
) -> Result<(Value, bool), Failed> {
    let site = Site::new();
    // nginx's worker has no folder for a record; the journal has it of everybody.
    let journal = UnixDatagram::bind(site.path("journal"))?;
    let [without, _] = stage.play_at(&site, program, situation);
    journal.set_nonblocking(true)?;
    let mut message = vec![0; 65_536];
    let length = journal.recv(&mut message).map_err(|error| format!("no record: {error}"))?;
    let message = String::from_utf8_lossy(&message[..length]);
    let line = message.lines().find_map(|line| line.strip_prefix("PEERKEY_RECORD="));
    Ok((serde_json::from_str(line.ok_or("no line of the record")?)?, without.connected))
}

fn protocol(line: &Value) -> &'static str {
    let port = line["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    let by_port = port.and_then(peerkey_core::protocol::Protocol::from_port);
    match line["protocol"].as_str() {
        None => "nothing",
        Some(name) if by_port.is_some_and(|protocol| protocol.as_str() == name) => "its port",
        Some(_) => "ALPN",
    }
}

/// The version that a program says, and the file of the TLS library that it loads to do so.
fn version(path: &str) -> Result<(String, String), Failed> {
    let site = Site::new();
    let mut command = site.command(path, Peerkey::Off);
    match path.rsplit('/').next() {
        Some(name) if name.starts_with("python") => {
            command.args(["-c", "import platform, ssl; print(platform.python_version())"])
        }
        Some("openssl") => command.arg("version"),
        Some("nginx") => command.arg("-v"),
        _ => command.arg("--version"),
    };
    let said = run(with_loaded(&mut command, &site)).expect_ok(path).text();
    let is_version =
        |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
    let mut words = said.split(|c: char| !c.is_ascii_digit() && c != '.');
    let version = words.find(is_version).ok_or_else(|| format!("no version: {said}"))?;
    let loaded = loaded(&site);
    let libraries: Vec<_> = loaded.iter().filter(|name| name.starts_with("libssl")).collect();
    match libraries.as_slice() {
        [] => Ok((version.to_owned(), "its own".to_owned())),
        [library] => Ok((version.to_owned(), (*library).clone())),
        other => Err(format!("{path} loads {other:?}").into()),
    }
}

/// Has the dynamic linker say what it loads (ld.so(8)).
fn with_loaded<'a>(command: &'a mut Command, site: &Site) -> &'a mut Command {
    command.env("LD_DEBUG", "files").env("LD_DEBUG_OUTPUT", site.path("loaded"))
}

/// The names of the files that were loaded.
fn loaded(site: &Site) -> BTreeSet<String> {
    let files = fs::read_dir(site.path("")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.to_string_lossy().contains("/loaded."));
    let text: String = files.map(|path| fs::read_to_string(path).unwrap()).collect();
    let paths = text.lines().filter_map(|line| line.split_once("calling init: "));
    paths.filter_map(|(_, path)| path.rsplit('/').next().map(str::to_owned)).collect()
}
