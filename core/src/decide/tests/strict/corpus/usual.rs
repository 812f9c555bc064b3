//! Chains as they are: nothing wrong with any of them.

use super::super::build::*;
use super::super::chain::Top;
use super::super::keys::{self, Kind};
use super::{Case, accepted};
use crate::der::tlv;
use crate::query::Role;

pub(super) const CASES: &[Case] = &[
    accepted("usual", |_| {}),
    accepted("usual-root-issues", |c| c.cas.clear()),
    accepted("usual-two-cas", |c| c.cas.insert(0, Cert::ca("Policy CA"))),
    accepted("usual-six-cas", |c| {
        c.cas = ["A", "B", "C", "D", "E", "F"].map(Cert::ca).to_vec();
    }),
    accepted("usual-root-presented", |c| c.presents_root = true),
    accepted("usual-stray-presented", |c| {
        c.strays.push((Cert::ca("Somebody Else"), Cert::ca("Elsewhere")));
    }),
    accepted("usual-two-ways-one-expired", |c| {
        let mut other = c.cas[0].clone();
        c.cas[0].valid("200101000000Z", "240101000000Z");
        other.serial = vec![7];
        c.strays.push((other, c.root.clone()));
    }),
    accepted("usual-loop-presented", |c| {
        let (a, b) = (Cert::ca("Loop A"), Cert::ca("Loop B"));
        c.strays.push((a.clone(), b.clone()));
        c.strays.push((b, a));
    }),
    accepted("usual-client", |c| {
        c.role = Role::Client;
        c.leaf.eku(&[CLIENT]);
    }),
    accepted("usual-client-and-server", |c| {
        c.leaf.eku(&[CLIENT, SERVER]);
    }),
    accepted("usual-mailbox", |c| {
        c.peer = "alice@example.com";
        c.leaf.eku(&[EMAIL]).named(common("Alice")).san(&[mailbox(c.peer)]);
    }),
    accepted("usual-mailbox-commitment", |c| {
        c.peer = "alice@example.com";
        c.leaf.usage(CONTENT_COMMITMENT).eku(&[EMAIL]).san(&[mailbox(c.peer)]);
    }),
    accepted("usual-wildcard", |c| {
        c.leaf.named(common("*.example.com")).san(&[host("*.example.com")]);
    }),
    accepted("usual-ipv4", |c| {
        c.peer = "192.0.2.7";
        c.leaf.named(common(c.peer)).san(&[address(&[192, 0, 2, 7])]);
    }),
    accepted("usual-ipv6", |c| {
        c.peer = "2001:db8::7";
        let octets = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        c.leaf.named(common(c.peer)).san(&[address(&octets)]);
    }),
    accepted("usual-hundred-names", |c| {
        let names: Vec<_> = (0..99).map(|i| host(&format!("n{i}.example.com"))).collect();
        c.leaf.san(&[names, vec![host(c.peer)]].concat());
    }),
    accepted("usual-odd-names-beside", |c| {
        let other = tlv(0xa0, &[&tlv(6, PRIVATE)[..], &tlv(0xa0, &tlv(12, b"x"))].concat());
        c.leaf.san(&[host(c.peer), uri("https://www.example.com/"), other, host("192.0.2.7")]);
    }),
    accepted("usual-no-common-name", |c| {
        c.leaf.named(tlv(0x30, &[])).critical(SAN, true);
    }),
    accepted("usual-no-key-usage", |c| {
        c.leaf.without(KEY_USAGE);
    }),
    accepted("usual-no-eku", |c| {
        c.leaf.without(EKU);
    }),
    accepted("usual-eku-any-beside", |c| {
        c.leaf.eku(&[SERVER, ANY]);
    }),
    accepted("usual-says-no-ca", |c| {
        c.leaf.basic(false, None);
    }),
    accepted("usual-key-agreement-alone", |c| {
        c.leaf.usage(KEY_AGREEMENT);
    }),
    accepted("usual-after-2050", |c| {
        c.time = 2_556_144_000; // 2051-01-01
        let years = [utc("200101000000Z"), generalized("20600101000000Z")];
        c.root.validity = years.clone();
        c.cas[0].validity = years;
        c.leaf.validity = [generalized("20501201000000Z"), generalized("20510201000000Z")];
    }),
    accepted("usual-unknown-extension", |c| {
        c.leaf.put(PRIVATE, false, vec![1, 2, 3]);
    }),
    accepted("usual-must-staple", |c| {
        c.leaf.put(TLS_FEATURE, false, tlv(0x30, &[2, 1, 5]));
    }),
    accepted("usual-policies", |c| {
        c.leaf.policies(&[1, 2]);
        c.ca().policies(&[1, 2]);
    }),
    accepted("usual-critical-crl-points", |c| {
        let name = tlv(0xa0, &tlv(0xa0, &uri("http://crl.example.com/1.crl")));
        c.leaf.put(CRL_POINTS, true, tlv(0x30, &tlv(0x30, &name)));
    }),
    accepted("usual-information-access", |c| {
        let ocsp = tlv(6, &[0x2b, 6, 1, 5, 5, 7, 0x30, 1]);
        let one = tlv(0x30, &[ocsp, uri("http://ocsp.example.com/")].concat());
        c.leaf.put(AUTHORITY_INFO, false, tlv(0x30, &one));
    }),
    accepted("usual-rsa", |c| {
        c.root.key(Kind::Rsa(3072));
        c.ca().key(Kind::Rsa(2048));
        c.leaf.key(Kind::Rsa(2048)).usage(KEY_ENCIPHERMENT);
    }),
    accepted("usual-rsa-pss", |c| {
        c.ca().key(Kind::Rsa(2048));
        c.leaf.signing = Some(keys::PSS_SHA256);
    }),
    accepted("usual-rsa-sha512", |c| {
        c.ca().key(Kind::Rsa(2048));
        c.leaf.signing = Some(keys::RSA_SHA512);
    }),
    accepted("usual-p384", |c| {
        c.ca().key(Kind::P384("ca"));
        c.leaf.key(Kind::P384("peer"));
    }),
    accepted("usual-p521", |c| {
        c.ca().key(Kind::P521("ca"));
        c.leaf.key(Kind::P521("peer"));
    }),
    accepted("usual-p256-sha384", |c| c.leaf.signing = Some(keys::ECDSA_SHA384)),
    accepted("usual-ed25519", |c| {
        c.ca().key(Kind::Ed25519);
        c.leaf.key(Kind::Ed25519);
    }),
    accepted("usual-ed448", |c| {
        c.ca().key(Kind::Ed448);
        c.leaf.key(Kind::Ed448);
    }),
    accepted("usual-own-anchor", |c| {
        c.anchor = Top::Own;
        c.leaf.without(AUTHORITY_KEY_ID);
    }),
    accepted("usual-own-anchor-as-openssl-makes-them", |c| {
        c.anchor = Top::Own;
        c.leaf = Cert::server(c.peer);
        c.leaf.basic(true, None).without(KEY_USAGE).without(EKU);
        c.leaf.put(SUBJECT_KEY_ID, false, Vec::new());
    }),
    accepted("usual-own-anchor-of-a-ca", |c| c.anchor = Top::Leaf),
    accepted("usual-anchor-below-root", |c| {
        c.cas.insert(0, Cert::ca("Policy CA"));
        c.anchor = Top::Ca;
    }),
];
