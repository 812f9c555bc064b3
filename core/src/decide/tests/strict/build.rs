//! Certificates octet by octet, so that each can be wrong in any way.

use std::cell::Cell;

use sha2::{Digest, Sha256};

use super::keys::{Kind, Signing, sign, spki_of};
use crate::der::{bit_string, sequence, tlv};

/// A certificate being made. What is not said is taken from a server's usual certificate.
#[derive(Clone)]
pub(super) struct Cert {
    pub(super) version: Vec<u8>,
    pub(super) serial: Vec<u8>,
    /// The issuer's name, where it is not the subject of the certificate above.
    pub(super) issuer: Option<Vec<u8>>,
    pub(super) validity: [Vec<u8>; 2],
    pub(super) subject: Vec<u8>,
    pub(super) key: Kind,
    pub(super) spki: Option<Vec<u8>>,
    /// What stands between the key and the extensions.
    pub(super) unique_ids: Vec<u8>,
    pub(super) extensions: Vec<Extension>,
    /// How it is signed, where that is not the usual way of the issuer's key.
    pub(super) signing: Option<Signing>,
    /// Another signatureAlgorithm outside than inside.
    pub(super) outer: Option<Vec<u8>>,
    /// The last touch, after signing.
    pub(super) after: fn(Vec<u8>) -> Vec<u8>,
}

/// An extension; an empty value of a key identifier is filled in.
#[derive(Clone)]
pub(super) struct Extension {
    pub(super) id: &'static [u8],
    pub(super) critical: bool,
    pub(super) value: Vec<u8>,
}

pub(super) const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];
pub(super) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
pub(super) const SAN: &[u8] = &[0x55, 0x1d, 17];
pub(super) const ISSUER_ALT: &[u8] = &[0x55, 0x1d, 18];
pub(super) const BASIC: &[u8] = &[0x55, 0x1d, 19];
pub(super) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
pub(super) const CRL_POINTS: &[u8] = &[0x55, 0x1d, 31];
pub(super) const POLICIES: &[u8] = &[0x55, 0x1d, 32];
pub(super) const POLICY_MAPPINGS: &[u8] = &[0x55, 0x1d, 33];
pub(super) const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
pub(super) const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 36];
pub(super) const EKU: &[u8] = &[0x55, 0x1d, 37];
pub(super) const FRESHEST_CRL: &[u8] = &[0x55, 0x1d, 46];
pub(super) const INHIBIT_ANY: &[u8] = &[0x55, 0x1d, 54];
pub(super) const AUTHORITY_INFO: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
pub(super) const SUBJECT_INFO: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 11];
pub(super) const TLS_FEATURE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 24];
pub(super) const PROXY: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 14];
pub(super) const NETSCAPE_TYPE: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x42, 1, 1];
pub(super) const PRECERTIFICATE: &[u8] = &[0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 3];
/// 1.3.6.1.4.1.54392.5.1, which nobody here knows.
pub(super) const PRIVATE: &[u8] = &[0x2b, 6, 1, 4, 1, 0x83, 0xa8, 0x78, 5, 1];

pub(super) const SERVER: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
pub(super) const CLIENT: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
pub(super) const CODE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
pub(super) const EMAIL: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 4];
pub(super) const STAMPS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];
pub(super) const OCSP: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];
pub(super) const ANY: &[u8] = &[0x55, 0x1d, 37, 0];
/// Microsoft's Server Gated Cryptography, which OpenSSL takes for serverAuth.
pub(super) const GATED: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 10, 3, 3];

pub(super) const DIGITAL_SIGNATURE: u16 = 0x8000;
pub(super) const CONTENT_COMMITMENT: u16 = 0x4000;
pub(super) const KEY_ENCIPHERMENT: u16 = 0x2000;
pub(super) const DATA_ENCIPHERMENT: u16 = 0x1000;
pub(super) const KEY_AGREEMENT: u16 = 0x0800;
pub(super) const CERT_SIGN: u16 = 0x0400;
pub(super) const CRL_SIGN: u16 = 0x0200;
pub(super) const ENCIPHER_ONLY: u16 = 0x0100;
pub(super) const DECIPHER_ONLY: u16 = 0x0080;

thread_local! {
    /// So that certificates of one run never share an issuer and a serial number.
    static SERIAL: Cell<u32> = const { Cell::new(0x1000_0000) };
}

impl Cert {
    fn new(subject: Vec<u8>, key: Kind) -> Self {
        let serial = SERIAL.replace(SERIAL.get() + 1);
        Self {
            version: tlv(0xa0, &tlv(2, &[2])),
            serial: serial.to_be_bytes().to_vec(),
            issuer: None,
            validity: [utc("200101000000Z"), utc("400101000000Z")],
            subject,
            key,
            spki: None,
            unique_ids: Vec::new(),
            extensions: Vec::new(),
            signing: None,
            outer: None,
            after: |der| der,
        }
    }

    /// A CA of this name, with a key of its own.
    pub(super) fn ca(name: &'static str) -> Self {
        let mut ca = Self::new(common(name), Kind::P256(name));
        ca.basic(true, None).usage(CERT_SIGN | CRL_SIGN);
        ca.put(SUBJECT_KEY_ID, false, Vec::new()).put(AUTHORITY_KEY_ID, false, Vec::new());
        ca
    }

    /// A server's certificate, as a careful CA makes them in November 2026.
    pub(super) fn server(name: &str) -> Self {
        let mut leaf = Self::new(common(name), Kind::P256("peer"));
        leaf.valid("261101000000Z", "270201000000Z");
        leaf.usage(DIGITAL_SIGNATURE).eku(&[SERVER]).san(&[host(name)]);
        leaf.put(AUTHORITY_KEY_ID, false, Vec::new());
        leaf
    }

    /// Puts an extension in the place of its like, or behind the others.
    pub(super) fn put(&mut self, id: &'static [u8], critical: bool, value: Vec<u8>) -> &mut Self {
        let extension = Extension { id, critical, value };
        match self.extensions.iter_mut().find(|own| own.id == id) {
            Some(own) => *own = extension,
            None => self.extensions.push(extension),
        }
        self
    }

    pub(super) fn without(&mut self, id: &[u8]) -> &mut Self {
        self.extensions.retain(|own| own.id != id);
        self
    }

    pub(super) fn twice(&mut self, id: &[u8]) -> &mut Self {
        let own = self.extensions.iter().find(|own| own.id == id).cloned();
        self.extensions.extend(own);
        self
    }

    pub(super) fn critical(&mut self, id: &[u8], critical: bool) -> &mut Self {
        let own = self.extensions.iter_mut().filter(|own| own.id == id);
        own.for_each(|own| own.critical = critical);
        self
    }

    pub(super) fn basic(&mut self, is_ca: bool, path_length: Option<&[u8]>) -> &mut Self {
        let ca = if is_ca { tlv(1, &[0xff]) } else { Vec::new() };
        let length = path_length.map(|octets| tlv(2, octets)).unwrap_or_default();
        self.put(BASIC, true, sequence(&[&ca, &length]))
    }

    pub(super) fn usage(&mut self, bits: u16) -> &mut Self {
        let unused = (bits.trailing_zeros().min(15) % 8) as u8;
        let octets = match bits.to_be_bytes() {
            [0, 0] => vec![0],
            [first, 0] => vec![unused, first],
            [first, second] => vec![unused, first, second],
        };
        self.put(KEY_USAGE, true, tlv(3, &octets))
    }

    pub(super) fn eku(&mut self, purposes: &[&[u8]]) -> &mut Self {
        let purposes: Vec<_> = purposes.iter().flat_map(|id| tlv(6, id)).collect();
        self.put(EKU, false, tlv(0x30, &purposes))
    }

    pub(super) fn san(&mut self, names: &[Vec<u8>]) -> &mut Self {
        self.put(SAN, false, tlv(0x30, &names.concat()))
    }

    /// NameConstraints that permit one name and forbid another.
    pub(super) fn constrain(&mut self, permitted: &[Vec<u8>], excluded: &[Vec<u8>]) -> &mut Self {
        let subtrees = |tag, names: &[Vec<u8>]| match names {
            [] => Vec::new(),
            names => tlv(tag, &names.iter().flat_map(|name| tlv(0x30, name)).collect::<Vec<_>>()),
        };
        let both = [subtrees(0xa0, permitted), subtrees(0xa1, excluded)].concat();
        self.put(NAME_CONSTRAINTS, true, tlv(0x30, &both))
    }

    /// CertificatePolicies of test policies 2.23.140.1.N.
    pub(super) fn policies(&mut self, numbers: &[u8]) -> &mut Self {
        let policy = |n: &u8| tlv(0x30, &tlv(6, &[0x67, 0x81, 0x0c, 1, *n]));
        let policies: Vec<_> = numbers.iter().flat_map(policy).collect();
        self.put(POLICIES, false, tlv(0x30, &policies))
    }

    pub(super) fn valid(&mut self, from: &str, to: &str) -> &mut Self {
        self.validity = [utc(from), utc(to)];
        self
    }

    pub(super) fn named(&mut self, subject: Vec<u8>) -> &mut Self {
        self.subject = subject;
        self
    }

    pub(super) fn key(&mut self, kind: Kind) -> &mut Self {
        self.key = kind;
        self
    }

    pub(super) fn spki(&self) -> Vec<u8> {
        self.spki.clone().unwrap_or_else(|| spki_of(self.key))
    }

    fn key_id(&self) -> Vec<u8> {
        let own = self.extensions.iter().find(|own| own.id == SUBJECT_KEY_ID);
        match own.map(|own| own.value.as_slice()) {
            Some([4, _, id @ ..]) => id.to_vec(),
            _ => Sha256::digest(self.spki())[..20].to_vec(),
        }
    }

    /// The certificate, signed with the key of `above`.
    pub(super) fn issue(&self, above: &Self) -> Vec<u8> {
        let signing = self.signing.unwrap_or_else(|| above.key.usual());
        let algorithm = tlv(0x30, signing.id);
        let issuer = self.issuer.as_ref().unwrap_or(&above.subject);
        let extensions: Vec<_> =
            self.extensions.iter().flat_map(|e| self.encode(e, above)).collect();
        let extensions = match self.extensions.as_slice() {
            [] => Vec::new(),
            _ => tlv(0xa3, &tlv(0x30, &extensions)),
        };
        let signed = sequence(&[
            &self.version,
            &tlv(2, &self.serial),
            &algorithm,
            issuer,
            &tlv(0x30, &self.validity.concat()),
            &self.subject,
            &self.spki(),
            &self.unique_ids,
            &extensions,
        ]);
        let signature = sign(above.key, signing, &signed);
        let outer = self.outer.clone().unwrap_or(algorithm);
        (self.after)(sequence(&[&signed, &outer, &bit_string(&signature)]))
    }

    fn encode(&self, extension: &Extension, above: &Self) -> Vec<u8> {
        let value = match (extension.id, extension.value.as_slice()) {
            (SUBJECT_KEY_ID, []) => tlv(4, &self.key_id()),
            (AUTHORITY_KEY_ID, []) => tlv(0x30, &tlv(0x80, &above.key_id())),
            (_, value) => value.to_vec(),
        };
        let critical = if extension.critical { tlv(1, &[0xff]) } else { Vec::new() };
        sequence(&[&tlv(6, extension.id), &critical, &tlv(4, &value)])
    }
}

/// A Name with nothing but this common name, a UTF8String.
pub(super) fn common(name: &str) -> Vec<u8> {
    names(&[(12, name)])
}

/// A Name of common names, each with the tag of its string.
pub(super) fn names(names: &[(u8, &str)]) -> Vec<u8> {
    let one = |(tag, text): &(u8, &str)| {
        let attribute = sequence(&[&tlv(6, &[0x55, 4, 3]), &tlv(*tag, text.as_bytes())]);
        tlv(0x31, &attribute)
    };
    tlv(0x30, &names.iter().flat_map(one).collect::<Vec<_>>())
}

pub(super) fn host(name: &str) -> Vec<u8> {
    tlv(0x82, name.as_bytes())
}

pub(super) fn mailbox(name: &str) -> Vec<u8> {
    tlv(0x81, name.as_bytes())
}

pub(super) fn uri(name: &str) -> Vec<u8> {
    tlv(0x86, name.as_bytes())
}

pub(super) fn address(octets: &[u8]) -> Vec<u8> {
    tlv(0x87, octets)
}

pub(super) fn utc(time: &str) -> Vec<u8> {
    tlv(0x17, time.as_bytes())
}

pub(super) fn generalized(time: &str) -> Vec<u8> {
    tlv(0x18, time.as_bytes())
}
