//! Whole machines with systemd, in QEMU (slow: `make test-machine`): units, restarts and confinement, which fresh roots
//! have not.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it stands")]

mod apparmor;
mod guest;
mod interim;
mod life;
mod units;

use guest::Guest;

/// curl says so of a certificate that nobody signed, without peerkey.
const UNKNOWN: i32 = 60;

/// A machine on which peerkey is installed and switched on, with a device whose certificate nobody signed. The path unit
/// is not enabled.
fn installed() -> Option<Guest> {
    let mut guest = Guest::fresh()?;
    install(&mut guest);
    Some(guest)
}

fn install(guest: &mut Guest) {
    guest.does("dpkg --install /packages/*.deb");
    guest.does(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
           -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
           -keyout /etc/device.key -out /etc/device.pem 2>/dev/null
         printf '[Service]\\nExecStart=openssl s_server -quiet -www -accept 8443 -cert /etc/device.pem \
           -key /etc/device.key\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/device.service
         systemctl enable --now device",
    );
    guest.does("peerkey install openssl");
    guest.comes_to(&format!("{CURL}; [ $? -eq {UNKNOWN} ]"));
}

const CURL: &str = "set +e; curl -sS -o /dev/null https://localhost:8443/";

/// Ends with 0 where it is refused because it is denied.
const REFUSED: &str =
    "(curl -sS -o /dev/null https://localhost:8443/ || true) 2>&1 | grep -q published";

/// curl's exit status for the device.
fn curl(guest: &mut Guest) -> i32 {
    guest.run(CURL).code.unwrap()
}

/// The device is accepted.
const PINNED: &str = r#"version = 1
[authority.devices]
kind = "pin"
[[authority.devices.key]]
peer = "localhost"
spki = ["/etc/device.pem"]
[[rule]]
peers = ["localhost"]
accept = { any = ["devices"] }
"#;

/// It is denied.
const DENIED: &str = "version = 1\n[[deny]]\nspki = \"/etc/device.pem\"\nreason = \"published\"\n";

fn write_policy(guest: &mut Guest, text: &str) {
    guest.does(&format!("cat >/etc/peerkey/policy.toml <<'END'\n{text}END\n"));
}

fn apply(guest: &mut Guest, text: &str) {
    write_policy(guest, text);
    guest.does("peerkey apply");
}

/// Nothing is said.
const SHIPPED: &str = "version = 1\n";
