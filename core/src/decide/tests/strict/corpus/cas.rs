//! CAs between the peer and the anchor.

use super::super::build::*;
use super::{Case, accepted, refused, told};
use crate::der::tlv;

pub(super) const CASES: &[Case] = &[
    refused("ca-basic-constraints-not-critical", "ca-basic-constraints", |c| {
        c.ca().critical(BASIC, false);
    }),
    told("ca-without-basic-constraints", "no CA's", |c| {
        c.ca().without(BASIC);
    }),
    told("ca-says-no-ca", "no CA's", |c| {
        c.ca().basic(false, None);
    }),
    refused("ca-without-key-usage", "ca-key-usage", |c| {
        c.ca().without(KEY_USAGE);
    }),
    refused("ca-signs-crls-alone", "ca-not-signing", |c| {
        c.ca().usage(CRL_SIGN);
    }),
    refused("ca-signs-messages-alone", "ca-not-signing", |c| {
        c.ca().usage(DIGITAL_SIGNATURE);
    }),
    accepted("ca-signs-certificates-alone", |c| {
        c.ca().usage(CERT_SIGN);
    }),
    accepted("ca-key-usage-not-critical", |c| {
        c.ca().critical(KEY_USAGE, false);
    }),
    refused("ca-key-usage-zero", "ca-not-signing", |c| {
        c.ca().usage(0);
    }),
    refused("ca-subject-empty", "subject-empty", |c| {
        c.ca().named(tlv(0x30, &[]));
    }),
    told("ca-critical-private", "critical extension that is not known here", |c| {
        c.ca().put(PRIVATE, true, vec![5, 0]);
    }),
    told("ca-critical-policies", "critical extension that is not known here", |c| {
        c.ca().policies(&[1]).critical(POLICIES, true);
    }),
    told("ca-critical-policy-constraints", "critical extension that is not known here", |c| {
        c.ca().put(POLICY_CONSTRAINTS, true, tlv(0x30, &tlv(0x80, &[0])));
    }),
    told("ca-critical-subject-key-id", "critical extension that is not known here", |c| {
        c.ca().critical(SUBJECT_KEY_ID, true);
    }),
    told("ca-critical-authority-key-id", "critical extension that is not known here", |c| {
        c.ca().critical(AUTHORITY_KEY_ID, true);
    }),
    refused("ca-policy-constraints-not-critical", "policy-limit-not-critical", |c| {
        c.ca().put(POLICY_CONSTRAINTS, false, tlv(0x30, &tlv(0x80, &[0])));
    }),
    refused("ca-inhibit-any-not-critical", "policy-limit-not-critical", |c| {
        c.ca().put(INHIBIT_ANY, false, vec![2, 1, 0]);
    }),
    refused("ca-policy-twice", "policy-twice", |c| {
        c.ca().policies(&[1, 1]);
    }),
    refused("ca-authority-without-serial", "authority-key-id-half", |c| {
        let issuer = tlv(0xa1, &tlv(0xa4, &common("Root")));
        c.ca().put(AUTHORITY_KEY_ID, false, tlv(0x30, &issuer));
    }),
    accepted("ca-policy-mappings", |c| {
        let policy = |n| tlv(6, &[0x67, 0x81, 0x0c, 1, n]);
        let pair = tlv(0x30, &[policy(1), policy(2)].concat());
        c.ca().policies(&[1]).put(POLICY_MAPPINGS, false, tlv(0x30, &pair));
    }),
    accepted("ca-no-key-ids", |c| {
        c.ca().without(SUBJECT_KEY_ID).without(AUTHORITY_KEY_ID);
        c.leaf.without(AUTHORITY_KEY_ID);
    }),
    accepted("ca-for-servers", |c| {
        c.ca().eku(&[SERVER, CLIENT]);
    }),
    told("ca-for-clients", "is not for TLS servers", |c| {
        c.ca().eku(&[CLIENT]);
    }),
    told("ca-for-anything", "is not for TLS servers", |c| {
        c.ca().eku(&[ANY]);
    }),
    told("ca-expired", "has expired", |c| {
        c.ca().valid("200101000000Z", "260101000000Z");
    }),
    told("ca-not-valid-yet", "is not valid yet", |c| {
        c.ca().valid("270101000000Z", "300101000000Z");
    }),
    refused("ca-name-constraints-not-critical", "name-constraints-not-critical", |c| {
        c.ca().constrain(&[host("example.com")], &[]).critical(NAME_CONSTRAINTS, false);
    }),
    accepted("ca-may-name-the-domain", |c| {
        c.ca().constrain(&[host("example.com")], &[]);
    }),
    accepted("ca-may-not-name-others", |c| {
        c.ca().constrain(&[], &[host("example.org"), host("mail.example.com")]);
    }),
    told("ca-may-name-another-domain", "name constraints", |c| {
        c.ca().constrain(&[host("example.org")], &[]);
    }),
    told("ca-may-not-name-the-domain", "name constraints", |c| {
        c.ca().constrain(&[], &[host("example.com")]);
    }),
    told("ca-may-name-one-of-two", "name constraints", |c| {
        c.ca().constrain(&[host("example.com")], &[]);
        c.leaf.san(&[host(c.peer), host("www.example.org")]);
    }),
    told("ca-constraint-is-no-suffix-of-letters", "name constraints", |c| {
        c.ca().constrain(&[host("ample.com")], &[]);
    }),
    told("ca-may-name-no-wildcard", "name constraints", |c| {
        c.ca().constrain(&[], &[host("mail.example.com")]);
        c.leaf.named(common("*.example.com")).san(&[host("*.example.com")]);
    }),
    accepted("ca-may-name-the-network", |c| {
        c.peer = "192.0.2.7";
        c.ca().constrain(&[address(&[192, 0, 2, 0, 255, 255, 255, 0])], &[]);
        c.leaf.named(common(c.peer)).san(&[address(&[192, 0, 2, 7])]);
    }),
    told("ca-may-name-another-network", "name constraints", |c| {
        c.peer = "192.0.2.7";
        c.ca().constrain(&[address(&[198, 51, 100, 0, 255, 255, 255, 0])], &[]);
        c.leaf.named(common(c.peer)).san(&[address(&[192, 0, 2, 7])]);
    }),
    told("ca-constraint-on-subjects", "name constraints", |c| {
        c.ca().constrain(&[tlv(0xa4, &common("www.example.com"))], &[]);
    }),
    told("ca-constraint-on-mailboxes", "name constraints", |c| {
        c.peer = "alice@example.com";
        c.leaf.eku(&[EMAIL]).san(&[mailbox(c.peer)]);
        c.ca().constrain(&[mailbox("example.com")], &[]);
    }),
    accepted("ca-constraint-on-mailboxes-for-a-host", |c| {
        c.ca().constrain(&[mailbox("example.com")], &[]);
    }),
    told("ca-constraint-with-minimum", "of the path is malformed", |c| {
        let subtree = tlv(0x30, &[host("example.com"), tlv(0x80, &[1])].concat());
        c.ca().put(NAME_CONSTRAINTS, true, tlv(0x30, &tlv(0xa0, &subtree)));
    }),
    told("ca-constraint-over-a-ca-below", "name constraints", |c| {
        c.cas.insert(0, Cert::ca("Policy CA"));
        c.cas[0].constrain(&[host("example.org")], &[]);
    }),
];
