//! Nothing that a policy or a file of certificates can hold makes reading it panic or hang.

use super::pki::{pem, pki};
use super::*;

/// A small generator (xorshift64*): the same mutations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }
}

const POLICY: &str = "version = 1\nmode = \"monitor\"\nenforce = \"always\"\n[peers]\na = [\".x.org\", \"@b\"]\nb = [\"10.0.0.0/8\", \"@m.org\"]\n\
[authority.w]\nkind = \"x509\"\nanchors = [\"bundle\", \"pki\"]\ncrls = [\"pki/root.crl\"]\npeers = [\"@a\"]\nuntil = 2027-12-31\nprofile = \"rfc5280\"\n\
[authority.p]\nkind = \"pin\"\n[[authority.p.key]]\npeer = \"db.x.org\"\nprotocols = [\"postgresql\"]\nspki = [\"pki/key.pem\"]\nuntil = 2027-12-31T10:00:00+02:00\n\
[[constraint]]\nca = [\"pki/root.der\"]\npeers = [\".br\", \"2001:db8::/32\"]\n\
[[deny]]\nissuer = \"pki/root.pem\"\nserial = \"0A:1b\"\nreason = \"x\"\n[[deny]]\nspki = \"pki/other.pem\"\n\
[[rule]]\npeers = [\"@a\", \"alice@x.org\"]\nprotocols = [\"https\", \"*\"]\napplications = [\"/usr/bin/psql\"]\nrole = \"client\"\naccept = { at-least = 2, of = [\"w\", { all = [\"p\", \"application\"] }] }\n\
[default]\naccept = { any = [\"application\"] }\n";

/// What mistakes put into a file.
const PIECES: [&str; 24] = [
    "\"",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ",",
    "\n",
    "\r",
    ".",
    "@",
    "*",
    "\u{e4}",
    "\0",
    "-",
    "0x",
    "1e9",
    "''",
    "\"\"\"",
    "\\u",
    "2026-99-99",
    "#",
    "\u{feff}",
];

fn mutate(text: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(2) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(40)).min(text.len());
        match random.below(6) {
            0 => drop(text.drain(at..end)),
            1 => {
                let piece = text[at..end].to_vec();
                let to = random.below(text.len());
                text.splice(to..to, piece);
            }
            2 => {
                let piece = PIECES[random.below(PIECES.len())].bytes();
                drop(text.splice(at..at, piece));
            }
            3 => text.truncate(at),
            4 => text.insert(at, random.below(256) as u8),
            _ => {
                if let Some(byte) = text.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
}

#[test]
fn mutated_policies_give_errors_and_nothing_worse() {
    let folder = Folder::new("");
    folder.write("bundle", pem("CERTIFICATE", pki().root.der()));
    for file in ["private.pem", "key.der", "crl.der"] {
        fs::remove_file(folder.path("pki").join(file)).unwrap();
    }
    folder.write("pki/key.pem", pem("CERTIFICATE", pki().mail.der()));
    folder.write("policy.toml", POLICY);
    folder.good();
    let (mut random, mut good) = (Random(1), 0);
    for _ in 0..3000 {
        let mut text = POLICY.as_bytes().to_vec();
        mutate(&mut text, &mut random);
        folder.write("policy.toml", &text);
        match folder.load() {
            Ok(_) => good += 1,
            Err(errors) => {
                assert!(!errors.is_empty(), "{}", String::from_utf8_lossy(&text));
                for error in errors {
                    assert!(error.place.is_some(), "{error}");
                    assert!(!error.to_string().contains(['\0', '\u{1b}']), "{error}");
                }
            }
        }
    }
    assert!((50..2500).contains(&good), "{good} of 3000 are still good: a useless mix");
}

#[test]
fn mutated_certificates_give_errors_and_nothing_worse() {
    let folder = Folder::new(
        "version = 1\n[authority.a]\nkind = \"x509\"\nanchors = [\"a\"]\ncrls = [\"c\"]\n[[constraint]]\nca = [\"a\"]\nprotocols = [\"https\"]\n",
    );
    let aux = [0x30, 10, 0x30, 4, 6, 2, 1, 1, 0xa0, 2, 6, 0];
    let trusted = [pki().root.der(), &aux].concat();
    let mut random = Random(2);
    for round in 0..2000 {
        let mut der = if round % 2 == 0 { trusted.clone() } else { pki().mail.der().to_vec() };
        let mut crl = pki().crl.clone();
        if round % 3 > 0 {
            mutate(&mut der, &mut random);
            mutate(&mut crl, &mut random);
        }
        let label = if round % 2 == 0 { "TRUSTED CERTIFICATE" } else { "CERTIFICATE" };
        let mut text = pem(label, &der).into_bytes();
        if round % 3 < 2 {
            mutate(&mut text, &mut random);
        }
        folder.write("a", if round % 5 == 0 { der } else { text });
        folder.write("c", crl);
        if let Err(errors) = folder.load() {
            assert!(errors.iter().all(|e| e.place.is_some()), "{errors:?}");
        }
    }
}
