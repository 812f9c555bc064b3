//! A program that AppArmor confines, under a kernel that enforces it.

use super::guest::Guest;
use super::{DENIED, PINNED, SHIPPED, UNKNOWN, apply, installed};

const PROFILE: &str = r"
abi <abi/3.0>,
include <tunables/global>
profile confined-curl /usr/local/bin/confined-curl {
  include <abstractions/base>
  include <abstractions/nameservice>
  include <abstractions/openssl>
  include <abstractions/ssl_certs>
  /usr/local/bin/confined-curl mr,
}
";
const CONFINED: &str =
    "set +e; /usr/local/bin/confined-curl -sS -o /dev/null https://localhost:8443/";

fn load(guest: &mut Guest) {
    guest.does("apparmor_parser --replace --skip-cache /etc/apparmor.d/confined-curl");
}

#[test]
#[ignore = "slow: make test-machine"]
fn a_confined_program_follows_the_policy() {
    let Some(mut guest) = installed() else { return };
    guest.does(&format!(
        "aa-enabled; cp /usr/bin/curl /usr/local/bin/confined-curl
         cat >/etc/apparmor.d/confined-curl <<'END'\n{PROFILE}END\n"
    ));
    load(&mut guest);
    guest.does("grep 'confined-curl (enforce)' /sys/kernel/security/apparmor/profiles");
    apply(&mut guest, SHIPPED);
    assert_eq!(guest.run(CONFINED).code, Some(UNKNOWN));
    apply(&mut guest, PINNED);
    guest.run(CONFINED).expect_ok("a pinned device");
    apply(&mut guest, DENIED);
    let said = guest.run(CONFINED);
    assert!(!said.ok() && said.text().contains("published"), "{said}");
    guest.does("tail -n 1 /var/lib/peerkey/uid/0/record.jsonl | grep confined-curl");
    guest.comes_to("journalctl -o json PEERKEY_VERDICT=reject | grep confined-curl");

    // Without the snippet the module is found, and the policy is not: it refuses.
    guest.does("mv /etc/apparmor.d/abstractions/openssl.d/peerkey /root/snippet");
    load(&mut guest);
    let said = guest.run(CONFINED);
    assert!(!said.ok() && said.text().contains("no decision was possible"), "{said}");
    guest.does("mv /root/snippet /etc/apparmor.d/abstractions/openssl.d/peerkey");
    load(&mut guest);
    apply(&mut guest, PINNED);
    guest.run(CONFINED).expect_ok("with the snippet again");
}
