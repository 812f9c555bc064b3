//! An authority for some protocols: what its CAs are trusted for.

use peerkey_tests::nss::{Usage, sent};
use peerkey_tests::pki::{Draft, Issued};

use crate::stage::{OUT_OF_SCOPE, Stage, UNKNOWN_ISSUER, UNTRUSTED_ISSUER, site};

/// A twin for another usage stands in the way.
const CA_INVALID: &str = "SEC_ERROR_CA_CERT_INVALID";
const CA_TYPE: &str = "SEC_ERROR_INADEQUATE_CERT_TYPE";

const POLICY: &str = "
[authority.web]
kind = 'x509'
anchors = ['anchors/web.pem']
[authority.mail]
kind = 'x509'
anchors = ['anchors/mail.pem']
peers = ['@corp.example']
[authority.staff]
kind = 'x509'
anchors = ['anchors/staff.pem']
[[rule]]
protocols = ['smime']
accept = { any = ['mail'] }
[[rule]]
role = 'client'
accept = { any = ['staff'] }
[[rule]]
protocols = ['https']
accept = { any = ['web'] }
[default]
accept = { any = ['web'] }
";

#[test]
fn each_vouches_for_its_own() {
    let [web, mail, staff] = ["Web", "Mail", "Staff"].map(|name| Draft::ca(name).self_signed());
    let files = [("web", web.pem()), ("mail", mail.pem()), ("staff", staff.pem())];
    let site = site(&files, POLICY);
    let stage = Stage::new(&site);
    let drafts: [(Usage, fn() -> Draft); 3] = [
        (Usage::Server, || Draft::server("www.corp.example")),
        (Usage::Email, || Draft::mail("alice@corp.example")),
        (Usage::Client, || Draft::client("alice.corp.example")),
    ];
    let own = |usage, ca: &Issued| match usage {
        Usage::Server => ca.pem() == web.pem(),
        Usage::Email => ca.pem() == mail.pem(),
        Usage::Client => ca.pem() == staff.pem(),
    };
    for (usage, draft) in drafts {
        for (name, ca) in [("web", &web), ("mail", &mail), ("staff", &staff)] {
            let refused =
                &[UNKNOWN_ISSUER, UNTRUSTED_ISSUER, OUT_OF_SCOPE, CA_INVALID, CA_TYPE][..];
            let must = if own(usage, ca) { None } else { Some(refused) };
            let below = Draft::ca(&format!("{name} below")).signed_by(ca);
            for issuer in [ca, &below] {
                let chain = sent(&draft().signed_by(issuer));
                stage.tools(&format!("{usage:?} below {name}"), usage, &chain, must);
            }
        }
    }
    let outside = Draft::mail("alice@bank.example").signed_by(&mail);
    stage.tools("mail out of scope", Usage::Email, &sent(&outside), Some(&[OUT_OF_SCOPE]));
}
