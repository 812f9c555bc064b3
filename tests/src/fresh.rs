//! What tests on fresh roots and machines have in common: what is made once and kept, the packages, and what differs.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifacts::{kept_folder, target_folder};
use crate::run::{Run, run};

/// Past the capture of tests' output: what is skipped is never skipped silently.
pub fn say(words: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "{name}: {words}");
}

/// The release of this machine: the packages are for it.
pub fn release() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.unwrap_or("stable").to_owned()
}

/// What is kept in `target/FOLDER` under the release's name, made by the command if it is not there.
pub fn kept(folder: &str, make: impl FnOnce(&Path) -> Run) -> Result<PathBuf, String> {
    // SAFETY: geteuid(2) cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return Err("only root can make roots".into());
    }
    let folder = kept_folder(folder);
    let base = folder.join(release());
    let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    if base.exists() {
        return Ok(base);
    }
    if !Path::new("/usr/sbin/debootstrap").exists() {
        return Err("there is no debootstrap; make install-deps brings it".into());
    }
    let half = base.with_extension("half");
    let _ = fs::remove_dir_all(&half);
    let said = make(&half);
    if !said.ok() {
        let _ = fs::remove_dir_all(&half);
        let last = said.text().lines().last().unwrap_or_default().to_owned();
        return Err(format!("none could be made (is there no network?): {last}"));
    }
    fs::rename(&half, &base).map_err(|error| error.to_string())?;
    Ok(base)
}

/// The packages that `make deb` or `make rpm` made.
pub fn packages(kind: &str) -> Vec<PathBuf> {
    let files = files_of(&target_folder().join(kind), kind);
    assert_eq!(files.len(), 3, "run make {kind} first: {files:?}");
    files
}

/// The files of a folder that end so.
pub fn files_of(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == kind)).collect()
}

/// Prints every file in /etc, with its owner, mode and content, one a line.
pub const LIST_ETC: &str = "(find /etc -printf '%p %y %m %u:%g %l\\n'; \
                            find /etc -type f -exec sha256sum {} +) | sort";

/// What is in one list and not in the other, as a difference.
pub fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

/// The README's lines for administrators, block by block, as they are typed by root.
pub fn readme_blocks() -> Vec<String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(top.join("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Install\n").expect("README has a section");
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let blocks: Vec<_> = blocks.map(|block| block.replace("sudo ", "")).collect();
    assert!(blocks.len() >= 3, "{blocks:?}");
    blocks
}

/// Packs files into a tar archive, without their folders.
pub fn pack(files: &[PathBuf], archive: &Path) {
    let mut tar = Command::new("tar");
    tar.arg("-cf").arg(archive);
    for file in files {
        tar.arg("-C").arg(file.parent().unwrap()).arg(file.file_name().unwrap());
    }
    run(&mut tar).expect_ok("tar");
}
