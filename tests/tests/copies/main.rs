//! One provider for every copy of OpenSSL: newer ones, one inside of the executable, several in one
//! process, and such as hide their functions.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod hidden;
mod newer;
mod node;
mod post_quantum;
mod quic;
mod sessions;
mod wheels;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use peerkey_tests::artifacts;
use peerkey_tests::run::run_with;

const BANK: &str = "bank.example";
const SHIPPED: &str = "[default]\naccept = { any = ['application'] }\n";

/// The folders of newer OpenSSLs, a 3.x and a 4.x, built once from the sources in the crate openssl-src.
static NEWER: LazyLock<[PathBuf; 2]> = LazyLock::new(|| {
    [
        built(openssl_src_3::version(), &openssl_src_3::source_dir()),
        built(openssl_src_4::version(), &openssl_src_4::source_dir()),
    ]
});

fn built(crate_version: &str, sources: &Path) -> PathBuf {
    let version = crate_version.rsplit('+').next().unwrap();
    let folder = artifacts::target_folder().join(format!("openssl-{version}"));
    script("newer-openssl.sh", &[sources, &folder]);
    folder
}

/// Runs a script of this package that makes something that is kept.
fn script(name: &str, arguments: &[&Path]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let mut command = artifacts::as_builder(Command::new(script));
    run_with(command.args(arguments), b"", Duration::from_secs(1800)).expect_ok(name);
}
