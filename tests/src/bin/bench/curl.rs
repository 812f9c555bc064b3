//! A whole curl, where the policy has the system's anchors, and where curl itself reads them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use peerkey_tests::pki::Draft;
use peerkey_tests::server::{ServerDraft, Service};
use peerkey_tests::site::{Peerkey, Site};

use crate::figure::{Figure, Limit, Sample, Unit};
use crate::turns::in_turns;

const ROUNDS: usize = 80;
const NAME: &str = "bank.example";
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

pub(crate) fn measure() -> Vec<Figure> {
    let root = Draft::ca("Root").self_signed();
    let leaf = Draft::server(NAME).signed_by(&Draft::ca("CA").signed_by(&root));
    let site = Site::new();
    let bundle = fs::read_to_string(BUNDLE).expect("the package ca-certificates");
    let anchors = bundle.matches("-----BEGIN CERTIFICATE-----").count();
    let all = site.write("config/anchors/all.pem", bundle + &root.pem());
    // curl takes no empty file: of this one's key nobody has heard.
    let empty = site.write("empty.pem", Draft::ca("Nobody").self_signed().pem());
    site.apply(
        "version = 1\n[authority.system]\nkind = 'x509'\nanchors = ['anchors/all.pem']\n\
         [default]\naccept = { any = ['system'] }\n",
    );
    let server = ServerDraft::new(Service::Https, &leaf).start();
    let port = server.address().port();
    let curl = |peerkey, trusted: &Path| visit(&site, peerkey, trusted, port);
    let rounds = in_turns(ROUNDS, |turn| match turn {
        0 => curl(Peerkey::Off, &all),
        _ => curl(Peerkey::On, &empty),
    });
    let side = |index: usize| {
        format!("{:.1} ms", Sample::of(rounds.iter().map(|round| round[index])).median())
    };
    let times = Sample::of(rounds.iter().map(|[bundle, policy]| bundle / policy));
    let what = format!("curl, {anchors} anchors and ours: how many times faster");
    vec![
        Figure::new(what, [side(0), side(1)], times.median(), Unit::Ratio)
            .spread(times.quartiles())
            .limit(Limit::Least(2.0)),
    ]
}

/// Milliseconds from its start to its end.
fn visit(site: &Site, peerkey: Peerkey, trusted: &Path, port: u16) -> f64 {
    let mut command = site.command(PathBuf::from("/usr/bin/curl"), peerkey);
    command.args(["--silent", "--show-error", "--fail", "--cacert"]).arg(trusted);
    command.args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")]);
    command.arg(format!("https://{NAME}:{port}/")).stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    assert!(command.status().unwrap().success(), "{peerkey:?}");
    start.elapsed().as_secs_f64() * 1e3
}
