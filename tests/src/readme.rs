//! Blocks of README.md that are made of what suites measured: between `<!-- measured: NAME -->` and
//! `<!-- end -->`. `make table` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

/// Holds a block to what was measured, and says what differs; or writes it anew.
#[track_caller]
pub fn hold(name: &str, measured: &str) -> Vec<String> {
    let readme = fs::read_to_string(path()).unwrap();
    let [before, says, after] = split(name, &readme);
    if std::env::var_os("PEERKEY_BLESS").is_some() {
        fs::write(path(), [before, measured, after].concat()).unwrap();
        return Vec::new();
    }
    differences(says, measured)
}

/// Line by line. A row of another version of its program, which is the second cell, is no difference:
/// README says of which it is.
fn differences(says: &str, measured: &str) -> Vec<String> {
    let cells = |row: &str| row.split(" | ").map(str::to_owned).collect::<Vec<_>>();
    let is_of_another_version =
        |says: &str, measured: &str| match (&*cells(says), &*cells(measured)) {
            ([name, version, ..], [same, other, ..]) => name == same && version != other,
            _ => false,
        };
    let pairs = says.lines().zip(measured.lines());
    let differ =
        pairs.filter(|(says, measured)| says != measured && !is_of_another_version(says, measured));
    let mut wrong: Vec<_> =
        differ.map(|(says, measured)| format!("- {says}\n+ {measured}")).collect();
    if says.lines().count() != measured.lines().count() {
        wrong.push("another number of lines".into());
    }
    wrong
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

#[cfg(test)]
mod tests {
    use super::differences;

    #[test]
    fn a_row_is_held_to_what_was_measured_of_its_version() {
        let says = "| curl | 7.88.1 | SNI |\n1. why\n";
        assert!(differences(says, says).is_empty());
        assert!(differences(says, "| curl | 8.0.0 | nothing |\n1. why\n").is_empty());
        for measured in [
            "| curl | 7.88.1 | nothing |\n1. why\n",
            "| psql | 7.88.1 | SNI |\n1. why\n",
            "| curl | 7.88.1 | SNI |\n1. because\n",
            "| curl | 7.88.1 | SNI |\n",
        ] {
            assert_eq!(differences(says, measured).len(), 1, "{measured}");
        }
    }
}
