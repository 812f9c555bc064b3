//! The peer's certificate: names, use, criticality, time.

use super::super::build::*;
use super::super::chain::Top;
use super::super::keys::Kind;
use super::{Case, accepted, refused, told};
use crate::der::tlv;
use crate::query::Role;

pub(super) const CASES: &[Case] = &[
    refused("leaf-critical-private", "critical-unknown", |c| {
        c.leaf.put(PRIVATE, true, vec![5, 0]);
    }),
    refused("leaf-precertificate", "critical-unknown", |c| {
        c.leaf.put(PRECERTIFICATE, true, vec![5, 0]);
    }),
    refused("leaf-proxy", "critical-unknown", |c| {
        let policy = tlv(0x30, &tlv(6, &[0x2b, 6, 1, 5, 5, 7, 21, 1]));
        c.leaf.put(PROXY, true, tlv(0x30, &policy)).without(SAN).san(&[host(c.peer)]);
    }),
    refused("leaf-critical-policies", "critical-unknown", |c| {
        c.leaf.policies(&[1]).critical(POLICIES, true);
    }),
    refused("leaf-critical-authority-key-id", "critical-unknown", |c| {
        c.leaf.critical(AUTHORITY_KEY_ID, true);
    }),
    refused("leaf-critical-subject-key-id", "critical-unknown", |c| {
        c.leaf.put(SUBJECT_KEY_ID, true, Vec::new());
    }),
    refused("leaf-critical-information-access", "critical-unknown", |c| {
        let ocsp = tlv(6, &[0x2b, 6, 1, 5, 5, 7, 0x30, 1]);
        let one = tlv(0x30, &[ocsp, uri("http://ocsp.example.com/")].concat());
        c.leaf.put(AUTHORITY_INFO, true, tlv(0x30, &one));
    }),
    refused("leaf-critical-must-staple", "critical-unknown", |c| {
        c.leaf.put(TLS_FEATURE, true, tlv(0x30, &[2, 1, 5]));
    }),
    refused("own-critical-private", "critical-unknown", |c| {
        c.anchor = Top::Own;
        c.leaf.put(PRIVATE, true, vec![5, 0]);
    }),
    accepted("leaf-critical-eku", |c| {
        c.leaf.critical(EKU, true);
    }),
    refused("leaf-issuer-empty", "subject-empty", |c| {
        c.root.named(tlv(0x30, &[]));
        c.cas.clear();
    }),
    refused("leaf-no-subject-names-not-critical", "san-not-critical", |c| {
        c.leaf.named(tlv(0x30, &[]));
    }),
    accepted("leaf-names-critical-beside-a-subject", |c| {
        c.leaf.critical(SAN, true);
    }),
    refused("leaf-name-with-nul", "name-malformed", |c| {
        c.leaf.san(&[host(c.peer), host("bank.example\0.evil.example")]);
    }),
    refused("leaf-name-with-blank", "name-malformed", |c| {
        c.leaf.san(&[host(c.peer), host(" ")]);
    }),
    refused("leaf-name-of-nothing", "name-malformed", |c| {
        c.leaf.san(&[host(c.peer), host("")]);
    }),
    refused("leaf-name-in-unicode", "name-malformed", |c| {
        c.leaf.san(&[host(c.peer), host("b\u{fc}cher.example")]);
    }),
    refused("leaf-address-of-5-octets", "name-malformed", |c| {
        c.leaf.san(&[host(c.peer), address(&[192, 0, 2, 7, 1])]);
    }),
    refused("leaf-address-with-mask", "name-malformed", |c| {
        c.leaf.san(&[host(c.peer), address(&[192, 0, 2, 0, 255, 255, 255, 0])]);
    }),
    refused("leaf-mailbox-without-at", "name-malformed", |c| {
        c.leaf.san(&[host(c.peer), mailbox("alice")]);
    }),
    refused("leaf-mailbox-with-blank", "name-malformed", |c| {
        c.leaf.san(&[host(c.peer), mailbox("alice b@example.com")]);
    }),
    refused("ca-name-with-nul", "name-malformed", |c| {
        c.ca().san(&[host("a\0b")]);
    }),
    accepted("leaf-name-with-underscore", |c| {
        c.leaf.san(&[host(c.peer), host("my_host.example.com")]);
    }),
    accepted("leaf-name-partial-wildcard-beside", |c| {
        c.leaf.san(&[host(c.peer), host("f*.example.com")]);
    }),
    accepted("leaf-name-a-label", |c| {
        c.peer = "xn--bcher-kva.example.com";
        c.leaf.named(common(c.peer)).san(&[host(c.peer)]);
    }),
    accepted("leaf-name-in-capitals", |c| {
        c.leaf.san(&[host("WWW.Example.COM")]);
    }),
    told("leaf-another-name", "does not name", |c| {
        c.leaf.named(common("mail.example.com")).san(&[host("mail.example.com")]);
    }),
    told("leaf-common-name-alone", "does not name", |c| {
        c.leaf.without(SAN);
    }),
    told("leaf-wildcard-two-labels", "does not name", |c| {
        c.peer = "a.b.example.com";
        c.leaf.san(&[host("*.example.com")]);
    }),
    told("leaf-wildcard-for-the-domain", "does not name", |c| {
        c.peer = "example.com";
        c.leaf.san(&[host("*.example.com")]);
    }),
    told("leaf-wildcard-in-the-middle", "does not name", |c| {
        c.peer = "a.www.example.com";
        c.leaf.named(common("x")).san(&[host("a.*.example.com")]);
    }),
    told("leaf-partial-wildcard", "does not name", |c| {
        c.leaf.named(common("x")).san(&[host("w*.example.com")]);
    }),
    told("leaf-wildcard-alone", "does not name", |c| {
        c.peer = "localhost";
        c.leaf.named(common("x")).san(&[host("*")]);
    }),
    told("leaf-address-as-host-name", "does not name", |c| {
        c.peer = "192.0.2.7";
        c.leaf.named(common("x")).san(&[host("192.0.2.7")]);
    }),
    told("leaf-mailbox-for-a-host", "does not name", |c| {
        c.leaf.named(common("x")).san(&[mailbox("a@www.example.com")]);
    }),
    refused("leaf-path-length", "path-length-without-ca", |c| {
        c.leaf.basic(false, Some(&[0]));
    }),
    refused("leaf-signs-certificates", "signing-without-ca", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | CERT_SIGN);
    }),
    refused("leaf-signs-certificates-says-no-ca", "signing-without-ca", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | CERT_SIGN).basic(false, None);
    }),
    refused("leaf-key-usage-zero", "key-usage", |c| {
        c.leaf.usage(0);
    }),
    refused("leaf-key-usage-commitment", "key-usage", |c| {
        c.leaf.usage(CONTENT_COMMITMENT);
    }),
    refused("leaf-key-usage-data", "key-usage", |c| {
        c.leaf.key(Kind::Rsa(2048)).usage(DATA_ENCIPHERMENT);
    }),
    refused("leaf-key-usage-crl", "key-usage", |c| {
        c.leaf.usage(CRL_SIGN);
    }),
    refused("client-key-usage-encipherment", "key-usage", |c| {
        c.role = Role::Client;
        c.leaf.key(Kind::Rsa(2048)).usage(KEY_ENCIPHERMENT).eku(&[CLIENT]);
    }),
    refused("mailbox-key-usage-data", "key-usage", |c| {
        c.peer = "alice@example.com";
        c.leaf.usage(DATA_ENCIPHERMENT).eku(&[EMAIL]).san(&[mailbox(c.peer)]);
    }),
    refused("own-key-usage-signs-certificates-alone", "key-usage", |c| {
        c.anchor = Top::Own;
        c.leaf.basic(true, None).usage(CERT_SIGN).put(SUBJECT_KEY_ID, false, Vec::new());
    }),
    accepted("leaf-key-usage-of-two-octets", |c| {
        c.leaf.usage(KEY_AGREEMENT | DECIPHER_ONLY);
    }),
    accepted("leaf-key-usage-not-critical", |c| {
        c.leaf.critical(KEY_USAGE, false);
    }),
    refused("leaf-name-constraints", "name-constraints-place", |c| {
        c.leaf.constrain(&[host("example.com")], &[]);
    }),
    refused("leaf-policy-constraints-not-critical", "policy-limit-not-critical", |c| {
        c.leaf.put(POLICY_CONSTRAINTS, false, tlv(0x30, &tlv(0x80, &[0])));
    }),
    refused("leaf-policy-twice", "policy-twice", |c| {
        c.leaf.policies(&[1, 2, 1]);
    }),
    refused("leaf-authority-without-serial", "authority-key-id-half", |c| {
        let issuer = tlv(0xa1, &tlv(0xa4, &common("Root")));
        c.leaf.put(AUTHORITY_KEY_ID, false, tlv(0x30, &issuer));
    }),
    refused("leaf-authority-without-issuer", "authority-key-id-half", |c| {
        c.leaf.put(AUTHORITY_KEY_ID, false, tlv(0x30, &tlv(0x82, &[7])));
    }),
    accepted("leaf-authority-by-issuer-and-serial-too", |c| {
        let issuer = tlv(0xa1, &tlv(0xa4, &common("Root")));
        let serial = c.ca().serial.clone();
        c.ca().put(SUBJECT_KEY_ID, false, tlv(4, &[7; 20]));
        let all = [tlv(0x80, &[7; 20]), issuer, tlv(0x82, &serial)].concat();
        c.leaf.put(AUTHORITY_KEY_ID, false, tlv(0x30, &all));
    }),
    accepted("leaf-authority-of-another-serial", |c| {
        let issuer = tlv(0xa1, &tlv(0xa4, &common("Root")));
        c.ca().put(SUBJECT_KEY_ID, false, tlv(4, &[7; 20]));
        let all = [tlv(0x80, &[7; 20]), issuer, tlv(0x82, &[7, 7])].concat();
        c.leaf.put(AUTHORITY_KEY_ID, false, tlv(0x30, &all));
    }),
    accepted("leaf-no-authority-key-id", |c| {
        c.leaf.without(AUTHORITY_KEY_ID);
    }),
    accepted("leaf-netscape-for-objects", |c| {
        c.leaf.put(NETSCAPE_TYPE, false, vec![3, 2, 4, 0x10]);
    }),
    told("leaf-expired", "has expired", |c| {
        c.leaf.valid("260101000000Z", "261123235959Z");
    }),
    accepted("leaf-in-its-last-second", |c| {
        c.leaf.valid("260101000000Z", "261124000000Z");
    }),
    accepted("leaf-in-its-first-second", |c| {
        c.leaf.valid("261124000000Z", "270101000000Z");
    }),
    told("leaf-not-valid-yet", "is not valid yet", |c| {
        c.leaf.valid("261124000001Z", "270101000000Z");
    }),
    told("leaf-for-clients", "is not for TLS servers", |c| {
        c.leaf.eku(&[CLIENT]);
    }),
    told("leaf-for-anything", "is not for TLS servers", |c| {
        c.leaf.eku(&[ANY]);
    }),
    told("leaf-for-gated-servers", "is not for TLS servers", |c| {
        c.leaf.eku(&[GATED]);
    }),
    told("client-for-servers", "is not for TLS clients", |c| c.role = Role::Client),
    told("mailbox-for-servers", "is not for e-mail", |c| {
        c.peer = "alice@example.com";
        c.leaf.san(&[mailbox(c.peer)]);
    }),
    told("leaf-is-a-ca", "is a CA's, not a peer's", |c| {
        c.leaf.basic(true, None).usage(DIGITAL_SIGNATURE | CERT_SIGN);
        c.leaf.put(SUBJECT_KEY_ID, false, Vec::new());
    }),
    told("own-names-another", "does not name", |c| {
        c.anchor = Top::Own;
        c.leaf.named(common("x")).san(&[host("mail.example.com")]);
    }),
    told("own-expired", "has expired", |c| {
        c.anchor = Top::Own;
        c.leaf.valid("250101000000Z", "260101000000Z");
    }),
    told("own-for-clients", "is not for TLS servers", |c| {
        c.anchor = Top::Own;
        c.leaf.eku(&[CLIENT]);
    }),
];
