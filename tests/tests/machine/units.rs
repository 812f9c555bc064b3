//! The units at work.

use super::{CURL, DENIED, PINNED, REFUSED, UNKNOWN, apply, curl, installed, write_policy};

#[test]
#[ignore = "slow: make test-machine"]
fn the_path_unit_applies_what_is_written_and_reports_mistakes() {
    let Some(mut guest) = installed() else { return };
    guest.does("systemctl enable --now peerkey-apply.path");
    write_policy(&mut guest, PINNED);
    guest.comes_to(CURL);
    assert_eq!(guest.does("systemctl --failed --no-legend"), "");

    write_policy(&mut guest, "version = 1\n[[rule]]\naccept = { any = [\"nobody\"] }\n");
    guest.comes_to("systemctl is-failed peerkey-apply.service");
    let journal = guest.does("journalctl -u peerkey-apply -o cat");
    assert!(journal.contains("policy.toml:3") && journal.contains("unchanged"), "{journal}");
    guest.comes_to("journalctl -t peerkey -p err -o cat | grep 'the policy was not applied'");
    assert_eq!(curl(&mut guest), 0, "the policy before is in force");
    let said = guest.run("peerkey doctor");
    assert!(said.text().contains("edited since it was applied"), "{said}");

    write_policy(&mut guest, DENIED);
    guest.comes_to(REFUSED);
    guest.does("! systemctl is-failed peerkey-apply.service");
}

#[test]
#[ignore = "slow: make test-machine"]
fn the_timer_applies_anchors_that_others_changed() {
    let Some(mut guest) = installed() else { return };
    apply(&mut guest, PINNED);
    guest.does("systemctl enable --now peerkey-apply.path");
    assert_eq!(curl(&mut guest), 0);
    guest.does("systemctl is-active peerkey-anchors.timer");
    // What is pinned is in no folder that the path unit watches.
    guest.does(
        "cp /etc/device.pem /etc/kept.pem; cp /etc/ssl/certs/ISRG_Root_X1.pem /etc/device.pem",
    );
    guest.does("systemctl start peerkey-anchors.service");
    assert_ne!(curl(&mut guest), 0, "another key is pinned");
    guest.does("cp /etc/kept.pem /etc/device.pem");
    guest.does(
        "mkdir /run/systemd/system/peerkey-anchors.timer.d
         printf '[Timer]\\nOnActiveSec=1s\\nRandomizedDelaySec=0\\nAccuracySec=1s\\n' \
           >/run/systemd/system/peerkey-anchors.timer.d/soon.conf
         systemctl daemon-reload; systemctl restart peerkey-anchors.timer",
    );
    guest.comes_to(CURL);
}

/// Its fields, as the journal has them.
#[test]
#[ignore = "slow: make test-machine"]
fn the_record_is_in_the_journal() {
    let Some(mut guest) = installed() else { return };
    apply(&mut guest, DENIED);
    assert_ne!(curl(&mut guest), 0);
    let journal = "journalctl -o json _COMM=curl PEERKEY_VERDICT=reject";
    guest.comes_to(&format!("{journal} | grep ."));
    let lines = guest.does(journal);
    let entry: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(entry["_COMM"], "curl", "{entry}");
    assert_eq!(entry["PEERKEY_PEER"], "localhost", "{entry}");
    assert!(entry["MESSAGE"].as_str().unwrap().contains("localhost"), "{entry}");
}

/// A service that systemd confines as far as it can.
#[test]
#[ignore = "slow: make test-machine"]
fn a_hardened_service_follows_the_policy() {
    let Some(mut guest) = installed() else { return };
    let confined = |more: &str| {
        let mut line = "systemd-run --quiet --wait --pipe".to_owned();
        for property in [
            "ProtectSystem=strict",
            "ProtectHome=yes",
            "PrivateTmp=yes",
            "PrivateDevices=yes",
            "PrivateUsers=yes",
            "NoNewPrivileges=yes",
            "MemoryDenyWriteExecute=yes",
            "SystemCallFilter=@system-service",
            "ProtectProc=invisible",
            "ProcSubset=pid",
            more,
        ] {
            line += &format!(" -p {property}");
        }
        format!("{line} curl -sS -o /dev/null https://localhost:8443/")
    };
    for more in ["DynamicUser=yes", "User=nobody", "CapabilityBoundingSet="] {
        let line = confined(more);
        apply(&mut guest, super::SHIPPED);
        assert_eq!(guest.run(&line).code, Some(UNKNOWN), "{more}");
        apply(&mut guest, PINNED);
        let said = guest.run(&line);
        assert!(said.ok(), "{more}: {said}");
        apply(&mut guest, DENIED);
        let said = guest.run(&line);
        assert!(!said.ok() && said.text().contains("published"), "{more}: {said}");
    }
}
