//! What distributions ship, and what people make of it.

use std::fs;

use peerkey_tests::run::run;

use crate::Machine;

/// Debian 12: a start section, in which everything is commented out.
const DEBIAN: &str = "\
HOME = .
openssl_conf = openssl_init
config_diagnostics = 1
[openssl_init]
#providers = provider_sect
#ssl_conf = ssl_sect
[provider_sect]
default = default_sect
[default_sect]
# activate = 1
[ca]
default_ca = CA_default
";

/// Fedora: crypto-policies come by an include, whose file sets what TLS may do.
const FEDORA: &str = "\
openssl_conf = openssl_init
[openssl_init]
providers = provider_sect
ssl_conf = ssl_module
alg_section = evp_properties
[evp_properties]
[provider_sect]
default = default_sect
##legacy = legacy_sect
[default_sect]
activate = 1
[ssl_module]
system_default = crypto_policy
[crypto_policy]
.include = INCLUDED
[req]
default_bits = 2048
";

/// As for FIPS, with properties that say which provider is asked; Debian has no FIPS module.
const PROPERTIES: &str = "\
config_diagnostics = 1
openssl_conf = openssl_init
[openssl_init]
providers = provider_sect
alg_section = algorithm_sect
[provider_sect]
base = base_sect
default = default_sect
[base_sect]
activate = 1
[default_sect]
activate = 1
[algorithm_sect]
default_properties = provider=default
";

/// Without `default` activated, a list of providers takes all cryptography away.
const LEGACY: &str = "\
openssl_conf = openssl_init
nodejs_conf = openssl_init
[openssl_init]
providers = provider_sect
[provider_sect]
default = default_sect
legacy = legacy_sect
[default_sect]
activate = 1
[legacy_sect]
activate = 1
";

#[test]
fn each_is_switched_on_and_off_again() {
    let shapes = [
        ("Debian", DEBIAN.to_owned()),
        ("Fedora", FEDORA.to_owned()),
        ("properties", PROPERTIES.to_owned()),
        ("another provider", LEGACY.to_owned()),
        ("empty", String::new()),
        ("one comment without an end", "# nothing".to_owned()),
        ("DOS", DEBIAN.replace('\n', "\r\n")),
        ("a byte order mark", format!("\u{feff}{DEBIAN}")),
        ("the system's", fs::read_to_string("/etc/ssl/openssl.cnf").unwrap()),
        ("long", format!("{DEBIAN}{}", "# what nobody reads\n".repeat(50_000))),
    ];
    for (shape, text) in shapes {
        let machine = Machine::new("");
        let included = machine.site.write("crypto.config", "CipherString = DEFAULT@SECLEVEL=1\n");
        let text = text.replace("INCLUDED", included.to_str().unwrap());
        fs::write(&machine.file, &text).unwrap();
        let active = |said: &str| said.matches("status: active").count();
        let before = machine.openssl(&["list", "-providers"]);
        let said = machine.install();
        assert!(said.ok() && said.stdout.contains("is switched on in"), "{shape}: {said}");
        let after = machine.openssl(&["list", "-providers"]);
        assert!(after.stdout.contains("  peerkey\n"), "{shape}: {after}");
        assert_eq!(active(&after.stdout), active(&before.stdout) + 1, "{shape}: {after}");
        assert!(machine.openssl(&["dgst", "-sha256", "/dev/null"]).ok(), "{shape}");
        let installed = machine.text();
        let again = machine.install();
        assert!(again.ok() && again.stdout.contains("already, and works"), "{shape}: {again}");
        assert_eq!(machine.text(), installed, "{shape}");
        let off = machine.remove();
        assert!(off.ok() && off.stdout.contains("is what it was, to the octet"), "{shape}: {off}");
        assert_eq!(machine.text(), text, "{shape}");
        assert_eq!(machine.listing(), ["openssl.cnf"], "{shape}");
        let off = machine.remove();
        assert!(off.ok() && off.stdout.contains("has no lines of"), "{shape}: {off}");
    }
}

#[test]
fn a_dry_run_shows_the_difference() {
    let machine = Machine::new(DEBIAN);
    let said = run(&mut machine.command("install", &["--dry-run"]));
    assert!(said.ok() && said.stdout.contains("\n+[peerkey_default]\n+activate = 1\n"), "{said}");
    assert!(!said.stdout.contains("\n-"), "{said}");
    assert_eq!((machine.text().as_str(), machine.listing()), (DEBIAN, vec!["openssl.cnf".into()]));
    assert!(machine.install().ok());
    let installed = machine.text();
    let said = run(&mut machine.command("remove", &["--dry-run"]));
    assert!(said.ok() && said.stdout.contains("\n-[peerkey_default]\n-activate = 1\n"), "{said}");
    assert_eq!(machine.text(), installed);
}

#[test]
fn edited_meanwhile_only_peerkeys_lines_go() {
    let machine = Machine::new(DEBIAN);
    assert!(machine.install().ok());
    let edited = machine.text().replace("HOME = .", "HOME = /root") + "[mine]\nx = y\n";
    fs::write(&machine.file, edited).unwrap();
    let said = machine.remove();
    assert!(said.ok() && said.stdout.contains("was edited meanwhile"), "{said}");
    assert_eq!(machine.text(), DEBIAN.replace("HOME = .", "HOME = /root") + "[mine]\nx = y\n");
    assert_eq!(machine.listing(), ["openssl.cnf", "openssl.cnf.before-peerkey"]);
    assert_eq!(
        fs::read_to_string(machine.site.path("etc/openssl.cnf.before-peerkey")).unwrap(),
        DEBIAN
    );
}

#[test]
fn a_link_stays_one() {
    let mut machine = Machine::new(DEBIAN);
    let link = machine.site.path("link.cnf");
    std::os::unix::fs::symlink("etc/openssl.cnf", &link).unwrap();
    let file = std::mem::replace(&mut machine.file, link.clone());
    assert!(machine.install().ok());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&file).unwrap().contains("peerkey_section"));
    assert!(machine.remove().ok());
    assert_eq!(fs::read_to_string(&file).unwrap(), DEBIAN);
}
