//! Mistakes in authorities, expressions, constraints and denials.

use super::bad::{X509, check};
use super::*;

#[test]
fn authorities() {
    check(&[
        (
            "[authority.a]",
            &[("2:1", &["[authority.a] has no \"kind\"", "\"pin\", \"tofu\" or \"x509\""])],
        ),
        (
            "[authority.a]\nanchors = [\"pki/root.pem\"]",
            &[("2:1", &["no \"kind\"", "write kind = \"x509\""])],
        ),
        (
            "[authority.a]\nknd = \"x509\"\nfoo = 1",
            &[("3:1", &["unknown key \"knd\"", "\"kind\""]), ("4:1", &["\"foo\""])],
        ),
        ("[[rule]]\nacept = \"application\"", &[("3:1", &["did you mean \"accept\"?"])]),
        (
            "[authority.a]\nkind = \"x508\"",
            &[("3:8", &["kind cannot be \"x508\"", "did you mean \"x509\"?"])],
        ),
        ("[authority.a]\nkind = \"openpgp\"", &[("3:8", &["comes later", "\"pin\" and \"tofu\""])]),
        ("[authority.a]\nkind = \"openpgp\"\nring = 1", &[("3:8", &["comes later"])]),
        ("[authority.a]\nkind = \"application\"", &[("3:8", &["built in", "needs no definition"])]),
        (
            "[authority.application]\nkind = \"x509\"",
            &[("2:12", &["\"application\" is built in", "another name"])],
        ),
        (
            "[authority.\"my web\"]\nkind = \"x509\"",
            &[("2:12", &["\"my web\" cannot name an authority", "letters"])],
        ),
        (
            "[authority.a]\nkind = \"x509\"",
            &[("2:1", &["[authority.a] has no \"anchors\"", "write anchors ="])],
        ),
        (
            "[authority.a]\nkind = \"x509\"\nanchors = [\"pki/root.pem\"]\nanchor = 1",
            &[("5:1", &["unknown key \"anchor\" in [authority.a]", "\"anchors\""])],
        ),
        (
            "[authority.a]\nkind = \"x509\"\nanchors = [\"pki/root.pem\"]\nfirst-use = \"accept\"",
            &[("5:1", &["unknown key \"first-use\""])],
        ),
        (
            "[authority.a]\nkind = \"x509\"\nanchors = [\"pki/root.pem\"]\nprofile = \"x\"",
            &[("5:11", &["profile cannot be \"x\"", "\"cabf\""])],
        ),
        (
            "[authority.a]\nkind = \"pin\"",
            &[("2:1", &["[authority.a] has no \"key\"", "[[authority.a.key]]"])],
        ),
        (
            "[authority.a]\nkind = \"pin\"\nanchors = [\"x\"]\n[[authority.a.key]]\npeer = \"x\"\nspki = [\"pki/key.pem\"]",
            &[("4:1", &["unknown key \"anchors\""])],
        ),
        (
            "[authority.a]\nkind = \"pin\"\n[authority.a.key]\npeer = \"x\"",
            &[("4:1", &["single table", "write [[authority.a.key]]"])],
        ),
        (
            "[authority.a]\nkind = \"pin\"\n[[authority.a.key]]\nspki = [\"pki/key.pem\"]",
            &[("4:1", &["[[authority.a.key]] has no \"peer\""])],
        ),
        (
            "[authority.a]\nkind = \"pin\"\n[[authority.a.key]]\npeer = \"x\"",
            &[("4:1", &["no \"spki\"", "sha256/"])],
        ),
        (
            "[authority.a]\nkind = \"pin\"\n[[authority.a.key]]\npeer = \"x\"\nspki = \"pki/key.pem\"",
            &[("6:8", &["spki is a string, not a list", "[\"pki/key.pem\"]"])],
        ),
    ]);
}

#[test]
fn pins_are_for_one_peer() {
    let folder = Folder::new("");
    for (peer, words) in [
        ("*", &["is a set of peers", "a pin for each"][..]),
        (".x.org", &["is a set of peers"]),
        ("*.x.org", &["is a set of peers"]),
        ("10.0.0.0/8", &["is a set of peers"]),
        ("10.0.0.1/32", &["is a set of peers"]),
        ("@x.org", &["is a set of peers"]),
        ("@banks", &["is a set of peers"]),
        ("x.org.", &["ends with a dot", "write \"x.org\""]),
        ("a b", &["no host name"]),
    ] {
        folder.write("policy.toml", format!("version = 1\n[authority.a]\nkind = \"pin\"\n[[authority.a.key]]\npeer = \"{peer}\"\nspki = [\"pki/key.pem\"]\n"));
        assert_lines(peer, &folder.errors(), &[("policy.toml:5:8: ", words)]);
    }
}

#[test]
fn expressions() {
    let folder = Folder::new("");
    for (accept, column, words) in [
        (
            "\"applicaton\"",
            10,
            &["no authority \"applicaton\"", "did you mean \"application\"?"][..],
        ),
        ("{ any = [\"x\", \"b\"] }", 19, &["no authority \"x\"", "one of"]),
        ("[\"a\"]", 10, &["no expression", "{ any = […] }"]),
        ("1", 10, &["no expression"]),
        ("{}", 10, &["neither any, all nor at-least"]),
        ("{ any = [\"a\"], all = [\"b\"] }", 10, &["any and all cannot stand side by side"]),
        (
            "{ anny = [\"a\"], any = [\"b\"] }",
            12,
            &["unknown key \"anny\" in accept", "did you mean \"any\"?"],
        ),
        ("{ of = [\"a\"] }", 10, &["\"of\" needs \"at-least\""]),
        ("{ any = [\"a\"], of = [\"a\"] }", 25, &["\"of\" goes with at-least, not with any"]),
        ("{ any = \"a\" }", 18, &["any is a string, not a list", "[\"a\"]"]),
        ("{ at-least = 1 }", 10, &["no \"of\""]),
        ("{ at-least = 0, of = [\"a\"] }", 23, &["no number from 1 to 1"]),
        ("{ at-least = 3, of = [\"a\", \"b\"] }", 23, &["no number from 1 to 2"]),
        ("{ at-least = \"2\", of = [\"a\", \"b\"] }", 23, &["no number from 1 to 2"]),
        ("{ at-least = -1, of = [\"a\", \"b\"] }", 23, &["no number from 1 to 2"]),
        ("{ at-least = 2, of = [\"a\", \"a\"] }", 37, &["of has this twice"]),
        (
            "{ any = [{ all = [\"a\", \"b\"] }, { all = [\"a\", \"b\"] }] }",
            41,
            &["any has this twice"],
        ),
        ("{ any = [\"a\", { all = [\"b\", { any = [true] }] }] }", 47, &["no expression"]),
    ] {
        let b = X509.replace("authority.a", "authority.b");
        folder
            .write("policy.toml", format!("version = 1\n{X509}{b}[default]\naccept = {accept}\n"));
        let at = format!("policy.toml:9:{column}: ");
        assert_lines(accept, &folder.errors(), &[(&at, words)]);
    }
}

#[test]
fn constraints_and_denials() {
    check(&[
        (
            "[[constraint]]\nca = [\"pki/root.pem\"]",
            &[("2:1", &["limits the CA to nothing", "peers, or protocols"])],
        ),
        ("[[constraint]]\nprotocols = [\"https\"]", &[("2:1", &["[[constraint]] has no \"ca\""])]),
        (
            "[[constraint]]\nprotocols = [\"https\"]\nca = [\"sha256/AAAA\"]",
            &[("4:7", &["not the SHA-256 of a key"])],
        ),
        (
            "[[constraint]]\nprotocols = [\"https\"]\nca = [\"pki/no.pem\"]\nmax = 1",
            &[("4:7", &["no file DIR/pki/no.pem"]), ("5:1", &["unknown key \"max\""])],
        ),
        ("[[deny]]\nreason = \"x\"", &[("2:1", &["does not say what", "spki ="])]),
        ("[[deny]]\nissuer = \"pki/root.pem\"", &[("2:1", &["issuer and serial together"])]),
        ("[[deny]]\nserial = 1", &[("2:1", &["issuer and serial together"])]),
        (
            "[[deny]]\nspki = \"pki/key.pem\"\ncertificate = \"pki/root.pem\"",
            &[("2:1", &["one thing only"])],
        ),
        ("[[deny]]\nspki = \"pki/both.pem\"", &[("3:8", &["holds 2 of them; one key"])]),
        ("[[deny]]\nspki = [\"pki/key.pem\"]", &[("3:8", &["spki is a list, not a string"])]),
        (
            "[[deny]]\ncertificate = \"pki/both.pem\"",
            &[("3:15", &["holds 2 of them; one certificate"])],
        ),
        ("[[deny]]\nspki = \"sha1/AAAA\"", &[("3:8", &["SHA-256 only", "64 hex digits"])]),
        (
            "[[deny]]\nspki = \"SHA256:n4bQgYhMfWWaL+qgxVrQFaO\"",
            &[("3:8", &["not the SHA-256 of a key"])],
        ),
        (
            "[[deny]]\nspki = \"AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89\"",
            &[("3:8", &["not the SHA-256 of a key"])],
        ),
        (
            "[[deny]]\nissuer = \"pki/root.pem\"\nserial = \"xyz\"",
            &[("4:10", &["no serial number", "openssl x509 -serial"])],
        ),
        ("[[deny]]\nissuer = \"pki/root.pem\"\nserial = -1", &[("4:10", &["no serial number"])]),
        (
            "[[deny]]\nissuer = \"pki/root.pem\"\nserial = \"0x\"",
            &[("4:10", &["no serial number"])],
        ),
        (
            "[[deny]]\nissuer = \"pki/root.pem\"\nserial = \"112233445566778899AABBCCDDEEFF1122334455667788\"",
            &[("4:10", &["no serial number"])],
        ),
        (
            "[[deny]]\nissuer = \"pki/root.pem\"\nserial = 1.0\nreasn = \"\"",
            &[("4:10", &["no serial number"]), ("5:1", &["\"reasn\"", "\"reason\""])],
        ),
        ("[[deny]]\nspki = \"pki/key.pem\"\nreason = 1", &[("4:10", &["reason is a number"])]),
    ]);
}
