//! Certificates that no library would make: each part is given as it is to stand there.

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use openssl::x509::X509;
use peerkey_tests::der;
use peerkey_tests::pki::{Issued, now, p256};

const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// The parts of a certificate, each whole and encoded.
pub(crate) struct Forgery {
    pub(crate) serial: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) key: PKey<Private>,
    pub(crate) spki: Vec<u8>,
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl Forgery {
    /// A server's certificate with these subjectAltNames.
    pub(crate) fn server(names: &[Vec<u8>]) -> Self {
        let key = p256();
        let spki = key.public_key_to_der().unwrap();
        let eku = der::sequence(&[&der::oid(&[0x2b, 6, 1, 5, 5, 7, 3, 1])]);
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let extensions = vec![
            extension(&[0x55, 0x1d, 0x13], true, &der::sequence(&[])),
            extension(&[0x55, 0x1d, 0x25], false, &eku),
            // Critical, for there is no subject (RFC 5280 section 4.1.2.6).
            extension(&[0x55, 0x1d, 0x11], true, &der::sequence(&names)),
        ];
        Self {
            serial: der::integer(&[0x11, 0x22]),
            subject: der::sequence(&[]),
            key,
            spki,
            extensions,
        }
    }

    /// A CA's certificate with this name.
    pub(crate) fn ca(subject: Vec<u8>) -> Self {
        let constraints = der::sequence(&[&[1, 1, 0xff]]);
        let extensions = vec![extension(&[0x55, 0x1d, 0x13], true, &constraints)];
        Self { subject, extensions, ..Self::server(&[]) }
    }

    /// With this subject.
    pub(crate) fn subject(mut self, subject: Vec<u8>) -> Self {
        self.subject = subject;
        self
    }

    /// The certificate in DER, signed by a CA; `change` has the last word on what is signed.
    pub(crate) fn der(&self, ca: &Issued, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
        let extensions: Vec<&[u8]> = self.extensions.iter().map(Vec::as_slice).collect();
        let identifier = ca.cert.subject_key_id().unwrap().as_slice().to_vec();
        let identifier = der::sequence(&[&der::tlv(0x80, &[&identifier])]);
        let authority = extension(&[0x55, 0x1d, 0x23], false, &identifier);
        let algorithm = der::sequence(&[&der::oid(ECDSA_SHA256)]);
        let validity = [der::time(now() - 86_400), der::time(now() + 86_400 * 90)];
        let body = der::sequence(&[
            &[0xa0, 3, 2, 1, 2],
            &self.serial,
            &algorithm,
            &ca.cert.subject_name().to_der().unwrap(),
            &der::sequence(&[&validity[0], &validity[1]]),
            &self.subject,
            &self.spki,
            &der::tlv(0xa3, &[&der::sequence(&[&extensions.concat(), &authority])]),
        ]);
        let body = change(body);
        let mut signer = Signer::new(MessageDigest::sha256(), &ca.key).unwrap();
        let signature = signer.sign_oneshot_to_vec(&body).unwrap();
        der::sequence(&[&body, &algorithm, &der::bit_string(&signature)])
    }

    /// The same as a server's identity; None where OpenSSL itself cannot read it.
    pub(crate) fn issued(self, ca: &Issued) -> Option<Issued> {
        let cert = X509::from_der(&self.der(ca, |body| body)).ok()?;
        Some(Issued { cert, key: self.key, above: ca.chain() })
    }
}

/// An extension.
pub(crate) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    der::sequence(&[&der::oid(oid), critical, &der::octet_string(value)])
}

/// A dNSName of these bytes.
pub(crate) fn dns(name: &[u8]) -> Vec<u8> {
    der::tlv(0x82, &[name])
}

/// A URI of these bytes.
pub(crate) fn uri(name: &[u8]) -> Vec<u8> {
    der::tlv(0x86, &[name])
}

/// A mailbox of these bytes.
pub(crate) fn email(name: &[u8]) -> Vec<u8> {
    der::tlv(0x81, &[name])
}

/// An iPAddress of these bytes.
pub(crate) fn ip(octets: &[u8]) -> Vec<u8> {
    der::tlv(0x87, &[octets])
}

/// A name with one common name, of this ASN.1 type.
pub(crate) fn common_name(tag: u8, text: &[u8]) -> Vec<u8> {
    let pair = der::sequence(&[&der::oid(COMMON_NAME), &der::tlv(tag, &[text])]);
    der::sequence(&[&der::tlv(0x31, &[&pair])])
}

/// UTF8String.
pub(crate) const UTF8: u8 = 0x0c;

/// The short name of a key's algorithm, for messages.
pub(crate) fn kind(key: &PKey<Private>) -> &'static str {
    Nid::from_raw(key.id().as_raw()).short_name().unwrap_or("?")
}

impl Forgery {
    /// The same as a CA that can sign, with its parent's chain above it.
    pub(crate) fn issued_ca(mut self, parent: &Issued) -> Issued {
        let identifier = der::octet_string(&[7; 20]);
        self.extensions.push(extension(&[0x55, 0x1d, 0x0e], false, &identifier));
        self.issued(parent).unwrap()
    }
}
