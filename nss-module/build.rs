//! Sets how the library links.

pub(crate) fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A program that has closed it may still hold functions of the list; nothing is bound later.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete,-z,now");
}
