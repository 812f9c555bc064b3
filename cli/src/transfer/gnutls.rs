//! GnuTLS's known_hosts2: what gnutls_store_pubkey writes (lib/verify-tofu.c).

use peerkey_core::keys::{Given, KnownKey, Service, State};
use peerkey_core::protocol::Protocol;

use super::{Help, Line, base64, shown};

/// `|g0|host|service|expiration|SPKI in base64`.
pub(super) fn line(line: &str, help: &Help) -> Line {
    let fields: Vec<_> = line.split('|').collect();
    let (host, over, until, key) = match fields[..] {
        ["", "g0", host, over, until, key] => (host, over, until, key),
        ["", "c0", ..] => {
            return Err("a commitment holds the hash of a key in a form of its own".into());
        }
        _ => return Err("the line is none of GnuTLS's".into()),
    };
    if host == "*" {
        return Err("it is a key for every host, and keys are remembered for single names".into());
    }
    let until: i64 = match until.parse() {
        Ok(until) => until,
        Err(_) => return Err(format!("\"{}\" is no moment", shown(until))),
    };
    let given = help.given(host, service(over, help)?, &base64(key)?)?;
    let own = (until != 0).then_some(until);
    Ok(vec![Given { until: help.until.or(own), ..given }])
}

/// A service's name, or the number of a port that has none.
fn service(text: &str, help: &Help) -> Result<Service, String> {
    let port = text.parse::<u16>().ok();
    let named = match port {
        Some(port) => Protocol::from_port(port),
        None => Protocol::parse(text),
    };
    match help.protocol.clone().or(named) {
        Some(protocol) => Ok(Service::new(&protocol, port)),
        None if text == "*" => {
            Err("it is a key for every service; say which with --protocol".into())
        }
        None => Err(format!(
            "\"{}\" says no protocol; say which one it is with --protocol",
            shown(text)
        )),
    }
}

/// Lines for a key: one for each name of its service.
pub(super) fn write(key: &KnownKey) -> Result<String, &'static str> {
    match key.state {
        State::Remembered => {}
        State::Held => return Err("held, and not accepted"),
        State::Denied => return Err("denied"),
    }
    if key.spki.is_empty() {
        return Err("only the hash of the key is known");
    }
    let spki = data_encoding::BASE64.encode(&key.spki);
    let line =
        |service: &str| format!("|g0|{}|{service}|{}|{spki}\n", key.peer, key.until.unwrap_or(0));
    let name = &key.service.protocol;
    Ok(match key.service.port {
        0 => {
            let other = Protocol::parse(name).and_then(|protocol| protocol.counterpart());
            line(name) + &other.map(|other| line(other.as_str())).unwrap_or_default()
        }
        port => line(&port.to_string()),
    })
}
