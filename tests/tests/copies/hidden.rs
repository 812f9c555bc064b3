//! A copy that hides its functions cannot be hooked: the program goes on as without us, and says so
//! where it is asked.

use peerkey_tests::pki::Draft;
use peerkey_tests::program::s_client;
use peerkey_tests::run::{PATIENCE, run, run_with};
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::Peerkey;

use crate::{BANK, NEWER};

#[test]
fn it_is_left_alone_and_named() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let deny = format!("[[deny]]\nspki = '{}'\nreason = 'leaked'\n", bank.pin());
    let scene = Scene::new(&[&root]).policy(&deny);
    let server = ServerDraft::new(Service::Https, &bank).start();
    for newer in &*NEWER {
        let openssl = |name: &str| scene.site.command(newer.join(name), Peerkey::On);
        let visit = |name| {
            let mut command = s_client(openssl(name), &scene.visit(server.address(), BANK));
            run_with(&mut command, b"GET / HTTP/1.0\r\n\r\n", PATIENCE).stdout.contains("hello")
        };
        assert!(!visit("openssl"), "the control is hooked");
        assert!(visit("openssl-hidden"));

        let list = |name| run(openssl(name).args(["list", "-providers", "-verbose"])).stdout;
        let [shown, hidden] = ["openssl", "openssl-hidden"].map(list);
        let ours = |list: &str| list.split_once("peerkey\n").unwrap().1.to_owned();
        assert!(ours(&shown).contains("status: active"), "{shown}");
        let named = format!("inert: {} hides", newer.join("openssl-hidden").display());
        assert!(ours(&hidden).contains("status: inactive"), "{hidden}");
        assert!(ours(&hidden).contains(&named), "{hidden}");

        // The record says so, a line a process.
        let log = run(scene.site.peerkey().arg("log")).stdout;
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&named)).collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines[0].contains("not-hooked"), "{log}");
    }
}
