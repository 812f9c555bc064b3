//! Installed as the README says, looked at, removed and purged.

use peerkey_tests::fresh::{LIST_ETC, difference, readme_blocks};

use super::guest::Guest;

fn etc(guest: &mut Guest) -> Vec<String> {
    guest.does(LIST_ETC).lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "slow: make test-machine"]
fn the_readme_installs_and_removes() {
    let Some(mut guest) = Guest::fresh() else { return };
    // apt is not to ask, nor to fetch what is only recommended.
    guest.does(
        "printf 'APT::Get::Assume-Yes \"true\";\\nAPT::Install-Recommends \"false\";\\n' \
         >/etc/apt/apt.conf.d/answers; mkdir -p /root/target; ln -s /packages /root/target/deb",
    );
    assert_eq!(guest.does("systemctl is-system-running --wait").trim(), "running");
    let before = etc(&mut guest);
    let blocks = readme_blocks();
    let (last, first) = blocks.split_last().unwrap();
    for block in first {
        let lines: Vec<_> = block.lines().filter(|line| !line.starts_with("make ")).collect();
        guest.does(&format!("cd /root\n{}", lines.join("\n")));
    }
    assert_eq!(guest.does("systemctl is-active peerkey-apply.path").trim(), "active");
    guest.restarts();
    assert_eq!(guest.does("systemctl is-system-running --wait").trim(), "running");
    assert_eq!(guest.does("systemctl --failed --no-legend"), "");
    guest.does("systemctl is-active peerkey-apply.path peerkey-anchors.timer");
    let folders = guest.does("cd /var/lib/peerkey; stat -c '%n %U:%G %a' . uid uid/0");
    assert_eq!(folders, ". root:root 755\nuid root:root 755\nuid/0 root:root 700\n");
    let said = guest.run("peerkey doctor");
    assert!(matches!(said.code, Some(0 | 1)), "{said}");
    guest.does(last);
    assert_eq!(difference(&before, &etc(&mut guest)), [""; 0], "/etc is as it was");
    guest.does("! test -e /var/lib/peerkey");
    assert_eq!(guest.does("systemctl list-units --all --no-legend 'peerkey*'"), "");
    guest.restarts();
    assert_eq!(guest.does("systemctl is-system-running --wait").trim(), "running");
}
