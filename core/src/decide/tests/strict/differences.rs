//! Where `openssl verify -x509_strict` answers otherwise, and why peerkey's answer is right.

/// A chain of which OpenSSL says otherwise.
pub(super) struct Difference {
    pub(super) chain: &'static str,
    /// `accepts`, or how it refuses.
    pub(super) openssl: &'static str,
    pub(super) why: &'static str,
}

pub(super) fn of(chain: &str) -> Option<&'static Difference> {
    DIFFERENCES.iter().find(|difference| difference.chain == chain)
}

const fn accepts(chain: &'static str, why: &'static str) -> Difference {
    Difference { chain, openssl: "accepts", why }
}

const fn refuses(chain: &'static str, openssl: &'static str, why: &'static str) -> Difference {
    Difference { chain, openssl, why }
}

const PARTIAL: &str = "the policy's anchors are anchors, whoever signed them (RFC 5280 6.1.1 (d)); \
     OpenSSL does so with -partial_chain";
const DER: &str = "OpenSSL reads BER; another reader may see something else in it";
const UNREAD: &str = "OpenSSL reads an extension only if it acts on it";
const EMPTY: &str = "RFC 5280 wants at least one element; OpenSSL takes none";
const SERIAL: &str = "RFC 5280 4.1.2.2; OpenSSL does not look";
const TIME: &str = "RFC 5280 4.1.2.5 leaves no choice of the form; OpenSSL reads both";
const UNIQUE: &str = "RFC 5280 4.1.2.8: CAs must not make them";
const POLICIES: &str = "certificate policies are not processed here, and RFC 5280 4.2 wants what is \
     critical and not processed to be refused; OpenSSL checks policies if a program asks it to";
const NAMES: &str = "RFC 5280 4.2.1.6; OpenSSL looks only at the names that it compares";
const NO_CN: &str = "a common name is no name (RFC 9525 2); programs ask OpenSSL not to use it";
const LIMITS: &str = "RFC 5280 wants it critical, so that who does not know it refuses";
const KEY_IDS: &str = "key identifiers help to find a path and are not part of its validity \
     (RFC 5280 6.1); where they are there, they must fit, and cabf demands them";
const OPTIONAL: &str = "what an anchor's certificate does not say limits nothing \
     (RFC 5280 6.1.1 (d): an anchor is a name and a key)";
const COMPARED: &str = "webpki, as browsers do, compares names octet by octet (BR 7.1.4.1)";
const LENGTH: &str = "BR 6.1.5: the length is a multiple of 8";
const NUMBERS: &str = "no key generation makes such a key: it is broken or planted; OpenSSL finds \
     out when it uses it";
const FORGED: &str = "under the exponent 1 everybody can sign, and the chain is signed so";
const POINT: &str = "RFC 5480 2.2 rules this form out";
const NULL: &str = "RFC 3279 2.3.1 wants NULL; OpenSSL does not look";
const CURVE: &str = "it is weak, or no program of the web takes it; OpenSSL goes by the bits";
const ML_DSA: &str = "RFC 9881; OpenSSL knows these keys since 3.5";
const IDLE: &str = "such a key signs and does nothing else, or is none for encipherment, and the \
     bits that would allow it to sign are missing; OpenSSL does not look at its kind";
const CABF: &str = "OpenSSL knows no such profile";

pub(super) const DIFFERENCES: &[Difference] = &[
    // Accepted here.
    refuses("usual-own-anchor-of-a-ca", "error 20", PARTIAL),
    refuses("usual-anchor-below-root", "error 2", PARTIAL),
    refuses(
        "leaf-authority-of-another-serial",
        "error 20",
        "a CA whose certificate was renewed has a new serial number and is the same CA",
    ),
    refuses("leaf-no-authority-key-id", "error 85", KEY_IDS),
    refuses("ca-no-key-ids", "error 85", KEY_IDS),
    refuses(
        "leaf-netscape-for-objects",
        "error 26",
        "Netscape's extension is in no standard; extKeyUsage says serverAuth",
    ),
    refuses(
        "leaf-in-its-last-second",
        "error 10",
        "the second in notAfter belongs to the validity (RFC 5280 4.1.2.5)",
    ),
    refuses("anchor-of-version-1", "error 79", OPTIONAL),
    refuses("anchor-without-extensions", "error 79", OPTIONAL),
    refuses("anchor-basic-constraints-not-critical", "error 89", OPTIONAL),
    refuses("anchor-without-key-usage", "error 92", OPTIONAL),
    refuses("anchor-without-key-ids", "error 86", OPTIONAL),
    refuses(
        "anchor-for-anything",
        "error 26",
        "anyExtendedKeyUsage limits nothing (RFC 5280 4.2.1.12)",
    ),
    refuses("leaf-ml-dsa-44", "error 66", ML_DSA),
    refuses("leaf-ml-dsa-65", "error 66", ML_DSA),
    refuses("leaf-ml-dsa-87", "error 66", ML_DSA),
    refuses("leaf-ml-dsa-every-bit-for-signing", "error 66", ML_DSA),
    // Refused here: form.
    accepts("leaf-octet-behind-an-extension", DER),
    accepts("ca-octet-behind-an-extension", DER),
    accepts("ca-true-is-one", DER),
    accepts("leaf-bits-behind-the-last", DER),
    accepts("leaf-long-length-in-an-extension", DER),
    accepts("leaf-indefinite-length-in-an-extension", DER),
    accepts("leaf-long-length", DER),
    accepts("own-octet-behind-an-extension", DER),
    accepts("leaf-octet-behind", "what stands behind a certificate is not part of it"),
    accepts("leaf-policies-malformed", UNREAD),
    accepts("leaf-name-not-utf8", NAMES),
    accepts("leaf-issuer-name-of-no-kind", UNREAD),
    accepts("own-policies-malformed", UNREAD),
    accepts("leaf-unknown-extension-twice", UNREAD),
    accepts("leaf-policies-empty", EMPTY),
    accepts("own-policies-empty", EMPTY),
    accepts("leaf-information-access-empty", EMPTY),
    accepts("ca-issuer-names-empty", EMPTY),
    accepts("ca-name-constraints-empty", EMPTY),
    accepts("ca-policy-mappings-empty", EMPTY),
    accepts("ca-policy-constraints-empty", EMPTY),
    accepts("ca-crl-points-empty", EMPTY),
    accepts("ca-freshest-crl-empty", EMPTY),
    accepts("anchor-subject-information-empty", EMPTY),
    accepts("leaf-of-version-4", "there is no version 4 (RFC 5280 4.1.2.1)"),
    accepts("anchor-of-version-4", "there is no version 4 (RFC 5280 4.1.2.1)"),
    accepts(
        "own-of-version-1-with-extensions",
        "RFC 5280 4.1.2.1; of a certificate that is its own anchor OpenSSL checks less",
    ),
    accepts("leaf-serial-negative", SERIAL),
    accepts("leaf-serial-zero", SERIAL),
    accepts("leaf-serial-of-21-octets", SERIAL),
    accepts("leaf-serial-of-160-bits", SERIAL),
    accepts("ca-serial-negative", SERIAL),
    accepts("leaf-time-before-2050-generalized", TIME),
    accepts("ca-time-before-2050-generalized", TIME),
    accepts("leaf-unique-id", UNIQUE),
    accepts("leaf-subject-unique-id", UNIQUE),
    accepts("ca-unique-id", UNIQUE),
    accepts("anchor-unique-id", UNIQUE),
    accepts("own-unique-id", UNIQUE),
    // Policies.
    accepts("leaf-critical-policies", POLICIES),
    accepts("ca-critical-policies", POLICIES),
    accepts("ca-critical-policy-constraints", POLICIES),
    accepts("anchor-critical-policy-constraints", POLICIES),
    accepts("anchor-critical-inhibit-any", POLICIES),
    accepts("leaf-policy-constraints-not-critical", LIMITS),
    accepts("ca-policy-constraints-not-critical", LIMITS),
    accepts("ca-inhibit-any-not-critical", LIMITS),
    accepts("leaf-policy-twice", "RFC 5280 4.2.1.4: a policy stands there once"),
    accepts("ca-policy-twice", "RFC 5280 4.2.1.4: a policy stands there once"),
    // Names.
    accepts("leaf-name-with-nul", NAMES),
    accepts("leaf-name-with-blank", NAMES),
    accepts("leaf-name-of-nothing", NAMES),
    accepts("leaf-name-in-unicode", NAMES),
    accepts("leaf-address-of-5-octets", NAMES),
    accepts("leaf-address-with-mask", NAMES),
    accepts("leaf-mailbox-without-at", NAMES),
    accepts("leaf-mailbox-with-blank", NAMES),
    accepts("ca-name-with-nul", NAMES),
    accepts("leaf-common-name-alone", NO_CN),
    accepts("leaf-partial-wildcard", "RFC 9525 6.3: an asterisk is a whole label"),
    accepts("leaf-name-constraints", "RFC 5280 4.2.1.10: they stand in a CA's certificate only"),
    accepts("ca-name-constraints-not-critical", LIMITS),
    accepts(
        "ca-may-name-no-wildcard",
        "the wildcard covers the name that the CA may not give out (BR 7.1.2.10.8)",
    ),
    accepts(
        "ca-constraint-on-subjects",
        "webpki cannot compare these names, and refuses instead (RFC 5280 4.2.1.10 allows both)",
    ),
    accepts(
        "ca-constraint-on-mailboxes",
        "webpki cannot compare these names, and refuses instead (RFC 5280 4.2.1.10 allows both)",
    ),
    // Use.
    accepts("leaf-for-gated-servers", "Microsoft's OID of 1997 does not say serverAuth"),
    accepts("leaf-is-a-ca", "a CA's certificate is for signing others; browsers refuse it too"),
    // Paths.
    accepts("path-issuer-in-capitals", COMPARED),
    accepts("path-issuer-in-another-string", COMPARED),
    accepts("path-seven-cas", "webpki follows six CAs, which bounds the work; the web has two"),
    // Keys.
    accepts("leaf-rsa-2047", LENGTH),
    accepts("leaf-rsa-2049", LENGTH),
    accepts("leaf-rsa-exponent-1", NUMBERS),
    accepts("leaf-rsa-exponent-even", NUMBERS),
    accepts("leaf-rsa-exponent-0", NUMBERS),
    accepts("leaf-rsa-modulus-even", NUMBERS),
    accepts("ca-rsa-exponent-1", FORGED),
    accepts("anchor-rsa-exponent-1", FORGED),
    accepts("own-rsa-exponent-1", FORGED),
    accepts("leaf-p224", CURVE),
    accepts("leaf-secp256k1", CURVE),
    accepts("leaf-brainpool", CURVE),
    accepts("ca-secp256k1", CURVE),
    accepts("anchor-p224", CURVE),
    accepts("own-secp256k1", CURVE),
    accepts("leaf-point-hybrid", POINT),
    accepts("ca-point-hybrid", POINT),
    accepts("anchor-point-hybrid", POINT),
    accepts("own-point-hybrid", POINT),
    accepts("leaf-point-at-infinity", "it is no public key"),
    accepts("leaf-x25519", "it agrees on keys and proves nothing; TLS cannot use it so"),
    accepts("leaf-ed25519-for-agreement-alone", IDLE),
    accepts("own-ed25519-for-agreement-alone", IDLE),
    accepts("own-rsa-pss-key-for-agreement-alone", IDLE),
    accepts("leaf-ec-for-encipherment-alone", IDLE),
    accepts("leaf-rsa-pss-key-for-encipherment-alone", IDLE),
    accepts("leaf-rsa-without-null", NULL),
    accepts("ca-rsa-without-null", NULL),
    accepts("anchor-rsa-without-null", NULL),
    accepts("own-rsa-without-null", NULL),
    // What OpenSSL has no word for.
    accepts("public-serial-zero", SERIAL),
    accepts("public-leaf-ed25519", CABF),
    accepts("public-ca-ed25519", CABF),
    accepts("public-anchor-ed448", CABF),
    accepts("public-own-ed25519", CABF),
    accepts("public-no-eku", CABF),
    accepts("public-eku-any-beside", CABF),
    accepts("public-eku-code-beside", CABF),
    accepts("public-eku-mail-beside", CABF),
    accepts("public-eku-stamps-beside", CABF),
    accepts("public-eku-ocsp-beside", CABF),
    accepts("public-client-no-eku", CABF),
    accepts("public-ca-for-gated-servers", "Microsoft's OID of 1997 does not say serverAuth"),
    accepts("public-key-usage-commitment-beside", CABF),
    accepts("public-ec-for-encipherment", CABF),
    accepts("public-rsa-for-agreement", CABF),
    accepts("public-mailbox-beside", CABF),
    accepts("public-uri-beside", CABF),
    accepts("public-underscore", CABF),
    accepts("public-root-dot", CABF),
    accepts("public-partial-wildcard-beside", CABF),
    accepts("public-common-name-of-another", CABF),
    accepts("public-common-name-in-other-letters", CABF),
    accepts("public-common-name-of-people", CABF),
    accepts("public-two-common-names", CABF),
    accepts("public-host-of-one-label", CABF),
    accepts("public-reverse-name", CABF),
    accepts("public-address-private", CABF),
    accepts("public-address-loopback", CABF),
    accepts("public-address-shared", CABF),
    accepts("public-address-unique-local", CABF),
    accepts("public-wildcard-com", CABF),
    accepts("public-wildcard-co-uk", CABF),
    accepts("public-wildcard-unknown-top", CABF),
    accepts("public-wildcard-a-label", CABF),
    accepts("public-wildcard-below-a-wildcard-rule", CABF),
    accepts("public-lifetime-of-201-days", CABF),
    accepts("public-lifetime-of-399-days-before-2026", CABF),
    accepts("public-lifetime-of-398-days-on-the-day", CABF),
    accepts("public-lifetime-of-101-days-in-2027", CABF),
    accepts("public-lifetime-of-48-days-in-2029", CABF),
];
