//! The library as a file.

use std::process::Command;

use peerkey_tests::artifacts;
use peerkey_tests::run::run;

#[test]
fn one_export_and_no_library_of_anybodys_linked() {
    let read = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        run(command.args(arguments).arg(artifacts::nss_module())).expect_ok(program).stdout
    };
    let exports = read("nm", &["-D", "--defined-only", "--format=posix"]);
    let names: Vec<_> = exports.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["C_GetFunctionList"]);
    let dynamic = read("readelf", &["--dynamic", "--wide"]);
    for library in ["libnss", "libnspr", "libcrypto", "libssl", "libsqlite", "libp11"] {
        assert!(!dynamic.contains(library), "{dynamic}");
    }
    assert!(dynamic.contains("NODELETE"), "somebody may still hold its functions: {dynamic}");
}
