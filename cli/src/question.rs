//! From what people write to a query: peers, protocols, certificates and keys.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;

use peerkey_core::certificate::{Certificate, printable};
use peerkey_core::crypto::Crypto;
use peerkey_core::key::{Key, KeyError};
use peerkey_core::peer::{HostName, Name};
use peerkey_core::protocol::Protocol;
use peerkey_core::query::{Evidence, ExpectedHost, ExpectedPeer, Fact, Peer, Role, Room};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

/// Why there is no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoQuestion {
    /// What was written or found gives none, and what to do.
    Because(String),
    /// The key is encoded so that it cannot be compared: every policy that decides refuses it.
    UnusableKey(KeyError),
}

impl fmt::Display for NoQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Because(why) => f.write_str(why),
            Self::UnusableKey(error) => error.fmt(f),
        }
    }
}

fn no<T>(why: impl Into<String>) -> Result<T, NoQuestion> {
    Err(NoQuestion::Because(why.into()))
}

/// Reads a protocol; `unknown` is a fact that is not known.
pub fn protocol(text: &str) -> Result<Fact<Protocol>, NoQuestion> {
    if text == "unknown" {
        return Ok(Fact::Unknown);
    }
    match Protocol::parse(text) {
        Some(protocol) => Ok(Fact::Known(protocol)),
        None => {
            let text = printable(text);
            no(format!("\"{text}\" is no protocol; write a service name such as https, or unknown"))
        }
    }
}

/// Whom a query is about, and the address that the program is connected to.
pub type Subject = (Peer, Option<IpAddr>);

/// Reads whom it is about. A claim names nobody: then the text can only be an address.
pub fn subject(text: Option<&str>, claimed: bool, role: Role) -> Result<Subject, NoQuestion> {
    match (text, claimed || role == Role::Client) {
        (None, true) => Ok((Peer::Claimed, None)),
        (None, false) => no("write whom the program expects, or --claimed if it expects nobody"),
        (Some(text), false) => expected(text).map(|expected| (Peer::Expected(expected), None)),
        (Some(_), true) if role == Role::Client => {
            no("a client is never expected: its certificate claims its names, so name no peer")
        }
        (Some(text), true) => match Name::parse(text) {
            Some(Name::Address(address)) => Ok((Peer::Claimed, Some(address))),
            _ => no(format!(
                "with --claimed the certificate names the peer: leave \"{text}\" out, or write \
                 the address that the program is connected to"
            )),
        },
    }
}

fn expected(text: &str) -> Result<ExpectedPeer, NoQuestion> {
    let mut peer = ExpectedPeer::default();
    if let Some(domain) = text.strip_prefix('.').and_then(HostName::parse) {
        peer.hosts.push(ExpectedHost::Below(domain));
        return Ok(peer);
    }
    match Name::parse(text) {
        Some(Name::Host(host)) => peer.hosts.push(ExpectedHost::Exact(host)),
        Some(Name::Address(address)) => peer.address = Some(address),
        Some(Name::Email(email)) => peer.email = Some(email),
        None => {
            // Certificates and policies have the A-label form (RFC 5890), so it is what is asked for.
            let hint = if text.is_ascii() { "" } else { "; write it in ASCII (xn--…)" };
            let text = printable(text);
            return no(format!("\"{text}\" is no host name, address or e-mail address{hint}"));
        }
    }
    Ok(peer)
}

/// A key, and what came with it.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The key.
    pub key: Key,
    /// The certificates.
    pub evidence: Evidence,
    /// What was left out, and why.
    pub remarks: Vec<String>,
}

impl Presented {
    /// Takes certificates in DER, the peer's own first. As in the programs, an unreadable one behind
    /// it is left out.
    pub fn chain(ders: &[Vec<u8>], crypto: &dyn Crypto) -> Result<Self, NoQuestion> {
        let Some((leaf, more)) = ders.split_first() else { return no("there is no certificate") };
        let leaf = Certificate::from_der(leaf)
            .or_else(|why| no(format!("the peer's certificate is not readable: {why}")))?;
        let key = usable(leaf.spki(), crypto)?;
        let (mut intermediates, mut remarks) = (Vec::new(), Vec::new());
        let mut room = Room::default();
        for (position, der) in more.iter().enumerate() {
            if !room.take(der.len()) {
                remarks
                    .push(format!("what came behind {} certificates was left out", position + 1));
                break;
            }
            match Certificate::from_der(der) {
                Ok(certificate) => intermediates.push(certificate),
                Err(why) => remarks
                    .push(format!("certificate {} of the chain was left out: {why}", position + 2)),
            }
        }
        Ok(Self { key, evidence: Evidence { leaf: Some(leaf), intermediates }, remarks })
    }

    /// Takes a bare key.
    pub fn bare(spki: &[u8], crypto: &dyn Crypto) -> Result<Self, NoQuestion> {
        let key = usable(spki, crypto)?;
        Ok(Self { key, evidence: Evidence::default(), remarks: Vec::new() })
    }

    /// Reads a file of certificates, PEM or DER.
    pub fn chain_file(path: &Path, crypto: &dyn Crypto) -> Result<Self, NoQuestion> {
        in_file(path, |content| Self::chain(&certificates(content)?, crypto))
    }

    /// Reads a file with a public key, PEM or DER.
    pub fn key_file(path: &Path, crypto: &dyn Crypto) -> Result<Self, NoQuestion> {
        in_file(path, |content| Self::bare(&public_key(content, crypto)?, crypto))
    }
}

fn usable(spki: &[u8], crypto: &dyn Crypto) -> Result<Key, NoQuestion> {
    Key::from_spki(spki, crypto).map_err(NoQuestion::UnusableKey)
}

/// The most that a file of certificates may have.
const LARGEST_FILE: u64 = 16 << 20;

/// Reads what `path` names, - for standard input. A pipe is fine: `<(…)` is one.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let source: &mut dyn Read = match path.as_os_str() == "-" {
        true => &mut io::stdin().lock(),
        false => &mut File::open(path)?,
    };
    source.take(LARGEST_FILE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other("it is too large"));
    }
    Ok(content)
}

fn in_file<T>(
    path: &Path,
    take: impl FnOnce(&[u8]) -> Result<T, NoQuestion>,
) -> Result<T, NoQuestion> {
    let content = read(path).or_else(|why| no(format!("cannot read {}: {why}", path.display())))?;
    take(&content).map_err(|why| match why {
        NoQuestion::Because(why) => NoQuestion::Because(format!("{}: {why}", path.display())),
        unusable => unusable,
    })
}

fn is_pem(content: &[u8]) -> bool {
    holds(content, "-----BEGIN ")
}

fn holds(content: &[u8], text: &str) -> bool {
    content.windows(text.len()).any(|part| part == text.as_bytes())
}

fn certificates(content: &[u8]) -> Result<Vec<Vec<u8>>, NoQuestion> {
    if !is_pem(content) {
        return Ok(vec![content.to_vec()]);
    }
    let blocks = CertificateDer::pem_slice_iter(content).map(|block| block.map(|c| c.to_vec()));
    match blocks.collect::<Result<Vec<_>, _>>() {
        Err(why) => no(format!("a PEM block is damaged ({why})")),
        Ok(found) if found.is_empty() && holds(content, "PUBLIC KEY-----") => {
            no("it holds a key and no certificate; name it with --key")
        }
        Ok(found) if found.is_empty() => no("it holds no certificate"),
        Ok(found) => Ok(found),
    }
}

fn public_key(content: &[u8], crypto: &dyn Crypto) -> Result<Vec<u8>, NoQuestion> {
    if !is_pem(content) {
        let is_key = !matches!(Key::from_spki(content, crypto), Err(KeyError::Malformed));
        let certificate = || Certificate::from_der(content).ok().map(|c| c.spki().to_vec());
        let key = if is_key { Some(content.to_vec()) } else { certificate() };
        return key.map_or_else(|| no("it holds no public key (PEM or DER)"), Ok);
    }
    if let Ok(key) = SubjectPublicKeyInfoDer::from_pem_slice(content) {
        return Ok(key.to_vec());
    }
    if let Ok(certificate) = CertificateDer::from_pem_slice(content) {
        return Certificate::from_der(&certificate)
            .map(|certificate| certificate.spki().to_vec())
            .or_else(|why| no(why.to_string()));
    }
    no(match holds(content, "PRIVATE KEY-----") {
        true => "it holds a private key; write its public part with: openssl pkey -pubout",
        false => "it holds no public key",
    })
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;

    use super::*;
    use crate::crypto::System;

    #[test]
    fn peers_are_read_as_what_they_are() {
        let hosts = |text| subject(Some(text), false, Role::Server).unwrap().0;
        assert!(matches!(hosts("a.b"), Peer::Expected(p) if p.hosts.len() == 1));
        assert!(matches!(hosts(".a.b"), Peer::Expected(p)
            if matches!(p.hosts[..], [ExpectedHost::Below(_)])));
        assert!(matches!(hosts("[::1]"), Peer::Expected(p) if p.address.is_some()));
        assert!(matches!(hosts("me@a.b"), Peer::Expected(p) if p.email.is_some()));
    }

    #[test]
    fn claims_name_nobody() {
        let claim = |text, role| subject(text, true, role);
        assert_eq!(claim(None, Role::Server).unwrap(), (Peer::Claimed, None));
        assert!(claim(Some("192.0.2.1"), Role::Server).unwrap().1.is_some());
        assert!(claim(Some("a.b"), Role::Server).is_err());
        assert!(subject(Some("a.b"), false, Role::Client).is_err());
        assert!(subject(None, false, Role::Client).is_ok());
        assert!(subject(None, false, Role::Server).is_err());
        assert!(subject(Some("a..b"), false, Role::Server).is_err());
    }

    #[test]
    fn protocols_can_be_unknown() {
        assert_eq!(protocol("unknown").unwrap(), Fact::Unknown);
        assert!(protocol("HTTPS").unwrap().known().is_some());
        assert!(protocol("http/1.1").is_err());
    }

    #[test]
    fn keys_are_read_in_every_form_but_the_private_one() {
        let crypto = System::start();
        let key = PKey::generate_ed25519().unwrap();
        let der = key.public_key_to_der().unwrap();
        assert_eq!(public_key(&der, &crypto).unwrap(), der);
        assert_eq!(public_key(&key.public_key_to_pem().unwrap(), &crypto).unwrap(), der);
        let private = public_key(&key.private_key_to_pem_pkcs8().unwrap(), &crypto).unwrap_err();
        assert!(private.to_string().contains("-pubout"), "{private}");
        assert!(public_key(b"nonsense", &crypto).is_err());
        let chain = certificates(&key.public_key_to_pem().unwrap()).unwrap_err();
        assert!(chain.to_string().contains("--key"), "{chain}");
        assert!(certificates(b"-----BEGIN CERTIFICATE-----\nAAAA").is_err());
        assert!(Presented::chain(&[b"x".to_vec()], &crypto).is_err());
    }
}
