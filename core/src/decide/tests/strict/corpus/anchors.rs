//! Anchors: what their own certificates say of them holds.

use super::super::build::*;
use super::super::keys::{self, Kind};
use super::{Case, accepted, refused, told};
use crate::der::tlv;

pub(super) const CASES: &[Case] = &[
    refused("anchor-says-no-ca", "anchor-no-ca", |c| {
        c.root.basic(false, None);
    }),
    refused("anchor-signs-messages-alone", "ca-not-signing", |c| {
        c.root.usage(DIGITAL_SIGNATURE);
    }),
    refused("anchor-key-usage-zero", "ca-not-signing", |c| {
        c.root.usage(0);
    }),
    refused("anchor-critical-private", "critical-unknown", |c| {
        c.root.put(PRIVATE, true, vec![5, 0]);
    }),
    refused("anchor-critical-policy-constraints", "critical-unknown", |c| {
        c.root.put(POLICY_CONSTRAINTS, true, tlv(0x30, &tlv(0x80, &[0])));
    }),
    refused("anchor-critical-inhibit-any", "critical-unknown", |c| {
        c.root.put(INHIBIT_ANY, true, vec![2, 1, 0]);
    }),
    refused("anchor-subject-empty", "subject-empty", |c| {
        c.root.named(tlv(0x30, &[]));
        c.ca().issuer = Some(tlv(0x30, &[]));
    }),
    refused("anchor-of-version-1-with-extensions", "version", |c| c.root.version = Vec::new()),
    refused("anchor-of-version-4", "version", |c| c.root.version = tlv(0xa0, &tlv(2, &[3]))),
    accepted("anchor-of-version-1", |c| {
        c.root.version = Vec::new();
        c.root.extensions.clear();
    }),
    accepted("anchor-without-extensions", |c| c.root.extensions.clear()),
    accepted("anchor-basic-constraints-not-critical", |c| {
        c.root.critical(BASIC, false);
    }),
    accepted("anchor-without-key-usage", |c| {
        c.root.without(KEY_USAGE);
    }),
    accepted("anchor-without-key-ids", |c| {
        c.root.without(SUBJECT_KEY_ID).without(AUTHORITY_KEY_ID);
    }),
    accepted("anchor-serial-negative", |c| c.root.serial = vec![0x80]),
    accepted("anchor-serial-zero", |c| c.root.serial = vec![0]),
    accepted("anchor-time-generalized", |c| {
        c.root.validity[0] = generalized("20200101000000Z");
    }),
    accepted("anchor-signed-over-sha1", |c| {
        c.root.key(Kind::Rsa(2048)).signing = Some(keys::RSA_SHA1);
    }),
    accepted("anchor-signature-broken", |c| {
        c.root.after = |mut der| {
            let last = der.len() - 1;
            der[last] ^= 1;
            der
        };
    }),
    told("anchor-expired", "has expired", |c| {
        c.root.valid("200101000000Z", "260101000000Z");
    }),
    told("anchor-not-valid-yet", "is not valid yet", |c| {
        c.root.valid("270101000000Z", "400101000000Z");
    }),
    told("anchor-for-clients", "is not for TLS servers", |c| {
        c.root.eku(&[CLIENT]);
    }),
    accepted("anchor-for-servers", |c| {
        c.root.eku(&[SERVER]);
    }),
    accepted("anchor-for-anything", |c| {
        c.root.eku(&[ANY]);
    }),
    accepted("anchor-may-name-the-domain", |c| {
        c.root.constrain(&[host("example.com")], &[]);
    }),
    told("anchor-may-name-another-domain", "name constraints", |c| {
        c.root.constrain(&[host("example.org")], &[]);
    }),
    told("anchor-may-name-another-domain-uncritically", "name constraints", |c| {
        c.root.constrain(&[host("example.org")], &[]).critical(NAME_CONSTRAINTS, false);
    }),
];
