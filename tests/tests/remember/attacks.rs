//! Peers that would like to be remembered, and are not; and of two at once, one.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use openssl::ec::EcKey;
use openssl::pkey::PKey;
use peerkey_core::keys::State;
use peerkey_tests::pki::Issued;
use peerkey_tests::program::{Client, python};
use peerkey_tests::run::wait;
use peerkey_tests::server::{Server, ServerDraft, Service};
use peerkey_tests::site::Peerkey;

use crate::{WORLD, accepted, known, refused, router, scene, serve, visit};

/// Whoever is on the line can present any certificate. This one has another private key than the
/// certificate is about, and signs with that.
fn without_the_key(identity: &Issued) -> Issued {
    let key = identity.key.ec_key().unwrap();
    let wrong = EcKey::generate(key.group()).unwrap();
    let public = key.public_key();
    let forged = EcKey::from_private_components(key.group(), wrong.private_key(), public).unwrap();
    Issued { key: PKey::from_ec_key(forged).unwrap(), ..identity.clone() }
}

#[test]
fn a_certificate_without_its_key_poisons_nothing() {
    for newest in ["1.2", "1.3"] {
        let scene = scene("");
        let draft = ServerDraft::new(Service::Https, &without_the_key(&WORLD.other)).port(443);
        let injected = if newest == "1.2" { draft.tls12() } else { draft }.start();
        for client in [Client::Curl, Client::Urllib, Client::SClient] {
            let outcome = visit(&scene, &injected, client);
            refused(&outcome, &["bad signature"]);
            assert!(!outcome.text().contains("peerkey"), "{newest}: {outcome}");
            assert_eq!(known(&scene), []);
        }
        accepted(&visit(&scene, &serve(&WORLD.router), Client::Curl));
        refused(&visit(&scene, &injected, Client::SClient), &["changed"]);
    }
}

#[test]
fn a_program_with_an_info_callback_keeps_it() {
    let scene = scene("");
    let real = serve(&WORLD.router);
    let with_states = router(&scene, &real).arguments(&["-state"]);
    let said = Client::SClient.visit(&scene.site, Peerkey::On, &with_states);
    accepted(&said);
    let plain = Client::SClient.visit(&scene.site, Peerkey::On, &with_states);
    let states = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("SSL_connect:")).map(str::to_owned).collect()
    };
    assert_eq!(known(&scene).len(), 1);
    assert!(states(&said.run.stderr).len() > 5, "{said}");
    assert_eq!(states(&said.run.stderr), states(&plain.run.stderr));
}

/// Stops between the verification and the end of the handshake, until it is told to go on.
const SLOW: &str = r#"
import socket, ssl, sys
address, port, peer, trust = sys.argv[1:5]
context = ssl.create_default_context(cafile=trust)
context.set_alpn_protocols(["http/1.1"])
wire = socket.create_connection((address, int(port)), 20)
coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(coming, going, server_hostname=peer)
rounds = 0
while True:
    try:
        tls.do_handshake()
        break
    except ssl.SSLWantReadError:
        rounds += 1
        wire.sendall(going.read())
        if rounds == 2:
            print("verified", flush=True)
            sys.stdin.readline()
        coming.write(wire.recv(1 << 16))
try:
    tls.write(b"GET / HTTP/1.0\r\n\r\n")
    wire.sendall(going.read())
    coming.write(wire.recv(1 << 16))
    print("answered", tls.read())
except ssl.SSLError as error:
    print("no data:", error, flush=True)
"#;

/// Both have verified before either has finished.
#[test]
fn of_two_at_once_the_later_one_carries_no_data() {
    for first in [&WORLD.router, &WORLD.other] {
        let scene = scene("");
        let draft = ServerDraft::new(Service::Https, &WORLD.other).port(443).tls12();
        let (slow, fast) = (draft.start(), serve(first));
        let mut command = python(&scene.site, Peerkey::On, &router(&scene, &slow), SLOW);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        assert_eq!(said, "verified\n");
        assert_eq!(known(&scene), []);
        accepted(&visit(&scene, &fast, Client::Curl));
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        output.read_to_string(&mut said).unwrap();
        wait(&mut child, peerkey_tests::run::PATIENCE);
        let same = first.pin() == WORLD.other.pin();
        assert_eq!(said.contains("answered b'HTTP/1.1 200"), same, "{said}");
        assert_eq!(said.contains("no data:"), !same, "{said}");
        let met: Vec<_> = known(&scene).iter().map(|key| key.key.to_string()).collect();
        assert_eq!(met, [first.pin()]);
    }
}

#[test]
fn many_at_once_agree_on_one_key() {
    let servers = [serve(&WORLD.router), serve(&WORLD.other)];
    let pins = [WORLD.router.pin(), WORLD.other.pin()];
    for round in 0..6 {
        let scene = scene("");
        let start = |server: &Server| {
            let visit = router(&scene, server);
            let mut command: Command = Client::Curl.command(&scene.site, Peerkey::On, &visit);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        };
        let mut children: Vec<_> =
            (0..8).map(|which| (which % 2, start(&servers[(which + round) % 2]))).collect();
        let mut through = [0, 0];
        for (which, child) in &mut children {
            let status = wait(child, peerkey_tests::run::PATIENCE).unwrap();
            through[(*which + round) % 2] += usize::from(status.success());
        }
        let met = known(&scene);
        assert_eq!((met.len(), met[0].state), (1, State::Remembered));
        let won = pins.iter().position(|pin| *pin == met[0].key.to_string()).unwrap();
        assert_eq!((through[won], through[1 - won]), (4, 0), "round {round}");
    }
}
