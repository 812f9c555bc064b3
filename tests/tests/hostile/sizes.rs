//! Many certificates, many names, much of everything.

use openssl::x509::X509;
use peerkey_tests::pki::{Draft, Issued, p256};
use peerkey_tests::program::Client;
use peerkey_tests::scene::{Must, Scene};

use crate::forge::{Forgery, dns, uri};
use crate::{PEER, WORLD, check, corp, https};

/// This many CAs of one name, each signed by the next and the last by the first.
fn circle(size: usize) -> Vec<X509> {
    let keys: Vec<_> = (0..size).map(|_| p256()).collect();
    let signed = |i: usize| {
        let issuer = Draft::ca("Circle").key(&keys[(i + 1) % size]).self_signed();
        Draft::ca("Circle").key(&keys[i]).signed_by(&issuer).cert
    };
    (0..size).map(signed).collect()
}

fn pem(certificates: &[X509]) -> Vec<u8> {
    certificates.iter().flat_map(|certificate| certificate.to_pem().unwrap()).collect()
}

/// Hosts take 100 kB of certificates; the circle is half of that.
#[test]
fn cas_that_sign_each_other_in_a_circle_open_nothing() {
    let scene = corp();
    let ring = circle(90);
    let issuer = Draft::ca("Circle").self_signed();
    let leaf = Draft::server(PEER).signed_by(&issuer);
    let server = https(&Issued { above: ring.clone(), ..leaf.clone() });
    for client in [Client::Curl, Client::Urllib] {
        scene.check(client, &scene.visit(server.address(), PEER), Must::StayClosed);
    }
    let chain: Vec<X509> =
        [leaf.cert].into_iter().chain(ring.iter().cycle().take(1000).cloned()).collect();
    let run = check(&scene, PEER, &scene.site.write("chain.pem", pem(&chain)), &[]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.text().contains("what came behind 65 certificates"), "{run}");
}

/// What stands among strangers is found; what stands behind more of them than are looked at is not.
#[test]
fn the_first_certificates_count() {
    let scene = corp();
    let ca = Draft::ca("Corp CA").signed_by(&WORLD.corp);
    let leaf = Draft::server(PEER).signed_by(&ca);
    let strangers: Vec<X509> =
        (0..100).map(|i| Draft::ca(&format!("S{i}")).self_signed().cert).collect();
    for (before, must) in [(0, Must::BeOpened), (63, Must::BeOpened), (64, Must::StayClosed)] {
        let above = [&strangers[..before], std::slice::from_ref(&ca.cert)].concat();
        let server = https(&Issued { above, ..leaf.clone() });
        scene.check(Client::Curl, &scene.visit(server.address(), PEER), must);
    }
}

#[test]
fn a_certificate_with_ten_thousand_names_is_too_long() {
    let scene = corp();
    for (count, code) in [(1000, 0), (10_000, 2)] {
        let names = (0..count).map(|i| dns(format!("h{i}.corp.example").as_bytes()));
        let names: Vec<_> = names.chain([dns(PEER.as_bytes())]).collect();
        let der = Forgery::server(&names).der(&WORLD.corp, |body| body);
        let run = check(&scene, PEER, &scene.site.write("chain.der", der), &[]);
        assert_eq!(run.code, Some(code), "{count}: {run}");
    }
}

/// The command reads files of 16 MB at most; hosts refuse such a chain before us.
#[test]
fn a_chain_of_ten_megabytes_is_left_out() {
    let scene = corp();
    let large = |i: u32| {
        let name = format!("x:{i}:{}", "y".repeat(100_000));
        let der = Forgery::server(&[uri(name.as_bytes())]).der(&WORLD.corp, |body| body);
        X509::from_der(&der).unwrap()
    };
    let leaf = Draft::server(PEER).signed_by(&WORLD.corp);
    let chain: Vec<X509> = [leaf.cert.clone()].into_iter().chain((0..75).map(large)).collect();
    let file = scene.site.write("chain.pem", pem(&chain));
    let run = check(&scene, PEER, &file, &[]);
    assert!(run.ok(), "the leaf is the anchor's own: {run}");
    assert!(run.text().contains("what came behind 11 certificates"), "{run}");
    let server = https(&Issued { above: chain[1..].to_vec(), ..leaf });
    scene.check(Client::Curl, &scene.visit(server.address(), PEER), Must::StayClosed);
}

/// Under a rule for one of very many names that a client may claim, its certificate is held to each.
#[test]
fn a_claim_of_too_many_names_is_none() {
    let scene = Scene::new(&[&WORLD.web]).policy(
        "[authority.pins]
kind = 'pin'
[[authority.pins.key]]
peer = 'secret.corp.example'
\
         spki = ['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']
\
         [[rule]]
peers = ['secret.corp.example']
accept = { any = ['pins'] }
",
    );
    let names: Vec<_> = (0..1001).map(|i| dns(format!("h{i}.shop.example").as_bytes())).collect();
    for (count, says) in [(1000, "accept"), (1001, "more than 1000 names")] {
        let der = Forgery::server(&names[..count]).der(&WORLD.web, |body| body);
        let file = scene.site.write("chain.der", der);
        let mut command = scene.site.peerkey();
        command.args(["check", "https", "--claimed", "--application-verdict", "accept", "--chain"]);
        let run = peerkey_tests::run::run(command.arg(file));
        assert!(run.text().contains(says), "{count}: {run}");
    }
}
