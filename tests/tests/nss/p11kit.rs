//! p11-kit and GnuTLS see the module, and its anchors.

use std::fs;
use std::path::Path;
use std::process::Command;

use peerkey_tests::artifacts;
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::run::run;
use peerkey_tests::site::Site;

/// The file as it is shipped.
const SHIPPED: &str = include_str!("../../../packaging/peerkey.module");

/// A machine on which the library and its file are installed, and nothing else of p11-kit's.
struct Machine {
    site: Site,
}

impl Machine {
    fn new(file: &str, policy: &str, anchors: &[(&str, &Issued)]) -> Self {
        let site = Site::new();
        for (name, anchor) in anchors {
            site.write(&format!("config/anchors/{name}.pem"), anchor.pem());
        }
        site.apply(policy);
        let library = site.path("peerkey-trust.so");
        fs::copy(artifacts::nss_module(), &library).unwrap();
        // Modules of p11-kit's own are looked for in its folder; ours stands elsewhere here.
        let file = file.replace("peerkey-trust.so", library.to_str().unwrap());
        fs::create_dir(site.path("modules")).unwrap();
        site.write("modules/peerkey.module", file);
        Self { site }
    }

    /// What a program says there. The policy is where the module looks for it without being told.
    #[track_caller]
    fn says(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("/usr/bin/bwrap");
        command.env_clear().env("LC_ALL", "C.UTF-8").env("HOME", self.site.path("home"));
        command.args(["--dev-bind", "/", "/", "--tmpfs", "/var/lib"]);
        let bind = |command: &mut Command, from: &str, to: &str| {
            command.arg("--ro-bind").arg(self.site.path(from)).arg(to);
        };
        bind(&mut command, "state", "/var/lib/peerkey");
        bind(&mut command, "modules", "/usr/share/p11-kit/modules");
        command.arg(Path::new("/usr/bin").join(program)).args(arguments);
        run(&mut command).expect_ok(program).text()
    }
}

const POLICY: &str = "version = 1
[authority.web]
kind = 'x509'
anchors = ['anchors/web.pem']
[authority.mail]
kind = 'x509'
anchors = ['anchors/mail.pem']
[[rule]]
protocols = ['https']
accept = { any = ['web'] }
[[rule]]
protocols = ['smime']
accept = { any = ['mail'] }
[default]
accept = { any = ['application'] }
";

fn machine(file: &str) -> Machine {
    let web = Draft::ca("Web Root").self_signed();
    let mail = Draft::ca("Mail Root").self_signed();
    Machine::new(file, POLICY, &[("web", &web), ("mail", &mail)])
}

#[test]
fn p11_kit_lists_the_module() {
    let said = machine(SHIPPED).says("p11-kit", &["list-modules"]);
    assert!(said.starts_with("peerkey: ") && said.contains("token: peerkey policy"), "{said}");
}

#[test]
fn gnutls_lists_its_anchors_for_servers() {
    let said = machine(SHIPPED).says("p11tool", &["--list-all-trusted"]);
    assert_eq!(said.matches("CKA_TRUSTED").count(), 1, "{said}");
    assert!(said.contains("Web Root") && said.contains("CKA_CERTIFICATE_CATEGORY=CA"), "{said}");
}

#[test]
fn trust_lists_them_where_it_is_told_to() {
    let said = machine(SHIPPED).says("trust", &["list"]);
    assert!(!said.contains("Root"), "{said}");
    let trusting = SHIPPED.replace("#trust-policy", "trust-policy");
    let said = machine(&trusting).says("trust", &["list"]);
    assert_eq!(said.matches("trust: anchor").count(), 1, "{said}");
    assert!(said.contains("Web Root"), "{said}");
}
