//! Blocks of README.md that are made of what suites measured: between `<!-- measured: NAME -->` and
//! `<!-- end -->`. `make table` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

/// Whether blocks are written anew instead of held to what was measured.
pub fn is_written() -> bool {
    std::env::var_os("PEERKEY_BLESS").is_some()
}

/// What a block says now.
#[track_caller]
pub fn block(name: &str) -> String {
    split(name, &fs::read_to_string(path()).unwrap())[1].to_owned()
}

/// Writes a block anew.
#[track_caller]
pub fn write(name: &str, text: &str) {
    let readme = fs::read_to_string(path()).unwrap();
    let [before, _, after] = split(name, &readme);
    fs::write(path(), [before, text, after].concat()).unwrap();
}

/// What stands before a block, in it and behind it.
#[track_caller]
fn split<'a>(name: &str, readme: &'a str) -> [&'a str; 3] {
    let mark = format!("<!-- measured: {name} -->\n");
    let start = readme.find(&mark).unwrap_or_else(|| panic!("README has no {mark}")) + mark.len();
    let length = readme[start..].find("<!-- end -->").expect("the block has an end");
    let (before, rest) = readme.split_at(start);
    let (own, after) = rest.split_at(length);
    [before, own, after]
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("README.md")
}
