//! Keys of every kind, and of sizes that would take long.

use openssl::pkey::PKey;
use openssl::x509::X509;
use peerkey_tests::der;
use peerkey_tests::pki::{Draft, Issued, pin_of};
use peerkey_tests::program::Client;
use peerkey_tests::scene::{Must, Scene};

use crate::forge::{Forgery, UTF8, common_name, dns, kind};
use crate::{PEER, WORLD, check, corp, https};

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// An RSA key of these numbers, whose private part nobody knows.
fn rsa(n: &[u8], e: &[u8]) -> Vec<u8> {
    let key = der::sequence(&[&der::integer(n), &der::integer(e)]);
    let algorithm = der::sequence(&[&der::oid(RSA), &[5, 0]]);
    der::sequence(&[&algorithm, &der::bit_string(&key)])
}

#[test]
fn edwards_keys_are_keys() {
    let scene = corp();
    for key in [PKey::generate_ed25519().unwrap(), PKey::generate_ed448().unwrap()] {
        println!("{}", kind(&key));
        let server = https(&Draft::server(PEER).key(&key).signed_by(&WORLD.corp));
        for client in [Client::Curl, Client::Urllib, Client::SClient] {
            scene.check(client, &scene.visit(server.address(), PEER), Must::BeOpened);
            scene.check(client, &scene.visit(server.address(), "bank.example"), Must::StayClosed);
        }
    }
}

/// A check with such a key takes long: it is not made. The number of checks is bounded in core.
#[test]
fn a_ca_with_an_enormous_key_is_not_asked() {
    let scene = corp();
    for (what, spki) in [
        ("16392 bits", rsa(&[0xc1; 2049], &[1, 0, 1])),
        ("a million bits", rsa(&[0xc1; 100_000], &[1, 0, 1])),
        ("an exponent of 2048 bits", rsa(&[0xc1; 256], &[0xc1; 256])),
        ("no modulus", rsa(&[0], &[1, 0, 1])),
    ] {
        let mut ca = Forgery::ca(common_name(UTF8, b"Enormous"));
        ca.spki = spki;
        let leaf = Forgery::server(&[dns(PEER.as_bytes())]);
        let (above, key) = (ca.der(&WORLD.corp, |body| body), ca.key.clone());
        let Ok(cert) = X509::from_der(&above) else { continue };
        println!("{what}");
        // Signed with a key that the CA's certificate does not have.
        let named = Forgery::ca(common_name(UTF8, b"Enormous")).issued_ca(&WORLD.corp);
        let signer = Issued { key, ..named };
        let leaf = leaf.issued(&signer).unwrap();
        let chain = [&leaf.cert.to_der().unwrap()[..], &cert.to_der().unwrap()];
        let pem = chain.map(|der| X509::from_der(der).unwrap().to_pem().unwrap()).concat();
        let run = check(&scene, PEER, &scene.site.write("chain.pem", pem), &[]);
        assert_eq!(run.code, Some(1), "{what}: {run}");
    }
}

/// A key that is too long to be used is refused even where somebody pins it.
#[test]
fn a_peer_with_an_enormous_key_is_refused() {
    let spki = rsa(&[0xc1; 2049], &[1, 0, 1]);
    let mut leaf = Forgery::server(&[dns(PEER.as_bytes())]);
    leaf.spki = spki.clone();
    let scene = Scene::new(&[&WORLD.web]).policy(&format!(
        "[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = '{PEER}'\nspki = ['{}']\n\
         [[rule]]\npeers = ['{PEER}']\naccept = {{ any = ['pins'] }}\n",
        pin_of(&spki)
    ));
    let file = scene.site.write("chain.der", leaf.der(&WORLD.corp, |body| body));
    let run = check(&scene, PEER, &file, &[]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.text().contains("longer than 16384 bits"), "{run}");
}

/// A key of a kind that nobody knows is a key like any other: what is pinned is its encoding.
#[test]
fn a_key_of_an_unknown_kind_crashes_nothing() {
    let scene = corp();
    let algorithm = der::sequence(&[&der::oid(&[0x2a, 3, 4, 5])]);
    for bits in [&[][..], &[0; 3000]] {
        let mut leaf = Forgery::server(&[dns(PEER.as_bytes())]);
        leaf.spki = der::sequence(&[&algorithm, &der::bit_string(bits)]);
        let file = scene.site.write("chain.der", leaf.der(&WORLD.corp, |body| body));
        let run = check(&scene, PEER, &file, &[]);
        // OpenSSL itself has no answer about such a key.
        assert_eq!(run.code, Some(2), "{run}");
    }
}
