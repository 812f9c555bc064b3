//! `check --connect` against real servers, and against odd ones.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use crate::lab::{Ca, Lab, Server, run};

/// The policy accepts what the CA signed; whatever OpenSSL says.
const POLICY: &str = "version = 1\n[authority.corp]\nkind = \"x509\"\nanchors = [\"ca.pem\"]\n\
                      [default]\naccept = { any = [\"corp\"] }\n";

fn lab() -> (Lab, std::path::PathBuf) {
    let ca = Ca::root("Corp");
    let lab = Lab::with(POLICY, &[("conf/ca.pem", &ca.pem)]);
    let pem = lab.write("server.pem", ca.server(&["localhost", "127.0.0.1", "::1"]));
    (lab, pem)
}

#[test]
fn a_server_is_asked_about_as_it_shows_itself() {
    let (lab, pem) = lab();
    for options in [&["-tls1_3"][..], &["-tls1_2"]] {
        let server = Server::start(&pem, options);
        let at = format!("localhost:{}", server.port);
        let shown = lab.run(["check", "https", "localhost", "--json", "--connect", &at]).is(0);
        let shown = shown.json();
        assert_eq!(shown["connection"]["certificates"], 1);
        assert_eq!(shown["connection"]["tls"], options[0].replace("-tls1_", "TLSv1."));
        assert_eq!(shown["query"]["locator"], "127.0.0.1");
        let address = format!("127.0.0.1:{}", server.port);
        lab.run(["check", "https", "127.0.0.1", "--connect", &address]).is(0);
        lab.run(["check", "https", "other.example", "--connect", &at]).is(1).says("other.example");
        // A claim grants nothing by itself.
        lab.run(["check", "https", "--claimed", "--connect", &at]).is(1);
    }
}

#[test]
fn ipv6_servers_are_reached() {
    let (lab, pem) = lab();
    if TcpListener::bind("::1:0").is_err() {
        return;
    }
    let server = Server::at("::1", &pem, &[]);
    let at = format!("[::1]:{}", server.port);
    lab.run(["check", "https", "::1", "--connect", &at]).is(0).says(&at);
}

#[test]
fn the_expected_name_and_the_protocol_are_sent_as_clients_do() {
    let (lab, pem) = lab();
    let other = lab.write("other.pem", Ca::root("Other").server(&["localhost"]));
    let options = ["-servername", "localhost", "-cert2", pem.to_str().unwrap()];
    let options = [&options[..], &["-key2", pem.to_str().unwrap()]].concat();
    let server = Server::start(&other, &options);
    let at = format!("127.0.0.1:{}", server.port);
    // Only who sends the name is shown the certificate that the policy knows.
    lab.run(["check", "https", "localhost", "--connect", &at]).is(0);
    lab.run(["check", "https", "127.0.0.1", "--connect", &at]).is(1);
    let server = Server::start(&pem, &["-alpn", "http/1.1"]);
    let at = format!("127.0.0.1:{}", server.port);
    let shown = lab.run(["check", "https", "localhost", "--connect", &at, "--json"]).is(0).json();
    assert_eq!(shown["connection"]["alpn"], "http/1.1");
    let shown = lab.run(["check", "redis", "localhost", "--connect", &at, "--json"]).is(0).json();
    assert_eq!(shown["connection"]["alpn"], serde_json::Value::Null);
}

#[test]
fn an_unacceptable_server_is_looked_at_all_the_same() {
    let (lab, _) = lab();
    let weak = lab.path("weak.pem");
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=weak", "-sha1"])
        .args(["-keyout", weak.to_str().unwrap(), "-out", lab.path("cert.pem").to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let both = [std::fs::read(&weak).unwrap(), std::fs::read(lab.path("cert.pem")).unwrap()];
    std::fs::write(&weak, both.concat()).unwrap();
    let server = Server::start(&weak, &["-cipher", "DEFAULT@SECLEVEL=0"]);
    let at = format!("127.0.0.1:{}", server.port);
    lab.run(["check", "https", "weak", "--connect", &at]).is(1).says("CN=weak");
    let server = Server::start(&weak, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    let at = format!("127.0.0.1:{}", server.port);
    lab.run(["check", "https", "weak", "--connect", &at]).is(1).says("TLSv1.1");
}

#[test]
fn the_machines_openssl_cnf_has_no_say() {
    let (lab, pem) = lab();
    let server = Server::start(&pem, &[]);
    let at = format!("localhost:{}", server.port);
    // Loaded, it would leave this process without any cryptography.
    let cnf = lab.write(
        "openssl.cnf",
        "openssl_conf = i\n[i]\nproviders = p\n[p]\nnull = n\n[n]\nactivate = 1\n",
    );
    let broken = std::process::Command::new("openssl")
        .args(["rand", "-hex", "1"])
        .env("OPENSSL_CONF", &cnf)
        .output()
        .unwrap();
    assert!(!broken.status.success(), "the configuration must break who loads it");
    let mut command = lab.command();
    command.env("OPENSSL_CONF", cnf).args(["check", "https", "localhost", "--connect", &at]);
    run(&mut command).is(0);
}

/// A server that runs `talk` on its first connection.
fn odd(talk: impl FnOnce(std::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || talk(listener.accept().unwrap().0));
    format!("127.0.0.1:{port}")
}

#[test]
fn servers_that_do_not_speak_tls_are_told_apart() {
    let (lab, _) = lab();
    let ask = |protocol: &str, at: &str| {
        lab.run(["check", protocol, "localhost", "--timeout", "2", "--connect", at]).is(2)
    };
    let at = odd(|mut stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap());
    ask("https", &at).complains("does not speak TLS");
    let at = odd(drop);
    ask("https", &at).complains("no TLS with");
    let at = odd(|mut stream| {
        let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 40]);
        let _ = stream.read(&mut [0; 9]);
    });
    ask("https", &at).complains("handshake failure");
    let at = odd(|mut stream| stream.write_all(b"220 \x1b[2Jhi\r\n500 no\r\n").unwrap());
    let ran = ask("smtp", &at).complains("cannot start TLS").complains("(smtp)");
    assert!(!ran.err.contains('\x1b'), "{ran:?}");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    ask("https", &format!("127.0.0.1:{port}")).complains("connection refused");
    ask("https", "no-such-host.invalid:1").complains("no-such-host.invalid");
    ask("x-own", "localhost").complains("write --connect localhost:PORT");
}

#[test]
fn a_server_that_keeps_silent_or_drips_is_given_up() {
    let (lab, _) = lab();
    for protocol in ["https", "smtp"] {
        for drips in [false, true] {
            let at = odd(move |mut stream| {
                // As long as anybody listens.
                loop {
                    thread::sleep(Duration::from_millis(100));
                    if drips && stream.write_all(b"2").is_err() {
                        return;
                    }
                }
            });
            let args = ["check", protocol, "localhost", "--timeout", "1", "--connect", &at];
            let ran = lab.run(args).is(2);
            if !drips {
                ran.complains("no answer in time");
            }
        }
    }
}

#[test]
fn a_client_is_not_connected_to() {
    let (lab, _) = lab();
    lab.peerkey("check https --role client --connect 127.0.0.1:1").is(2).complains("--chain");
}
