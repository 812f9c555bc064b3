//! Certificates that are cut off, encoded in another way, or numbered as none may be.

use openssl::x509::X509;
use peerkey_tests::der;
use peerkey_tests::pki::Issued;
use peerkey_tests::program::Client;
use peerkey_tests::scene::{Must, Scene};

use crate::forge::{Forgery, dns};
use crate::{CORP, PEER, WORLD, check, corp, https};

/// OpenSSL reads a length that is left open, which DER does not know (X.690 section 10.1).
fn with_an_open_length(body: Vec<u8>) -> Vec<u8> {
    // The two dates, UTCTime both.
    let dates = [0x30, 0x1e, 0x17, 0x0d];
    let at = body.windows(dates.len()).position(|part| part == dates).unwrap();
    let (before, after) = (&body[4..at], &body[at + 32..]);
    der::sequence(&[before, &[0x30, 0x80], &body[at + 2..at + 32], &[0, 0], after])
}

/// The peer chooses its certificate: if one that cannot be read made us fail, on-error = "application"
/// would let the peer choose who decides.
#[test]
fn a_certificate_that_only_openssl_reads_is_refused_whatever_is_done_on_errors() {
    for on_error in ["reject", "application"] {
        let scene = Scene::new(&[&WORLD.web]);
        scene.site.provider_settings(&format!("on-error = {on_error}"));
        let scene = scene
            .policy("[[deny]]\nspki = 'sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='\n");
        let forgery = Forgery::server(&[dns(PEER.as_bytes())]);
        let identity = |der: &[u8]| Issued {
            cert: X509::from_der(der).unwrap(),
            key: forgery.key.clone(),
            above: vec![],
        };
        for (der, must) in [
            (forgery.der(&WORLD.web, |body| body), Must::StayOpen),
            (forgery.der(&WORLD.web, with_an_open_length), Must::BeClosed("cannot be read")),
        ] {
            let server = https(&identity(&der));
            for client in [Client::Curl, Client::Urllib, Client::SClient] {
                scene.check(client, &scene.visit(server.address(), PEER), must);
            }
        }
    }
}

#[test]
fn a_serial_number_as_none_may_be_opens_nothing() {
    let scene = corp();
    for (what, serial, must) in [
        ("usual", der::integer(&[0x11]), Must::BeOpened),
        ("20 bytes", der::integer(&[0x7f; 20]), Must::BeOpened),
        ("zero", der::integer(&[0]), Must::StayClosed),
        ("negative", der::tlv(2, &[&[0xff, 0x01]]), Must::StayClosed),
        ("21 bytes", der::integer(&[0x7f; 21]), Must::StayClosed),
        ("10,000 bytes", der::integer(&[0x7f; 10_000]), Must::StayClosed),
        ("empty", der::tlv(2, &[]), Must::StayClosed),
    ] {
        let mut forgery = Forgery::server(&[dns(PEER.as_bytes())]);
        forgery.serial = serial;
        println!("{what}");
        let Some(identity) = forgery.issued(&WORLD.corp) else { continue };
        let server = https(&identity);
        scene.check(Client::Curl, &scene.visit(server.address(), PEER), must);
    }
}

/// Each byte is missing once, from there to the end. In core every position is tried; here the command
/// is asked at some, and has an answer each time.
#[test]
fn a_certificate_that_is_cut_off_is_none() {
    let scene = Scene::new(&[&WORLD.web]).anchor("corp", &WORLD.corp.pem()).policy(CORP);
    let whole = Forgery::server(&[dns(PEER.as_bytes())]).der(&WORLD.corp, |body| body);
    let ask = |der: &[u8]| check(&scene, PEER, &scene.site.write("chain.der", der), &[]);
    assert!(ask(&whole).ok());
    for length in (0..whole.len()).step_by(23).chain([whole.len() - 1]) {
        let run = ask(&whole[..length]);
        assert_eq!(run.code, Some(2), "{length}: {run}");
    }
    assert_eq!(ask(&[&whole[..], &[0]].concat()).code, Some(2));
}
