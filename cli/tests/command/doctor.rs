//! `doctor`, on a root of its own with one fault each.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::lab::{Ca, Lab, Ran, run};

const STRICT: &str = "version = 1\n[[deny]]\nspki = \
     'sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='\nreason = 'a test'\n";

/// A program `openssl` that does what the proof wants of it: it lists peerkey, hashes nothing as it should
/// be hashed, and visits two servers, of which it refuses the second. (The real one is in the other suite.)
const OPENSSL: &str = "\
case \"$1\" in
list) printf 'Providers:\\n  default\\n    status: active\\n  peerkey\\n    status: active\\n' ;;
dgst) echo e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 ;;
s_client) if mkdir \"$VISITED\" 2>/dev/null; then exit 0; fi
  rmdir \"$VISITED\"; echo \"a test of peerkey's own\" >&2; exit 1 ;;
esac
";

struct Machine(Lab);

impl Machine {
    fn new(policy: &str) -> Self {
        let lab = Lab::with(policy, &[]);
        let openssl = lab.write("bin/openssl", format!("#!/bin/sh\n{OPENSSL}"));
        fs::set_permissions(openssl, PermissionsExt::from_mode(0o755)).unwrap();
        lab.write(
            "openssl.cnf",
            format!(
                "openssl_conf = i\nnodejs_conf = i\nconfig_diagnostics = 1\n[i]\nproviders = p\n[p]\n\
                 default = d\npeerkey = k\n[d]\nactivate = 1\n[k]\nmodule = peerkey.so\nactivate = 1\n\
                 state-dir = {}\n",
                lab.named("state")
            ),
        );
        fs::create_dir(lab.path("root")).unwrap();
        Self(lab)
    }

    /// A file below the root.
    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.0.write(&format!("root/{name}"), content);
        self
    }

    fn doctor(&self, more: &[&str]) -> Ran {
        let mut command = self.0.command();
        command.env("PATH", format!("{}:/usr/bin:/bin", self.0.named("bin")));
        command.env("VISITED", self.0.path("visited"));
        command.args(["doctor", "--config", &self.0.named("openssl.cnf")]);
        command.args(["--root", &self.0.named("root")]);
        run(command.args(more))
    }

    #[track_caller]
    fn finds(&self, status: i32, words: &[&str]) {
        let mut said = self.doctor(&[]).is(status);
        for word in words {
            said = said.says(word);
        }
    }
}

const UNPROTECTED: i32 = 2;

#[test]
fn a_clean_machine_is_clean() {
    let machine = Machine::new(STRICT);
    machine.finds(0, &["all is well", "as it was published", "no service away"]);
    let document = machine.doctor(&["--json"]).is(0).json();
    assert_eq!(document["severity"], "well");
    let checks = document["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["severity"] == "well"), "{document:#}");
}

#[test]
fn a_policy_that_decides_nothing() {
    let machine = Machine::new("version = 1\n");
    machine.finds(0, &["note", "it changes nothing: each program's own verification decides"]);
    let machine = Machine::new("version = 1\nmode = 'monitor'\n");
    machine.finds(UNPROTECTED, &["the policy only monitors"]);
    let rule = "version = 1\n[[rule]]\npeers = ['a.example']\nmode = 'monitor'\naccept = { any = \
                ['application'] }\n";
    Machine::new(rule).finds(1, &["1 rule is only monitored", "policy.toml:2"]);
    let machine = Machine::new(STRICT);
    fs::remove_file(machine.0.path("state/policy-1.db")).unwrap();
    machine.finds(UNPROTECTED, &["no policy is in force", "do: peerkey apply"]);
}

#[test]
fn a_policy_that_is_off_or_waits() {
    let machine = Machine::new("version = 1\n");
    machine.0.peerkey("off --for 1h").is(0);
    machine.finds(UNPROTECTED, &["peerkey is off until", "do: peerkey on"]);
    machine.0.peerkey("on").is(0);
    machine.0.write("conf/policy.toml", STRICT);
    machine.0.peerkey("apply --confirm 1h").is(0);
    machine.finds(1, &["the policy goes back to the one before at", "do: peerkey confirm"]);
    machine.0.peerkey("confirm").is(0);
    machine.finds(0, &["all is well"]);
}

#[test]
fn a_policy_of_other_sources_or_damaged() {
    let (ca, other) = (Ca::root("One"), Ca::root("Two"));
    let policy = "version = 1\n[authority.a]\nkind = 'x509'\nanchors = ['ca.pem']\n[default]\naccept = { \
                  any = ['a'] }\n";
    let machine = Machine::new(STRICT);
    machine.0.write("conf/ca.pem", &ca.pem);
    machine.0.write("conf/policy.toml", policy);
    machine.finds(1, &["the policy was edited since it was applied", "policy.toml has changed"]);
    machine.0.peerkey("apply").is(0);
    machine.finds(0, &["all is well"]);
    machine.0.write("conf/ca.pem", other.pem);
    machine.finds(1, &["anchors, CRLs or keys changed", "ca.pem has changed"]);
    machine.0.write("conf/policy.toml", "version = 2\n");
    machine.finds(1, &["1 error in the policy's sources"]);
    let path = machine.0.path("state/policy-1.db");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
    machine.finds(UNPROTECTED, &["no program can use the policy"]);
}

#[test]
fn an_anchor_that_expired() {
    let machine = Machine::new(STRICT);
    machine.0.write("conf/ca.pem", Ca::expired("Old").pem);
    let policy = "version = 1\n[authority.a]\nkind = 'x509'\nanchors = ['ca.pem']\n[default]\naccept = { \
                  any = ['a'] }\n";
    machine.0.write("conf/policy.toml", policy);
    machine.0.peerkey("apply").is(0);
    machine.finds(1, &["expired, and vouching for nothing: 1 anchor", "a: ", "since 2001-"]);
}

#[test]
fn rights_and_owners() {
    let change = |name: &str, mode: u32| {
        let machine = Machine::new(STRICT);
        fs::set_permissions(machine.0.path(name), PermissionsExt::from_mode(mode)).unwrap();
        machine
    };
    let takes_none = "others may write it, so that no program takes the policy";
    change("state", 0o777).finds(UNPROTECTED, &[takes_none, "do: chmod go-w"]);
    change("state/policy-1.db", 0o666).finds(UNPROTECTED, &[takes_none]);
    change("state/policy-1.db", 0o600)
        .finds(UNPROTECTED, &["not everybody may read it", "chmod go+r"]);
    change("state", 0o700).finds(UNPROTECTED, &["not everybody may read it", "chmod go+rx"]);
    let decides = "others than its owner may write it, and so decide what is accepted";
    change("conf", 0o775).finds(UNPROTECTED, &[decides]);
    change("conf/policy.toml", 0o646).finds(UNPROTECTED, &[decides]);
    change("openssl.cnf", 0o666).finds(UNPROTECTED, &[decides]);
    let machine = Machine::new(STRICT);
    fs::create_dir_all(machine.0.path("state/uid/7")).unwrap();
    machine.finds(1, &["is to be uid 7's alone"]);
}

#[test]
fn services_with_another_configuration() {
    let found = "without peerkey, and not openssl.cnf";
    let unit = "[Service]\nEnvironment=A=b \"OPENSSL_CONF=/etc/other.cnf\"\n";
    let machine = Machine::new(STRICT).with("etc/systemd/system/x.service", unit);
    machine.finds(UNPROTECTED, &["OPENSSL_CONF=/etc/other.cnf", found, "x.service"]);
    let unit = "[Service]\nEnvironment=A=b \\\n  OPENSSL_CONF=\n";
    let machine = Machine::new(STRICT).with("usr/lib/systemd/system/y.service.d/z.conf", unit);
    machine.finds(UNPROTECTED, &["unprotected  OPENSSL_CONF=: ", found, "z.conf"]);
    let unit = "[Service]\nEnvironmentFile=-/etc/default/w\n";
    let machine = Machine::new(STRICT)
        .with("lib/systemd/system/w.service", unit)
        .with("etc/default/w", "# what\nexport OPENSSL_CONF='/dev/null'\n");
    machine.finds(UNPROTECTED, &["OPENSSL_CONF=/dev/null", found, "w.service"]);
    let machine = Machine::new(STRICT).with("etc/environment", "OPENSSL_CONF=/x\n");
    machine.finds(UNPROTECTED, &["OPENSSL_CONF=/x", "etc/environment"]);
    // The same file by another name, and another that names peerkey too.
    let machine = Machine::new(STRICT);
    symlink(machine.0.path("openssl.cnf"), machine.0.path("link.cnf")).unwrap();
    fs::copy(machine.0.path("openssl.cnf"), machine.0.path("copy.cnf")).unwrap();
    let unit =
        |name: &str| format!("[Service]\nEnvironment=OPENSSL_CONF={}\n", machine.0.named(name));
    machine.0.write("root/etc/systemd/system/x.service", unit("link.cnf"));
    machine.finds(0, &["leads no service away"]);
    machine.0.write("root/etc/systemd/system/x.service", unit("copy.cnf"));
    machine.finds(0, &["note", "names peerkey too"]);
}

/// A process that was found in /proc.
fn process(machine: &Machine, pid: u32, program: &str, maps: &[&str], environment: &str) {
    let folder = format!("root/proc/{pid}");
    let lines = maps.iter().map(|path| format!("7f0-7f1 r-xp 0000 fe:01 12 {path}\n"));
    machine.0.write(&format!("{folder}/maps"), lines.collect::<String>());
    machine.0.write(&format!("{folder}/environ"), environment);
    symlink(program, machine.0.path(&format!("{folder}/exe"))).unwrap();
}

#[test]
fn processes_and_what_they_have() {
    let machine = Machine::new(STRICT);
    let (ssl, own) = ("/usr/lib/libssl.so.3", "/usr/lib/ossl-modules/peerkey.so");
    machine.0.write("root/proc/stat", "cpu 1\nbtime 1000\n");
    process(&machine, 10, "/usr/sbin/nginx", &[ssl, own], "");
    machine.finds(0, &["1 process loaded peerkey"]);
    process(&machine, 11, "/usr/sbin/apache2", &[ssl], "");
    machine.0.write("root/proc/11/stat", format!("11 (a b) x) {}5000 0", "0 ".repeat(19)));
    machine.finds(UNPROTECTED, &["1 process with OpenSSL began before", "11 /usr/sbin/apache2"]);
    machine.0.write("root/proc/11/stat", format!("11 (a) {}999999999999 0", "0 ".repeat(19)));
    machine.finds(0, &["1 process with OpenSSL but without peerkey"]);
    process(&machine, 12, "/usr/bin/psql", &[ssl, &format!("{own} (deleted)")], "");
    machine.finds(1, &["still use a peerkey.so that was replaced", "12 /usr/bin/psql"]);
    let others = ["/usr/lib/libgnutls.so.30", "/opt/lib/libssl.so.1.1"];
    process(&machine, 13, "/usr/bin/other", &others, "");
    machine.finds(
        1,
        &["1 process with GnuTLS", "1 process with OpenSSL before 3", "13 /usr/bin/other"],
    );
    process(&machine, 14, "/usr/bin/led", &[own], "A=b\0OPENSSL_CONF=/srv/x.cnf\0");
    machine.finds(UNPROTECTED, &["OPENSSL_CONF=/srv/x.cnf", "14 /usr/bin/led"]);
}

/// The program ls, which asks for libselinux.so.1, with something else in a text of its own.
fn like_ls(old: &str, new: &str) -> Vec<u8> {
    let mut ls = fs::read("/bin/ls").unwrap();
    let old = [old.as_bytes(), b"\0"].concat();
    let places: Vec<_> =
        (0..ls.len() - old.len()).filter(|at| ls[*at..].starts_with(&old)).collect();
    assert!(!places.is_empty());
    for at in places {
        let (text, rest) = ls[at..at + old.len()].split_at_mut(new.len());
        text.copy_from_slice(new.as_bytes());
        rest.fill(0);
    }
    ls
}

#[test]
fn installed_programs_beyond_reach() {
    let machine = Machine::new(STRICT);
    let put = |name: &str, mut content: Vec<u8>, text: &str| {
        if !text.is_empty() {
            content.resize(700 << 10, 0);
            content.extend_from_slice(text.as_bytes());
            content.resize(800 << 10, 0);
        }
        let path = machine.0.write(&format!("root/usr/bin/{name}"), content);
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    };
    let ls = || fs::read("/bin/ls").unwrap();
    put("gnu", like_ls("libselinux.so.1", "libgnutls.so.30"), "");
    put("old", like_ls("libselinux.so.1", "libssl.so.1.1"), "");
    put("ours", like_ls("libselinux.so.1", "libssl.so.3"), "");
    put("deep", like_ls("libselinux.so.1", "libother.so.1"), "");
    put("lone", ls(), "");
    put("rust", ls(), "/registry/rustls-0.23.1/src/lib.rs");
    put("boring", ls(), "BoringSSL OPENSSL_CONF\0");
    put("static", ls(), "OpenSSL 3.0.19 OPENSSL_CONF\0");
    put("older", ls(), "OpenSSL 1.1.1w OPENSSL_CONF\0");
    put("gopher", like_ls(".gnu_debuglink", ".go.buildinfo"), "crypto/tls.(*Conn).Handshake");
    put("script", b"#!/bin/sh\n# libgnutls.so.30 BoringSSL\n".to_vec(), "BoringSSL");
    let library = machine.0.write(
        "root/usr/lib/x86_64-linux-gnu/libother.so.1",
        like_ls("libselinux.so.1", "libgnutls.so.30"),
    );
    assert!(library.exists());
    let document = machine.doctor(&["--json"]).is(0).json();
    let of = |words: &str| {
        let checks = document["checks"].as_array().unwrap();
        let check = checks.iter().find(|c| c["finding"].as_str().unwrap().contains(words));
        let items = check.unwrap_or_else(|| panic!("{words}: {document:#}"))["items"].as_array();
        let names = items.unwrap().iter().map(|item| Path::new(item.as_str().unwrap()).file_name());
        names.map(|name| name.unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("with GnuTLS"), ["deep", "gnu"]);
    assert_eq!(of("OpenSSL before 3"), ["old", "older"]);
    assert_eq!(of("rustls"), ["rust"]);
    assert_eq!(of("BoringSSL"), ["boring"]);
    assert_eq!(of("Go's own"), ["gopher"]);
    assert_eq!(of("a copy of OpenSSL 3"), ["static"]);
    machine.finds(0, &["of 11 programs, 1 with OpenSSL as a library"]);
}

/// A home with one profile of Firefox, and its list of modules.
fn firefox(machine: &Machine, modules: &str) {
    machine.0.write("root/etc/passwd", "me:x:1:1::/home/me:/bin/sh\n");
    let base = "root/home/me/.mozilla/firefox";
    machine.0.write(&format!("{base}/profiles.ini"), "[Profile0]\nIsRelative=1\nPath=p\n");
    machine.0.write(&format!("{base}/p/pkcs11.txt"), modules);
}

#[test]
fn nss_and_what_keeps_it_from_asking() {
    let machine = Machine::new(STRICT);
    firefox(&machine, "library=/nowhere/peerkey-trust.so\nname=peerkey\n");
    machine.finds(UNPROTECTED, &["names /nowhere/peerkey-trust.so, which is not there"]);
    let module = machine.0.write("peerkey-trust.so", "x").display().to_string();
    let ours = format!("library={module}\nname=peerkey\nNSS=trustOrder=100\n");
    firefox(&machine, &ours);
    machine.finds(0, &["peerkey's module is in 1 place"]);
    firefox(&machine, &format!("{ours}\nlibrary=/c.so\nname=card\nNSS=trustOrder=60\n"));
    machine.finds(UNPROTECTED, &["other modules are asked before", "card (trust order 60)"]);
    firefox(&machine, &ours);
    let preferences = "root/home/me/.mozilla/firefox/p";
    let line = |value| {
        format!("user_pref(\"security.utility_pkcs11_module_process.enabled\", {value});\n")
    };
    machine.0.write(&format!("{preferences}/prefs.js"), line("true"));
    machine.finds(UNPROTECTED, &["Firefox does not load peerkey's module"]);
    machine.0.write(&format!("{preferences}/user.js"), line("false"));
    machine.finds(0, &["all is well"]);
    let policies = "{\"policies\":{\"SecurityDevices\":{\"Delete\":[\"peerkey\"]}}}";
    machine.0.write("root/etc/firefox/policies/policies.json", policies);
    machine.finds(UNPROTECTED, &["takes peerkey's module out of every profile"]);
    fs::remove_file(machine.0.path("root/etc/firefox/policies/policies.json")).unwrap();
    process(&machine, 20, "/usr/lib/firefox/firefox", &["/usr/lib/firefox/libxul.so"], "");
    machine.finds(UNPROTECTED, &["runs without peerkey's module", "20 /usr/lib/firefox/firefox"]);
}

#[test]
fn an_apparmor_profile_in_the_way() {
    let machine = Machine::new(STRICT)
        .with("sys/kernel/security/apparmor/profiles", "ntpd (complain)\nweb (enforce)\n");
    process(&machine, 30, "/usr/sbin/web", &["/usr/lib/libssl.so.3", "/usr/lib/peerkey.so"], "");
    machine.0.write("root/proc/30/attr/current", "web (enforce)\n");
    let profile =
        "profile web /usr/sbin/web {\n  include <abstractions/openssl>\n  /etc/** r,\n}\n";
    machine.0.write("root/etc/apparmor.d/usr.sbin.web", profile);
    machine.0.write(
        "root/etc/apparmor.d/abstractions/openssl",
        "include if exists <abstractions/openssl.d>\n",
    );
    let words = ["AppArmor, web: an enforced profile", "policy-1.db r", "apparmor_parser -r"];
    machine.finds(UNPROTECTED, &words);
    let state = fs::canonicalize(machine.0.path("state")).unwrap();
    let rule = format!("{}/{{,**}} r,\n", state.display());
    machine.0.write("root/etc/apparmor.d/abstractions/openssl.d/peerkey", rule);
    machine.finds(0, &["AppArmor, SELinux: not in the way"]);
}

#[test]
fn selinux_labels_in_the_way() {
    let machine = Machine::new(STRICT).with("sys/fs/selinux/enforce", "1");
    let label = |kind: &str| {
        let label = format!("system_u:object_r:{kind}:s0\0");
        let flags = rustix::fs::XattrFlags::empty();
        let set = |path| rustix::fs::setxattr(path, "security.selinux", label.as_bytes(), flags);
        ["state", "state/policy-1.db"].iter().all(|name| set(machine.0.path(name)).is_ok())
    };
    if !label("user_tmp_t") {
        eprintln!("files cannot be labelled here");
        return;
    }
    machine.finds(UNPROTECTED, &["SELinux enforces, and its type is user_tmp_t", "restorecon"]);
    assert!(label("cert_t"));
    machine.finds(0, &["not in the way"]);
}
