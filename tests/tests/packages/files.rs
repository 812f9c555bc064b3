//! Units, hooks and the packages' lists of files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use peerkey_tests::artifacts;
use peerkey_tests::fresh::say;
use peerkey_tests::run::{Run, run};
use peerkey_tests::site::{SHIPPED, Site};

use super::{packaging, top};

#[test]
fn units_are_right() {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        return say("skipped: there is no systemd-analyze here to verify units with");
    }
    let site = Site::new();
    let mut units = Vec::new();
    for entry in fs::read_dir(packaging("systemd")).unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap();
        // Where the command is, in place of where it will be.
        let command = artifacts::command().display().to_string();
        let name = entry.file_name().into_string().unwrap();
        let hook = packaging("hooks/anchors-changed").display().to_string();
        let text = text.replace("/usr/libexec/peerkey/anchors-changed", &hook);
        units.push(site.write(&name, text.replace("/usr/bin/peerkey", &command)));
    }
    assert_eq!(units.len(), 6);
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).args(&units);
    let said = run(&mut verify).expect_ok("systemd-analyze verify");
    assert_eq!(said.stderr, "", "{said}");
}

#[test]
fn folders_of_state_are_made_for_nobody_else_to_write() {
    if !Path::new("/usr/bin/systemd-tmpfiles").exists() {
        return say("skipped: there is no systemd-tmpfiles here to make folders with");
    }
    let site = Site::new();
    let mut make = Command::new("systemd-tmpfiles");
    make.arg("--create").arg(format!("--root={}", site.path("").display()));
    run(make.arg(packaging("tmpfiles.d/peerkey.conf"))).expect_ok("systemd-tmpfiles");
    for (folder, mode) in [("", 0o755), ("uid", 0o755), ("uid/0", 0o700)] {
        let found = fs::metadata(site.path("var/lib/peerkey").join(folder)).unwrap();
        assert_eq!((found.mode() & 0o7777, found.uid()), (mode, 0), "{folder}");
    }
}

/// The hook with a command and a policy of its own, whose anchor is a file beside it.
struct Hooked {
    site: Site,
    hook: PathBuf,
}

impl Hooked {
    fn new(policy: &str) -> Self {
        let site = Site::new();
        fs::copy(packaging("examples/company/anchors/corp-root.pem"), site.path("anchor.pem"))
            .unwrap();
        site.apply(policy);
        let text = fs::read_to_string(packaging("hooks/anchors-changed")).unwrap();
        let config = site.path("config").display().to_string();
        assert!(text.contains("/etc/peerkey"));
        let hook = site.write("hook", text.replace("/etc/peerkey", &config));
        fs::create_dir(site.path("bin")).unwrap();
        std::os::unix::fs::symlink(artifacts::command(), site.path("bin/peerkey")).unwrap();
        Self { site, hook }
    }

    fn run(&self) -> Run {
        let mut hook = self.site.command("/bin/sh", peerkey_tests::site::Peerkey::Off);
        hook.arg(&self.hook).env_remove("OPENSSL_CONF");
        hook.env("PATH", format!("{}:/usr/bin:/bin", self.site.path("bin").display()));
        hook.env("PEERKEY_CONFIG_DIR", self.site.path("config"));
        hook.env("PEERKEY_STATE_DIR", self.site.path("state"));
        run(&mut hook)
    }

    fn renew_the_anchor(&self) {
        let other = packaging("examples/home-lab/anchors/home-root.pem");
        fs::copy(other, self.site.path("anchor.pem")).unwrap();
    }

    fn changed(&self) -> String {
        run(self.site.peerkey().args(["policy", "sources", "--changed"]))
            .expect_ok("sources")
            .stdout
    }
}

const WITH_AN_ANCHOR: &str = "version = 1\n[authority.corp]\nkind = \"x509\"\n\
    anchors = [\"../anchor.pem\"]\n[default]\naccept = { any = [\"application\"] }\n";

#[test]
fn anchors_that_others_changed_are_applied() {
    let machine = Hooked::new(WITH_AN_ANCHOR);
    let said = machine.run().expect_ok("without a change");
    assert_eq!(said.text(), "", "nothing to do: {said}");
    machine.renew_the_anchor();
    assert!(machine.changed().contains("anchor.pem"));
    let said = machine.run().expect_ok("with another anchor");
    assert!(said.stdout.contains("in force"), "{said}");
    assert_eq!(machine.changed(), "");
}

#[test]
fn a_policy_that_is_being_written_is_not_applied_by_others() {
    for (name, text) in [("config/policy.toml", SHIPPED), ("config/policy.d/more.toml", "\n")] {
        let machine = Hooked::new(WITH_AN_ANCHOR);
        machine.renew_the_anchor();
        machine.site.write(name, text);
        let said = machine.run().expect_ok("the hook");
        assert!(said.stderr.contains("not applied yet"), "{name}: {said}");
        assert!(machine.changed().contains("anchor.pem"), "{name}");
    }
}

#[test]
fn without_a_policy_the_hook_does_nothing() {
    let machine = Hooked::new(WITH_AN_ANCHOR);
    fs::remove_dir_all(machine.site.path("state")).unwrap();
    let said = machine.run().expect_ok("the hook");
    assert_eq!(said.text(), "");
}

#[test]
fn apparmor_reads_the_snippet() {
    let parser = Path::new("/usr/sbin/apparmor_parser");
    if !parser.exists() {
        return say("skipped: there is no apparmor_parser here to read the snippet with");
    }
    let site = Site::new();
    let snippet = packaging("apparmor/peerkey");
    let profile = format!(
        "#include <tunables/global>\nprofile peerkey-test /usr/bin/peerkey-test {{\n  #include \"{}\"\n}}\n",
        snippet.display()
    );
    let profile = site.write("profile", profile);
    let mut read = Command::new(parser);
    run(read.args(["--skip-kernel-load", "--skip-cache", "--stdout"]).arg(profile))
        .expect_ok("apparmor_parser");
}

/// Each file of what `make deb` made is where the toolchain wants it.
#[test]
fn packages_hold_what_they_should() {
    let folder = top().join("target/deb");
    let list = |name: &str| {
        let found =
            fs::read_dir(&folder).ok()?.flatten().map(|entry| entry.path()).find(|path| {
                let file = path.file_name().unwrap().to_string_lossy().into_owned();
                file.starts_with(&format!("{name}_")) && file.ends_with(".deb")
            })?;
        Some(
            run(Command::new("dpkg-deb").arg("--contents").arg(found)).expect_ok("dpkg-deb").stdout,
        )
    };
    let Some(command) = list("peerkey") else {
        return say("skipped: there are no packages to look into; make deb makes them");
    };
    let said = |option: &str| {
        let said = run(Command::new("openssl").args(["version", option])).stdout;
        said.split('"').nth(1).unwrap().to_owned()
    };
    let provider = list("peerkey-openssl").unwrap();
    assert!(provider.contains(&format!(".{}/peerkey.so\n", said("-m"))), "{provider}");
    let nss = list("peerkey-nss").unwrap();
    assert!(nss.contains("/pkcs11/peerkey-trust.so\n"), "{nss}");
    assert!(nss.contains("./usr/share/p11-kit/modules/peerkey.module\n"), "{nss}");
    for path in [
        "./usr/bin/peerkey\n",
        "./etc/peerkey/policy.toml\n",
        "./etc/peerkey/policy.d/\n",
        "./usr/share/man/man1/peerkey-apply.1.gz\n",
        "./usr/share/man/man5/peerkey-policy.5.gz\n",
        "./usr/share/doc/peerkey/examples/database/tests/database.toml\n",
        "./usr/share/bash-completion/completions/peerkey\n",
        "./etc/ca-certificates/update.d/peerkey\n",
    ] {
        assert!(command.contains(path), "{path}: {command}");
    }
    for line in [command, provider, nss].iter().flat_map(|list| list.lines()) {
        assert!(line.contains(" root/root "), "{line}");
        // A link has no mode of its own.
        let is_link = line.starts_with('l');
        assert!(!line[..10].contains('s') && (is_link || line.as_bytes()[8] != b'w'), "{line}");
    }
}
