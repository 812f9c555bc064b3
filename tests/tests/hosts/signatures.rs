//! Signatures that the program's own verification has checked are not checked again; only those.

use openssl::x509::X509;
use peerkey_tests::run::run;
use peerkey_tests::site::Peerkey;

use crate::host::{Hosts, ended};

const PATH: &str = "version = 1\n[authority.corp]\nkind = 'x509'\nanchors = ['../trust.pem']\n\
                    [default]\naccept = { any = ['corp'] }\n";

/// What a host says of the first server, whose certificate is `forged` or not.
fn said(forged: bool, peerkey: Peerkey, how: &str) -> String {
    let hosts = Hosts::new();
    hosts.site.apply(PATH);
    if forged {
        let pem = std::fs::read(hosts.site.path("fine.crt")).unwrap();
        let mut der = X509::from_pem(&pem).unwrap().to_der().unwrap();
        // The last octet of the signature's second number.
        *der.last_mut().unwrap() ^= 1;
        let pem = X509::from_der(&der).unwrap().to_pem().unwrap();
        hosts.site.write("fine.crt", pem);
    }
    ended(run(&mut hosts.host(peerkey, "signatures", &[how])))
}

#[test]
fn a_right_one_is_taken_over() {
    for how in ["as OpenSSL does", "unchecked", "forgiving"] {
        assert_eq!(said(false, Peerkey::Off, how), "accepted\n", "{how}");
        assert_eq!(said(false, Peerkey::On, how), "accepted\n", "{how}");
    }
}

#[test]
fn a_wrong_one_is_not_whatever_the_program_takes() {
    for (how, takes) in [("as OpenSSL does", false), ("unchecked", true), ("forgiving", true)] {
        let (without, with) = (said(true, Peerkey::Off, how), said(true, Peerkey::On, how));
        assert_eq!(without == "accepted\n", takes, "{how}: {without}");
        // OpenSSL's own errors come first; the code says who refused.
        assert!(with.contains(if takes { "(50)" } else { "(7)" }), "{how}: {with}");
    }
}
