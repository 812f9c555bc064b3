//! What a certificate says reaches no terminal and no log raw.

use peerkey_tests::program::Client;
use peerkey_tests::run::{Run, run};
use peerkey_tests::scene::Scene;

use crate::forge::{Forgery, UTF8, common_name, dns, email, uri};
use crate::{PEER, WORLD, check, corp, https};

/// What terminals obey, or show in another place than it stands: C0, DEL, C1, and format characters.
const ODD: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\r\n\u{8}\t\u{b}\u{7f}\u{9b}31m\u{90}\u{85}\
    \u{202e}\u{2066}\u{200f}\u{61c}\u{ad}\u{2028}\u{feff}\u{180e}\u{fff9}\u{e0041}\u{1d173}end";

/// Fails for control and format characters; the ends of lines are ours.
#[track_caller]
fn assert_clean(what: &str, run: &Run) {
    let text = run.text();
    let is_format = |c: char| {
        let ranges = [
            (0xad, 0xad),
            (0x600, 0x605),
            (0x61c, 0x61c),
            (0x6dd, 0x6dd),
            (0x70f, 0x70f),
            (0x180e, 0x180e),
            (0x200b, 0x200f),
            (0x2028, 0x202e),
            (0x2060, 0x206f),
            (0xfeff, 0xfeff),
            (0xfff9, 0xfffb),
            (0x1d173, 0x1d17a),
            (0xe0001, 0xe007f),
        ];
        ranges.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(c)))
    };
    let odd = text.chars().find(|c| (c.is_control() && *c != '\n') || is_format(*c));
    assert!(odd.is_none(), "{what}: {odd:?}\n{}", text.escape_debug());
}

/// The forged names, each where something shows it.
fn forgeries() -> Vec<(&'static str, Forgery)> {
    let odd = ODD.as_bytes();
    let latin: Vec<u8> = ODD.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
    let ascii: Vec<u8> = ODD.bytes().filter(u8::is_ascii).collect();
    let named = |names: &[Vec<u8>]| Forgery::server(&[&[dns(PEER.as_bytes())], names].concat());
    let wide: Vec<u8> = ODD.encode_utf16().flat_map(u16::to_be_bytes).collect();
    vec![
        ("a common name", named(&[]).subject(common_name(UTF8, odd))),
        ("a common name in Latin 1", named(&[]).subject(common_name(0x14, &latin))),
        ("a common name in UTF-16", named(&[]).subject(common_name(0x1e, &wide))),
        ("a common name as it must not be", named(&[]).subject(common_name(0x13, odd))),
        ("a DNS name", named(&[dns(&ascii)])),
        ("a DNS name that is not ASCII", named(&[dns(odd)])),
        ("a URI", named(&[uri(&ascii)])),
        ("a mailbox", named(&[email(&[&ascii[..], b"@corp.example"].concat())])),
        ("a long name", named(&[]).subject(common_name(UTF8, ODD.repeat(500).as_bytes()))),
    ]
}

/// A policy under which each sentence says what the certificate is called.
const TALKATIVE: &str = "
[authority.corp]
kind = 'x509'
anchors = ['anchors/corp.pem']
[[rule]]
peers = ['.corp.example']
accept = { any = ['corp'] }
";

#[test]
fn the_command_prints_no_certificate_raw() {
    let scene = corp();
    for (what, forgery) in forgeries() {
        let file = scene.site.write("chain.der", forgery.der(&WORLD.corp, |body| body));
        for more in [&[][..], &["--json"]] {
            for peer in [PEER, "bank.example"] {
                assert_clean(what, &check(&scene, peer, &file, more));
            }
            let mut command = scene.site.peerkey();
            command.args(["check", "https", "--claimed", "--chain"]).arg(&file).args(more);
            assert_clean(what, &run(&mut command));
        }
    }
}

#[test]
fn no_program_prints_a_certificate_raw_through_us() {
    let scene = Scene::new(&[&WORLD.web]).anchor("corp", &WORLD.web.pem()).policy(TALKATIVE);
    let mut seen = 0;
    for (what, forgery) in forgeries() {
        // The CA above has the odd name: where the leaf has none, the sentence names the issuer.
        let ca = Forgery::ca(common_name(UTF8, ODD.as_bytes())).issued_ca(&WORLD.corp);
        let Some(identity) = forgery.issued(&ca) else { continue };
        let server = https(&identity);
        for client in [Client::Curl, Client::Urllib] {
            let visit = scene.visit(server.address(), PEER);
            let outcome = client.visit(&scene.site, peerkey_tests::site::Peerkey::On, &visit);
            assert!(!outcome.connected, "{what}: {outcome}");
            assert_clean(what, &outcome.run);
            seen += usize::from(outcome.text().contains("\\u{1b}"));
        }
    }
    assert!(seen > 5, "the sentences do say what the certificates are called: {seen}");
}

#[test]
fn a_policy_with_odd_words_is_shown_clean() {
    let scene = corp();
    let toml: String = ODD.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    let pin = WORLD.corp.pin();
    let policy = format!("version = 1\n[[deny]]\nspki = '{pin}'\nreason = \"{toml}\"\n");
    scene.site.apply(&policy);
    for more in [&[][..], &["--json"]] {
        let mut command = scene.site.peerkey();
        assert_clean("policy show", &run(command.args(["policy", "show"]).args(more)));
        let file = scene.site.write("root.pem", WORLD.corp.pem());
        assert_clean("check", &check(&scene, PEER, &file, more));
    }
    for policy in [
        format!(
            "version = 1\n[[rule]]\npeers = [\"{toml}\"]\naccept = {{ any = ['application'] }}\n"
        ),
        format!("version = 1\n[authority.\"{toml}\"]\nkind = 'pin'\n"),
        format!("version = 1\n[[rule]]\naccept = {{ any = [\"{toml}\"] }}\n"),
        format!(
            "version = 1\n[[rule]]\napplications = [\"/{toml}\"]\naccept = {{ any = ['application'] }}\n"
        ),
        format!("version = 1\n[authority.a]\nkind = 'x509'\nanchors = [\"{toml}\"]\n"),
        format!("version = 1\n\"{toml}\" = 1\n"),
    ] {
        let run_ = scene.site.try_apply(&policy);
        assert_clean(&policy, &run_);
        if run_.ok() {
            let mut command = scene.site.peerkey();
            assert_clean(&policy, &run(command.args(["policy", "show"])));
        }
    }
}
