//! As the module itself is built, with the one difference.

#[path = "../build.rs"]
mod module;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../build.rs");
    println!("cargo:rustc-cfg=planted_panic");
    module::main()
}
