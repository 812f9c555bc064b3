//! Files of keys that other programs write and read.

mod firefox;
mod gnutls;
mod known_hosts;
mod lines;
mod ssh;
mod table;

use std::collections::HashMap;
use std::io::{self, BufRead};

use peerkey_core::certificate::{Certificate, printable};
use peerkey_core::key::{Key, KeyHash};
use peerkey_core::keys::{Given, KnownKey, Service, State};
use peerkey_core::peer::Name;
use peerkey_core::protocol::Protocol;

use crate::args::keys::Format;
use crate::crypto::System;

/// What helps to read a file.
pub struct Help {
    /// Over which protocol, where the file does not say it.
    pub protocol: Option<Protocol>,
    /// Names that hashed lines may stand for.
    pub names: Vec<String>,
    /// Certificates by their SHA-256.
    pub certificates: HashMap<[u8; 32], Vec<u8>>,
    /// Whence the keys come, for people.
    pub origin: String,
    /// They vouch until this second.
    pub until: Option<i64>,
    /// Uncompresses points.
    pub crypto: System,
}

/// What a line gives: keys, or why it gives none.
pub type Line = Result<Vec<Given>, String>;

/// Reads a file, and hands over each line that is not empty, by its number from 1, with the octets read.
/// A line that gives no key never ends the reading.
pub fn read(
    input: &mut dyn BufRead,
    format: Format,
    help: &Help,
    take: &mut dyn FnMut(u64, u64, Line) -> io::Result<()>,
) -> io::Result<()> {
    match format {
        Format::KnownHosts => known_hosts::read(input, help, take),
        Format::Gnutls => lines::each(input, &mut |number, at, line| {
            take(number, at, line.and_then(|line| gnutls::line(line, help)))
        }),
        Format::Firefox => lines::each(input, &mut |number, at, line| {
            take(number, at, line.and_then(|line| firefox::line(line, help)))
        }),
        Format::Csv => table::csv(input, help, take),
        Format::Json => table::json(input, help, take),
    }
}

/// What a file is, by its beginning; None where that cannot be seen.
pub fn recognise(start: &[u8]) -> Option<Format> {
    if start.contains(&0) {
        return None;
    }
    let text = String::from_utf8_lossy(start);
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let line = text.trim_start_matches('\u{feff}').lines().map(str::trim).find(is_said)?;
    if line.starts_with("|g0|") || line.starts_with("|c0|") {
        return Some(Format::Gnutls);
    }
    if line.contains("\tOID.") {
        return Some(Format::Firefox);
    }
    if line.starts_with(['{', '[']) && !known_hosts::looks_like(line) {
        return Some(Format::Json);
    }
    if known_hosts::looks_like(line) {
        return Some(Format::KnownHosts);
    }
    table::is_headings(line).then_some(Format::Csv)
}

/// A key as another program reads it; why not, where the format cannot carry it.
pub fn write(
    format: Format,
    key: &KnownKey,
    certificate: Option<&[u8]>,
) -> Result<String, &'static str> {
    match format {
        Format::KnownHosts => known_hosts::write(key),
        Format::Gnutls => gnutls::write(key),
        Format::Firefox => firefox::write(key, certificate),
        Format::Csv => Ok(table::write_csv(key)),
        Format::Json => Err("JSON is written as a whole"),
    }
}

/// What stands before the keys.
pub fn head(format: Format) -> &'static str {
    match format {
        Format::Firefox => {
            "# PSM Certificate Override Settings file\n# This is a generated file!  Do not edit.\n"
        }
        Format::Csv => table::HEADINGS,
        _ => "",
    }
}

impl Help {
    /// A key of a SubjectPublicKeyInfo.
    fn given(&self, peer: &str, service: Service, spki: &[u8]) -> Result<Given, String> {
        let key = Key::from_spki(spki, &self.crypto).map_err(|why| why.to_string())?;
        let mut given = self.hashed(peer, service, key.hash())?;
        given.spki = key.spki().to_vec();
        Ok(given)
    }

    /// A key of which only the hash is known.
    fn hashed(&self, peer: &str, service: Service, key: KeyHash) -> Result<Given, String> {
        Ok(Given {
            peer: name(peer)?,
            service,
            key,
            spki: Vec::new(),
            certificate: None,
            state: State::Remembered,
            origin: self.origin.clone(),
            until: self.until,
        })
    }

    /// The key of a certificate that is given, by the certificate's hash.
    fn of_certificate(
        &self,
        peer: &str,
        service: Service,
        hash: &[u8; 32],
    ) -> Result<Given, String> {
        let Some(der) = self.certificates.get(hash) else {
            return Err("only a certificate's hash is here; name the certificate with \
                        --certificates FILE"
                .into());
        };
        let certificate = Certificate::from_der(der).map_err(|why| why.to_string())?;
        let mut given = self.given(peer, service, certificate.spki())?;
        given.certificate = Some(der.clone());
        Ok(given)
    }
}

fn name(text: &str) -> Result<Name, String> {
    let ascii = match text.is_ascii() {
        true => text.to_owned(),
        false => idna::domain_to_ascii(text).unwrap_or_default(),
    };
    Name::parse(&ascii).ok_or_else(|| format!("\"{}\" is no name of a peer", shown(text)))
}

/// A text of a file in a message.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(60).collect();
    let more = if start.len() < text.len() { "..." } else { "" };
    printable(&start) + more
}

fn base64(text: &str) -> Result<Vec<u8>, String> {
    let decoded = data_encoding::BASE64.decode(text.as_bytes());
    decoded.map_err(|_| "the key is not readable: it is no base64".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_beginning() {
        for (start, format) in [
            ("# x\n\nhost ssh-ed25519 AAAA", Some(Format::KnownHosts)),
            ("|1|c2FsdA==|aGFzaA== ssh-rsa AAAA", Some(Format::KnownHosts)),
            ("@revoked * ssh-rsa AAAA", Some(Format::KnownHosts)),
            ("[a.lan]:22 ecdsa-sha2-nistp256 AAAA", Some(Format::KnownHosts)),
            ("|g0|a.lan|https|0|AAAA", Some(Format::Gnutls)),
            ("# PSM\na:443\tOID.2.16.840.1.101.3.4.2.1\tAA", Some(Format::Firefox)),
            ("peer,protocol,spki\n", Some(Format::Csv)),
            ("\u{feff}\"spki\",\"peer\"\n", Some(Format::Csv)),
            ("{\"version\": 1, \"keys\": []}", Some(Format::Json)),
            ("[\n{}]", Some(Format::Json)),
            ("", None),
            ("hello world", None),
            ("\u{0}peer,spki", None),
        ] {
            assert_eq!(recognise(start.as_bytes()), format, "{start}");
        }
    }
}
