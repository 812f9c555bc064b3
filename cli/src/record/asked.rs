//! From a line of the record back to the question that was asked.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use openssl::hash::{MessageDigest, hash};
use peerkey_core::crypto::Crypto;
use peerkey_core::decide::Fault;
use peerkey_core::key::{KeyError, KeyHash};
use peerkey_core::peer::{HostName, Name};
use peerkey_core::protocol::Protocol;
use peerkey_core::query::{ExpectedHost, ExpectedPeer, Fact, Peer, Query, Role};
use peerkey_core::verdict::Reason;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::place::Home;
use super::{Facts, Level, Side};
use crate::question::{NoQuestion, Presented};
use crate::render::hex;

/// A question, as far as the record tells it.
#[derive(Debug)]
pub struct Asked {
    /// The question.
    pub query: Query,
    /// At what the program verified.
    pub level: Level,
    /// What the program's own verification said.
    pub native: Said,
    /// What is odd about what was kept.
    pub remarks: Vec<String>,
}

/// What a program's own verification said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It was not asked, and nobody knows what it would have said.
    NotAsked,
    /// It accepts, with this anchor if that is known.
    Accepts(Option<(String, KeyHash)>),
    /// It refuses.
    Refuses {
        /// All that it found wrong.
        faults: Vec<Fault>,
        /// The same for people.
        why: String,
    },
    /// It accepts by a chain that the policy of then ruled out.
    RuledOut {
        /// With this anchor.
        anchor: Option<(String, KeyHash)>,
        /// For this reason.
        reason: Reason,
    },
}

/// Why a question cannot be asked again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lost {
    /// Its certificates were not kept, or are gone: their store is bounded.
    Chain,
    /// What was kept of it is damaged.
    Damaged(String),
    /// Some of its names were cut off.
    Names,
    /// Neither key nor certificates are in the line.
    Key,
    /// The key cannot be compared.
    Unusable,
}

impl Lost {
    /// In words.
    pub fn in_words(&self) -> String {
        match self {
            Self::Chain => "the certificates are not kept, or no longer".into(),
            Self::Damaged(why) => format!("what was kept is damaged: {why}"),
            Self::Names => "the line was too long, and names were left out".into(),
            Self::Key => "no key was recorded".into(),
            Self::Unusable => "the key cannot be compared".into(),
        }
    }
}

/// So many names a line has, or so many if it was cut.
const NAMES: usize = 32;
const FEW_NAMES: usize = 4;

/// The most that a kept chain has.
const LARGEST_CHAIN: u64 = 4 << 20;

impl Asked {
    /// Asks again what was asked in this second.
    pub fn again(
        facts: &Facts,
        seconds: i64,
        home: &Home,
        crypto: &dyn Crypto,
    ) -> Result<Self, Lost> {
        let presented = presented(facts, home, crypto)?;
        let role = match facts.role {
            Some(Side::Client) => Role::Client,
            _ => Role::Server,
        };
        let protocol = facts.protocol.as_deref().and_then(Protocol::parse);
        let locator = facts.address.as_deref().and_then(|text| text.parse().ok());
        let query = Query {
            role,
            peer: peer(facts)?,
            locator,
            protocol: Fact::from(protocol),
            port: facts.port,
            application: Fact::from(facts.application.clone()),
            key: presented.key,
            evidence: presented.evidence,
            time: seconds,
        };
        let level = facts.level.unwrap_or(Level::Handshake);
        Ok(Self { query, level, native: said(facts), remarks: presented.remarks })
    }
}

fn peer(facts: &Facts) -> Result<Peer, Lost> {
    let Some(names) = &facts.expected else { return Ok(Peer::Claimed) };
    if names.len() >= NAMES || facts.cut && names.len() >= FEW_NAMES {
        return Err(Lost::Names);
    }
    let mut peer = ExpectedPeer::default();
    for name in names {
        match (name.strip_prefix('.').and_then(HostName::parse), Name::parse(name)) {
            (Some(domain), _) => peer.hosts.push(ExpectedHost::Below(domain)),
            (None, Some(Name::Host(host))) => peer.hosts.push(ExpectedHost::Exact(host)),
            (None, Some(Name::Address(address))) => peer.address = Some(address),
            (None, Some(Name::Email(email))) => peer.email = Some(email),
            (None, None) => return Err(Lost::Damaged(format!("\"{name}\" is no name"))),
        }
    }
    Ok(Peer::Expected(peer))
}

fn presented(facts: &Facts, home: &Home, crypto: &dyn Crypto) -> Result<Presented, Lost> {
    let damaged = |why: NoQuestion| match why {
        NoQuestion::UnusableKey(KeyError::Malformed) => {
            Lost::Damaged("its key is malformed".into())
        }
        NoQuestion::UnusableKey(_) => Lost::Unusable,
        NoQuestion::Because(why) => Lost::Damaged(why),
    };
    let presented = match (&facts.chain, &facts.spki) {
        (Some(name), _) => Presented::chain(&chain(home, name)?, crypto).map_err(damaged)?,
        (None, Some(spki)) => {
            let spki = data_encoding::BASE64.decode(spki.as_bytes());
            let spki = spki.map_err(|_| Lost::Damaged("its key is no base64".into()))?;
            Presented::bare(&spki, crypto).map_err(damaged)?
        }
        (None, None) if facts.key.is_some() => return Err(Lost::Chain),
        (None, None) => return Err(Lost::Key),
    };
    let key = presented.key.hash().to_string();
    match &facts.key {
        Some(recorded) if *recorded != key => {
            Err(Lost::Damaged("the kept certificate has another key".into()))
        }
        _ => Ok(presented),
    }
}

/// The certificates that were kept under this name, which is the digest of them all.
pub fn chain(home: &Home, name: &str) -> Result<Vec<Vec<u8>>, Lost> {
    let is_digest =
        name.len() == 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_digest {
        return Err(Lost::Damaged("its certificates have no name that they could have".into()));
    }
    let path = home.folder.join("chains").join(name);
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(&path);
    let file = file.map_err(|_| Lost::Chain)?;
    let found = file.metadata().map_err(|_| Lost::Chain)?;
    if !found.is_file() || found.uid() != home.uid {
        return Err(Lost::Damaged("the kept certificates are no file of that user's".into()));
    }
    let mut content = Vec::new();
    file.take(LARGEST_CHAIN).read_to_end(&mut content).map_err(|_| Lost::Chain)?;
    let blocks = CertificateDer::pem_slice_iter(&content).map(|block| block.map(|c| c.to_vec()));
    let ders = blocks.collect::<Result<Vec<_>, _>>();
    let ders = ders.map_err(|_| Lost::Damaged("the kept certificates are no PEM".into()))?;
    let digest = hash(MessageDigest::sha256(), &ders.concat()).ok();
    match digest.is_some_and(|digest| hex(&digest) == name) {
        true => Ok(ders),
        false => Err(Lost::Damaged("the kept certificates were changed".into())),
    }
}

fn said(facts: &Facts) -> Said {
    let anchor = facts.anchor.as_ref();
    let anchor = anchor.and_then(|a| KeyHash::parse(&a.key).map(|key| (a.subject.clone(), key)));
    let Some(native) = &facts.native else { return Said::NotAsked };
    match native.says.as_str() {
        "accepts" => Said::Accepts(anchor),
        "refuses" => Said::Refuses {
            faults: native.faults.iter().map(|text| fault(text)).collect(),
            why: native.why.clone(),
        },
        "ruled-out" => Said::RuledOut { anchor, reason: reason(&native.why) },
        _ => Said::NotAsked,
    }
}

/// A reason for which a chain is ruled out, read back from its sentence.
fn reason(text: &str) -> Reason {
    let broken = || {
        let (certificate, rest) =
            text.strip_prefix("the CA ")?.split_once(" may not vouch for ")?;
        let (peer, constraint) = rest.split_once(": ")?;
        let [certificate, peer, constraint] = [certificate, peer, constraint].map(str::to_owned);
        Some(Reason::ConstraintBroken { certificate, peer, constraint })
    };
    let denied = || {
        let text = text.strip_prefix("the certificate ")?;
        let (certificate, denial) = text.rsplit_once(" is denied by ")?;
        let [certificate, denial] = [certificate, denial].map(str::to_owned);
        Some(Reason::CertificateDenied { certificate, denial })
    };
    broken().or_else(denied).unwrap_or_else(|| Reason::Application(text.to_owned()))
}

/// Whatever is not known here is never overruled.
fn fault(text: &str) -> Fault {
    match text {
        "no-trusted-path" => Fault::NoTrustedPath,
        "expired" => Fault::Expired,
        "name-mismatch" => Fault::NameMismatch,
        other => Fault::Other(other.strip_prefix("other: ").unwrap_or(other).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_back_as_it_was_written() {
        let broken = Reason::ConstraintBroken {
            certificate: "\"CN=A may not vouch\"".into(),
            peer: "a.b over https".into(),
            constraint: "the constraint at policy.toml:7 holds it to .br: really".into(),
        };
        let denied = Reason::CertificateDenied {
            certificate: "a certificate for a.b".into(),
            denial: "policy.toml:3 (leaked)".into(),
        };
        for reason in [broken, denied] {
            assert_eq!(super::reason(&reason.to_string()), reason);
        }
        assert_eq!(super::reason("x"), Reason::Application("x".into()));
    }
}
