//! How a library that is loaded into other people's processes is linked: a part of the build scripts of both.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says so to cargo. `out` is the build script's folder.
pub(crate) fn as_guest(out: &Path) -> Result<(), Box<dyn Error>> {
    // Code that a host may call at any moment is never unloaded; nothing is bound later.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete,-z,now");
    carry_the_unwinder(out)
}

/// Has GCC's unwinder linked in, where there is one to link: looking for libgcc_s and loading it takes
/// a process longer than all else that is done at its start. The linker finds this file first.
fn carry_the_unwinder(out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=CC");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let file = |name: &str| {
        let output =
            Command::new(&compiler).arg(format!("-print-file-name={name}")).output().ok()?;
        let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        path.is_absolute().then_some(path)
    };
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() != Ok("gnu")
        || std::env::var("TARGET") != std::env::var("HOST")
    {
        return Ok(());
    }
    let Some((unwinder, rest)) = file("libgcc_eh.a").zip(file("libgcc.a")) else { return Ok(()) };
    let folder = out.join("unwinder");
    std::fs::create_dir_all(&folder)?;
    let script = format!("GROUP ( {} {} )\n", unwinder.display(), rest.display());
    std::fs::write(folder.join("libgcc_s.so"), script)?;
    println!("cargo:rustc-link-search=native={}", folder.display());
    Ok(())
}
