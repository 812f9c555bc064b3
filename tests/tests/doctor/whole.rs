//! A machine of its own: /etc and /var/lib as they are here, and what is written to them goes with the test.
//! peerkey is switched on and off again by `install` and `remove` alone.

use std::process::Command;

use peerkey_tests::artifacts;
use peerkey_tests::pki::Draft;
use peerkey_tests::run::{Run, run};
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::Site;
use peerkey_tests::world::WORLD;

/// Runs a script as root of a machine whose /etc and /var/lib are layers over the real ones, and which has
/// no other processes.
fn on_a_machine(site: &Site, script: &str) -> Run {
    let layers = "\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs \"$LAYERS\"
for folder in etc var/lib; do
  mkdir -p \"$LAYERS/$folder/new\" \"$LAYERS/$folder/work\"
  mount -t overlay -o lowerdir=/$folder,upperdir=$LAYERS/$folder/new,workdir=$LAYERS/$folder/work overlay /$folder
done
files() {
  find /etc ! -type l -printf '%p %y %m %U\\n' | sort
  find /etc -type l -printf '%p %l\\n' | sort
  find /etc -type f -exec sha256sum {} + | sort
}
";
    std::fs::create_dir_all(site.path("layers")).unwrap();
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--mount", "--pid", "--fork", "--mount-proc", "/bin/sh", "-c"]);
    command.arg(format!("{layers}{script}")).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
    command.env("HOME", site.path("home")).env("LAYERS", site.path("layers"));
    command.env("PEERKEY", artifacts::command()).env("PROVIDER", artifacts::provider());
    command.env("MODULE", artifacts::nss_module()).env("SITE", site.path(""));
    run(&mut command)
}

#[test]
fn it_is_switched_on_and_off_and_the_doctor_knows() {
    let site = Site::new();
    let said = on_a_machine(
        &site,
        "
mkdir -p /etc/peerkey
printf 'version = 1\\n[[deny]]\\nspki = \"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\\n' >/etc/peerkey/policy.toml
files >$LAYERS/before
$PEERKEY apply
set +e
$PEERKEY doctor; echo \"before: $?\"
$PEERKEY install --yes --module $PROVIDER --nss-module $MODULE; echo \"install: $?\"
$PEERKEY doctor; echo \"during: $?\"
openssl list -providers
$PEERKEY install --yes --module $PROVIDER --nss-module $MODULE; echo \"again: $?\"
$PEERKEY remove --yes; echo \"remove: $?\"
files >$LAYERS/after
cmp $LAYERS/before $LAYERS/after && echo 'as it was'
diff $LAYERS/before $LAYERS/after
$PEERKEY doctor >/dev/null; echo \"after: $?\"
",
    );
    let (before, rest) = said.stdout.split_once("before: 2\n").unwrap_or_else(|| panic!("{said}"));
    assert!(before.contains("peerkey is not in it: no program loads it"), "{said}");
    let (install, rest) = rest.split_once("install: 0\n").unwrap_or_else(|| panic!("{said}"));
    for words in ["is switched on in", "added to /etc/firefox/policies", "p11-kit has /etc/pkcs11"]
    {
        assert!(install.contains(words), "{words}: {said}");
    }
    let (during, rest) = rest.split_once("during: 0\n").unwrap_or_else(|| panic!("{said}"));
    for words in
        ["openssl loads peerkey, and refused a server", "module is in 1 place", "all is well"]
    {
        assert!(during.contains(words), "{words}: {said}");
    }
    let (listed, rest) = rest.split_once("again: 0\n").unwrap_or_else(|| panic!("{said}"));
    assert!(listed.contains("  peerkey\n"), "{said}");
    assert!(rest.contains("remove: 0\nas it was\n"), "{said}");
    assert!(rest.contains("after: 2\n"), "{said}");
}

/// Each is asked for on a terminal, and a no is a no.
#[test]
fn it_asks_before_each() {
    let site = Site::new();
    let said = on_a_machine(
        &site,
        "
mkdir -p /etc/peerkey
printf 'version = 1\\n' >/etc/peerkey/policy.toml
$PEERKEY apply
files >$LAYERS/before
printf 'n\\nn\\nn\\nn\\nn\\n' >$LAYERS/answers
script --quiet --return --command \"$PEERKEY install --module $PROVIDER --nss-module $MODULE\" /dev/null <$LAYERS/answers
echo \"install: $?\"
files >$LAYERS/after
cmp $LAYERS/before $LAYERS/after && echo 'as it was'
",
    );
    let said_twice = |words: &str, least: usize| {
        assert!(said.stdout.matches(words).count() >= least, "{words}: {said}");
    };
    said_twice("Put peerkey's provider into", 1);
    said_twice("? [y/N]", 3);
    said_twice("left as it is", 3);
    said_twice("as it was", 1);
}

/// With one certificate that vouches for nobody, curl connects where the policy accepts, and only there.
#[test]
fn lean_trust_is_enough_for_programs_that_follow_the_policy() {
    let bank = Draft::server("bank.example").signed_by(&WORLD.web_ca);
    let server = ServerDraft::new(Service::Https, &bank).start();
    let port = server.address().port();
    let site = Site::new();
    site.write("web.pem", WORLD.web.pem());
    let script = r#"
mkdir -p /etc/peerkey
cat $SITE/web.pem >>/etc/ssl/certs/ca-certificates.crt
cat >/etc/peerkey/policy.toml <<'END'
version = 1
[authority.web]
kind = "x509"
anchors = ["/etc/ssl/certs/ca-certificates.crt"]
[default]
accept = { any = ["web"] }
END
$PEERKEY apply
$PEERKEY install openssl --module $PROVIDER
$PEERKEY install --lean-trust
set +e
visit() { curl -sS -o /dev/null --resolve bank.example:PORT:127.0.0.1 https://bank.example:PORT/; echo "$1: $?"; }
. /etc/profile.d/peerkey-lean-trust.sh
visit lean
OPENSSL_CONF=/dev/null; export OPENSSL_CONF
visit without
unset OPENSSL_CONF
sed -i 's/any = .*/any = ["web", "application"] }/' /etc/peerkey/policy.toml
$PEERKEY apply
$PEERKEY doctor; echo "doctor: $?"
$PEERKEY off --for 1h
visit off
$PEERKEY on
$PEERKEY remove --yes
visit 'an old session'
"#;
    let said = on_a_machine(&site, &script.replace("PORT", &port.to_string()));
    for words in ["lean: 0", "without: 60", "doctor: 1", "off: 60", "an old session: 0"] {
        assert!(said.stdout.contains(&format!("{words}\n")), "{words}: {said}");
    }
    assert!(said.stdout.contains("programs of new sessions have no anchors"), "{said}");
    assert!(said.stderr.contains("refuse every peer for so long"), "{said}");
}
