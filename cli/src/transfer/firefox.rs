//! Firefox's cert_override.txt (nsCertOverrideService): hashes of certificates, for a host and port.

use openssl::hash::{MessageDigest, hash};
use peerkey_core::keys::{KnownKey, Service, State};
use peerkey_core::protocol::Protocol;

use super::{Help, Line, shown};

/// SHA-256, as Firefox names it.
const SHA256: &str = "OID.2.16.840.1.101.3.4.2.1";

/// `host:port[:attributes] TAB OID TAB hash TAB …`.
pub(super) fn line(line: &str, help: &Help) -> Line {
    let mut fields = line.split('\t');
    let (Some(place), Some(algorithm), Some(hash)) = (fields.next(), fields.next(), fields.next())
    else {
        return Err("the line is none of Firefox's".into());
    };
    if algorithm != SHA256 {
        return Err(format!("\"{}\" is no SHA-256", shown(algorithm)));
    }
    let (host, port) =
        located(place).ok_or_else(|| format!("\"{}\" is no host and port", shown(place)))?;
    let digits = hash.replace(':', "");
    let decoded = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
    let Some(hash) = decoded.and_then(|octets| octets.try_into().ok()) else {
        return Err("the hash is damaged".into());
    };
    let Some(protocol) = help.protocol.clone().or_else(|| Protocol::parse("https")) else {
        return Err("no protocol is known".into());
    };
    Ok(vec![help.of_certificate(host, Service::new(&protocol, Some(port)), &hash)?])
}

fn located(text: &str) -> Option<(&str, u16)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once("]:")?,
        None => text.split_once(':')?,
    };
    let port = rest.split(':').next()?.parse().ok().filter(|port| *port > 0)?;
    Some((host, port))
}

/// A line for a key whose certificate is known.
pub(super) fn write(key: &KnownKey, certificate: Option<&[u8]>) -> Result<String, &'static str> {
    if key.state != State::Remembered {
        return Err("not accepted");
    }
    if key.until.is_some() {
        return Err("accepted for a time only");
    }
    if key.service.protocol != "https" {
        return Err("not of https");
    }
    let certificate = certificate.ok_or("known without its certificate")?;
    let digest = hash(MessageDigest::sha256(), certificate).map_err(|_| "not to be hashed")?;
    let digits: Vec<_> = digest.iter().map(|octet| format!("{octet:02X}")).collect();
    let host = match key.peer.contains(':') {
        true => format!("[{}]", key.peer),
        false => key.peer.clone(),
    };
    let port = if key.service.port == 0 { 443 } else { key.service.port };
    Ok(format!("{host}:{port}:\t{SHA256}\t{}\t\n", digits.join(":")))
}
