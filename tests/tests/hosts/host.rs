//! The small C hosts: compiled once, run on a site of their own.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

use peerkey_tests::artifacts;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::run::{Run, run};
use peerkey_tests::site::{Peerkey, Site};

/// What `host.h` says where the policy is read and followed.
pub(crate) const GOOD: &str = "fine accepted, denied refused, pinned accepted";
/// What it says where programs decide for themselves.
pub(crate) const NATIVE: &str =
    "fine accepted, denied accepted, pinned refused: certificate verify failed (18)";

const PEER: &str = "bank.example";

struct World {
    root: Issued,
    fine: Issued,
    denied: Issued,
    pinned: Issued,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let root = Draft::ca("Root").self_signed();
    let server = || Draft::server(PEER);
    World {
        fine: server().signed_by(&root),
        denied: server().signed_by(&root),
        pinned: server().self_signed(),
        root,
    }
});

/// A site with the files that the hosts read, and the policy that they are judged by.
pub(crate) struct Hosts {
    pub(crate) site: Site,
}

impl Hosts {
    pub(crate) fn new() -> Self {
        let hosts = Self { site: Site::new() };
        let world = &*WORLD;
        hosts.site.write("trust.pem", world.root.pem());
        let servers = [("fine", &world.fine), ("denied", &world.denied), ("pinned", &world.pinned)];
        for (name, identity) in servers {
            hosts.site.write(&format!("{name}.crt"), identity.chain_pem());
            hosts.site.write(&format!("{name}.key"), identity.key_pem());
        }
        hosts.site.apply(&policy(""));
        hosts
    }

    /// The same, with a copy of the provider that every user may read, wherever it was built.
    pub(crate) fn public() -> Self {
        let hosts = Self::new();
        hosts.site.public_provider();
        hosts
    }

    /// A copy of a host that every user may run.
    pub(crate) fn own_copy(&self, program: &str) -> PathBuf {
        let copy = self.site.path(&format!("host-{program}"));
        fs::copy(compiled(program), &copy).unwrap();
        copy
    }

    /// A host program with its mode.
    pub(crate) fn host(&self, peerkey: Peerkey, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.site.command(compiled(program), peerkey);
        command.args(arguments).current_dir(self.site.path(""));
        command
    }

    /// Runs a host with peerkey to its good end, and gives what it printed.
    #[track_caller]
    pub(crate) fn said(&self, program: &str, arguments: &[&str]) -> String {
        ended(run(&mut self.host(Peerkey::On, program, arguments)))
    }
}

/// What a host printed before its good end.
#[track_caller]
pub(crate) fn ended(run: Run) -> String {
    assert!(run.ok() && run.stdout.ends_with("end\n"), "{run}");
    // For whoever reads why a test failed.
    eprint!("{}", run.stderr);
    run.stdout.trim_end_matches("end\n").to_owned()
}

/// The policy of the hosts, with something before it.
pub(crate) fn policy(before: &str) -> String {
    let (denied, pinned) = (WORLD.denied.pin(), WORLD.pinned.pin());
    format!(
        "version = 1\n{before}\n[authority.pins]\nkind = 'pin'\n\
         [[authority.pins.key]]\npeer = '{PEER}'\nspki = ['{pinned}']\n\
         [[deny]]\nspki = '{denied}'\nreason = 'as tests want it'\n\
         [default]\naccept = {{ any = ['application', 'pins'] }}\n"
    )
}

/// A line of each of these, all `GOOD`.
pub(crate) fn good(whens: &[&str]) -> String {
    whens.iter().map(|when| format!("{when}: {GOOD}\n")).collect()
}

/// A C program of this folder, compiled once a process.
pub(crate) fn compiled(name: &str) -> PathBuf {
    static COMPILED: LazyLock<Mutex<HashMap<String, PathBuf>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    compiled.entry(name.into()).or_insert_with(|| compile(name)).clone()
}

fn compile(name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts").join(name);
    let folder = artifacts::kept_folder("hosts");
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let program = folder.join(name);
    let fresh = folder.join(format!("{name}.{}", std::process::id()));
    let mut cc = artifacts::as_builder(Command::new("cc"));
    // With -rdynamic what a host puts in the place of a function of libc's is that of the provider too.
    cc.args(["-O1", "-g", "-rdynamic", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&fresh);
    cc.arg(source.with_extension("c")).args(["-lssl", "-lcrypto", "-lpthread"]);
    run(&mut cc).expect_ok("cc");
    fs::rename(fresh, &program).unwrap();
    program
}
