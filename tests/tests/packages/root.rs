//! Fresh roots: debootstrap makes one, once, which is kept; each test writes into a layer of its own above it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use peerkey_tests::artifacts;
use peerkey_tests::fresh::{LIST_ETC, files_of, kept, packages, release, say};
use peerkey_tests::run::{Run, run_with};
use tempfile::TempDir;

use super::packaging;

/// What is in it, beside what every Debian has.
const WITH: &str = "ca-certificates,curl,openssl";
const PATIENCE: Duration = Duration::from_secs(900);

/// A root of one's own.
pub(crate) struct Root {
    folder: TempDir,
}

impl Root {
    /// A root with the packages of `make deb` in `/packages`; None, and words why, where there cannot be one.
    pub(crate) fn fresh() -> Option<Self> {
        match base() {
            Ok(base) => Some(Self::above(base)),
            Err(why) => {
                say(&format!("skipped: {why}"));
                None
            }
        }
    }

    fn above(base: &Path) -> Self {
        let folder = TempDir::new_in(base.parent().unwrap()).unwrap();
        for name in ["upper", "work", "root"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let root = Self { folder };
        // A kernel without overlays (or one overlay above another) gets a copy.
        let layered = root.outside("true", &[]).code == Some(0);
        if !layered {
            fs::remove_dir(root.folder.path().join("upper")).unwrap();
            let mut copy = Command::new("cp");
            copy.arg("-a").arg(base.join(".")).arg(root.folder.path().join("root"));
            run_with(&mut copy, b"", PATIENCE).expect_ok("cp");
        }
        root.bring("packages", packages("deb"));
        root
    }

    /// Copies files into a folder of the root.
    pub(crate) fn bring(&self, to: &str, files: impl IntoIterator<Item = PathBuf>) {
        let folder = self.written().join(to);
        fs::create_dir_all(&folder).unwrap();
        for file in files {
            fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
        }
    }

    fn written(&self) -> PathBuf {
        let upper = self.folder.path().join("upper");
        if upper.exists() { upper } else { self.folder.path().join("root") }
    }

    /// Runs a script in the root, and whatever it starts ends with it.
    pub(crate) fn run(&self, script: &str) -> Run {
        self.outside(
            "mount -t proc proc root/proc && mount --rbind /dev root/dev && \
             exec chroot root /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
             LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive /bin/bash -euo pipefail -c \"$1\"",
            &[script],
        )
    }

    /// The same, of what must not fail.
    #[track_caller]
    pub(crate) fn does(&self, script: &str) -> String {
        self.run(script).expect_ok(script).stdout
    }

    /// Runs a script of this machine's programs beside the root, which is in `root`.
    pub(crate) fn beside(&self, script: &str) -> Run {
        let mounted = "mount -t proc proc root/proc && mount --rbind /dev root/dev && ";
        self.outside(&format!("{mounted}{{ {script}; }}"), &[])
    }

    fn outside(&self, script: &str, arguments: &[&str]) -> Run {
        let folder = self.folder.path();
        let mount = match folder.join("upper").exists() {
            true => {
                "mount -t overlay overlay -o lowerdir=../BASE,upperdir=upper,workdir=work root && "
            }
            false => "",
        };
        let mount = mount.replace("BASE", &release());
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c"]);
        command.arg(format!("{mount}{script}")).arg("sh").args(arguments).current_dir(folder);
        run_with(&mut command, b"", PATIENCE)
    }

    /// What [`LIST_ETC`] prints.
    pub(crate) fn etc(&self) -> Vec<String> {
        self.does(LIST_ETC).lines().map(str::to_owned).collect()
    }
}

/// The same packages of a later version.
pub(crate) fn later_packages() -> Vec<PathBuf> {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let folder = MADE.get_or_init(|| {
        let folder = artifacts::target_folder().join("deb-later");
        let mut make = artifacts::as_builder(Command::new(packaging("deb.sh")));
        make.arg("99.0").env("OUT", &folder);
        run_with(&mut make, b"", PATIENCE).expect_ok("deb.sh");
        folder
    });
    files_of(folder, "deb")
}

/// The root that is kept in `target/roots`, made if it is not there.
fn base() -> Result<&'static Path, String> {
    static BASE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let base = BASE.get_or_init(|| {
        kept("roots", |half| {
            let mut make = Command::new("debootstrap");
            make.args(["--variant=minbase", "--include", WITH]).arg(release()).arg(half);
            run_with(&mut make, b"", PATIENCE)
        })
    });
    base.as_deref().map_err(Clone::clone)
}
