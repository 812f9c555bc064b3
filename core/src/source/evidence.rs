//! Certificates, public keys and CRLs in files: PEM or DER, one or many.

use std::path::{Path, PathBuf};

use x509_parser::prelude::{CertificateRevocationList, FromDer};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::diagnostic::Diagnostic;
use super::pem::{self, Block};
use super::trusted;
use crate::certificate::{Certificate, Purposes};
use crate::der;
use crate::policy::Place;

/// What a file is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Certificates only.
    Certificates,
    /// Public keys, bare or in certificates.
    Keys,
    /// CRLs only.
    Crls,
}

impl Want {
    fn plural(self) -> &'static str {
        match self {
            Self::Certificates => "certificates",
            Self::Keys => "certificates or public keys",
            Self::Crls => "CRLs",
        }
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A certificate, and what the file lets it be used for (everything, but for OpenSSL's
    /// `TRUSTED CERTIFICATE`).
    Certificate(Box<Certificate>, Purposes),
    /// A DER SubjectPublicKeyInfo.
    PublicKey(Vec<u8>),
    /// A DER CertificateList, and its nextUpdate.
    Crl(Vec<u8>, Option<i64>),
}

/// Something, and where it was.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) item: Item,
    pub(super) origin: Origin,
}

/// Where something was in a file of certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) path: PathBuf,
    /// The line of its BEGIN; 1 in a DER file.
    pub(super) line: u32,
    /// Which one it is in its file, from 1; None in a DER file.
    pub(super) number: Option<usize>,
}

impl Origin {
    /// A diagnostic about it; `what` is the whole sentence but for the subject.
    pub(super) fn says(&self, kind: &str, what: &str) -> Diagnostic {
        let message = match self.number {
            Some(number) => format!("{kind} {number} of this file {what}"),
            None => format!("the {kind} in this file {what}"),
        };
        let place = Place { file: self.path.clone(), line: self.line, column: 1 };
        Diagnostic { place: Some(place), message, hint: None, snippet: None }
    }
}

/// Everything in a file's content, and a diagnostic for each thing in it that is not wanted.
pub(super) fn items(path: &Path, data: &[u8], want: Want) -> (Vec<Found>, Vec<Diagnostic>) {
    let whole_der = der::read(0x30, data).is_some_and(|(_, rest)| rest.is_empty());
    if !whole_der && pem::is_pem(data) {
        return from_pem(path, data, want);
    }
    let origin = Origin { path: path.to_owned(), line: 1, number: None };
    match from_der(data, want) {
        Ok(item) => (vec![Found { item, origin }], Vec::new()),
        Err(why) => {
            (Vec::new(), vec![Diagnostic::about_file(path, why).maybe_hint(container(data))])
        }
    }
}

fn from_pem(path: &Path, data: &[u8], want: Want) -> (Vec<Found>, Vec<Diagnostic>) {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for (block, number) in pem::blocks(data).into_iter().zip(1..) {
        let origin = Origin { path: path.to_owned(), line: block.line, number: Some(number) };
        match from_block(&block, want) {
            Ok(item) => found.push(Found { item, origin }),
            Err((what, hint)) => {
                wrong.push(origin.says(kind(&block.label), &what).maybe_hint(hint))
            }
        }
    }
    (found, wrong)
}

/// What a block is called in a sentence.
fn kind(label: &str) -> &'static str {
    match label {
        label if label.ends_with("CERTIFICATE") => "certificate",
        label if label.ends_with("PUBLIC KEY") => "key",
        "X509 CRL" => "CRL",
        _ => "block",
    }
}

type Wrong = (String, Option<String>);

fn from_block(block: &Block, want: Want) -> Result<Item, Wrong> {
    let label = block.label.as_str();
    if label.ends_with("PRIVATE KEY") {
        let hint = "take it out: nothing here needs a private key, and every process reads this";
        return Err(("is a private key".into(), Some(hint.into())));
    }
    let read = |read: &dyn Fn(&[u8]) -> Result<Item, String>| match &block.der {
        Ok(der) => read(der).map_err(|why| (format!("is broken: {why}"), None)),
        Err(why) => Err((format!("is broken: {why}"), None)),
    };
    match (label, want) {
        ("CERTIFICATE" | "X509 CERTIFICATE", Want::Certificates | Want::Keys) => read(&certificate),
        ("TRUSTED CERTIFICATE", Want::Certificates | Want::Keys) => read(&|der| {
            let (certificate, purposes) = trusted::read(der)?;
            Ok(Item::Certificate(Box::new(certificate), purposes))
        }),
        ("PUBLIC KEY", Want::Keys) => read(&public_key),
        ("X509 CRL", Want::Crls) => read(&crl),
        _ => {
            let what = format!("is a \"{label}\", where {} are wanted", want.plural());
            Err((what, hint_for(label).map(str::to_owned)))
        }
    }
}

fn hint_for(label: &str) -> Option<&'static str> {
    match label {
        "X509 CRL" => Some("CRLs belong under crls"),
        "PKCS7" | "CMS" => Some("take the certificates out with: openssl pkcs7 -print_certs"),
        "RSA PUBLIC KEY" => Some("convert it with: openssl rsa -RSAPublicKey_in -pubout"),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            Some("a request is what a CA makes a certificate of")
        }
        _ => None,
    }
}

fn from_der(data: &[u8], want: Want) -> Result<Item, String> {
    if data.trim_ascii().is_empty() {
        return Err("the file is empty".into());
    }
    if data.first() != Some(&0x30) {
        return Err(format!("the file holds neither PEM nor DER {}", want.plural()));
    }
    match want {
        Want::Crls => crl(data),
        Want::Certificates => certificate(data),
        Want::Keys => certificate(data).or_else(|why| public_key(data).map_err(|_| why)),
    }
    .map_err(|why| format!("the file holds no {}: {why}", want.plural()))
}

fn container(data: &[u8]) -> Option<String> {
    // The object identifier 1.2.840.113549.1.7 begins a PKCS #7 and stands early in a PKCS #12.
    let pkcs7 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];
    let early = data.get(..64).unwrap_or(data);
    (data.first() == Some(&0x30) && early.windows(8).any(|w| w == pkcs7)).then(|| {
        "it looks like PKCS #7 or #12: take the certificates out with openssl pkcs7 -print_certs \
         or openssl pkcs12 -nokeys"
            .into()
    })
}

fn certificate(der: &[u8]) -> Result<Item, String> {
    let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
    Ok(Item::Certificate(Box::new(certificate), Purposes::ALL))
}

fn public_key(der: &[u8]) -> Result<Item, String> {
    match SubjectPublicKeyInfo::from_der(der) {
        Ok(([], _)) => Ok(Item::PublicKey(der.to_vec())),
        _ => Err("not a DER SubjectPublicKeyInfo".into()),
    }
}

fn crl(der: &[u8]) -> Result<Item, String> {
    let (rest, parsed) = CertificateRevocationList::from_der(der)
        .map_err(|error| format!("not a DER CertificateList ({error})"))?;
    if !rest.is_empty() {
        return Err(format!("{} bytes behind the CRL", rest.len()));
    }
    #[cfg(feature = "pkix")]
    webpki::BorrowedCertRevocationList::from_der(der)
        .map_err(|error| format!("a CRL that cannot be used ({error})"))?;
    Ok(Item::Crl(der.to_vec(), parsed.next_update().map(|t| t.timestamp())))
}
