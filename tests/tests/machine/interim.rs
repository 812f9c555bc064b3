//! A policy for a while: what systemd ends, what a restart ends, and what no unit brings back.

use super::guest::Guest;
use super::{CURL, DENIED, PINNED, REFUSED, apply, curl, installed, write_policy};

/// A machine whose root may log in over SSH, and what is in force accepts the device.
fn with_ssh() -> Option<Guest> {
    let mut guest = installed()?;
    apply(&mut guest, PINNED);
    guest.does(
        "mkdir -m 700 -p /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
         cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
         echo 'StrictHostKeyChecking no' >/root/.ssh/config
         mkdir -p /etc/systemd/logind.conf.d
         printf '[Login]\\nKillUserProcesses=yes\\nKillExcludeUsers=\\n' >/etc/systemd/logind.conf.d/kill.conf
         systemctl restart systemd-logind; systemctl start ssh",
    );
    Some(guest)
}

/// Types a line in a session over SSH, which then is ended from outside, with all that runs in it.
fn over_a_lost_connection(guest: &mut Guest, line: &str) {
    guest.does(&format!(
        "systemd-run --quiet --unit=connection ssh -tt localhost '{line} && touch /run/done; sleep 600'"
    ));
    guest.comes_to("test -e /run/done");
    guest.does(
        "for session in $(loginctl list-sessions --no-legend | awk '{print $1}'); do
             loginctl terminate-session $session
         done",
    );
    guest.comes_to("! systemctl is-active connection");
    guest.comes_to("! pgrep -f '^sleep 600' && ! loginctl list-sessions --no-legend | grep .");
}

const EVENTS: &str =
    "sed -n 's/.*\"event\":\"\\([^\"]*\\)\".*/\\1/p' /var/lib/peerkey/uid/0/record.jsonl";
const WATCHES: &str = "systemctl --no-legend list-units 'peerkey-watch-*' | grep running";

#[test]
#[ignore = "slow: make test-machine"]
fn what_nobody_confirms_goes_back_and_no_unit_brings_it_again() {
    let Some(mut guest) = with_ssh() else { return };
    write_policy(&mut guest, DENIED);
    over_a_lost_connection(&mut guest, "peerkey apply --confirm 20s");
    guest.does(WATCHES);
    assert_ne!(curl(&mut guest), 0, "it is in force for a while");
    guest.comes_to(CURL);
    guest.comes_to(&format!("! {WATCHES}"));
    assert!(guest.does(EVENTS).ends_with("apply, to be confirmed\nnot confirmed\n"));

    guest.does("systemctl enable --now peerkey-apply.path; touch /etc/peerkey/policy.d/x; sleep 1");
    guest.comes_to("systemctl is-failed peerkey-apply.service");
    let journal = guest.does("journalctl -u peerkey-apply -o cat");
    assert!(journal.contains("nobody confirmed this policy"), "{journal}");
    assert!(journal.contains("peerkey apply"), "{journal}");
    guest.does(
        "update-ca-certificates --fresh >/dev/null 2>&1; systemctl start peerkey-anchors.service",
    );
    assert_eq!(curl(&mut guest), 0, "the policy before is still in force");
    let said = guest.run("peerkey status");
    assert!(said.text().contains("nobody confirmed the last policy"), "{said}");

    guest.does("peerkey apply");
    assert_ne!(curl(&mut guest), 0, "by hand it comes");
    write_policy(&mut guest, PINNED);
    guest.comes_to(CURL);
}

#[test]
#[ignore = "slow: make test-machine"]
fn what_is_confirmed_stays() {
    let Some(mut guest) = with_ssh() else { return };
    write_policy(&mut guest, DENIED);
    over_a_lost_connection(&mut guest, "peerkey apply --confirm 15s");
    guest.does("peerkey confirm; sleep 16");
    assert_ne!(curl(&mut guest), 0);
    guest.does(&format!("! {WATCHES}"));
    guest.restarts();
    guest.comes_to("systemctl is-active device");
    assert_ne!(curl(&mut guest), 0);
}

#[test]
#[ignore = "slow: make test-machine"]
fn off_ends_by_itself() {
    let Some(mut guest) = with_ssh() else { return };
    apply(&mut guest, DENIED);
    over_a_lost_connection(&mut guest, "peerkey off --for 15s");
    let said = guest.run(CURL);
    assert!(said.code == Some(super::UNKNOWN) && !said.text().contains("published"), "{said}");
    assert_eq!(guest.run("peerkey doctor").code, Some(2), "doctor says so");
    guest.comes_to(REFUSED);
    assert!(guest.does(EVENTS).ends_with("off\non\n"));
}

/// Whether the machine goes down in order or not: the unit at boot ends what had to end, before anybody serves.
#[test]
#[ignore = "slow: make test-machine"]
fn a_restart_ends_both() {
    let Some(mut guest) = installed() else { return };
    apply(&mut guest, PINNED);
    for power_fails in [false, true] {
        for line in ["apply --confirm 1h", "off --for 1h"] {
            write_policy(&mut guest, DENIED);
            guest.does(&format!("peerkey {line}"));
            assert_ne!(curl(&mut guest), 0);
            if power_fails {
                guest.power_fails()
            } else {
                guest.restarts()
            }
            let shown = guest.does("systemctl show -P Result -P ExecMainStatus peerkey-boot");
            assert_eq!(shown, "success\n0\n");
            guest.does("! test -e /var/lib/peerkey/policy-1.db.interim");
            guest.comes_to("systemctl is-active device");
            assert_eq!(curl(&mut guest), 0, "after {line}");
            let journal = guest.does("journalctl -b -u peerkey-boot -o cat");
            assert!(journal.contains("in force again"), "{journal}");
            let ended = "systemctl show -P ExecMainExitTimestampMonotonic peerkey-boot";
            let reached = "systemctl show -P ActiveEnterTimestampMonotonic sysinit.target";
            guest.does(&format!("[ $({ended}) -gt 0 ] && [ $({ended}) -lt $({reached}) ]"));
        }
    }
    guest.restarts();
    assert_eq!(guest.does("systemctl show -P ConditionResult peerkey-boot").trim(), "no");
}
