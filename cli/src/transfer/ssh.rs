//! Public keys as OpenSSH writes them (RFC 4253 section 6.6, RFC 5656, RFC 8709), and as
//! SubjectPublicKeyInfo.

use openssl::pkey::{Id, PKey};

/// What stands before a point or a key in a SubjectPublicKeyInfo (RFC 5480, RFC 8410).
const FORMS: [(&str, &str, usize, &[u8]); 4] = [
    ("ssh-ed25519", "", 32, &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0]),
    (
        "ecdsa-sha2-nistp256",
        "nistp256",
        65,
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\
          \x07\x03\x42\x00",
    ),
    (
        "ecdsa-sha2-nistp384",
        "nistp384",
        97,
        b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\
          \x00",
    ),
    (
        "ecdsa-sha2-nistp521",
        "nistp521",
        133,
        b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23\x03\
          \x81\x86\x00",
    ),
];

/// Whether this names a kind of key.
pub(super) fn is_kind(text: &str) -> bool {
    text.starts_with("ssh-") || text.starts_with("ecdsa-sha2-") || text.starts_with("sk-")
}

/// The SubjectPublicKeyInfo of a key.
pub(super) fn spki(kind: &str, blob: &[u8]) -> Result<Vec<u8>, String> {
    let damaged = || String::from("the key is damaged");
    let mut rest = blob;
    let said = string(&mut rest).ok_or_else(damaged)?;
    if said != kind.as_bytes() {
        return Err("the key is of another kind than the line says".into());
    }
    if kind == "ssh-rsa" {
        let (e, n) = (string(&mut rest), string(&mut rest));
        let (Some(e), Some(n), []) = (e, n, rest) else { return Err(damaged()) };
        return Ok(rsa(n, e));
    }
    let Some((_, curve, length, start)) = FORMS.iter().find(|form| form.0 == kind) else {
        return Err(format!("keys of the kind \"{}\" are not known here", super::shown(kind)));
    };
    if !curve.is_empty() && string(&mut rest) != Some(curve.as_bytes()) {
        return Err(damaged());
    }
    match string(&mut rest) {
        Some(key) if key.len() == *length && rest.is_empty() => Ok([start, key].concat()),
        _ => Err(damaged()),
    }
}

/// The key as OpenSSH has it: its kind, and its octets.
pub(super) fn blob(spki: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let mut blob = Vec::new();
    for (kind, curve, length, start) in FORMS {
        if let Some(key) = spki.strip_prefix(start).filter(|key| key.len() == length) {
            put(&mut blob, kind.as_bytes());
            if !curve.is_empty() {
                put(&mut blob, curve.as_bytes());
            }
            put(&mut blob, key);
            return Some((kind, blob));
        }
    }
    let key = PKey::public_key_from_der(spki).ok().filter(|key| key.id() == Id::RSA)?;
    let rsa = key.rsa().ok()?;
    put(&mut blob, b"ssh-rsa");
    for number in [rsa.e(), rsa.n()] {
        put(&mut blob, &unsigned(&number.to_vec()));
    }
    Some(("ssh-rsa", blob))
}

fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, more) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (taken, more) = more.split_at_checked(length)?;
    *rest = more;
    Some(taken)
}

fn put(blob: &mut Vec<u8>, octets: &[u8]) {
    blob.extend((octets.len() as u32).to_be_bytes());
    blob.extend(octets);
}

/// A number with a leading zero where it would be negative, and no other.
fn unsigned(number: &[u8]) -> Vec<u8> {
    let start = number.iter().position(|octet| *octet != 0).unwrap_or(number.len());
    let mut octets = number[start..].to_vec();
    if octets.first().is_none_or(|first| first & 0x80 != 0) {
        octets.insert(0, 0);
    }
    octets
}

fn rsa(n: &[u8], e: &[u8]) -> Vec<u8> {
    const ALGORITHM: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    let numbers = [der(2, &unsigned(n)), der(2, &unsigned(e))].concat();
    let bits = [&[0][..], &der(0x30, &numbers)].concat();
    der(0x30, &[ALGORITHM, &der(3, &bits)].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    match content.len() {
        short @ 0..=127 => out.push(short as u8),
        long => {
            let octets = length.len() - (long.leading_zeros() / 8) as usize;
            out.push(0x80 | octets as u8);
            out.extend(&length[length.len() - octets..]);
        }
    }
    out.extend(content);
    out
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The same keys, in both forms, from ssh-keygen.
    #[test]
    fn keys_are_what_ssh_keygen_says_they_are() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, bits) in [
            ("ed25519", "256"),
            ("ecdsa", "256"),
            ("ecdsa", "384"),
            ("ecdsa", "521"),
            ("rsa", "2048"),
        ] {
            let path = folder.path().join(format!("{kind}{bits}"));
            let mut make = Command::new("ssh-keygen");
            make.args(["-q", "-t", kind, "-b", bits, "-N", "", "-f"]).arg(&path);
            assert!(make.status().unwrap().success());
            let line = std::fs::read_to_string(path.with_extension("pub")).unwrap();
            let mut words = line.split(' ');
            let (kind, text) = (words.next().unwrap(), words.next().unwrap());
            let octets = data_encoding::BASE64.decode(text.as_bytes()).unwrap();
            let spki = spki(kind, &octets).unwrap();
            let key = PKey::public_key_from_der(&spki).unwrap();
            assert_eq!(key.public_key_to_der().unwrap(), spki, "{kind}");
            assert_eq!(
                blob(&spki),
                Some((
                    FORMS.map(|f| f.0).into_iter().chain(["ssh-rsa"]).find(|k| *k == kind).unwrap(),
                    octets.clone()
                ))
            );
            for end in 0..octets.len() {
                assert!(super::spki(kind, &octets[..end]).is_err());
            }
            assert!(super::spki("ssh-dss", &octets).is_err());
        }
    }
}
