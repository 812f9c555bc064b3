//! Other hosts of the same hook: Ruby, TLS programs with a callback of their own, servers that build
//! their chains; and what must not change at all.

use std::net::TcpStream;

use peerkey_tests::desk::{Desk, hold};
use peerkey_tests::pki::{Draft, Issued};
use peerkey_tests::program::Client;
use peerkey_tests::run::{Daemon, Run, run, run_with, until};
use peerkey_tests::scene::Must;
use peerkey_tests::server::{ServerDraft, Service, free_port};
use peerkey_tests::site::{Peerkey, SHIPPED};

use crate::{FOR_MAIL, FOR_TLS, WORLD};

const DENIED: Must = Must::BeClosed("is denied by");

fn desk(policy: &str) -> Desk {
    Desk::new(&[&WORLD.own]).policy(&WORLD.web, policy)
}

fn deny(who: &Issued) -> String {
    format!("[[deny]]\nspki = '{}'\n", who.pin())
}

const RUBY: &str = r##"
require 'openssl'
store = OpenSSL::X509::Store.new
store.add_file ARGV[0]
store.purpose = OpenSSL::X509::PURPOSE_SMIME_SIGN if ARGV[2]
store.verify_callback = ->(ok, context) { puts "#{ok} #{context.error}"; ok }
above = [OpenSSL::X509::Certificate.new(File.read('above.pem'))]
ok = store.verify(OpenSSL::X509::Certificate.new(File.read('signer.pem')), above)
puts "#{ok} #{store.error} #{store.error_string}"
again = store.verify(OpenSSL::X509::Certificate.new(File.read('signer.pem')), above)
exit(ok && again)
"##;

fn ruby(desk: &Desk, who: &Issued, purpose: &[&str]) -> [Run; 2] {
    let script = desk.file("verify.rb", RUBY);
    desk.file("signer.pem", who.pem());
    desk.file("above.pem", who.chain_pem().replacen(&who.pem(), "", 1));
    [Peerkey::Off, Peerkey::On].map(|peerkey| {
        let mut command = desk.command("ruby", peerkey);
        run(command.arg(&script).arg(&desk.scene.trust).arg("x").args(purpose))
    })
}

#[test]
fn ruby_obeys_denials_and_no_rule_for_connections() {
    let own = Draft::mail("alice@mail.example").signed_by(&WORLD.own_ca);
    // Ruby throws the error queue away: the code is all that it shows.
    let denied = Must::BeClosed("false 50 application verification failure");
    hold("ruby", denied, &ruby(&desk(&deny(&own)), &own, &[]));
    hold("ruby", denied, &ruby(&desk(&deny(&WORLD.own_ca)), &own, &[]));
    hold("ruby", Must::StayOpen, &ruby(&desk(&deny(&WORLD.web_ca)), &own, &[]));
    let foreign = Draft::mail("alice@mail.example").signed_by(&WORLD.web_ca);
    hold("ruby", Must::StayClosed, &ruby(&desk(FOR_TLS), &foreign, &[]));
    let executable = std::fs::canonicalize("/usr/bin/ruby").unwrap();
    let mail = FOR_MAIL.replace("/usr/bin/openssl", executable.to_str().unwrap());
    hold("ruby", Must::StayClosed, &ruby(&desk(&mail), &foreign, &[]));
    hold("ruby", Must::BeOpened, &ruby(&desk(&mail), &foreign, &["smime"]));
}

/// A TLS client that verifies by a callback of its own.
const PERL: &str = r#"
use Net::SSLeay;
use IO::Socket::INET;
my ($address, $trust) = @ARGV;
Net::SSLeay::initialize();
my $context = Net::SSLeay::CTX_new();
Net::SSLeay::CTX_load_verify_locations($context, $trust, '');
Net::SSLeay::CTX_set_verify($context, Net::SSLeay::VERIFY_PEER(), sub { $_[0] });
Net::SSLeay::CTX_set_cert_verify_callback($context, sub {
    my $result = Net::SSLeay::X509_verify_cert($_[0]);
    print "callback: $result\n";
    return $result > 0 ? 1 : 0;
}, undef);
my $socket = IO::Socket::INET->new(PeerAddr => $address) or die;
my $ssl = Net::SSLeay::new($context);
Net::SSLeay::set_fd($ssl, fileno($socket));
Net::SSLeay::set_tlsext_host_name($ssl, 'bank.br');
my $connected = Net::SSLeay::connect($ssl);
print "connected: $connected\n";
while (my $error = Net::SSLeay::ERR_get_error()) { print Net::SSLeay::ERR_error_string($error), "\n" }
exit($connected == 1 ? 0 : 1);
"#;

#[test]
fn a_tls_program_with_its_own_callback_obeys_denials_and_constraints() {
    let own = Draft::server("bank.br").dns("other.example").signed_by(&WORLD.own_ca);
    let foreign = Draft::server("bank.br").signed_by(&WORLD.web_ca);
    let limit = |peers: &str| format!("[[constraint]]\nca = ['anchors/ca.pem']\npeers = {peers}\n");
    for (policy, server, must) in [
        (deny(&own), &own, DENIED),
        (deny(&WORLD.own_ca), &own, DENIED),
        (deny(&foreign), &own, Must::StayOpen),
        // Whom the program sent as its SNI is the peer, not what else the certificate claims.
        (limit("['.br']"), &own, Must::StayOpen),
        (limit("['.example']"), &own, Must::BeClosed("may not vouch for bank.br")),
        (FOR_TLS.into(), &foreign, Must::StayClosed),
        (FOR_MAIL.into(), &foreign, Must::StayClosed),
    ] {
        let desk = Desk::new(&[&WORLD.own]).anchor("ca", &WORLD.own_ca);
        let desk = desk.policy(&WORLD.web, &policy);
        let script = desk.file("client.pl", PERL);
        let server = ServerDraft::new(Service::Https, server).start();
        let runs = [Peerkey::Off, Peerkey::On].map(|peerkey| {
            let mut command = desk.command("perl", peerkey);
            run(command.arg(&script).arg(server.address().to_string()).arg(&desk.scene.trust))
        });
        for run in &runs {
            assert_eq!(run.stdout.matches("callback:").count(), 1, "{run}");
        }
        hold("perl", must, &runs);
    }
}

#[test]
fn a_handshake_is_judged_once() {
    // A binding holds though a CA of the certificate is denied; the same chain at a store would not.
    let server = Draft::server("bank.example").signed_by(&WORLD.own_ca);
    let policy = format!(
        "{}[authority.pins]\nkind = 'pin'\n[[authority.pins.key]]\npeer = 'bank.example'\n\
         spki = ['{}']\n[[rule]]\npeers = ['bank.example']\naccept = {{ any = ['pins'] }}\n",
        deny(&WORLD.own_ca),
        server.pin()
    );
    let desk = desk(&policy);
    desk.verify(&server, &[], DENIED);
    let there = ServerDraft::new(Service::Https, &server).start();
    let visit = desk.scene.visit(there.address(), "bank.example");
    for client in [Client::Curl, Client::SClient] {
        desk.scene.check(client, &visit, Must::StayOpen);
    }
}

/// `s_server`, which sends its certificate and lets libssl find the chain in its CA file.
fn sent(desk: &Desk, peerkey: Peerkey, identity: &Issued) -> usize {
    let port = free_port();
    let mut server = desk.command("openssl", peerkey);
    let certificate = desk.file("server.pem", identity.pem());
    let key = desk.file("server.key", identity.key_pem());
    let ca = desk.file("store.pem", WORLD.own.pem() + &WORLD.own_ca.pem());
    server.args(["s_server", "-quiet", "-accept", &port.to_string(), "-cert"]).arg(certificate);
    server.arg("-key").arg(key).arg("-CAfile").arg(ca);
    let _daemon = Daemon::start(&server, "TERM", &desk.scene.site.path("s_server.log"));
    until("s_server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let mut client = desk.command("openssl", Peerkey::Off);
    client.args(["s_client", "-showcerts", "-connect", &format!("127.0.0.1:{port}")]);
    let run = run_with(&mut client, b"", peerkey_tests::run::PATIENCE);
    run.stdout.matches("BEGIN CERTIFICATE").count()
}

#[test]
fn a_server_s_own_chain_is_untouched() {
    let server = Draft::server("bank.example").signed_by(&WORLD.own_ca);
    for policy in [deny(&WORLD.own_ca), deny(&server), FOR_MAIL.into()] {
        let desk = desk(&policy);
        let [without, with] = [Peerkey::Off, Peerkey::On].map(|p| sent(&desk, p, &server));
        assert_eq!((without, with), (3, 3), "{policy}");
    }
}

/// What a run said, without the thread's number in front of OpenSSL's errors.
fn said(run: &Run) -> (Option<i32>, String) {
    let lines = run.text();
    let lines = lines.lines().map(|line| line.split_once(":error:").map_or(line, |(_, rest)| rest));
    (run.code, lines.collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_shipped_policy_and_monitor_mode_change_nothing() {
    let monitor = |policy: String| format!("mode = 'monitor'\n{policy}");
    let own = Draft::mail("alice@mail.example").signed_by(&WORLD.own_ca);
    let foreign = Draft::mail("alice@mail.example").signed_by(&WORLD.web_ca);
    let shipped = SHIPPED.lines().skip(1).collect::<Vec<_>>().join("\n");
    for policy in [shipped, monitor(FOR_MAIL.into()), monitor(deny(&own))] {
        let desk = desk(&policy);
        for (signer, must) in [(&own, Must::StayOpen), (&foreign, Must::StayClosed)] {
            let mut runs = vec![desk.verify(signer, &["-show_chain"], must)];
            for tool in ["cms", "smime"] {
                desk.sign(tool, signer);
                runs.push(desk.verify_signed(tool, &[], must));
            }
            runs.push(ruby(&desk, signer, &["smime"]));
            for [without, with] in &runs {
                assert_eq!(said(without), said(with), "{policy}");
            }
        }
    }
}

#[test]
fn without_a_policy_openssl_cnf_says_what_happens() {
    let own = Draft::mail("alice@mail.example").signed_by(&WORLD.own_ca);
    let foreign = Draft::mail("alice@mail.example").signed_by(&WORLD.web_ca);
    let desk = desk(FOR_MAIL);
    std::fs::remove_file(desk.scene.site.path("state/policy-1.db")).unwrap();
    desk.verify(&own, &[], Must::BeClosed("no decision was possible"));
    desk.scene.site.provider_settings("on-error = application");
    desk.verify(&own, &[], Must::StayOpen);
    desk.verify(&foreign, &["-purpose", "smimesign"], Must::StayClosed);
}
