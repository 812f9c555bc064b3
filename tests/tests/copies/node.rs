//! Node has OpenSSL within itself, and reads another section of openssl.cnf.

use peerkey_tests::pki::Draft;
use peerkey_tests::run::run;
use peerkey_tests::scene::Scene;
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::Peerkey;

use crate::BANK;

const ASK: &str = r#"
const [address, port, peer, trust] = process.argv.slice(1);
require("https").get({ host: address, port, servername: peer, ca: require("fs").readFileSync(trust) },
  (answer) => answer.on("data", (data) => process.stdout.write(data)))
  .on("error", (error) => { console.error(error.message); process.exit(1); });
"#;

#[test]
fn with_and_without_its_own_section() {
    let root = Draft::ca("Root").self_signed();
    let bank = Draft::server(BANK).signed_by(&root);
    let deny = format!("[[deny]]\nspki = '{}'\nreason = 'leaked'\n", bank.pin());
    let scene = Scene::new(&[&root]).policy(&deny);
    let server = ServerDraft::new(Service::Https, &bank).start();
    let with = std::fs::read_to_string(scene.site.openssl_cnf(Peerkey::On)).unwrap();
    let plain = with.replace("nodejs_conf = openssl_init\n", "");
    assert_ne!(plain, with);
    let plain = scene.site.write("plain.cnf", plain);
    let with = scene.site.openssl_cnf(Peerkey::On);
    for (file, option, connects) in [
        (&with, None, false),
        (&plain, None, true),
        (&plain, Some("--openssl-shared-config"), false),
    ] {
        let mut node = scene.site.command("/usr/bin/node", Peerkey::On);
        node.env("OPENSSL_CONF", file).args(option).args(["-e", ASK, "--"]);
        node.arg(server.address().ip().to_string()).arg(server.address().port().to_string());
        let run = run(node.arg(BANK).arg(&scene.trust));
        assert_eq!(run.ok(), connects, "{option:?} {}: {run}", file.display());
        assert!(connects || run.stderr.contains("application verification failure"), "{run}");
    }
}
