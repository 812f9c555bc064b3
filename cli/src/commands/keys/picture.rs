//! A key as people compare it: digits, and the picture that ssh-keygen draws of a fingerprint.

use openssl::pkey::{Id, PKey};
use peerkey_core::key::KeyHash;

/// The hash in pairs of hex digits, as certificates are shown.
pub(super) fn hex(hash: &KeyHash) -> String {
    hash.0.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}

/// `RSA 2048`, `ECDSA 256`, `ED25519 256`.
pub(super) fn kind(spki: &[u8]) -> String {
    let Ok(key) = PKey::public_key_from_der(spki) else { return "unknown".into() };
    let name = match key.id() {
        Id::RSA | Id::RSA_PSS => "RSA",
        Id::EC => "ECDSA",
        Id::ED25519 => return "ED25519 256".into(),
        Id::ED448 => return "ED448 456".into(),
        _ => return "other".into(),
    };
    format!("{name} {}", key.bits())
}

/// `1 day`, `3 days`.
pub(super) fn days(number: i64) -> String {
    crate::render::count(usize::try_from(number).unwrap_or(0), "day")
}

const WIDTH: usize = 17;
const HEIGHT: usize = 9;

/// What a field is drawn with that was visited so many times; the last two are the start and the end.
const SIGNS: &[u8] = b" .o+=*BOX@%&#/^SE";

/// The "drunken bishop" of OpenSSH (key_fingerprint_randomart): a walk over a board by the hash's bits.
pub(super) fn picture(hash: &KeyHash, spki: &[u8]) -> String {
    drawn(&hash.0, &kind(spki), "SHA256")
}

fn drawn(digest: &[u8], title: &str, foot: &str) -> String {
    let most = SIGNS.len() - 1;
    let mut board = [[0usize; WIDTH]; HEIGHT];
    let (mut x, mut y) = (WIDTH / 2, HEIGHT / 2);
    for octet in digest {
        for step in 0..4 {
            let bits = octet >> (2 * step);
            x = walked(x, bits & 1 != 0, WIDTH);
            y = walked(y, bits & 2 != 0, HEIGHT);
            if board[y][x] < most - 2 {
                board[y][x] += 1;
            }
        }
    }
    board[HEIGHT / 2][WIDTH / 2] = most - 1;
    board[y][x] = most;
    let mut text = border(title);
    for row in board {
        let row: String = row.iter().map(|visits| char::from(SIGNS[*visits])).collect();
        text.push_str(&format!("|{row}|\n"));
    }
    text + &border(foot)
}

fn walked(at: usize, forward: bool, size: usize) -> usize {
    match forward {
        true => (at + 1).min(size - 1),
        false => at.saturating_sub(1),
    }
}

fn border(title: &str) -> String {
    let title = format!("[{title}]");
    let before = WIDTH.saturating_sub(title.len()) / 2;
    let after = WIDTH.saturating_sub(title.len() + before);
    format!("+{}{title}{}+\n", "-".repeat(before), "-".repeat(after))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use data_encoding::BASE64_NOPAD;

    use super::*;

    /// ssh-keygen's own pictures of keys that it makes.
    #[test]
    fn pictures_are_those_of_ssh_keygen() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, title) in
            [("ed25519", "ED25519 256"), ("ecdsa", "ECDSA 256"), ("rsa", "RSA 3072")]
        {
            let path = folder.path().join(kind);
            let mut made = Command::new("ssh-keygen");
            made.args(["-q", "-t", kind, "-N", "", "-f"]);
            assert!(made.arg(&path).status().unwrap().success());
            let output = Command::new("ssh-keygen").arg("-lvf").arg(&path).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let (line, theirs) = text.split_once('\n').unwrap();
            let digest = line.split(' ').nth(1).unwrap().strip_prefix("SHA256:").unwrap();
            let digest = BASE64_NOPAD.decode(digest.as_bytes()).unwrap();
            assert_eq!(drawn(&digest, title, "SHA256"), theirs);
        }
    }
}
