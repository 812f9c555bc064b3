//! A whole program of NSS's, with the module and without any.

use std::process::Stdio;
use std::time::Instant;

use peerkey_tests::nss::{Database, Nss};
use peerkey_tests::pki::Draft;
use peerkey_tests::site::Site;

use super::{MANY, anchored, denying, ratio};
use crate::figure::Figure;
use crate::turns::in_turns;

const ROUNDS: usize = 300;

pub(super) fn measure() -> Vec<Figure> {
    let (site, anchors) = anchored();
    vec![
        whole(&format!("vfychain, {anchors} anchors"), &site),
        whole(&format!("vfychain, {MANY} denials"), &denying(MANY)),
    ]
}

fn whole(what: &str, site: &Site) -> Figure {
    let root = Draft::ca("Root").self_signed();
    let ca = Draft::ca("CA").signed_by(&root);
    let leaf = Draft::server("bank.example").signed_by(&ca);
    let files = [("leaf.pem", &leaf), ("ca.pem", &ca)]
        .map(|(name, issued)| site.write(name, issued.cert.to_pem().unwrap()));
    let databases = [Database::new(site, "without"), Database::with_module(site, "with")];
    databases.iter().for_each(|database| database.import("root", &root.cert, "CT,C,C"));
    let run = |database: &Database<'_>| {
        let mut command = database.tool("vfychain", Nss::Debian);
        command.args(["-u", "1"]);
        for file in &files {
            command.arg("-a").arg(file);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        assert!(command.status().unwrap().success(), "{what}");
        start.elapsed().as_secs_f64() * 1e3
    };
    let rounds = in_turns(ROUNDS, |turn| run(&databases[turn]));
    ratio(what, &rounds, "ms", 1.1)
}
