//! A throw-away PKI: roots, CAs, leaves, and everything that can be wrong with them.
//!
//! ```ignore
//! let root = Draft::ca("Web Root").self_signed();
//! let ca = Draft::ca("Web CA").signed_by(&root);
//! let bank = Draft::server("bank.example").rsa(1024).expired().signed_by(&ca);
//! ```

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64, HEXLOWER};
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::rsa::Rsa;
use openssl::sha::sha256;
use openssl::sign::Signer;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Name, X509NameRef};

use crate::der;

const DAY: i64 = 86_400;
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

/// Seconds since 1970, now.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

/// A fresh P-256 key.
pub fn p256() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A fresh RSA key.
pub fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

/// The same RSA key, encoded as RSASSA-PSS (RFC 4055 section 1.2).
pub fn as_rsassa_pss(key: &PKey<Private>) -> PKey<Private> {
    let inner = key.rsa().unwrap().private_key_to_der().unwrap();
    let algorithm = der::sequence(&[&der::oid(RSASSA_PSS)]);
    let pkcs8 = der::sequence(&[&der::integer(&[0]), &algorithm, &der::octet_string(&inner)]);
    PKey::private_key_from_pkcs8(&pkcs8).unwrap()
}

/// The same EC key with its point compressed (SEC 1 section 2.3.3).
pub fn compressed(key: &PKey<Private>) -> PKey<Public> {
    let key = key.ec_key().unwrap();
    let mut context = openssl::bn::BigNumContext::new().unwrap();
    let form = PointConversionForm::COMPRESSED;
    let point = key.public_key().to_bytes(key.group(), form, &mut context).unwrap();
    let p256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let ec = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    let algorithm = der::sequence(&[&der::oid(&ec), &der::oid(&p256)]);
    let spki = der::sequence(&[&algorithm, &der::bit_string(&point)]);
    let public = PKey::public_key_from_der(&spki).unwrap();
    assert_eq!(public.public_key_to_der().unwrap(), spki, "libcrypto keeps the point compressed");
    public
}

/// A certificate to be.
#[derive(Clone)]
pub struct Draft {
    cn: Option<String>,
    sans: Vec<San>,
    key: PKey<Private>,
    public: Option<PKey<Public>>,
    ca: bool,
    form: Form,
    usages: Vec<&'static str>,
    valid: (i64, i64),
    passes_for: Option<X509>,
}

/// What a certificate says of itself being a CA's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// All that it should.
    Whole,
    /// Nothing: without basicConstraints.
    Silent,
    /// Nothing, because it is of version 1, and has no extensions.
    Version1,
    /// That it is one, although it is a device's own: CA:TRUE without keyUsage.
    Device,
}

#[derive(Clone)]
enum San {
    Dns(String),
    Ip(String),
    Email(String),
    Uri(String),
}

impl Draft {
    /// A certification authority.
    pub fn ca(cn: &str) -> Self {
        Self {
            cn: Some(cn.into()),
            sans: vec![],
            key: p256(),
            public: None,
            ca: true,
            form: Form::Whole,
            usages: vec![],
            valid: (-DAY, 3650 * DAY),
            passes_for: None,
        }
    }

    /// A server's certificate for one name, which is its common name too. An address goes where
    /// addresses go.
    pub fn server(name: &str) -> Self {
        let named = Self { ca: false, usages: vec!["serverAuth"], ..Self::ca(name) };
        match name.parse::<std::net::IpAddr>() {
            Ok(_) => named.ip(name),
            Err(_) => named.dns(name),
        }
    }

    /// A person's certificate for signed mail.
    pub fn mail(address: &str) -> Self {
        Self { ca: false, usages: vec!["emailProtection"], ..Self::ca("Alice Example") }
            .email(address)
    }

    /// A certificate that names nobody one could connect to, for this use.
    pub fn tool(cn: &str, usage: &'static str) -> Self {
        Self { ca: false, usages: vec![usage], ..Self::ca(cn) }
    }

    /// A client's certificate for one DNS name or mailbox.
    pub fn client(name: &str) -> Self {
        let named = Self { ca: false, usages: vec!["clientAuth"], ..Self::ca(name) };
        if name.contains('@') { named.email(name) } else { named.dns(name) }
    }

    /// The same with CA:TRUE, as devices make their certificates.
    pub fn as_ca(mut self) -> Self {
        self.form = Form::Device;
        self
    }

    /// The same without basicConstraints.
    pub fn silent(mut self) -> Self {
        self.form = Form::Silent;
        self
    }

    /// The same as of version 1, without any extension.
    pub fn version1(mut self) -> Self {
        self.form = Form::Version1;
        self
    }

    /// One more DNS name; `*.x` is a wildcard.
    pub fn dns(mut self, name: &str) -> Self {
        self.sans.push(San::Dns(name.into()));
        self
    }

    /// One more address.
    pub fn ip(mut self, address: &str) -> Self {
        self.sans.push(San::Ip(address.into()));
        self
    }

    /// One more mailbox.
    pub fn email(mut self, address: &str) -> Self {
        self.sans.push(San::Email(address.into()));
        self
    }

    /// One more URI.
    pub fn uri(mut self, uri: &str) -> Self {
        self.sans.push(San::Uri(uri.into()));
        self
    }

    /// Another common name.
    pub fn cn(mut self, cn: &str) -> Self {
        self.cn = Some(cn.into());
        self
    }

    /// These extended key usages, by OpenSSL's names, and no others.
    pub fn usages(mut self, usages: &[&'static str]) -> Self {
        self.usages = usages.to_vec();
        self
    }

    /// This key.
    pub fn key(mut self, key: &PKey<Private>) -> Self {
        self.key = key.clone();
        self
    }

    /// This encoding of the key in the certificate.
    pub fn spki(mut self, public: PKey<Public>) -> Self {
        self.public = Some(public);
        self
    }

    /// A fresh RSA key of this size.
    pub fn rsa(self, bits: u32) -> Self {
        self.key(&rsa(bits))
    }

    /// Valid until yesterday.
    pub fn expired(mut self) -> Self {
        self.valid = (-30 * DAY, -DAY);
        self
    }

    /// With the issuer and the serial number of another certificate.
    pub fn passing_for(mut self, other: &X509) -> Self {
        self.passes_for = Some(other.clone());
        self
    }

    /// Signed with its own key.
    pub fn self_signed(self) -> Issued {
        self.issue(None)
    }

    /// Signed by a CA.
    pub fn signed_by(self, issuer: &Issued) -> Issued {
        self.issue(Some(issuer))
    }

    fn issue(self, issuer: Option<&Issued>) -> Issued {
        static SERIAL: AtomicU32 = AtomicU32::new(0x1000);
        let mut builder = X509Builder::new().unwrap();
        let serial = BigNum::from_u32(SERIAL.fetch_add(1, Ordering::Relaxed)).unwrap();
        builder.set_version(if self.form == Form::Version1 { 0 } else { 2 }).unwrap();
        builder.set_serial_number(&Asn1Integer::from_bn(&serial).unwrap()).unwrap();
        let subject = self.subject();
        builder.set_subject_name(&subject).unwrap();
        builder.set_issuer_name(issuer.map_or(&*subject, |i| i.cert.subject_name())).unwrap();
        if let Some(other) = &self.passes_for {
            builder.set_serial_number(other.serial_number()).unwrap();
            builder.set_issuer_name(other.issuer_name()).unwrap();
        }
        let at = |offset| Asn1Time::from_unix(now() + offset).unwrap();
        builder.set_not_before(&at(self.valid.0)).unwrap();
        builder.set_not_after(&at(self.valid.1)).unwrap();
        match &self.public {
            Some(public) => builder.set_pubkey(public).unwrap(),
            None => builder.set_pubkey(&self.key).unwrap(),
        }
        if self.form != Form::Version1 {
            self.extend(&mut builder, issuer);
        }
        let signer = issuer.map_or(&self.key, |i| &i.key);
        builder.sign(signer, MessageDigest::sha256()).unwrap();
        let above = issuer.map_or_else(Vec::new, Issued::chain);
        Issued { cert: builder.build(), key: self.key, above }
    }

    fn subject(&self) -> X509Name {
        let mut name = X509Name::builder().unwrap();
        name.append_entry_by_nid(Nid::ORGANIZATIONNAME, "Example").unwrap();
        if let Some(cn) = &self.cn {
            name.append_entry_by_nid(Nid::COMMONNAME, cn).unwrap();
        }
        name.build()
    }

    fn extend(&self, builder: &mut X509Builder, issuer: Option<&Issued>) {
        let mut constraints = BasicConstraints::new();
        let mut extensions = vec![];
        if self.ca {
            constraints.ca();
            extensions.push(KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap());
        }
        if self.form == Form::Device {
            constraints.ca();
        }
        if self.form != Form::Silent {
            extensions.push(constraints.critical().build().unwrap());
        }
        if !self.usages.is_empty() {
            let mut usages = ExtendedKeyUsage::new();
            for usage in &self.usages {
                usages.other(usage);
            }
            // RFC 3161 section 2.3.
            if self.usages == ["timeStamping"] {
                usages.critical();
            }
            extensions.push(usages.build().unwrap());
        }
        let context = builder.x509v3_context(issuer.map(|i| &*i.cert), None);
        extensions.push(SubjectKeyIdentifier::new().build(&context).unwrap());
        if issuer.is_some_and(|issuer| issuer.cert.subject_key_id().is_some()) {
            extensions.push(AuthorityKeyIdentifier::new().keyid(true).build(&context).unwrap());
        }
        if !self.sans.is_empty() {
            extensions.push(self.alternative_names().build(&context).unwrap());
        }
        for extension in extensions {
            builder.append_extension2(&extension).unwrap();
        }
    }

    fn alternative_names(&self) -> SubjectAlternativeName {
        let mut names = SubjectAlternativeName::new();
        for san in &self.sans {
            match san {
                San::Dns(name) => names.dns(name),
                San::Ip(address) => names.ip(address),
                San::Email(address) => names.email(address),
                San::Uri(uri) => names.uri(uri),
            };
        }
        names
    }
}

/// A certificate with its key, and the certificates above it without the root.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub cert: X509,
    /// Its key.
    pub key: PKey<Private>,
    /// The certificates above it, the nearest first; the root is left out.
    pub above: Vec<X509>,
}

impl Issued {
    /// What a server sends: this certificate and those above it, without the root.
    pub fn chain(&self) -> Vec<X509> {
        let itself = (!self.is_root()).then(|| self.cert.clone());
        itself.into_iter().chain(self.above.iter().cloned()).collect()
    }

    fn is_root(&self) -> bool {
        let der = |name: &X509NameRef| name.to_der().unwrap();
        let alone = der(self.cert.subject_name()) == der(self.cert.issuer_name());
        let public = self.cert.public_key().unwrap();
        alone && self.cert.verify(&public).unwrap() && self.may_sign()
    }

    fn may_sign(&self) -> bool {
        self.cert.to_text().is_ok_and(|text| String::from_utf8_lossy(&text).contains("CA:TRUE"))
    }

    /// The same leaf and key, with these certificates sent after it.
    pub fn with_above(&self, above: &[&Self]) -> Self {
        let above = above.iter().map(|issued| issued.cert.clone()).collect();
        Self { above, ..self.clone() }
    }

    /// `sha256/BASE64` of the key, as policies take it.
    pub fn pin(&self) -> String {
        pin_of(&self.key.public_key_to_der().unwrap())
    }

    /// SHA-256 of the key in hex, as TLSA records write it (RFC 6698 section 2.2).
    pub fn spki_hex(&self) -> String {
        HEXLOWER.encode(&sha256(&self.key.public_key_to_der().unwrap()))
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        String::from_utf8(self.cert.to_pem().unwrap()).unwrap()
    }

    /// The certificate and those above it as PEM.
    pub fn chain_pem(&self) -> String {
        let above: String = self.above.iter().map(|c| pem_text(&c.to_pem().unwrap())).collect();
        self.pem() + &above
    }

    /// The key as PKCS #8 PEM.
    pub fn key_pem(&self) -> String {
        String::from_utf8(self.key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    /// A CRL of this CA that revokes these certificates, as PEM (RFC 5280 section 5).
    pub fn crl(&self, revoked: &[&Self]) -> String {
        let algorithm = der::sequence(&[&der::oid(ECDSA_SHA256)]);
        let entries: Vec<Vec<u8>> = revoked
            .iter()
            .map(|issued| {
                let serial = issued.cert.serial_number().to_bn().unwrap().to_vec();
                der::sequence(&[&der::integer(&serial), &der::time(now() - DAY)])
            })
            .collect();
        let entries = entries.concat();
        let number = der::octet_string(&der::integer(&[1]));
        let extension = der::sequence(&[&der::oid(CRL_NUMBER), &number]);
        let revoked = if entries.is_empty() { vec![] } else { der::sequence(&[&entries]) };
        let body = der::sequence(&[
            &der::integer(&[1]),
            &algorithm,
            &self.cert.subject_name().to_der().unwrap(),
            &der::time(now() - DAY),
            &der::time(now() + 30 * DAY),
            &revoked,
            &der::tlv(0xa0, &[&der::sequence(&[&extension])]),
        ]);
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        let signature = signer.sign_oneshot_to_vec(&body).unwrap();
        let crl = der::sequence(&[&body, &algorithm, &der::bit_string(&signature)]);
        pem("X509 CRL", &crl)
    }

    /// The certificate with OpenSSL's own settings after it, which reject servers.
    pub fn trusted_pem_rejecting_servers(&self) -> String {
        let rejections = der::tlv(0xa0, &[&der::oid(SERVER_AUTH)]);
        let settings = der::sequence(&[&rejections]);
        pem("TRUSTED CERTIFICATE", &[self.cert.to_der().unwrap(), settings].concat())
    }
}

/// `sha256/BASE64` of a SubjectPublicKeyInfo.
pub fn pin_of(spki: &[u8]) -> String {
    format!("sha256/{}", BASE64.encode(&sha256(spki)))
}

fn pem_text(pem: &[u8]) -> String {
    String::from_utf8_lossy(pem).into_owned()
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let lines = base64.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}
