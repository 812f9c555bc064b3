//! Files that cannot be read, or must not be.

use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::*;

#[test]
fn policies_that_are_not_there() {
    let folder = Folder(TempDir::new().unwrap());
    assert_lines(
        "none",
        &folder.errors(),
        &[("policy.toml:1:1: ", &["there is no file DIR/policy.toml", "version = 1"])],
    );
    symlink("nowhere", folder.path("policy.toml")).unwrap();
    assert_lines(
        "link",
        &folder.errors(),
        &[("policy.toml:1:1: ", &["a link to a file that is not there"])],
    );
    let errors = load(Path::new("/no/such/folder"), &NoCrypto, NOW).unwrap_err();
    assert!(
        errors[0].to_string().starts_with("/no/such/folder/policy.toml:1:1: there is no file"),
        "{errors:?}"
    );
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let folder = Folder::new(
        "version = 1\n[authority.a]\nkind = \"x509\"\nanchors = [\"fifo\", \"socket\", \"/dev/zero\", \"fifo.pem\"]\n",
    );
    let fifo = |name: &str| {
        let made = Command::new("mkfifo").arg(folder.path(name)).status().unwrap();
        assert!(made.success());
    };
    fifo("fifo");
    fs::create_dir(folder.path("fifo.pem")).unwrap();
    fifo("fifo.pem/x.pem");
    let _socket = UnixListener::bind(folder.path("socket")).unwrap();
    assert_lines(
        "kinds",
        &folder.errors(),
        &[
            ("policy.toml:4:12: ", &["DIR/fifo is a FIFO, not a file"]),
            ("policy.toml:4:20: ", &["DIR/socket is a socket"]),
            ("policy.toml:4:30: ", &["/dev/zero is a device"]),
            ("policy.toml:4:43: ", &["DIR/fifo.pem/x.pem is a FIFO"]),
        ],
    );
    fs::remove_file(folder.path("policy.toml")).unwrap();
    fifo("policy.toml");
    fs::create_dir_all(folder.path("policy.d/a.toml")).unwrap();
    assert_lines(
        "policies",
        &folder.errors(),
        &[
            ("policy.toml:1:1: ", &["DIR/policy.toml is a FIFO, not a file"]),
            ("policy.d/a.toml:1:1: ", &["is a folder, not a file"]),
        ],
    );
    fs::remove_dir_all(folder.path("policy.d")).unwrap();
    folder.write("policy.d", "");
    assert!(
        folder
            .errors()
            .iter()
            .any(|e| e.starts_with("policy.d:1:1: ") && e.contains("cannot be read")),
        "{:?}",
        folder.errors()
    );
}

#[test]
fn what_is_too_big_is_refused_at_once() {
    let folder = Folder::new("");
    let grow = |name: &str, size: u64| {
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.path(name))
            .unwrap();
        file.set_len(size).unwrap();
    };
    grow("policy.toml", 100 << 20);
    assert_lines(
        "policy",
        &folder.errors(),
        &[("policy.toml:1:1: ", &["too big: 104857600 bytes", "at most 16777216"])],
    );
    folder
        .write("policy.toml", "version = 1\n[authority.a]\nkind = \"x509\"\nanchors = [\"big\"]\n");
    grow("big", (64 << 20) + 1);
    assert_lines(
        "anchors",
        &folder.errors(),
        &[("policy.toml:4:12: ", &["DIR/big is too big", "at most 67108864"])],
    );
}

#[test]
fn bytes_that_are_no_text() {
    let folder = Folder::new("");
    folder.write("policy.toml", b"version = 1\nmode = \"\xc3\xa4\xff\"\n");
    assert_lines(
        "latin",
        &folder.errors(),
        &[("policy.toml:2:10: ", &["the byte 0xff here is not UTF-8", "save the file"])],
    );
    folder.write("policy.toml", "version = 1\nmode = \"a\0b\"\n");
    assert_lines("nul", &folder.errors(), &[("policy.toml:2:10: ", &["no TOML"])]);
    folder.write("policy.toml", "version = 1\n[[deny]]\nspki = \"a\\u0000b\"\n");
    assert_lines(
        "nul in a path",
        &folder.errors(),
        &[("policy.toml:3:8: ", &["cannot be read", "\\u{0}"])],
    );
}

/// The place of a test of ours that runs as nobody.
const AS_NOBODY: &str = "PEERKEY_TEST_AS_NOBODY";

#[test]
fn without_permission() {
    if let Some(path) = std::env::var_os(AS_NOBODY) {
        let errors = load(Path::new(&path), &NoCrypto, NOW).unwrap_err();
        let text: Vec<_> = errors.iter().map(ToString::to_string).collect();
        println!("{}", text.join("\n"));
        return;
    }
    let folder = Folder::new(
        "version = 1\n[authority.a]\nkind = \"x509\"\nanchors = [\"pki/root.pem\", \"secret\"]\n",
    );
    folder.write("policy.d/a.toml", "");
    fs::create_dir(folder.path("secret")).unwrap();
    let set = |name: &str, mode: u32| {
        fs::set_permissions(folder.path(name), fs::Permissions::from_mode(mode)).unwrap()
    };
    set("pki/root.pem", 0o600);
    set("policy.d/a.toml", 0o000);
    set("secret", 0o700);
    set(".", 0o755);
    let exe = folder.path("test");
    fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    let mut command = Command::new(exe);
    command.args(["--exact", "--nocapture", "source::tests::files::without_permission"]);
    command.env(AS_NOBODY, folder.path(".")).uid(65534).gid(65534).current_dir("/");
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            println!("skipped: only root can become another user");
            return;
        }
        output => String::from_utf8(output.unwrap().stdout).unwrap(),
    };
    for words in
        ["a.toml:1:1: no permission to read ", "root.pem\n", "/secret\n", "run the command as root"]
    {
        assert!(output.contains(words), "{words}: {output}");
    }
}
