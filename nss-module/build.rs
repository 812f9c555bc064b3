//! Sets how the library links.

use std::error::Error;
use std::path::Path;

#[path = "../core/guest/linking.rs"]
mod linking;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    linking::as_guest(Path::new(&std::env::var("OUT_DIR")?))
}
