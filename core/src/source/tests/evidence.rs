//! Files of certificates, keys and CRLs: what is taken, and what is wrong with the rest.

use super::pki::{key, pem, pki};
use super::*;
use crate::certificate::Purposes;
use crate::der;
use crate::policy::{Anchor, AuthorityKind};

const ANCHORS: &str = "version = 1\n[authority.a]\nkind = \"x509\"\nanchors = [\"a\"]\n[default]\naccept = \"a\"\n[[rule]]\nrole = \"client\"\naccept = \"application\"\n";

/// A folder whose authority has the anchors of the file `a`.
fn anchors(content: impl AsRef<[u8]>) -> Folder {
    let folder = Folder::new(ANCHORS);
    folder.write("a", content);
    folder
}

fn read(folder: &Folder) -> Vec<Anchor> {
    match folder.good().policy.authorities.remove(1).kind {
        AuthorityKind::X509 { anchors, .. } => anchors,
        _ => panic!(),
    }
}

fn root() -> String {
    pem("CERTIFICATE", pki().root.der())
}

fn other() -> String {
    pem("CERTIFICATE", pki().other.der())
}

#[test]
fn bundles_with_text_marks_and_odd_line_ends() {
    let bundle = format!("\u{feff}# Root\nsubject=Root\n\n{}Other:\n{}", root(), other());
    for text in [
        bundle.clone(),
        bundle.replace('\n', "\r\n"),
        bundle.replace('\n', "\r"),
        bundle.replace('\n', "\n    "),
    ] {
        let found = read(&anchors(&text));
        assert_eq!(found.len(), 2, "{text}");
        assert_eq!(found[1].certificate.der(), pki().other.der());
    }
    let old = root().replace("CERTIFICATE", "X509 CERTIFICATE");
    assert_eq!(read(&anchors(old)).len(), 1);
    assert_eq!(read(&anchors(pki().root.der())).len(), 1);
}

#[test]
fn one_certificate_is_one_anchor() {
    let found = read(&anchors(root() + &other() + &root()));
    let keys: Vec<_> = found.iter().map(|a| a.key).collect();
    assert_eq!(keys, [key(&pki().root), key(&pki().other)]);
}

#[test]
fn a_bad_certificate_among_good_ones_is_named_by_its_place() {
    let lines = root().lines().count();
    let (second, third) = (lines + 1, lines * 2 + 1);
    let cut = |text: String| {
        text.lines()
            .enumerate()
            .filter(|(n, _)| *n != 2)
            .map(|(_, l)| format!("{l}\n"))
            .collect::<String>()
    };
    for (middle, words) in [
        (
            cut(root()),
            &[
                "certificate 2 of this file is broken: not a DER certificate",
                "named at DIR/policy.toml:4:12",
            ][..],
        ),
        (
            root().replace("\nMI", "\n*I"),
            &["is broken: what is between BEGIN and END is no base64"],
        ),
        (root().replace("-----END CERTIFICATE-----", "-----END CERT-----"), &["ended by END CERT"]),
        (
            pem("CERTIFICATE", &[pki().root.der(), &[0, 0]].concat()),
            &["2 bytes behind the certificate"],
        ),
        ("-----BEGIN CERTIFICATE-----\n".into(), &["another BEGIN comes before its END"]),
        ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".into(), &["nothing between"]),
        (pem("PRIVATE KEY", b"x"), &["block 2 of this file is a private key", "take it out"]),
        (pem("ENCRYPTED PRIVATE KEY", b"x"), &["is a private key"]),
        (
            pem("PUBLIC KEY", pki().root.spki()),
            &["key 2 of this file is a \"PUBLIC KEY\", where certificates are wanted"],
        ),
        (
            pem("X509 CRL", &pki().crl),
            &["CRL 2 of this file is a \"X509 CRL\"", "belong under crls"],
        ),
        (pem("PKCS7", b"x"), &["is a \"PKCS7\"", "openssl pkcs7 -print_certs"]),
        (pem("CERTIFICATE REQUEST", b"x"), &["\"CERTIFICATE REQUEST\"", "a request is"]),
        (pem("DH PARAMETERS", b"x"), &["block 2 of this file is a \"DH PARAMETERS\""]),
    ] {
        let folder = anchors(root() + &middle + &other());
        let place = format!("a:{second}:1: ");
        assert_lines(&middle, &folder.errors(), &[(&place, words)]);
    }
    // Each of several.
    let folder = anchors(
        root() + &pem("CERTIFICATE", b"x").replace('\n', "\r\n") + &pem("CERTIFICATE", b"y"),
    );
    let (a, b) = (format!("a:{second}:1: "), format!("a:{}:1: ", second + 3));
    assert_lines("two", &folder.errors(), &[(&a, &["certificate 2"]), (&b, &["certificate 3"])]);
    let folder = anchors(root() + &other() + "----BEGIN CERTIFICATE-----\nAQID\n");
    let place = format!("a:{third}:1: ");
    assert_lines("dash", &folder.errors(), &[(&place, &["no right BEGIN"])]);
}

#[test]
fn files_of_something_else() {
    let pkcs12 = [
        &[0x30, 0x82, 1, 0, 2, 1, 3, 0x30, 0x82, 0, 0xf0, 6, 9][..],
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1],
    ]
    .concat();
    for (content, words) in [
        (&b""[..], &["the file is empty"][..]),
        (b" \r\n", &["the file is empty"]),
        (b"hello", &["neither PEM nor DER certificates"]),
        (&[0x30, 3, 1, 1], &["the file holds no certificates: not a DER certificate"]),
        (pki().root.spki(), &["the file holds no certificates"]),
        (&[pki().root.der(), b"\n"].concat(), &["1 bytes behind the certificate"]),
        (&pkcs12, &["no certificates", "PKCS #7 or #12"]),
    ] {
        assert_lines(&format!("{content:x?}"), &anchors(content).errors(), &[("a:1:1: ", words)]);
    }
}

#[test]
fn keys_and_crls_in_files() {
    let pin = |file: &str| {
        format!(
            "version = 1\n[authority.a]\nkind = \"pin\"\n[[authority.a.key]]\npeer = \"x\"\nspki = [\"{file}\"]\n"
        )
    };
    let folder = Folder::new("");
    folder.write("empty", "");
    folder.write("rsa.pem", pem("RSA PUBLIC KEY", b"x"));
    folder.write("bad.pem", pem("PUBLIC KEY", b"x"));
    folder.write("point.der", odd_point());
    for (file, place, words) in [
        (
            "pki/private.pem",
            "pki/private.pem:1:1: ",
            &["is a private key", "named at DIR/policy.toml:6:9"][..],
        ),
        ("pki/crl.der", "pki/crl.der:1:1: ", &["no certificates or public keys"]),
        (
            "pki/root.crl",
            "pki/root.crl:1:1: ",
            &["\"X509 CRL\", where certificates or public keys are wanted"],
        ),
        ("rsa.pem", "rsa.pem:1:1: ", &["openssl rsa -RSAPublicKey_in"]),
        (
            "bad.pem",
            "bad.pem:1:1: ",
            &["key 1 of this file is broken: not a DER SubjectPublicKeyInfo"],
        ),
        ("point.der", "point.der:1:1: ", &["the key in this file cannot be used", "malformed"]),
        ("empty", "empty:1:1: ", &["empty"]),
        ("pki/both.pem", "policy.toml:6:9: ", &["holds 2 of them"]),
        ("pki", "policy.toml:6:9: ", &["DIR/pki is a folder, not a file"]),
    ] {
        folder.write("policy.toml", pin(file));
        assert_lines(file, &folder.errors(), &[(place, words)]);
    }
    let crls = |file: &str| {
        format!(
            "version = 1\n[authority.a]\nkind = \"x509\"\nanchors = [\"pki/root.pem\"]\ncrls = [\"{file}\"]\n"
        )
    };
    folder.write("cut.crl", &pki().crl[..50]);
    folder.write("long.crl", [&pki().crl[..], b"x"].concat());
    for (file, words) in [
        ("pki/root.pem", &["\"CERTIFICATE\", where CRLs are wanted"][..]),
        ("cut.crl", &["holds no CRLs", "not a DER CertificateList"]),
        ("long.crl", &["1 bytes behind the CRL"]),
    ] {
        folder.write("policy.toml", crls(file));
        assert_lines(file, &folder.errors(), &[(&format!("{file}:1:1: "), words)]);
    }
    folder.write(
        "policy.toml",
        "version = 1\n[[constraint]]\nprotocols = [\"https\"]\nca = [\"point.der\"]\n",
    );
    assert_lines("ca", &folder.errors(), &[("point.der:1:1: ", &["cannot be compared"])]);
}

/// An EC key whose point begins as none does.
fn odd_point() -> Vec<u8> {
    let curve = der::oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
    let algorithm = der::sequence(&[&der::oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]), &curve]);
    der::sequence(&[&algorithm, &der::bit_string(&[9, 1, 2])])
}

/// An X509_CERT_AUX of purposes by the last number of their identifiers; 0 is any purpose.
fn trusted(trust: Option<&[u8]>, reject: Option<&[u8]>) -> String {
    let oids = |purposes: &[u8]| -> Vec<u8> {
        let oid = |p: &u8| match p {
            0 => der::oid(&[0x55, 0x1d, 0x25, 0]),
            p => der::oid(&[0x2b, 6, 1, 5, 5, 7, 3, *p]),
        };
        purposes.iter().flat_map(oid).collect()
    };
    let trust = trust.map_or(Vec::new(), |t| der::sequence(&[&oids(t)]));
    let mut reject = reject.map_or(Vec::new(), |r| der::sequence(&[&oids(r)]));
    if let Some(tag) = reject.first_mut() {
        *tag = 0xa0;
    }
    let alias = [0x0c, 1, b'x'];
    let aux = der::sequence(&[&trust, &reject, &alias]);
    pem("TRUSTED CERTIFICATE", &[pki().root.der(), &aux].concat())
}

#[test]
fn trusted_certificates_are_for_what_their_owner_says() {
    let purposes = |server, client, email| Purposes { server, client, email };
    for (trust, reject, expected) in [
        (None, None, Purposes::ALL),
        (Some(&[1, 2][..]), None, purposes(true, true, false)),
        (Some(&[0]), None, Purposes::ALL),
        (Some(&[]), None, purposes(false, false, false)),
        (Some(&[3]), None, purposes(false, false, false)),
        (None, Some(&[1][..]), purposes(false, true, true)),
        (Some(&[1, 4]), Some(&[1]), purposes(false, false, true)),
        (Some(&[1]), Some(&[0]), purposes(false, false, false)),
        (None, Some(&[]), Purposes::ALL),
    ] {
        let found = read(&anchors(trusted(trust, reject)));
        assert_eq!(found[0].purposes, expected, "{trust:?} {reject:?}");
        assert_eq!(found[0].certificate.der(), pki().root.der());
    }
    // Also without settings; and of two settings for one certificate, what both allow.
    assert_eq!(
        read(&anchors(pem("TRUSTED CERTIFICATE", pki().root.der())))[0].purposes,
        Purposes::ALL
    );
    let limited = trusted(None, Some(&[1]));
    for both in [root() + &limited, limited + &root()] {
        assert_eq!(read(&anchors(both))[0].purposes, purposes(false, true, true));
    }
    // What a certificate says of itself holds besides.
    let mail = read(&anchors(pem("CERTIFICATE", pki().mail.der())));
    assert_eq!(mail[0].purposes, purposes(false, false, true));
}

#[test]
fn broken_trust_settings_are_no_settings() {
    for aux in [
        &[0x30, 1][..],
        &[5, 0],
        &[0x30, 2, 0x30, 5],
        &[0x30, 4, 0x30, 2, 5, 0],
        &[0x30, 2, 1, 0],
        &[0x30, 0, 0],
    ] {
        let text = pem("TRUSTED CERTIFICATE", &[pki().root.der(), aux].concat());
        let errors = anchors(text).errors();
        assert_lines(
            &format!("{aux:x?}"),
            &errors,
            &[("a:1:1: ", &["certificate 1 of this file is broken: ", "trust settings"])],
        );
    }
}

#[test]
fn folders_of_anchors() {
    let folder = Folder::new(ANCHORS);
    folder.write("a/root.pem", root());
    folder.write("a/Other.CRT", other() + &root());
    folder.write("a/mail.der", pki().mail.der());
    folder.write("a/README", "no certificate");
    folder.write("a/.#root.pem", "no certificate");
    folder.write("a/java/cacerts", "no certificate");
    std::os::unix::fs::symlink("root.pem", folder.path("a/1a2b3c4d.0")).unwrap();
    std::os::unix::fs::symlink("../pki/young.pem", folder.path("a/1a2b3c4d.1")).unwrap();
    assert_eq!(read(&folder).len(), 4);
    let sources: Vec<_> = folder.good().policy.sources.iter().map(|s| name(&s.path)).collect();
    for file in ["a", "root.pem", "Other.CRT", "mail.der", "1a2b3c4d.0", "1a2b3c4d.1"] {
        assert_eq!(sources.iter().filter(|s| *s == file).count(), 1, "{file}: {sources:?}");
    }
    std::os::unix::fs::symlink("nowhere", folder.path("a/11111111.0")).unwrap();
    folder.write("a/bad.pem", root() + "-----BEGIN CERTIFICATE-----\n");
    let line = root().lines().count() + 1;
    assert_lines(
        "folder",
        &folder.errors(),
        &[
            ("policy.toml:4:12: ", &["DIR/a/11111111.0 is a link to a file that is not there"]),
            (&format!("a/bad.pem:{line}:1: "), &["stops before its END"]),
        ],
    );
    fs::remove_dir_all(folder.path("a")).unwrap();
    fs::create_dir(folder.path("a")).unwrap();
    assert_lines(
        "empty",
        &folder.errors(),
        &[("policy.toml:4:12: ", &["no certificates in the folder DIR/a", ".pem, .crt"])],
    );
}

#[test]
fn an_anchor_whose_key_cannot_be_compared_is_refused() {
    // Only the key of the certificate is replaced: nobody checks a signature here.
    let der = pki().root.der();
    let spki = pki().root.spki();
    let at = der.windows(spki.len()).position(|w| w == spki).unwrap();
    let mut compressed = der.to_vec();
    // The first byte of the point, behind its 26 bytes of headers.
    assert_eq!(compressed[at + 26], 4);
    compressed[at + 26] = 9;
    assert_lines(
        "point",
        &anchors(&compressed).errors(),
        &[("a:1:1: ", &["(\"CN=Root\") cannot be an anchor: the public key is malformed"])],
    );
}
