//! Paths: who signed whom, how long they are, which key identifiers they name.

use super::super::build::*;
use super::super::chain::Top;
use super::{Case, accepted, refused, told};
use crate::der::tlv;

/// The last octet of the signature, changed.
fn forged(mut der: Vec<u8>) -> Vec<u8> {
    let last = der.len() - 1;
    der[last] ^= 1;
    der
}

pub(super) const CASES: &[Case] = &[
    told("path-leaf-forged", "signature in the path is wrong", |c| c.leaf.after = forged),
    told("path-ca-forged", "signature in the path is wrong", |c| c.ca().after = forged),
    told("path-other-key-of-the-same-name", "signature in the path is wrong", |c| {
        let other = Cert::ca("Not the Issuing CA");
        c.ca().named(common("X"));
        c.leaf.issuer = Some(common("X"));
        c.strays.push((other, c.root.clone()));
        c.cas.push(Cert::ca("Other"));
        c.ca().named(common("X"));
        c.cas.swap(0, 1);
        c.cas.truncate(1);
        c.cas[0].after = forged;
    }),
    told("path-issuer-missing", "no path", |c| c.leaf.issuer = Some(common("Nobody"))),
    told("path-issuer-in-capitals", "no path", |c| {
        c.leaf.issuer = Some(common("ISSUING CA"));
    }),
    told("path-issuer-in-another-string", "no path", |c| {
        c.leaf.issuer = Some(names(&[(19, "Issuing CA")]));
    }),
    told("path-seven-cas", "too large a puzzle", |c| {
        c.cas = ["A", "B", "C", "D", "E", "F", "G"].map(Cert::ca).to_vec();
    }),
    accepted("path-length-of-ca-reached", |c| {
        c.ca().basic(true, Some(&[0]));
    }),
    accepted("path-length-of-upper-ca-reached", |c| {
        c.cas.insert(0, Cert::ca("Policy CA"));
        c.cas[0].basic(true, Some(&[1]));
    }),
    told("path-length-of-ca-exceeded", "longer than a CA in it allows", |c| {
        c.cas.insert(0, Cert::ca("Policy CA"));
        c.cas[0].basic(true, Some(&[0]));
    }),
    accepted("path-length-of-anchor-reached", |c| {
        c.root.basic(true, Some(&[1]));
    }),
    accepted("path-length-of-anchor-zero", |c| {
        c.root.basic(true, Some(&[0]));
        c.cas.clear();
    }),
    refused("path-length-of-anchor-exceeded", "anchor-path-length", |c| {
        c.root.basic(true, Some(&[0]));
    }),
    refused("path-length-of-anchor-exceeded-by-two", "anchor-path-length", |c| {
        c.root.basic(true, Some(&[1]));
        c.cas = ["A", "B", "C"].map(Cert::ca).to_vec();
    }),
    refused("path-length-of-anchor-below-root", "anchor-path-length", |c| {
        c.cas = ["A", "B", "C"].map(Cert::ca).to_vec();
        c.cas[0].basic(true, Some(&[1])).put(SUBJECT_KEY_ID, false, Vec::new());
        c.cas.insert(2, Cert::ca("D"));
        c.anchor = Top::Ca;
    }),
    accepted("path-self-issued-does-not-count", |c| {
        // The root's new key, certified by its old one.
        c.root.basic(true, Some(&[1]));
        let mut renewed = Cert::ca("Root, renewed");
        renewed.named(common("Root"));
        c.cas.insert(0, renewed);
    }),
    refused("path-key-id-of-another", "key-id-mismatch", |c| {
        c.leaf.put(AUTHORITY_KEY_ID, false, tlv(0x30, &tlv(0x80, &[7; 20])));
    }),
    refused("path-key-id-of-another-anchor", "key-id-mismatch", |c| {
        c.ca().put(AUTHORITY_KEY_ID, false, tlv(0x30, &tlv(0x80, &[7; 20])));
    }),
    accepted("path-key-id-of-one-octet", |c| {
        c.ca().put(SUBJECT_KEY_ID, false, tlv(4, &[7]));
    }),
    accepted("path-two-keys-of-one-name", |c| {
        // Only the second has the key that signed.
        let mut other = Cert::ca("Elsewhere");
        other.named(common("Issuing CA"));
        c.strays.push((other, c.root.clone()));
    }),
];
