//! What is tested: the provider, the NSS module and the command, as cargo has just built them.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the profile that this executable was built with: `target/debug` or the like.
pub fn profile_folder() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let folder = executable.parent().unwrap();
    if folder.ends_with("deps") { folder.parent().unwrap() } else { folder }.to_owned()
}

/// `target`: for what is built once and kept.
pub fn target_folder() -> PathBuf {
    profile_folder().parent().unwrap().to_owned()
}

/// The provider. It is a dev-dependency, so the copy beside the test executables is never stale; the
/// demo and the benchmark take the one that `make build` leaves. PEERKEY_PROVIDER names another.
pub fn provider() -> PathBuf {
    library("PEERKEY_PROVIDER", "libpeerkey_openssl.so")
}

/// The NSS module, likewise; PEERKEY_NSS_MODULE names another.
pub fn nss_module() -> PathBuf {
    library("PEERKEY_NSS_MODULE", "libpeerkey_nss.so")
}

fn library(variable: &str, name: &str) -> PathBuf {
    if let Some(named) = std::env::var_os(variable) {
        return named.into();
    }
    let executable = std::env::current_exe().unwrap();
    let beside = executable.parent().unwrap().join(name);
    if beside.exists() { beside } else { profile_folder().join(name) }
}

/// The provider with panics that can be set off. Only tests have it.
pub fn planted_provider() -> PathBuf {
    planted("libpeerkey_openssl_planted.so")
}

/// The NSS module, likewise.
pub fn planted_nss_module() -> PathBuf {
    planted("libpeerkey_nss_planted.so")
}

fn planted(name: &str) -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    executable.parent().unwrap().join(name)
}

/// The peerkey command. No cargo dependency builds a binary, so cargo is asked once a process.
pub fn command() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let path = profile_folder().join("peerkey");
            // Under sudo cargo would leave files of root's; `make test` has built it before.
            if let (Some(cargo), None) = (std::env::var_os("CARGO"), std::env::var_os("SUDO_UID")) {
                build(Path::new(&cargo));
            }
            assert!(path.exists(), "{} is missing: run make build", path.display());
            path
        })
        .clone()
}

/// Keeps a result in `target`.
pub fn keep(name: &str, text: &str) {
    let path = target_folder().join(name);
    fs::write(&path, text).unwrap();
    to_builder(&path);
}

/// A folder in `target`, for what is built once and kept.
pub fn kept_folder(name: &str) -> PathBuf {
    let folder = target_folder().join(name);
    fs::create_dir_all(&folder).unwrap();
    to_builder(&folder);
    folder
}

/// A command that builds something, with the rights of whoever runs the tests under sudo: root's files
/// in `target` would be in that user's way.
pub fn as_builder(mut command: Command) -> Command {
    if let Some((user, group)) = builder() {
        command.uid(user).gid(group);
    }
    command
}

fn to_builder(path: &Path) {
    if let Some((user, group)) = builder() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

/// Who runs the tests under sudo.
fn builder() -> Option<(u32, u32)> {
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    Some((number("SUDO_UID")?, number("SUDO_GID")?))
}

fn build(cargo: &Path) {
    let profile = profile_folder();
    let profile = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = as_builder(Command::new(cargo))
        .args(["build", "--quiet", "--package", "peerkey", "--profile", profile])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target_folder())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
