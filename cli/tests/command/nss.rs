//! `nss`: plans, databases of NSS with its own tools, policies.json, exceptions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{CertificateParams, IsCa, KeyPair};

use crate::lab::{Ca, Lab, Ran, run};

/// A module of PKCS #11 that any database takes: NSS's own roots.
fn some_module() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let mut found =
        folders.map(|folder| folder.join("libnssckbi.so")).filter(|path| path.is_file());
    found.next().unwrap_or_else(|| panic!("no libnssckbi.so: apt install libnss3"))
}

/// A database of NSS, as its tool makes it.
fn database(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let args = ["-N", "--empty-password", "-d"];
    let place = format!("sql:{}", folder.display());
    let status = Command::new("certutil").args(args).arg(place).status();
    assert!(status.is_ok_and(|status| status.success()), "certutil: apt install libnss3-tools");
}

/// What NSS's tool lists.
fn modules(folder: &Path) -> String {
    let place = format!("sql:{}", folder.display());
    let output = Command::new("modutil").args(["-list", "-dbdir", &place]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A lab with a home of its own, in which Firefox has a profile.
fn at_home() -> (Lab, PathBuf) {
    let lab = Lab::with("version = 1\n", &[]);
    let profile = lab.path("home/.mozilla/firefox/one.default");
    database(&profile);
    lab.write(
        "home/.mozilla/firefox/profiles.ini",
        "[Profile0]\nName=one\nIsRelative=1\nPath=one.default\n",
    );
    (lab, profile)
}

fn nss(lab: &Lab, line: &str) -> Ran {
    run(lab
        .command()
        .env("HOME", lab.path("home"))
        .env_remove("PEERKEY_STATE_DIR")
        .arg("nss")
        .args(line.split_whitespace()))
}

#[test]
fn the_module_comes_and_goes_and_leaves_the_list_as_it_was() {
    let (lab, profile) = at_home();
    let shared = lab.path("home/.pki/nssdb");
    database(&shared);
    let lists = [&profile, &shared].map(|folder| folder.join("pkcs11.txt"));
    let before = lists.each_ref().map(|list| fs::read(list).unwrap());
    let module = some_module();
    let install = format!("install --all-profiles --module {}", module.display());
    for _ in 0..2 {
        let ran = nss(&lab, &install).is(0);
        ran.says("one.default (Firefox)").says("nssdb (NSS programs)").complains("started again");
    }
    assert_eq!(modules(&profile).matches(". peerkey").count(), 1, "{}", modules(&profile));
    let listed = nss(&lab, "list --json --root /nowhere").is(0).json();
    assert_eq!(listed["places"][0]["module"], module.to_str().unwrap());
    assert_eq!(listed["places"][0]["module-exists"], true);
    nss(&lab, "remove").is(0);
    assert_eq!(lists.each_ref().map(|list| fs::read(list).unwrap()), before);
    let left = fs::read_dir(&profile).unwrap().flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("peerkey")).collect();
    assert!(left.is_empty(), "{left:?}");
    nss(&lab, "list").is(0).says("one.default (Firefox): without peerkey");
    nss(&lab, "remove").is(0);
}

#[test]
fn a_module_that_somebody_added_since_stays() {
    let (lab, profile) = at_home();
    let module = some_module();
    nss(&lab, &format!("install --module {}", module.display())).is(0);
    // NSS takes one file once only.
    let other = lab.path("other.so");
    fs::copy(&module, &other).unwrap();
    let place = format!("sql:{}", profile.display());
    let added = Command::new("modutil")
        .args(["-force", "-dbdir", &place, "-add", "other", "-libfile"])
        .arg(&other)
        .output()
        .unwrap();
    assert!(added.status.success(), "{added:?}");
    nss(&lab, "remove").is(0);
    let list = modules(&profile);
    assert!(list.contains(". other") && !list.contains(". peerkey"), "{list}");
}

#[test]
fn the_module_is_told_where_the_policy_is() {
    let (lab, profile) = at_home();
    let state = lab.named("state");
    let install = format!("install --module {} --state-dir {state}", some_module().display());
    nss(&lab, &install).is(0);
    let list = fs::read_to_string(profile.join("pkcs11.txt")).unwrap();
    assert!(list.contains(&format!("parameters=state-dir={state}\n")), "{list}");
    let spaced = lab.named("a b");
    let module = some_module();
    let args = ["nss", "install", "--state-dir", &spaced, "--module", module.to_str().unwrap()];
    run(lab.command().env("HOME", lab.path("home")).args(args)).is(1).complains("without spaces");
}

#[test]
fn a_profile_in_use_is_not_touched() {
    let (lab, profile) = at_home();
    let before = fs::read(profile.join("pkcs11.txt")).unwrap();
    fs::write(profile.join(".parentlock"), "").unwrap();
    // Python's lockf is the fcntl lock that Firefox takes.
    let script = "import fcntl,sys; f=open(sys.argv[1],'r+'); fcntl.lockf(f,fcntl.LOCK_EX); \
                  print('held',flush=True); sys.stdin.read()";
    let mut holder = Command::new("python3")
        .args(["-c", script])
        .arg(profile.join(".parentlock"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 4];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
    let install = format!("install --module {}", some_module().display());
    let refused = nss(&lab, &install).is(1);
    refused.complains(&format!("process {}", holder.id())).complains("close the program");
    nss(&lab, "remove").is(1).complains("in use");
    assert_eq!(fs::read(profile.join("pkcs11.txt")).unwrap(), before);
    drop(holder.stdin.take());
    holder.wait().unwrap();
    nss(&lab, &install).is(0);
}

#[test]
fn what_fails_leaves_everything_as_it_was() {
    let (lab, profile) = at_home();
    let before = fs::read(profile.join("pkcs11.txt")).unwrap();
    let no_module = lab.write("no.so", "text");
    let args = format!("install --module {}", no_module.display());
    nss(&lab, &args).is(1).complains("modutil failed");
    assert_eq!(fs::read(profile.join("pkcs11.txt")).unwrap(), before);
    assert!(!profile.join("pkcs11.txt.before-peerkey").exists());
    nss(&lab, "install --module /not/here.so").is(1).complains("/not/here.so");
    let empty = lab.path("empty");
    fs::create_dir(&empty).unwrap();
    let module = some_module();
    let args = format!("install --module {} --profile {}", module.display(), empty.display());
    nss(&lab, &args).is(1).complains("no database of NSS").complains("certutil -N");
    let nowhere = run(lab
        .command()
        .env("HOME", lab.path("home"))
        .env("PATH", "/nowhere")
        .args(["nss", "install", "--module"])
        .arg(&module));
    nowhere.is(1).complains("apt install libnss3-tools");
    assert_eq!(fs::read(profile.join("pkcs11.txt")).unwrap(), before);
}

#[test]
fn every_users_programs_are_told_by_policies_json() {
    let lab = Lab::with("version = 1\n", &[]);
    let own = "{\"policies\": {\"DisableTelemetry\": true}}";
    let path = lab.write("root/etc/firefox/policies/policies.json", own);
    let (root, module) = (lab.named("root"), some_module());
    let install = format!("install --system --root {root} --module {}", module.display());
    nss(&lab, &install).is(0);
    let with: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(with["policies"]["SecurityDevices"]["Add"]["peerkey"], module.to_str().unwrap());
    assert_eq!(with["policies"]["DisableTelemetry"], true);
    assert!(lab.path("root/etc/thunderbird/policies/policies.json").exists());
    nss(&lab, &format!("remove --system --root {root}")).is(0);
    assert_eq!(fs::read_to_string(path).unwrap(), own);
    assert!(!lab.path("root/etc/thunderbird").exists());
    nss(&lab, &format!("{install} --state-dir /elsewhere")).is(1).complains("--state-dir");
}

const CLOSED: &str = "version = 1\n[authority.corp]\nkind = \"x509\"\nanchors = [\"ca.pem\"]\n\
                      [default]\naccept = { any = [\"corp\"] }\n";

#[test]
fn a_plan_says_how_true_nss_is_to_the_policy() {
    let ca = Ca::root("One").pem;
    let lab = Lab::with(CLOSED, &[("conf/ca.pem", &ca)]);
    let exact = nss(&lab, "plan").is(0);
    exact.says("EXACT     [default]").says("EXACT     authority corp").says("2 exact, 0 stricter");
    let scoped = CLOSED.replace("[default]", "peers = [\".corp.example\"]\n[default]");
    lab.write("conf/policy.toml", scoped);
    nss(&lab, "plan").is(0).says("STRICTER  authority corp").says("is refused whole");
    let laxer = CLOSED.replace("[default]\n", "[[deny]]\nspki = \"ca.pem\"\n[default]\n");
    lab.write("conf/policy.toml", laxer);
    nss(&lab, "plan").is(1).says("LAXER     denial").says("remedy: ");
    let document = nss(&lab, "plan --json").is(1).json();
    assert_eq!((&document["version"], &document["closed"]), (&1.into(), &true.into()));
    let denial = document["lines"].as_array().unwrap().iter().find(|l| l["kind"] == "denial");
    assert_eq!(denial.unwrap()["how"], "laxer");
    assert!(denial.unwrap()["laxer"][0]["remedy"].is_string());
    lab.write("conf/policy.toml", "version = 1\nmode = \"monitor\"\n");
    nss(&lab, "plan").is(0).says("NSS is told nothing");
    lab.write("conf/policy.toml", "version = 1\n[[rule]]\n");
    nss(&lab, "plan").is(2).complains("there is no plan");
}

/// A self-signed certificate that says that it is a CA's: Firefox takes it as an exception only.
fn device(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

#[test]
fn exceptions_are_put_into_a_profile_and_taken_out_with_their_pins() {
    let pins = "version = 1\n[authority.pins]\nkind = \"pin\"\n[[authority.pins.key]]\n\
                peer = \"router.lan\"\nspki = [\"router.pem\"]\n[default]\naccept = { any = [\"pins\"] }\n";
    let lab = Lab::with(pins, &[("conf/router.pem", &device(&["router.lan"]))]);
    let printed = nss(&lab, "overrides --port 443 --port 8443").is(0);
    printed.says("router.lan:443:\tOID.2.16.840.1.101.3.4.2.1\t").says("router.lan:8443:\t");
    let profile = lab.path("profile");
    database(&profile);
    let other = "# mine\nshop.example:443:\tOID.1\tAA\tU\tAAAA\n";
    let path = lab.write("profile/cert_override.txt", other);
    let merge = format!("overrides --profile {}", profile.display());
    nss(&lab, &merge).is(0).says("1 exception");
    let with = fs::read_to_string(&path).unwrap();
    assert!(with.starts_with(other) && with.contains("router.lan:443:"), "{with}");
    lab.write("conf/policy.toml", "version = 1\n");
    nss(&lab, &merge).is(0).says("0 exceptions");
    assert_eq!(fs::read_to_string(&path).unwrap(), other);
    lab.write("conf/policy.toml", pins);
    nss(&lab, &merge).is(0);
    nss(&lab, &format!("remove --profile {}", profile.display())).is(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), other);
}
