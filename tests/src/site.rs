//! One throw-away installation of peerkey: configuration, state, and the two openssl.cnf files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::artifacts;
use crate::run::{Run, run};

/// Whether the program loads the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peerkey {
    /// The same openssl.cnf without peerkey's section.
    Off,
    /// With it.
    On,
}

/// The shipped policy: it changes no program's result.
pub const SHIPPED: &str = "version = 1\n\n[default]\naccept = { any = [\"application\"] }\n";

/// A folder of its own for everything.
#[derive(Debug)]
pub struct Site {
    dir: TempDir,
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// A new site without a policy.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("peerkey-test-").tempdir().unwrap();
        // Servers give up their rights, and must still reach what is theirs.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let site = Self { dir };
        for folder in ["config", "config/policy.d", "config/anchors", "state", "home"] {
            fs::create_dir(site.path(folder)).unwrap();
            fs::set_permissions(site.path(folder), fs::Permissions::from_mode(0o755)).unwrap();
        }
        site.write("without.cnf", openssl_cnf(""));
        site.provider_settings("");
        site
    }

    /// A new site with a policy in force.
    pub fn with_policy(policy: &str) -> Self {
        let site = Self::new();
        site.apply(policy);
        site
    }

    /// Writes further lines into the provider's section.
    pub fn provider_settings(&self, lines: &str) {
        self.provider_module_with(&artifacts::provider(), lines);
    }

    /// Has a copy of the provider loaded that every user may read, wherever it was built. Its path.
    pub fn public_provider(&self) -> PathBuf {
        let module = self.path("peerkey.so");
        fs::copy(artifacts::provider(), &module).unwrap();
        self.provider_module(&module);
        module
    }

    /// A copy of the command that every user may run, wherever it was built.
    pub fn public_command(&self) -> PathBuf {
        let program = self.path("peerkey");
        fs::copy(artifacts::command(), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    /// Has another library loaded in the provider's place.
    pub fn provider_module(&self, module: &Path) {
        self.provider_module_with(module, "");
    }

    /// The same, with further lines.
    pub fn provider_module_with(&self, module: &Path, lines: &str) {
        let [state, journal, syslog] = ["state", "journal", "syslog"].map(|name| self.path(name));
        self.write(
            "with.cnf",
            openssl_cnf(&format!(
                "[peerkey_section]\nmodule = {}\nactivate = 1\nstate-dir = {}\n\
                 journal-socket = {}\nsyslog-socket = {}\n{lines}\n",
                module.display(),
                state.display(),
                journal.display(),
                syslog.display(),
            )),
        );
    }

    /// A path in the site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and gives its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }

    /// Puts a policy into force; a mistake in it fails the test.
    #[track_caller]
    pub fn apply(&self, policy: &str) {
        let run = self.try_apply(policy);
        assert!(run.ok(), "apply: {run}\n--- policy\n{policy}");
    }

    /// Tries to put a policy into force.
    pub fn try_apply(&self, policy: &str) -> Run {
        self.write("config/policy.toml", policy);
        run(self.peerkey().arg("apply"))
    }

    /// Waits until every program is bound to notice what changed in the state folder, as the command
    /// does: for what a test changes there by hand.
    pub fn settle() {
        std::thread::sleep(peerkey_core::store::NOTICED_WITHIN);
    }

    /// The peerkey command on this site's folders.
    pub fn peerkey(&self) -> Command {
        let mut command = bare(&artifacts::command());
        command.env("PEERKEY_CONFIG_DIR", self.path("config"));
        command.env("PEERKEY_STATE_DIR", self.path("state"));
        command.env("HOME", self.path("home"));
        command
    }

    /// The openssl.cnf with or without peerkey.
    pub fn openssl_cnf(&self, peerkey: Peerkey) -> PathBuf {
        self.path(match peerkey {
            Peerkey::Off => "without.cnf",
            Peerkey::On => "with.cnf",
        })
    }

    /// A program that reads the one openssl.cnf or the other, in an environment of its own.
    pub fn command(&self, program: impl AsRef<Path>, peerkey: Peerkey) -> Command {
        let mut command = bare(program.as_ref());
        command.env("OPENSSL_CONF", self.openssl_cnf(peerkey)).env("HOME", self.path("home"));
        command
    }
}

fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
    command
}

/// Node reads a section of its own name; everything else is as on any machine.
fn openssl_cnf(peerkey: &str) -> String {
    let line = if peerkey.is_empty() { "" } else { "peerkey = peerkey_section\n" };
    format!(
        "openssl_conf = openssl_init\nnodejs_conf = openssl_init\n\
         [openssl_init]\nproviders = provider_section\n\
         [provider_section]\ndefault = default_section\n{line}\
         [default_section]\nactivate = 1\n{peerkey}"
    )
}
