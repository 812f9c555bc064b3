//! Fresh roots: debootstrap makes one, once, which is kept; each test writes into a layer of its own above it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use peerkey_tests::artifacts;
use peerkey_tests::run::{Run, run_with};
use tempfile::TempDir;

use super::{packaging, top};

/// What is in it, beside what every Debian has.
const WITH: &str = "ca-certificates,curl,openssl";
const PATIENCE: Duration = Duration::from_secs(900);

/// Past the capture of tests' output: what is skipped is never skipped silently.
pub(crate) fn say(words: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "{name}: {words}");
}

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
        let mount = mount.replace("BASE", &base_name());
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c"]);
        command.arg(format!("{mount}{script}")).arg("sh").args(arguments).current_dir(folder);
        run_with(&mut command, b"", PATIENCE)
    }

    /// Every file in /etc, with its owner, mode and content, one a line.
    pub(crate) fn etc(&self) -> Vec<String> {
        let listed =
            "find /etc -printf '%p %y %m %u:%g %l\\n'; find /etc -type f -exec sha256sum {} +";
        let mut lines: Vec<_> = self.does(listed).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

/// What is in one list and not in the other, as a difference.
pub(crate) fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

/// The packages that `make deb` or `make rpm` made.
pub(crate) fn packages(kind: &str) -> Vec<PathBuf> {
    let files = files_of(&top().join("target").join(kind), kind);
    assert_eq!(files.len(), 3, "run make {kind} first: {files:?}");
    files
}

fn files_of(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == kind)).collect()
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

/// The release of this machine: the packages are for it.
fn base_name() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.unwrap_or("stable").to_owned()
}

/// The root that is kept in `target/roots`, made if it is not there.
fn base() -> Result<&'static Path, String> {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(base) = BASE.get() {
        return Ok(base);
    }
    // SAFETY: geteuid(2) cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return Err("only root can make roots".into());
    }
    let folder = artifacts::kept_folder("roots");
    let base = folder.join(base_name());
    let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    if !base.exists() {
        make(&base)?;
    }
    Ok(BASE.get_or_init(|| base))
}

fn make(base: &Path) -> Result<(), String> {
    if !Path::new("/usr/sbin/debootstrap").exists() {
        return Err("there is no debootstrap; make install-deps brings it".into());
    }
    let half = base.with_extension("half");
    let _ = fs::remove_dir_all(&half);
    let mut make = Command::new("debootstrap");
    make.args(["--variant=minbase", "--include", WITH]).arg(base_name()).arg(&half);
    let said = run_with(&mut make, b"", PATIENCE);
    if !said.ok() {
        let _ = fs::remove_dir_all(&half);
        let last = said.text().lines().last().unwrap_or_default().to_owned();
        return Err(format!("debootstrap made no root (is there no network?): {last}"));
    }
    fs::rename(&half, base).map_err(|error| error.to_string())
}
