//! Exceptions in a profile of Firefox's or Thunderbird's: `cert_override.txt`, lines of
//! `host:port:ATTRIBUTES TAB OID of the hash TAB hash TAB [more]`, read when the program starts.

use std::path::{Path, PathBuf};

use peerkey_core::nss::Override;
use peerkey_core::peer::Name;

use super::running;
use crate::file;
use crate::trouble::Trouble;

/// SHA-256 (id-sha256), as Firefox writes it.
const SHA256: &str = "OID.2.16.840.1.101.3.4.2.1";

const HEAD: &str =
    "# PSM Certificate Override Settings file\n# This is a generated file!  Do not edit.\n";

/// A line for each pin and port. None for a peer that the file cannot name: an IPv6 address has colons.
pub fn lines(overrides: &[Override], ports: &[u16]) -> Vec<(String, Option<String>)> {
    let with = |own: &Override| {
        let peer = own.peer.to_string();
        let fits = !matches!(&own.peer, Name::Address(address) if address.is_ipv6());
        let hash: Vec<_> = own.sha256.iter().map(|octet| format!("{octet:02X}")).collect();
        let hash = hash.join(":");
        let line = |port: &u16| {
            let line = format!("{peer}:{port}:\t{SHA256}\t{hash}\t");
            (peer.clone(), fits.then_some(line))
        };
        ports.iter().map(line).collect::<Vec<_>>()
    };
    overrides.iter().flat_map(with).collect()
}

/// Where the lines that are ours are remembered.
fn record_of(folder: &Path) -> PathBuf {
    folder.join("cert_override.txt.peerkey")
}

/// Puts these lines into a profile, in the place of those that were put there before, and of others for
/// the same host and port. Says how many there are.
pub fn merge(folder: &Path, fresh: &[String]) -> Result<(), Trouble> {
    running::refuse_in_use(folder)?;
    if !folder.is_dir() {
        return Err(Trouble::new(format!("there is no profile {}", folder.display())));
    }
    let path = folder.join("cert_override.txt");
    let record = record_of(folder);
    let text = |path: &Path| -> Result<Option<String>, Trouble> {
        let content = file::read(path)?;
        Ok(content.map(|content| String::from_utf8_lossy(&content).into_owned()))
    };
    let before = text(&path)?;
    let recorded = text(&record)?.unwrap_or_default();
    let after = merged(before.as_deref(), &recorded, fresh);
    if fresh.is_empty() && after.lines().all(|line| HEAD.contains(line)) {
        file::remove(&path)?;
        return file::remove(&record);
    }
    // The record first: killed in between, it names lines that are not there, which harms nobody.
    let all: Vec<_> = recorded.lines().map(str::to_owned).chain(fresh.iter().cloned()).collect();
    file::replace(&record, joined(&all).as_bytes(), 0o600)?;
    if before.as_deref() != Some(&after) {
        file::replace(&path, after.as_bytes(), 0o600)?;
    }
    match fresh.is_empty() {
        true => file::remove(&record),
        false => file::replace(&record, joined(fresh).as_bytes(), 0o600),
    }
}

fn merged(before: Option<&str>, recorded: &str, fresh: &[String]) -> String {
    let host = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
    let replaced: Vec<_> = fresh.iter().map(|line| host(line)).collect();
    let is_ours = |line: &&str| recorded.lines().any(|own| own.trim_end() == line.trim_end());
    let kept = before.unwrap_or(HEAD).lines();
    let kept = kept.filter(|line| !is_ours(line) && !replaced.contains(&host(line)));
    let all: Vec<_> = kept.map(str::to_owned).chain(fresh.iter().cloned()).collect();
    joined(&all)
}

fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(peer: &str) -> Override {
        let peer = Name::parse(peer).unwrap();
        Override { peer, sha256: [0xab; 32], place: String::new(), until: None }
    }

    fn fresh(peers: &[&str]) -> Vec<String> {
        let overrides: Vec<_> = peers.iter().map(|peer| own(peer)).collect();
        lines(&overrides, &[443]).into_iter().filter_map(|(_, line)| line).collect()
    }

    #[test]
    fn a_line_is_as_firefox_writes_it() {
        let line = &lines(&[own("router.lan")], &[8443])[0].1.clone().unwrap();
        let hash = ["AB"; 32].join(":");
        assert_eq!(*line, format!("router.lan:8443:\tOID.2.16.840.1.101.3.4.2.1\t{hash}\t"));
        assert_eq!(lines(&[own("::1")], &[443])[0].1, None);
        assert_eq!(lines(&[own("10.0.0.1")], &[1, 2]).len(), 2);
    }

    #[test]
    fn other_lines_stay_and_ours_go_with_their_pins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cert_override.txt");
        let other = "shop.example:443:^firstPartyDomain=x\tOID.1\tAA\tU\tAAAA\n";
        let old = "router.lan:443:\tOID.1\tBB\tU\tAAAA\n";
        std::fs::write(&path, format!("{HEAD}{other}{old}")).unwrap();
        let read = || std::fs::read_to_string(&path).unwrap();
        merge(folder.path(), &fresh(&["router.lan", "nas.lan"])).unwrap();
        assert!(read().starts_with(&format!("{HEAD}{other}router.lan:443:\tOID.2")), "{}", read());
        assert!(!read().contains("\tBB\t") && read().contains("nas.lan:443:"));
        merge(folder.path(), &fresh(&["nas.lan"])).unwrap();
        assert!(!read().contains("router.lan") && read().contains("nas.lan"));
        merge(folder.path(), &[]).unwrap();
        assert_eq!(read(), format!("{HEAD}{other}"));
        assert!(!record_of(folder.path()).exists());
    }

    #[test]
    fn a_profile_without_exceptions_is_without_them_again() {
        let folder = tempfile::tempdir().unwrap();
        merge(folder.path(), &fresh(&["router.lan"])).unwrap();
        assert!(folder.path().join("cert_override.txt").exists());
        merge(folder.path(), &[]).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
