//! The same chains before `openssl verify -x509_strict`, and where its answer is another.

use std::path::Path;
use std::process::Command;

use super::chain::{Chain, Made};
use crate::peer::Name;
use crate::query::Role;

/// The program that Debian installs, not one that a test environment put before it.
const PROGRAM: &str = "/usr/bin/openssl";

/// What OpenSSL says: `accepts`, `error N`, or `cannot read it`.
pub(super) fn ask(chain: &Chain, made: &Made, folder: &Path) -> String {
    let file = |name: &str, certificates: &[&[u8]]| {
        let path = folder.join(name);
        std::fs::write(&path, certificates.iter().map(|der| pem(der)).collect::<String>()).unwrap();
        path
    };
    let presented: Vec<&[u8]> = made.presented.iter().map(Vec::as_slice).collect();
    let mut command = Command::new(PROGRAM);
    command.env("OPENSSL_CONF", "/dev/null");
    command.args(["verify", "-x509_strict", "-auth_level", "2", "-no-CApath", "-no-CAstore"]);
    command.arg("-CAfile").arg(file("anchor.pem", &[&made.anchor]));
    if !presented.is_empty() {
        command.arg("-untrusted").arg(file("presented.pem", &presented));
    }
    command.args(["-attime", &chain.time.to_string()]);
    let purpose = match (Name::parse(chain.peer), chain.role) {
        (Some(Name::Email(_)), _) => "smimesign",
        (_, Role::Client) => "sslclient",
        (_, Role::Server) => "sslserver",
    };
    command.args(["-purpose", purpose]);
    if chain.role == Role::Server {
        let option = match Name::parse(chain.peer) {
            Some(Name::Email(_)) => "-verify_email",
            Some(Name::Address(_)) => "-verify_ip",
            _ => "-verify_hostname",
        };
        command.args([option, chain.peer]);
    }
    let output = command.arg(file("leaf.pem", &[&made.leaf])).output().unwrap();
    if output.status.success() {
        return "accepts".into();
    }
    let text = String::from_utf8_lossy(&output.stderr);
    match text.split_once("error ").and_then(|(_, rest)| rest.split_once(" at ")) {
        Some((number, _)) if number.bytes().all(|b| b.is_ascii_digit()) => {
            format!("error {number}")
        }
        _ => "cannot read it".into(),
    }
}

fn pem(der: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = (0..base64.len().div_ceil(64))
        .map(|i| &base64[i * 64..base64.len().min((i + 1) * 64)])
        .collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
