#![forbid(unsafe_code)]
//! What a process remembers of the certificates that it met.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use peerkey_core::certificate::{Certificate, CertificateError};
use peerkey_core::crypto::Crypto;
use peerkey_core::key::KeyHash;
use peerkey_guest::recent::{Recent, soon};

use crate::certified::Certified;
use crate::keys::Key;

/// Longer certificates are not remembered, or peers could fill the memory of a process with them.
const REMEMBERED: usize = 8 << 10;

/// What a process remembers: decoded keys of anchors, by the hash of their SubjectPublicKeyInfo,
/// signatures that were right, and certificates that were read, by their DER.
pub(crate) struct Caches {
    pub(crate) keys: Mutex<Recent<[u8; 32], Arc<Key>>>,
    pub(crate) signatures: Mutex<Recent<[u8; 32], ()>>,
    certificates: Mutex<Recent<Der, Certificate>>,
    /// The anchor that was recorded last.
    top: Mutex<Option<Arc<Top>>>,
}

/// An anchor of the program's, as it is recorded.
pub(crate) struct Top {
    /// The subject, for people.
    pub(crate) subject: String,
    pub(crate) key: KeyHash,
    /// What it is known again by: the subject, a DER Name, and the bits of the key.
    name: Vec<u8>,
    bits: Vec<u8>,
}

/// A certificate's DER, which is told from others by its end first: that is its signature.
#[derive(PartialEq, Eq)]
struct Der(Vec<u8>);

impl Hash for Der {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.last_chunk::<32>().map_or(&self.0[..], |end| end).hash(state);
    }
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            keys: Mutex::new(Recent::new(128)),
            signatures: Mutex::new(Recent::new(2048)),
            certificates: Mutex::new(Recent::new(64)),
            top: Mutex::new(None),
        }
    }
}

impl Caches {
    /// Reads a certificate, with `read` if it is not remembered. The same ones come again and again, and
    /// reading one takes ten times as long as a look-up.
    pub(crate) fn certificate(
        &self,
        der: Vec<u8>,
        read: impl FnOnce(&[u8]) -> Result<Certificate, CertificateError>,
    ) -> Result<Certificate, CertificateError> {
        let der = Der(der);
        let known = soon(&self.certificates).and_then(|known| known.get(&der));
        if let Some(certificate) = known {
            return Ok(certificate);
        }
        let certificate = read(&der.0)?;
        if der.0.len() > REMEMBERED {
            return Ok(certificate);
        }
        let forgotten =
            soon(&self.certificates).map(|mut known| known.put(der, certificate.clone()));
        drop(forgotten);
        Ok(certificate)
    }

    /// An anchor, as it is recorded; most programs meet one again and again.
    pub(crate) fn top(&self, anchor: Certified<'_>, crypto: &dyn Crypto) -> Option<Arc<Top>> {
        let (name, bits) = anchor.subject_and_key()?;
        let known = soon(&self.top).and_then(|top| top.clone());
        if let Some(known) = known.filter(|known| known.name == name && known.bits == bits) {
            return Some(known);
        }
        let read = anchor.read().ok()?;
        let key = read.key(crypto).ok()?.hash();
        let subject = read.subject_text().to_owned();
        let top = Arc::new(Top { subject, key, name: name.to_vec(), bits: bits.to_vec() });
        let before = soon(&self.top).map(|mut known| known.replace(Arc::clone(&top)));
        drop(before);
        Some(top)
    }
}
