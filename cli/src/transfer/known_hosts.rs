//! OpenSSH's known_hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

use std::collections::BTreeSet;
use std::io::{self, BufRead};

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use peerkey_core::keys::{Given, KnownKey, Service, State};
use peerkey_core::protocol::Protocol;

use super::{Help, Line, base64, lines, shown, ssh};

/// The port that OpenSSH never writes.
const PORT: u16 = 22;

/// More names than these hashed lines are not tried: each is a hash.
const TRIED: usize = 200_000_000;

/// Whether a line is one of such a file.
pub(super) fn looks_like(line: &str) -> bool {
    line.split_whitespace().skip(1).take(2).any(ssh::is_kind)
}

/// A hashed name that waits for all names to be known.
struct Hashed {
    number: u64,
    at: u64,
    salt: Vec<u8>,
    hash: Vec<u8>,
    key: Given,
}

/// Reads such a file. Hashed names come last: they are looked for among all that are in clear.
pub(super) fn read(
    input: &mut dyn BufRead,
    help: &Help,
    take: &mut dyn FnMut(u64, u64, Line) -> io::Result<()>,
) -> io::Result<()> {
    let mut names: BTreeSet<String> = help.names.iter().cloned().collect();
    let mut hashed = Vec::new();
    lines::each(input, &mut |number, at, line| {
        let line = line.and_then(|line| parse(line, help));
        match line {
            Ok(Parsed::Clear(keys, patterns)) => {
                names.extend(patterns);
                take(number, at, Ok(keys))
            }
            Ok(Parsed::Hashed(salt, hash, key)) => {
                hashed.push(Hashed { number, at, salt, hash, key: *key });
                Ok(())
            }
            Err(why) => take(number, at, Err(why)),
        }
    })?;
    let is_too_much = names.len().saturating_mul(hashed.len()) > TRIED;
    for hashed in hashed {
        let found = if is_too_much { None } else { find(&hashed, &names) };
        let line = match found {
            Some(name) => located(&name, help).map(|(peer, service)| {
                peer.map(|peer| vec![Given { peer, service, ..hashed.key.clone() }])
            }),
            None if is_too_much => Err("there are too many hashed names to try all of them".into()),
            None => {
                Err("the name is hashed, and is none of those that are known; write it into a \
                         file, and name that with --names"
                    .into())
            }
        };
        take(hashed.number, hashed.at, line.and_then(|line| line))?;
    }
    Ok(())
}

enum Parsed {
    Clear(Vec<Given>, Vec<String>),
    Hashed(Vec<u8>, Vec<u8>, Box<Given>),
}

fn parse(line: &str, help: &Help) -> Result<Parsed, String> {
    let mut words = line.split_whitespace();
    let mut next = || words.next().ok_or("the line is cut off");
    let mut hosts = next()?;
    let mut state = State::Remembered;
    match hosts {
        "@revoked" => {
            state = State::Denied;
            hosts = next()?;
        }
        "@cert-authority" => {
            return Err("a CA of SSH certificates is the key of no host".into());
        }
        _ => {}
    }
    let (kind, text) = (next()?, next()?);
    if !ssh::is_kind(kind) {
        return Err(format!("\"{}\" is no kind of key", shown(kind)));
    }
    let spki = ssh::spki(kind, &base64(text)?)?;
    let of = |peer: &str, service| {
        help.given(peer, service, &spki).map(|given| Given { state, ..given })
    };
    if let Some(hash) = hosts.strip_prefix("|1|") {
        let (salt, hash) = hash.split_once('|').ok_or("the hashed name is damaged")?;
        let key = of("hashed.invalid", service(None, help))?;
        return Ok(Parsed::Hashed(base64(salt)?, base64(hash)?, Box::new(key)));
    }
    let patterns: Vec<_> = hosts.split(',').filter(|host| !host.is_empty()).collect();
    if patterns.iter().any(|host| host.contains(['*', '?']) || host.starts_with('!')) {
        let hosts = shown(hosts);
        return Err(format!("\"{hosts}\" is a pattern, and keys are remembered for single names"));
    }
    let one = |host: &&str| {
        let (peer, service) = located(host, help)?;
        of(&peer?.to_string(), service)
    };
    let keys = patterns.iter().map(one).collect::<Result<_, _>>()?;
    Ok(Parsed::Clear(keys, patterns.into_iter().map(str::to_owned).collect()))
}

type Located = (Result<peerkey_core::peer::Name, String>, Service);

/// `host` or `[host]:port`.
fn located(text: &str, help: &Help) -> Result<Located, String> {
    let bracketed = text.strip_prefix('[').and_then(|text| text.split_once("]:"));
    let (host, port) = match bracketed {
        None => (text, None),
        Some((host, port)) => match port.parse::<u16>() {
            Ok(port) if port > 0 => (host, Some(port)),
            _ => return Err(format!("\"{}\" is no port", shown(port))),
        },
    };
    Ok((super::name(host), service(port, help)))
}

fn service(port: Option<u16>, help: &Help) -> Service {
    let ssh = || Protocol::parse("ssh");
    match help.protocol.clone().or_else(ssh) {
        Some(protocol) => Service::new(&protocol, port.filter(|port| *port != PORT)),
        None => Service { protocol: "ssh".into(), port: port.unwrap_or(0) },
    }
}

/// The name whose HMAC-SHA1 under the salt is the hash.
fn find(hashed: &Hashed, names: &BTreeSet<String>) -> Option<String> {
    let key = PKey::hmac(&hashed.salt).ok()?;
    let is_it = |name: &&String| {
        let hash = Signer::new(MessageDigest::sha1(), &key)
            .and_then(|mut signer| signer.sign_oneshot_to_vec(name.as_bytes()));
        hash.is_ok_and(|hash| hash == hashed.hash)
    };
    names.iter().find(is_it).cloned()
}

/// A line for a key.
pub(super) fn write(key: &KnownKey) -> Result<String, &'static str> {
    let marker = match key.state {
        State::Remembered if key.until.is_some() => return Err("accepted for a time only"),
        State::Remembered => "",
        State::Denied => "@revoked ",
        State::Held => return Err("held, and not accepted"),
    };
    if key.spki.is_empty() {
        return Err("only the hash of the key is known");
    }
    let (kind, blob) = ssh::blob(&key.spki).ok_or("of a kind that OpenSSH does not have")?;
    let host = match key.service.port {
        0 => key.peer.clone(),
        port => format!("[{}]:{port}", key.peer),
    };
    Ok(format!("{marker}{host} {kind} {}\n", data_encoding::BASE64.encode(&blob)))
}
