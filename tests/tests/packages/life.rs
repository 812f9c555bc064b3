//! Packages on a fresh root: installed, switched on, upgraded, removed, purged. What was there before is there after.

use std::path::Path;

use peerkey_tests::fresh::{difference, packages, readme_blocks, say};
use peerkey_tests::server::free_port;

use super::root::{Root, later_packages};
use super::top;

const INSTALL: &str = "dpkg --install /packages/*.deb";

/// A TLS server of a device with a certificate that nobody signed, for as long as the script runs, and what curl says of
/// it: its exit status and its words.
fn asked(root: &Root) -> (i32, String) {
    let script = format!(
        "[ -e /device.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
           -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
           -addext basicConstraints=critical,CA:FALSE -keyout /device.key -out /device.pem 2>/dev/null
         openssl s_server -quiet -www -accept {port} -cert /device.pem -key /device.key >/dev/null 2>&1 &
         for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
             ! (: </dev/tcp/127.0.0.1/{port}) 2>/dev/null || break
             sleep 0.2
         done
         status=0
         curl -sS -o /dev/null https://localhost:{port}/ || status=$?
         kill %1
         echo \"curl: $status\"",
        port = free_port()
    );
    let said = root.run(&script).expect_ok("curl and its server");
    let status = said.stdout.lines().find_map(|line| line.strip_prefix("curl: ")).unwrap();
    (status.parse().unwrap(), said.stderr)
}

fn ask(root: &Root) -> i32 {
    asked(root).0
}

const PINNED: &str = r#"version = 1
[authority.devices]
kind = "pin"
[[authority.devices.key]]
peer = "localhost"
spki = ["/device.pem"]
[[rule]]
peers = ["localhost"]
accept = { any = ["devices"] }
"#;
const DENIED: &str = r#"version = 1
[[deny]]
spki = "/device.pem"
reason = "published"
"#;

fn write_policy(root: &Root, text: &str) {
    root.does(&format!("cat >/etc/peerkey/policy.toml <<'END'\n{text}END\n"));
}

fn apply(root: &Root, text: &str) {
    write_policy(root, text);
    root.does("peerkey apply");
}

#[test]
#[ignore = "slow: make test-packages"]
fn installed_switched_on_removed_and_purged() {
    let Some(root) = Root::fresh() else { return };
    let before = root.etc();
    assert_eq!(ask(&root), 60, "curl refuses by itself");
    root.does(INSTALL);
    let installed = difference(&before, &root.etc());
    assert!(installed.iter().all(|line| line.starts_with("+ ")), "all else stays: {installed:#?}");
    assert!(!installed.iter().any(|line| line.contains("openssl.cnf")), "{installed:#?}");
    root.does("peerkey policy sources | grep -q /etc/peerkey/policy.toml");
    apply(&root, PINNED);
    assert_eq!(ask(&root), 60, "nothing is switched on by itself");

    root.does("peerkey install openssl");
    assert_eq!(ask(&root), 0, "the policy accepts");
    apply(&root, DENIED);
    let (status, words) = asked(&root);
    assert!(status != 0 && words.contains("published"), "the policy refuses: {status} {words}");
    root.does("peerkey policy rollback");
    assert_eq!(ask(&root), 0, "the policy before is back");

    root.does("dpkg --remove peerkey peerkey-openssl peerkey-nss");
    root.does("test -e /etc/peerkey/policy.toml && test -e /var/lib/peerkey/policy-1.db");
    let removed = difference(&before, &root.etc());
    assert!(removed.iter().all(|line| line.starts_with("+ ")), "all is as it was: {removed:#?}");
    assert!(!removed.iter().any(|line| line.contains("openssl.cnf")), "{removed:#?}");
    assert_eq!(ask(&root), 60, "curl is as it was");

    root.does("dpkg --purge peerkey peerkey-openssl peerkey-nss");
    root.does("! test -e /var/lib/peerkey");
    let left = difference(&before, &root.etc());
    assert_eq!(left, [""; 0], "/etc is as it was");
}

#[test]
#[ignore = "slow: make test-packages"]
fn an_upgrade_keeps_the_policy_and_applies_nothing() {
    let Some(root) = Root::fresh() else { return };
    root.does(INSTALL);
    assert_eq!(ask(&root), 60);
    apply(&root, PINNED);
    root.does("peerkey install openssl");
    let edited = format!("{DENIED}# not applied yet\n");
    write_policy(&root, &edited);
    root.bring("later", later_packages());
    let before = root.etc();
    root.does("dpkg --install /later/*.deb");
    assert!(root.does("dpkg-query -W -f '${Version}' peerkey-openssl").starts_with("99"));
    assert_eq!(difference(&before, &root.etc()), [""; 0], "/etc is as it was");
    assert!(root.does("peerkey policy sources --changed").contains("policy.toml"));
    assert_eq!(ask(&root), 0, "the policy in force is the one that was applied");
}

#[test]
#[ignore = "slow: make test-packages"]
fn what_was_edited_meanwhile_keeps_its_edits() {
    let Some(root) = Root::fresh() else { return };
    root.does(INSTALL);
    root.does("peerkey install openssl");
    root.does("echo '# an edit' >>/etc/ssl/openssl.cnf");
    root.does("dpkg --remove peerkey-openssl");
    let text = root.does("cat /etc/ssl/openssl.cnf");
    assert!(text.ends_with("# an edit\n") && !text.contains("peerkey"), "{text}");
    root.does("openssl list -providers | grep -q default");
    root.does("test -e /etc/ssl/openssl.cnf.before-peerkey");
    root.does("dpkg --purge peerkey-nss peerkey");
    root.does("! test -e /etc/ssl/openssl.cnf.before-peerkey");
}

/// All that `peerkey install` writes, the lean trust and p11-kit's file, too.
#[test]
#[ignore = "slow: make test-packages"]
fn nothing_of_install_outlives_the_packages() {
    let Some(root) = Root::fresh() else { return };
    let before = root.etc();
    root.does("dpkg --install /packages/peerkey_*.deb /packages/peerkey-openssl_*.deb");
    let policy = "version = 1\n[authority.web]\nkind = \"x509\"\n\
                  anchors = [\"/etc/ssl/certs/ca-certificates.crt\"]\n[default]\naccept = { any = [\"web\"] }\n";
    apply(&root, policy);
    root.does(
        "dpkg-deb --extract /packages/peerkey-nss_*.deb /elsewhere
         peerkey install --yes --nss-module /elsewhere/usr/lib/*/pkcs11/peerkey-trust.so
         peerkey install --lean-trust
         ls /etc/pkcs11/modules/peerkey.module /etc/profile.d/peerkey-lean-trust.sh /etc/firefox/policies/*",
    );
    root.does("dpkg --remove peerkey-openssl");
    root.does("! ls /etc/profile.d/peerkey* /etc/environment.d/*peerkey*");
    root.does("grep -q peerkey-trust.so /etc/firefox/policies/policies.json");
    root.does("dpkg --remove peerkey");
    let removed = difference(&before, &root.etc());
    let names = ["openssl.cnf", "/pkcs11", "/firefox", "/thunderbird", "-trust"];
    let left = removed.iter().filter(|line| names.iter().any(|name| line.contains(name)));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{removed:#?}");
    root.does("dpkg --purge peerkey peerkey-openssl");
    assert_eq!(difference(&before, &root.etc()), [""; 0], "/etc is as it was");
}

/// The policy was written by the administrator, and another one comes with the package: dpkg asks.
#[test]
#[ignore = "slow: make test-packages"]
fn dpkg_asks_about_a_policy_that_changed_on_both_sides() {
    let Some(root) = Root::fresh() else { return };
    root.does(INSTALL);
    assert_eq!(ask(&root), 60, "the device is new");
    apply(&root, PINNED);
    root.does("peerkey install openssl");
    assert_eq!(ask(&root), 0);
    root.bring("later", later_packages());
    root.does(
        "cd /later; dpkg-deb --raw-extract peerkey_*.deb tree; rm peerkey_*.deb
         echo '# another one' >>tree/etc/peerkey/policy.toml; dpkg-deb --build tree peerkey.deb; rm -r tree",
    );
    let upgrade = "dpkg --install /later/*.deb";
    let said = root.run(upgrade);
    assert!(
        !said.ok() && said.text().contains("/etc/peerkey/policy.toml"),
        "nobody answers: {said}"
    );
    assert_eq!(ask(&root), 0, "what was applied is in force all the same");
    let said = root.run("printf 'N\\n' | dpkg --configure --pending").expect_ok("an answer");
    assert!(said.text().contains("Configuration file '/etc/peerkey/policy.toml'"), "{said}");
    root.does(
        "grep -q devices /etc/peerkey/policy.toml; test -e /etc/peerkey/policy.toml.dpkg-dist",
    );
    root.does("peerkey apply");
    assert_eq!(ask(&root), 0, "the own one is kept");
    root.does("dpkg --force-downgrade --force-confold --install /packages/*.deb");
    root.does(&format!("printf 'Y\\n' | {upgrade}"));
    root.does("grep -q '# another one' /etc/peerkey/policy.toml; test -e /etc/peerkey/policy.toml.dpkg-old");
    assert_eq!(ask(&root), 0, "and the other one is not applied by itself");
    root.does("peerkey policy sources --changed | grep -q policy.toml; peerkey apply");
    assert_eq!(ask(&root), 60, "by hand it is");
    root.does("dpkg --purge peerkey peerkey-openssl peerkey-nss; ! ls -d /etc/peerkey");
}

#[test]
#[ignore = "slow: make test-packages"]
fn what_cannot_be_switched_off_is_not_removed() {
    let Some(root) = Root::fresh() else { return };
    root.does(INSTALL);
    root.does("peerkey install openssl");
    root.does("cp /etc/ssl/openssl.cnf /kept && sed -i '0,/^# peerkey: end/{/^# peerkey: end/d}' /etc/ssl/openssl.cnf");
    let said = root.run("dpkg --remove peerkey-openssl");
    assert!(!said.ok() && said.stderr.contains("half of peerkey's lines"), "{said}");
    root.does("test -e $(openssl version -m | cut -d'\"' -f2)/peerkey.so");
    root.does("cp /kept /etc/ssl/openssl.cnf && dpkg --remove peerkey-openssl");
    root.does("! grep peerkey /etc/ssl/openssl.cnf");
}

#[test]
#[ignore = "slow: make test-packages"]
fn nss_is_taken_out_of_the_system() {
    let Some(root) = Root::fresh() else { return };
    let before = root.etc();
    root.does(INSTALL);
    root.does("mkdir -p /etc/firefox/policies && echo '{\"policies\": {}}' >/etc/firefox/policies/policies.json");
    root.does("peerkey nss install --system && grep -q peerkey-trust.so /etc/firefox/policies/policies.json");
    root.does("dpkg --remove peerkey-nss");
    assert_eq!(root.does("cat /etc/firefox/policies/policies.json"), "{\"policies\": {}}\n");
    root.does("dpkg --purge peerkey-openssl peerkey-nss peerkey && rm -r /etc/firefox");
    root.does("rmdir /etc/thunderbird/policies /etc/thunderbird 2>/dev/null || true");
    let left = difference(&before, &root.etc());
    assert_eq!(left, [""; 0], "/etc is as it was");
}

#[test]
#[ignore = "slow: make test-packages"]
fn a_new_ca_of_the_machine_is_applied() {
    let Some(root) = Root::fresh() else { return };
    root.does(INSTALL);
    let policy = "version = 1\n[authority.web]\nkind = \"x509\"\n\
                  anchors = [\"/etc/ssl/certs/ca-certificates.crt\"]\n[default]\naccept = { any = [\"web\"] }\n";
    apply(&root, policy);
    root.bring(
        "usr/local/share/ca-certificates",
        [top().join("packaging/examples/company/anchors/corp-root.pem")],
    );
    root.does("cd /usr/local/share/ca-certificates && mv corp-root.pem corp-root.crt");
    let said = root.does("update-ca-certificates 2>&1");
    assert!(said.contains("the policy is in force"), "{said}");
    assert_eq!(root.does("peerkey policy sources --changed"), "");
    write_policy(&root, &format!("{policy}# being written\n"));
    root.does("rm /usr/local/share/ca-certificates/corp-root.crt");
    let said = root.does("update-ca-certificates --fresh 2>&1");
    assert!(said.contains("not applied yet"), "{said}");
    root.does(
        "dpkg --remove peerkey-openssl peerkey-nss peerkey && update-ca-certificates --fresh",
    );
}

#[test]
#[ignore = "slow: make test-packages"]
fn a_policy_with_a_mistake_does_not_stop_an_installation() {
    let Some(root) = Root::fresh() else { return };
    root.does(INSTALL);
    root.does("dpkg --remove peerkey-openssl peerkey-nss peerkey && rm -r /var/lib/peerkey");
    root.does("echo 'version = 2' >/etc/peerkey/policy.toml");
    let said = root.run(INSTALL).expect_ok("the installation");
    assert!(said.stderr.contains("no policy is in force"), "{said}");
    assert!(!root.run("peerkey install openssl").ok(), "without a policy nothing is switched on");
}

/// With this machine's rpm, and without what these packages need: no RPM distribution is here to be had.
#[test]
#[ignore = "slow: make test-packages"]
fn rpm_packages_come_and_go() {
    if !Path::new("/usr/bin/rpm").exists() {
        return say("skipped: there is no rpm here to install with");
    }
    let Some(root) = Root::fresh() else { return };
    let before = root.etc();
    root.bring("packages", packages("rpm"));
    let rpm = "rpm --root=$PWD/root --dbpath /var/lib/rpm";
    root.beside(&format!("{rpm} --nodeps --install root/packages/*.rpm"))
        .expect_ok("rpm --install");
    root.does("peerkey policy sources | grep -q /etc/peerkey/policy.toml");
    root.does("peerkey install openssl");
    root.does("openssl list -providers | grep -q peerkey");
    root.beside(&format!("{rpm} --erase peerkey peerkey-openssl peerkey-nss"))
        .expect_ok("rpm --erase");
    assert_eq!(difference(&before, &root.etc()), [""; 0], "/etc is as it was");
    root.does("test -e /var/lib/peerkey/policy-1.db");
}

/// The README's lines for administrators, as they are typed by root.
#[test]
#[ignore = "slow: make test-packages"]
fn the_readme_installs_and_removes() {
    let Some(root) = Root::fresh() else { return };
    // apt is not to ask, nor to fetch what is only recommended.
    root.does(
        "printf 'APT::Get::Assume-Yes \"true\";\\nAPT::Install-Recommends \"false\";\\n' \
         >/etc/apt/apt.conf.d/answers",
    );
    let before = root.etc();
    root.does("mkdir -p /root/target && ln -s /packages /root/target/deb");
    // systemctl has nobody to talk to in a root of files alone, and make deb has been run.
    let typed = |line: &&str| !line.starts_with("make ") && !line.contains("systemctl");
    for block in readme_blocks() {
        let lines: Vec<_> = block.lines().filter(typed).collect();
        let said = root.run(&format!("cd /root\n{}", lines.join("\n")));
        assert!(said.ok(), "{said}\n=== typed\n{block}");
    }
    let left = difference(&before, &root.etc());
    assert_eq!(left, [""; 0], "/etc is as it was");
}
