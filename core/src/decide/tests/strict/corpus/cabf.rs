//! What only the CA/Browser Forum's Baseline Requirements refuse.

use super::super::build::*;
use super::super::chain::{Chain, Top};
use super::super::keys::Kind;
use super::{Case, Expected};
use crate::der::tlv;
use crate::query::Role;
use crate::rule::Profile;

const fn accepted(name: &'static str, make: fn(&mut Chain)) -> Case {
    Case { name, profile: Profile::Cabf, expected: Expected::Accept, make }
}

const fn refused(name: &'static str, row: &'static str, make: fn(&mut Chain)) -> Case {
    Case { name, profile: Profile::Cabf, expected: Expected::Row(row), make }
}

const fn told(name: &'static str, words: &'static str, make: fn(&mut Chain)) -> Case {
    Case { name, profile: Profile::Cabf, expected: Expected::Words(words), make }
}

/// The peer's certificate speaks of this host, in its common name too.
fn for_host(c: &mut Chain, name: &str) {
    c.leaf.named(common(name)).san(&[host(name)]);
}

fn for_address(c: &mut Chain, name: &'static str, octets: &[u8]) {
    c.peer = name;
    c.leaf.named(common(name)).san(&[address(octets)]);
}

pub(super) const CASES: &[Case] = &[
    accepted("public-usual", |_| {}),
    accepted("public-rsa", |c| {
        c.root.key(Kind::Rsa(2048));
        c.ca().key(Kind::Rsa(2048));
        c.leaf.key(Kind::Rsa(2048)).usage(DIGITAL_SIGNATURE | KEY_ENCIPHERMENT);
    }),
    refused("public-serial-zero", "serial", |c| c.leaf.serial = vec![0]),
    refused("public-ca-no-key-id", "cabf-subject-key-id", |c| {
        c.ca().without(SUBJECT_KEY_ID);
    }),
    refused("public-leaf-no-authority-key-id", "cabf-authority-key-id", |c| {
        c.leaf.without(AUTHORITY_KEY_ID);
    }),
    refused("public-ca-no-authority-key-id", "cabf-authority-key-id", |c| {
        c.ca().without(AUTHORITY_KEY_ID);
    }),
    refused("public-authority-by-serial-alone", "cabf-authority-key-id", |c| {
        let issuer = tlv(0xa1, &tlv(0xa4, &common("Root")));
        let serial = tlv(0x82, &c.ca().serial);
        c.leaf.put(AUTHORITY_KEY_ID, false, tlv(0x30, &[issuer, serial].concat()));
    }),
    refused("public-leaf-ed25519", "cabf-key-kind", |c| {
        c.leaf.key(Kind::Ed25519);
    }),
    refused("public-ca-ed25519", "cabf-key-kind", |c| {
        c.ca().key(Kind::Ed25519);
    }),
    refused("public-anchor-ed448", "cabf-key-kind", |c| {
        c.root.key(Kind::Ed448);
    }),
    refused("public-own-ed25519", "cabf-key-kind", |c| {
        c.anchor = Top::Own;
        c.leaf.key(Kind::Ed25519);
    }),
    accepted("public-own", |c| {
        c.anchor = Top::Own;
        c.leaf.without(AUTHORITY_KEY_ID).without(EKU);
    }),
    refused("public-no-eku", "cabf-eku", |c| {
        c.leaf.without(EKU);
    }),
    refused("public-eku-any-beside", "cabf-eku", |c| {
        c.leaf.eku(&[SERVER, ANY]);
    }),
    refused("public-eku-code-beside", "cabf-eku", |c| {
        c.leaf.eku(&[SERVER, CODE]);
    }),
    refused("public-eku-mail-beside", "cabf-eku", |c| {
        c.leaf.eku(&[SERVER, EMAIL]);
    }),
    refused("public-eku-stamps-beside", "cabf-eku", |c| {
        c.leaf.eku(&[SERVER, STAMPS]);
    }),
    refused("public-eku-ocsp-beside", "cabf-eku", |c| {
        c.leaf.eku(&[SERVER, OCSP]);
    }),
    refused("public-eku-clients-alone", "cabf-eku", |c| {
        c.leaf.eku(&[CLIENT]);
    }),
    accepted("public-eku-clients-beside", |c| {
        c.leaf.eku(&[SERVER, CLIENT]);
    }),
    accepted("public-client", |c| {
        c.role = Role::Client;
        c.leaf.eku(&[CLIENT]);
    }),
    refused("public-client-no-eku", "cabf-eku", |c| {
        c.role = Role::Client;
        c.leaf.without(EKU);
    }),
    told("public-ca-for-gated-servers", "is not for TLS servers", |c| {
        c.ca().eku(&[GATED]);
    }),
    accepted("public-ca-for-servers", |c| {
        c.ca().eku(&[SERVER, CLIENT]);
    }),
    refused("public-key-usage-commitment-beside", "cabf-key-usage", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | CONTENT_COMMITMENT);
    }),
    refused("public-ec-for-encipherment", "cabf-key-usage", |c| {
        c.leaf.usage(DIGITAL_SIGNATURE | KEY_ENCIPHERMENT);
    }),
    refused("public-rsa-for-agreement", "cabf-key-usage", |c| {
        c.leaf.key(Kind::Rsa(2048)).usage(DIGITAL_SIGNATURE | KEY_AGREEMENT);
    }),
    accepted("public-no-key-usage", |c| {
        c.leaf.without(KEY_USAGE);
    }),
    refused("public-mailbox-beside", "cabf-san", |c| {
        c.leaf.san(&[host(c.peer), mailbox("a@example.com")]);
    }),
    refused("public-uri-beside", "cabf-san", |c| {
        c.leaf.san(&[host(c.peer), uri("https://www.example.com/")]);
    }),
    refused("public-underscore", "cabf-san", |c| {
        c.leaf.san(&[host(c.peer), host("my_host.example.com")]);
    }),
    refused("public-root-dot", "cabf-san", |c| {
        c.leaf.san(&[host(c.peer), host("example.com.")]);
    }),
    refused("public-partial-wildcard-beside", "cabf-san", |c| {
        c.leaf.san(&[host(c.peer), host("f*.example.com")]);
    }),
    refused("public-common-name-of-another", "cabf-common-name", |c| {
        c.leaf.named(common("mail.example.com"));
    }),
    refused("public-common-name-in-other-letters", "cabf-common-name", |c| {
        c.leaf.named(common("WWW.example.com"));
    }),
    refused("public-common-name-of-people", "cabf-common-name", |c| {
        c.leaf.named(common("Example Company"));
    }),
    refused("public-two-common-names", "cabf-common-name", |c| {
        c.leaf.san(&[host(c.peer), host("a.example.com")]);
        c.leaf.named(names(&[(12, "www.example.com"), (12, "a.example.com")]));
    }),
    accepted("public-common-name-is-the-second-name", |c| {
        c.leaf.san(&[host("a.example.com"), host(c.peer)]);
    }),
    accepted("public-common-name-in-the-same-letters", |c| for_host(c, "WWW.Example.com")),
    accepted("public-no-common-name", |c| {
        c.leaf.named(tlv(0x30, &[])).critical(SAN, true);
    }),
    refused("public-host-of-one-label", "cabf-internal-name", |c| {
        c.leaf.san(&[host(c.peer), host("intranet")]);
    }),
    refused("public-reverse-name", "cabf-internal-name", |c| {
        c.leaf.san(&[host(c.peer), host("7.2.0.192.in-addr.arpa")]);
    }),
    refused("public-address-private", "cabf-internal-name", |c| {
        for_address(c, "10.1.2.3", &[10, 1, 2, 3]);
    }),
    refused("public-address-loopback", "cabf-internal-name", |c| {
        for_address(c, "127.0.0.1", &[127, 0, 0, 1]);
    }),
    refused("public-address-shared", "cabf-internal-name", |c| {
        for_address(c, "100.64.0.1", &[100, 64, 0, 1]);
    }),
    refused("public-address-unique-local", "cabf-internal-name", |c| {
        let octets = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        for_address(c, "fd00::1", &octets);
    }),
    accepted("public-address", |c| for_address(c, "1.1.1.1", &[1, 1, 1, 1])),
    accepted("public-address-v6", |c| {
        let octets = [0x26, 6, 0x47, 0, 0x47, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x11];
        for_address(c, "2606:4700:4700::1111", &octets);
    }),
    refused("public-wildcard-com", "cabf-wildcard", |c| {
        // A wildcard over a top-level domain names nobody in any profile.
        c.peer = "example.com";
        c.leaf.named(common("*.com")).san(&[host("*.com"), host("example.com")]);
    }),
    refused("public-wildcard-co-uk", "cabf-wildcard", |c| {
        c.peer = "example.co.uk";
        for_host(c, "*.co.uk");
    }),
    refused("public-wildcard-unknown-top", "cabf-wildcard", |c| {
        // A wildcard over a top-level domain names nobody in any profile.
        c.peer = "www.corp";
        c.leaf.named(common("*.corp")).san(&[host("*.corp"), host("www.corp")]);
    }),
    refused("public-wildcard-a-label", "cabf-wildcard", |c| {
        c.peer = "example.xn--0trq7p7nn.jp";
        for_host(c, "*.xn--0trq7p7nn.jp");
    }),
    refused("public-wildcard-below-a-wildcard-rule", "cabf-wildcard", |c| {
        c.peer = "www.anything.ck";
        for_host(c, "*.anything.ck");
    }),
    accepted("public-wildcard", |c| for_host(c, "*.example.com")),
    accepted("public-wildcard-by-exception", |c| {
        c.peer = "a.www.ck";
        for_host(c, "*.www.ck");
    }),
    accepted("public-wildcard-of-a-hoster", |c| {
        c.peer = "someone.github.io";
        for_host(c, "*.github.io");
    }),
    refused("public-lifetime-of-201-days", "cabf-lifetime", |c| {
        c.leaf.valid("261101000000Z", "270520000000Z");
    }),
    accepted("public-lifetime-of-200-days", |c| {
        c.leaf.valid("261101000000Z", "270519235959Z");
    }),
    refused("public-lifetime-of-399-days-before-2026", "cabf-lifetime", |c| {
        c.leaf.valid("260101000000Z", "270203000000Z");
    }),
    accepted("public-lifetime-of-398-days-before-2026", |c| {
        c.leaf.valid("260101000000Z", "270202235959Z");
    }),
    refused("public-lifetime-of-398-days-on-the-day", "cabf-lifetime", |c| {
        c.leaf.valid("260315000000Z", "270416235959Z");
    }),
    accepted("public-lifetime-of-398-days-on-the-eve", |c| {
        c.leaf.valid("260314235959Z", "270416235958Z");
    }),
    refused("public-lifetime-of-101-days-in-2027", "cabf-lifetime", |c| {
        c.time = 1_806_537_600; // 2027-04-01
        c.leaf.valid("270315000000Z", "270623000000Z");
    }),
    accepted("public-lifetime-of-100-days-in-2027", |c| {
        c.time = 1_806_537_600;
        c.leaf.valid("270315000000Z", "270622235959Z");
    }),
    refused("public-lifetime-of-48-days-in-2029", "cabf-lifetime", |c| {
        c.time = 1_869_696_000; // 2029-04-01
        c.leaf.valid("290315000000Z", "290501000000Z");
    }),
    accepted("public-lifetime-of-47-days-in-2029", |c| {
        c.time = 1_869_696_000;
        c.leaf.valid("290315000000Z", "290430235959Z");
    }),
    accepted("public-ca-name-constraints-not-critical", |c| {
        c.ca().constrain(&[host("example.com")], &[]).critical(NAME_CONSTRAINTS, false);
    }),
];
