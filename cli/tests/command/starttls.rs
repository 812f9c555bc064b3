//! `check --connect` over STARTTLS, each dialogue and then a real handshake.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::X509;

use crate::lab::{Ca, Lab};

/// What a server says, and what it waits for in between.
enum Step {
    Say(Vec<u8>),
    /// Bytes, so many.
    Take(usize),
    /// A line that begins so.
    Line(&'static str),
    /// Everything up to and with this.
    Until(&'static str),
}

use Step::{Line, Say, Take, Until};

fn say(text: &str) -> Step {
    Say(text.as_bytes().to_vec())
}

fn talk(stream: &TcpStream, steps: &[Step]) {
    // Read byte by byte, for what follows is the handshake's.
    let mut input = BufReader::with_capacity(1, stream.try_clone().unwrap());
    let mut output = stream;
    for step in steps {
        match step {
            Say(bytes) => output.write_all(bytes).unwrap(),
            Take(count) => input.read_exact(&mut vec![0; *count]).unwrap(),
            Line(start) => {
                let mut line = String::new();
                input.read_line(&mut line).unwrap();
                assert!(line.starts_with(start), "{line}");
            }
            Until(end) => {
                let mut heard = Vec::new();
                while !heard.ends_with(end.as_bytes()) {
                    let mut byte = [0];
                    input.read_exact(&mut byte).unwrap();
                    heard.push(byte[0]);
                }
            }
        }
    }
}

fn serve(pem: &str, steps: Vec<Step>) -> (u16, thread::JoinHandle<()>) {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_certificate(&X509::from_pem(pem.as_bytes()).unwrap()).unwrap();
    acceptor.set_private_key(&PKey::private_key_from_pem(pem.as_bytes()).unwrap()).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        talk(&stream, &steps);
        acceptor.accept(stream).unwrap();
    });
    (port, server)
}

fn dialogues() -> Vec<(&'static str, Vec<Step>)> {
    let mail = || {
        vec![
            say("220-hello\r\n220 ready\r\n"),
            Line("EHLO ["),
            say("250-me\r\n250 STARTTLS\r\n"),
            Line("STARTTLS"),
            say("220 go\r\n"),
        ]
    };
    let xmpp = || {
        vec![
            Until("version='1.0'>"),
            say("<?xml version='1.0'?><stream:stream id='1'><stream:features><starttls \
                 xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"),
            Until("xmpp-tls'/>"),
            say("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        ]
    };
    let greeting = b"\x0a8.0.36\0\x01\0\0\0challeng\0\xff\xff\x21\x02\0\xff\xff\x15";
    let mysql = [&[greeting.len() as u8, 0, 0, 0], &greeting[..]].concat();
    vec![
        ("smtp", mail()),
        ("submission", mail()),
        ("imap", vec![say("* OK hi\r\n"), Line("p STARTTLS"), say("p OK go\r\n")]),
        ("pop3", vec![say("+OK hi\r\n"), Line("STLS"), say("+OK go\r\n")]),
        ("ldap", vec![Take(31), Say(b"0\x0c\x02\x01\x01x\x07\x0a\x01\0\x04\0\x04\0".to_vec())]),
        ("postgresql", vec![Take(8), say("S")]),
        ("mysql", vec![Say(mysql), Take(36)]),
        ("xmpp-client", xmpp()),
        ("xmpp-server", xmpp()),
    ]
}

#[test]
fn tls_is_started_in_every_dialogue() {
    let ca = Ca::root("Corp");
    let policy = "version = 1\n[authority.corp]\nkind = \"x509\"\nanchors = [\"ca.pem\"]\n\
                  [default]\naccept = { any = [\"corp\"] }\n";
    let lab = Lab::with(policy, &[("conf/ca.pem", &ca.pem)]);
    let pem = ca.server(&["localhost"]);
    for (protocol, steps) in dialogues() {
        let (port, server) = serve(&pem, steps);
        let at = format!("localhost:{port}");
        let shown = lab.run(["check", protocol, "localhost", "--json", "--connect", &at]).is(0);
        let dialogue = if protocol == "submission" { "smtp" } else { protocol };
        assert_eq!(shown.json()["connection"]["starttls"], dialogue);
        server.join().unwrap();
    }
}
