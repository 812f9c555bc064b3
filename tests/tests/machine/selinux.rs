//! SELinux with Debian's policy: Fedora's, for which the file contexts are packaged, is not to be had here.

use super::guest::Guest;
use super::{CURL, DENIED, PINNED, REFUSED, apply, install};

#[test]
#[ignore = "slow: make test-machine"]
fn file_contexts_are_what_confined_programs_may_read() {
    let Some(mut guest) = Guest::booted_with("security=selinux selinux=1") else { return };
    guest.does("printf 'SELINUX=permissive\\nSELINUXTYPE=default\\n' >/etc/selinux/config");
    guest.restarts();
    assert_eq!(guest.does("getenforce"), "Permissive\n");
    guest.does("semodule -i /packages/peerkey.cil");
    install(&mut guest);
    apply(&mut guest, PINNED);
    guest.does("setfiles -F /etc/selinux/default/contexts/files/file_contexts / 2>/dev/null");
    for (path, kind) in [
        ("/var/lib/peerkey/policy-1.db", "cert_t"),
        ("/var/lib/peerkey/uid/0", "var_lib_t"),
        ("/etc/peerkey/policy.toml", "cert_t"),
    ] {
        for asked in [format!("matchpathcon -n {path}"), format!("stat -c %C {path}")] {
            let said = guest.does(&asked);
            assert!(said.contains(&format!(":object_r:{kind}:")), "{asked}: {said}");
        }
    }
    guest.does("sed -i s/permissive/enforcing/ /etc/selinux/config");
    guest.restarts();
    assert_eq!(guest.does("getenforce"), "Enforcing\n");
    guest.comes_to(CURL);
    apply(&mut guest, DENIED);
    guest.does(REFUSED);
    guest.does("stat -c %C /var/lib/peerkey/policy-1.db | grep cert_t");
}
