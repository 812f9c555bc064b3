//! Certificates that sign themselves: for a test server, and for one whose key nobody keeps.

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::BasicConstraints;
use openssl::x509::{X509, X509NameBuilder};

use crate::{clock, library};

/// A certificate of this common name with a new key, no CA's, valid since yesterday and for so many days.
pub fn make(common_name: &str, days: u32) -> Result<(X509, PKey<Private>), ErrorStack> {
    library::start();
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::ONE, false)?;
    let serial = serial.to_asn1_integer()?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_pubkey(&key)?;
    let (from, to) = (Asn1Time::from_unix(clock::now() - 86_400)?, Asn1Time::days_from_now(days)?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&to)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((builder.build(), key))
}
