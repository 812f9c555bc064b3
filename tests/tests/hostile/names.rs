//! Wildcards in every place, names in other forms, and what only looks like a name.

use peerkey_tests::program::Client;
use peerkey_tests::scene::Must;

use crate::forge::{Forgery, dns, ip};
use crate::{PEER, WORLD, check, corp, https};

#[test]
fn only_the_names_and_wildcards_that_every_library_knows_count() {
    let scene = corp();
    for (name, must) in [
        (&b"db.corp.example"[..], Must::BeOpened),
        (b"DB.Corp.Example", Must::BeOpened),
        (b"*.corp.example", Must::BeOpened),
        (b"*", Must::StayClosed),
        (b"*.", Must::StayClosed),
        (b".corp.example", Must::StayClosed),
        (b"*.example", Must::StayClosed),
        (b"*.*.example", Must::StayClosed),
        (b"db.*.example", Must::StayClosed),
        (b"db.corp.*", Must::StayClosed),
        (b"**.corp.example", Must::StayClosed),
        (b"d*.corp.example", Must::StayClosed),
        (b"*b.corp.example", Must::StayClosed),
        (b"corp.example", Must::StayClosed),
        (b"*.db.corp.example", Must::StayClosed),
        (b"xn--*.corp.example", Must::StayClosed),
        (b"db.corp.example\0.evil.example", Must::StayClosed),
        (b"db.corp.example\0", Must::StayClosed),
        (b"\0db.corp.example", Must::StayClosed),
        (b" db.corp.example", Must::StayClosed),
        (b"db.corp.example\n", Must::StayClosed),
        (b"db.corp.example/", Must::StayClosed),
        (b"db\x2ecorp\xe3\x80\x82example", Must::StayClosed),
        (b"db..corp.example", Must::StayClosed),
        (b"", Must::StayClosed),
    ] {
        let Some(identity) = Forgery::server(&[dns(name)]).issued(&WORLD.corp) else { continue };
        let server = https(&identity);
        println!("{}", name.escape_ascii());
        scene.check(Client::Curl, &scene.visit(server.address(), PEER), must);
    }
}

#[test]
fn an_international_name_counts_in_its_a_label_form_only() {
    let scene = corp();
    let peer = "xn--bcher-kva.corp.example";
    for (name, must) in [
        (&b"xn--bcher-kva.corp.example"[..], Must::BeOpened),
        (b"XN--BCHER-KVA.corp.example", Must::BeOpened),
        ("b\u{fc}cher.corp.example".as_bytes(), Must::StayClosed),
        (b"b\xfccher.corp.example", Must::StayClosed),
        (b"bucher.corp.example", Must::StayClosed),
    ] {
        let Some(identity) = Forgery::server(&[dns(name)]).issued(&WORLD.corp) else { continue };
        let server = https(&identity);
        println!("{}", name.escape_ascii());
        scene.check(Client::Curl, &scene.visit(server.address(), peer), must);
    }
}

/// The address that is asked for, the octets or the name in the certificate, and whether that is it.
#[test]
fn an_address_counts_by_its_octets_only() {
    let scene = corp();
    let mapped = [&[0; 10][..], &[0xff, 0xff, 10, 1, 2, 3]].concat();
    let v6 = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[7]].concat();
    for (peer, name, accepted) in [
        ("10.1.2.3", ip(&[10, 1, 2, 3]), true),
        ("2001:db8::7", ip(&v6), true),
        ("2001:db8:0:0::7", ip(&v6), true),
        ("[2001:DB8::7]", ip(&v6), true),
        ("::ffff:10.1.2.3", ip(&[10, 1, 2, 3]), true),
        ("10.1.2.3", ip(&mapped), false),
        ("10.1.2.3", dns(b"10.1.2.3"), false),
        ("2001:db8::7", dns(b"2001:db8::7"), false),
        ("2001:db8::7", dns(b"[2001:db8::7]"), false),
        ("10.1.2.3", ip(&[10, 1, 2, 3, 255, 255, 255, 255]), false),
        ("10.1.2.3", ip(&[10, 1, 2]), false),
        ("10.1.2.3", ip(&[10, 1, 2, 3, 0]), false),
        ("10.1.2.3", ip(&[]), false),
        ("2001:db8::7", ip(&v6[..15]), false),
        ("2001:db8::7%lo", ip(&v6), false),
        ("10.1.2.3", dns(b"*.1.2.3"), false),
        ("010.1.2.3", ip(&[10, 1, 2, 3]), false),
        ("0x0a010203", ip(&[10, 1, 2, 3]), false),
        ("167838211", ip(&[10, 1, 2, 3]), false),
    ] {
        let der = Forgery::server(std::slice::from_ref(&name)).der(&WORLD.corp, |body| body);
        let run = check(&scene, peer, &scene.site.write("chain.der", der), &[]);
        assert_eq!(run.ok(), accepted, "{peer} by {}: {run}", name.escape_ascii());
        assert!(run.code.is_some_and(|code| code <= 2), "{run}");
    }
}
