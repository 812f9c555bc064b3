//! How certificates are written down: encoding, extensions, version, serial number, times.

use super::super::build::*;
use super::super::chain::Top;
use super::{Case, accepted, refused, told};
use crate::der::tlv;

/// The length of the whole in an octet more than it takes.
fn long_length(der: Vec<u8>) -> Vec<u8> {
    [&[0x30, 0x83, 0][..], &der[2..]].concat()
}

pub(super) const CASES: &[Case] = &[
    refused("leaf-octet-behind-an-extension", "der", |c| {
        c.leaf.put(KEY_USAGE, true, vec![3, 2, 7, 0x80, 0]);
    }),
    refused("ca-octet-behind-an-extension", "der", |c| {
        c.ca().put(ISSUER_ALT, false, [&tlv(0x30, &host("a"))[..], &[5, 0]].concat());
    }),
    refused("anchor-octet-behind-an-extension", "der", |c| {
        c.root.put(SUBJECT_KEY_ID, false, [&tlv(4, &[7; 20])[..], &[0]].concat());
        c.ca().put(AUTHORITY_KEY_ID, false, tlv(0x30, &tlv(0x80, &[7; 20])));
    }),
    told("ca-true-is-one", "of the path is malformed", |c| {
        c.ca().put(BASIC, true, tlv(0x30, &tlv(1, &[1])));
    }),
    told("leaf-bits-behind-the-last", "leaf: its keyUsage is malformed", |c| {
        c.leaf.put(KEY_USAGE, true, vec![3, 2, 7, 0xff]);
    }),
    refused("leaf-long-length-in-an-extension", "der", |c| {
        c.leaf.put(AUTHORITY_INFO, false, vec![0x30, 0x81, 0x02, 0x30, 0x00]);
    }),
    refused("leaf-indefinite-length-in-an-extension", "der", |c| {
        c.leaf.put(ISSUER_ALT, false, vec![0x30, 0x80, 0x82, 1, 0x61, 0, 0]);
    }),
    refused("leaf-long-length", "der", |c| c.leaf.after = long_length),
    refused("own-octet-behind-an-extension", "der", |c| {
        c.anchor = Top::Own;
        c.leaf.put(KEY_USAGE, true, vec![3, 2, 7, 0x80, 0]);
    }),
    told("leaf-octet-behind", "behind the certificate", |c| {
        c.leaf.after = |der| [&der[..], &[0]].concat();
    }),
    told("leaf-cut-short", "leaf: not a DER certificate", |c| {
        c.leaf.after = |der| der[..der.len() - 1].to_vec();
    }),
    told("ca-cut-short", "no path", |c| {
        c.ca().after = |der| der[..der.len() - 1].to_vec();
    }),
    told("leaf-not-a-certificate", "leaf: not a DER certificate", |c| {
        c.leaf.after = |_| tlv(0x30, &[5, 0]);
    }),
    refused("leaf-eku-malformed", "extension-malformed", |c| {
        c.leaf.put(EKU, false, tlv(0x30, &tlv(4, &[1])));
    }),
    refused("leaf-authority-key-id-malformed", "extension-malformed", |c| {
        c.leaf.put(AUTHORITY_KEY_ID, false, tlv(4, &[1]));
    }),
    refused("leaf-policies-malformed", "extension-malformed", |c| {
        c.leaf.put(POLICIES, false, tlv(0x30, &tlv(2, &[1])));
    }),
    refused("leaf-name-not-utf8", "extension-malformed", |c| {
        c.leaf.san(&[host(c.peer), tlv(0x82, &[0xff, 0xfe])]);
    }),
    refused("leaf-issuer-name-of-no-kind", "extension-malformed", |c| {
        c.leaf.put(ISSUER_ALT, false, tlv(0x30, &tlv(0x89, &[1])));
    }),
    refused("ca-key-id-malformed", "extension-malformed", |c| {
        c.ca().put(SUBJECT_KEY_ID, false, tlv(2, &[1]));
    }),
    refused("anchor-path-length-negative", "extension-malformed", |c| {
        c.root.basic(true, Some(&[0xff]));
    }),
    refused("anchor-eku-of-octets", "extension-malformed", |c| {
        c.root.put(EKU, false, tlv(0x30, &tlv(4, SERVER)));
    }),
    refused("anchor-crl-points-malformed", "extension-malformed", |c| {
        c.root.put(CRL_POINTS, false, tlv(2, &[1]));
    }),
    refused("own-policies-malformed", "extension-malformed", |c| {
        c.anchor = Top::Own;
        c.leaf.put(POLICIES, false, tlv(0x30, &tlv(2, &[1])));
    }),
    refused("leaf-extension-twice", "extension-twice", |c| {
        c.leaf.twice(AUTHORITY_KEY_ID);
    }),
    refused("leaf-unknown-extension-twice", "extension-twice", |c| {
        c.leaf.put(PRIVATE, false, vec![5, 0]).twice(PRIVATE);
    }),
    refused("ca-extension-twice", "extension-twice", |c| {
        c.ca().twice(SUBJECT_KEY_ID);
    }),
    refused("anchor-extension-twice", "extension-twice", |c| {
        c.root.twice(SUBJECT_KEY_ID);
    }),
    refused("own-extension-twice", "extension-twice", |c| {
        c.anchor = Top::Own;
        c.leaf.twice(AUTHORITY_KEY_ID);
    }),
    told("leaf-key-usage-twice", "leaf: its keyUsage is malformed or twice there", |c| {
        c.leaf.twice(KEY_USAGE);
    }),
    told("leaf-names-twice", "does not name", |c| {
        c.leaf.twice(SAN);
    }),
    told("ca-basic-constraints-twice", "no path", |c| {
        c.ca().twice(BASIC);
    }),
    told("anchor-name-constraints-twice", "anchor: its nameConstraints", |c| {
        c.root.constrain(&[host("example.com")], &[]).twice(NAME_CONSTRAINTS);
    }),
    refused("leaf-eku-empty", "extension-empty", |c| {
        c.leaf.eku(&[]);
    }),
    refused("leaf-policies-empty", "extension-empty", |c| {
        c.leaf.put(POLICIES, false, tlv(0x30, &[]));
    }),
    refused("leaf-information-access-empty", "extension-empty", |c| {
        c.leaf.put(AUTHORITY_INFO, false, tlv(0x30, &[]));
    }),
    refused("ca-issuer-names-empty", "extension-empty", |c| {
        c.ca().put(ISSUER_ALT, false, tlv(0x30, &[]));
    }),
    refused("ca-name-constraints-empty", "extension-empty", |c| {
        c.ca().constrain(&[], &[]);
    }),
    refused("ca-policy-mappings-empty", "extension-empty", |c| {
        c.ca().put(POLICY_MAPPINGS, false, tlv(0x30, &[]));
    }),
    refused("ca-policy-constraints-empty", "extension-empty", |c| {
        c.ca().put(POLICY_CONSTRAINTS, false, tlv(0x30, &[]));
    }),
    refused("ca-crl-points-empty", "extension-empty", |c| {
        c.ca().put(CRL_POINTS, false, tlv(0x30, &[]));
    }),
    refused("ca-freshest-crl-empty", "extension-empty", |c| {
        c.ca().put(FRESHEST_CRL, false, tlv(0x30, &[]));
    }),
    refused("anchor-subject-information-empty", "extension-empty", |c| {
        c.root.put(SUBJECT_INFO, false, tlv(0x30, &[]));
    }),
    refused("own-policies-empty", "extension-empty", |c| {
        c.anchor = Top::Own;
        c.leaf.put(POLICIES, false, tlv(0x30, &[]));
    }),
    told("leaf-names-empty", "does not name", |c| {
        c.leaf.san(&[]);
    }),
    refused("leaf-of-version-1", "version", |c| c.leaf.version = Vec::new()),
    refused("leaf-of-version-2", "version", |c| c.leaf.version = tlv(0xa0, &tlv(2, &[1]))),
    refused("leaf-of-version-4", "version", |c| c.leaf.version = tlv(0xa0, &tlv(2, &[3]))),
    refused("own-of-version-1-with-extensions", "version", |c| {
        c.anchor = Top::Own;
        c.leaf.version = Vec::new();
    }),
    told("ca-of-version-1", "\"CN=Issuing CA\" is not of version 3", |c| {
        c.ca().version = Vec::new();
        c.ca().extensions.clear();
    }),
    refused("leaf-serial-negative", "serial", |c| c.leaf.serial = vec![0x80]),
    refused("leaf-serial-zero", "serial", |c| c.leaf.serial = vec![0]),
    refused("leaf-serial-of-21-octets", "serial", |c| c.leaf.serial = vec![0x11; 21]),
    refused("leaf-serial-of-160-bits", "serial", |c| {
        c.leaf.serial = [&[0], &[0xff; 20][..]].concat();
    }),
    refused("ca-serial-negative", "serial", |c| c.ca().serial = vec![0xff]),
    accepted("leaf-serial-of-20-octets", |c| c.leaf.serial = vec![0x7f; 20]),
    accepted("leaf-serial-one", |c| c.leaf.serial = vec![1]),
    accepted("leaf-serial-high-bit", |c| c.leaf.serial = vec![0, 0x80]),
    refused("leaf-time-before-2050-generalized", "time-form", |c| {
        c.leaf.validity[1] = generalized("20270201000000Z");
    }),
    refused("ca-time-before-2050-generalized", "time-form", |c| {
        c.ca().validity[0] = generalized("20200101000000Z");
    }),
    accepted("ca-ends-in-2050", |c| c.ca().validity[1] = generalized("20500101000000Z")),
    accepted("ca-ends-never", |c| c.ca().validity[1] = generalized("99991231235959Z")),
    told("anchor-validity-backwards", "has expired", |c| {
        c.root.valid("300101000000Z", "200101000000Z");
    }),
    told("leaf-validity-backwards", "ends before it begins", |c| {
        c.leaf.valid("270101000000Z", "260101000000Z");
    }),
    told("leaf-time-without-seconds", "of the path is malformed", |c| {
        c.leaf.validity[0] = utc("2611010000Z");
    }),
    told("leaf-time-with-offset", "of the path is malformed", |c| {
        c.leaf.validity[0] = utc("261101000000+0000");
    }),
    told("leaf-time-with-fraction", "of the path is malformed", |c| {
        c.leaf.validity[1] = generalized("20510201000000.5Z");
    }),
    refused("leaf-unique-id", "unique-id", |c| c.leaf.unique_ids = tlv(0x81, &[0, 7])),
    refused("leaf-subject-unique-id", "unique-id", |c| {
        c.leaf.unique_ids = tlv(0x82, &[0, 7]);
    }),
    told("ca-unique-id", "of the path is malformed", |c| c.ca().unique_ids = tlv(0x82, &[0, 7])),
    refused("anchor-unique-id", "unique-id", |c| c.root.unique_ids = tlv(0x81, &[0, 7])),
    refused("own-unique-id", "unique-id", |c| {
        c.anchor = Top::Own;
        c.leaf.unique_ids = tlv(0x81, &[0, 7]);
    }),
    told("leaf-signature-algorithms-differ", "names two signature algorithms", |c| {
        c.leaf.outer = Some(tlv(0x30, super::super::keys::ECDSA_SHA384.id));
    }),
];
